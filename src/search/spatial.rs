//! Space: points in the order of a balanced k-d tree (runs of neighbours, all of one size), and boxes.

/// Reorders `positions` so that each run of `leaf` consecutive ones is a box of a k-d tree that halves the longest
/// side of its box; only the last run may be shorter. `coords` has n coordinates a dimension. O(n log n).
pub(crate) fn kd_order(coords: &[f64], n: usize, positions: &mut [u32], leaf: usize) {
    if positions.len() <= leaf {
        return;
    }
    let side = |j: usize| {
        let column = &coords[j * n..(j + 1) * n];
        let (low, high) = positions.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &i| {
            let x = column[i as usize];
            (low.min(x), high.max(x))
        });
        high - low
    };
    let axis = (0..coords.len() / n).map(|j| (side(j), j)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, j)| j);
    let column = &coords[axis * n..(axis + 1) * n];
    let middle = (positions.len() / leaf).div_ceil(2) * leaf;
    positions
        .select_nth_unstable_by(middle - 1, |&a, &b| column[a as usize].total_cmp(&column[b as usize]).then(a.cmp(&b)));
    let (left, right) = positions.split_at_mut(middle);
    kd_order(coords, n, left, leaf);
    kd_order(coords, n, right, leaf);
}

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
pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// A number of something at a squared distance, in an integer that is ordered by the distance: `as u32` it is the number.
pub(super) fn at_distance(squared: f32, number: u32) -> u64 {
    // Distances are not negative: their bits are ordered as they are.
    u64::from(squared.to_bits()) << 32 | u64::from(number)
}

/// Keeps the `most` least.
pub(super) fn keep_least(all: &mut Vec<u64>, most: usize) {
    if most > 0 && most < all.len() {
        all.select_nth_unstable(most - 1);
        all.truncate(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_boxes_that_do_not_overlap_along_a_line() {
        let n = 1003;
        let coords: Vec<f64> = (0..n).map(|i| ((i * 613) % 1009) as f64).collect();
        let mut order: Vec<u32> = (0..n as u32).collect();
        kd_order(&coords, n, &mut order, 16);
        let run = |t: usize| order[t * 16..((t + 1) * 16).min(n)].iter().map(|&i| coords[i as usize]);
        for t in 1..n.div_ceil(16) {
            let before = run(t - 1).fold(f64::NEG_INFINITY, f64::max);
            let after = run(t).fold(f64::INFINITY, f64::min);
            assert!(before < after, "run {t}");
        }
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, &p)| i as u32 == p));
    }
}
