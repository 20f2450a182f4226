//! Boxes along the axes, and numbers in the order of distances.

/// The bounding box of some points: d lower corners, then d upper ones.
pub(crate) fn bounding_box<P: Copy>(
    d: usize,
    points: impl Iterator<Item = P>,
    coord: impl Fn(P, usize) -> f64,
) -> Vec<f64> {
    let mut corners = [vec![f64::INFINITY; d], vec![f64::NEG_INFINITY; d]].concat();
    for point in points {
        for j in 0..d {
            let x = coord(point, j);
            corners[j] = corners[j].min(x);
            corners[d + j] = corners[d + j].max(x);
        }
    }
    corners
}

/// Squared distance between the box `corners` and the one from `lower` to `upper`; 0 where they meet.
pub(crate) fn squared_gap(corners: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
    let (own_lower, own_upper) = corners.split_at(lower.len());
    let mut sum = 0.0;
    for j in 0..lower.len() {
        let gap = (lower[j] - own_upper[j]).max(own_lower[j] - upper[j]).max(0.0);
        sum += gap * gap;
    }
    sum
}

/// The squared distance of two points.
pub(crate) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// A number of something at a squared distance, in an integer that is ordered by the distance: `as u32` it is the number.
pub(crate) fn at_distance(squared: f32, number: u32) -> u64 {
    // Distances are not negative: their bits are ordered as they are.
    u64::from(squared.to_bits()) << 32 | u64::from(number)
}

/// Keeps the `most` least.
pub(crate) fn keep_least(all: &mut Vec<u64>, most: usize) {
    if most > 0 && most < all.len() {
        all.select_nth_unstable(most - 1);
        all.truncate(most);
    }
}
