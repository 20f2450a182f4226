//! Squared distances of a point from eight boxes, and from the points of a leaf.

use super::Simd;
use pulp::WithSimd;

/// Boxes of a group.
pub(crate) const FAN: usize = 8;
/// Points of a leaf.
pub(crate) const POINTS: usize = 32;

/// Squared distances of `x` from the boxes of a group, whose corners are dimension by dimension: lower ones, then upper ones.
pub(crate) fn squared_gaps(simd: Simd, x: &[f64], corners: &[f64]) -> [f64; FAN] {
    simd.run(Gaps { x, corners })
}

struct Gaps<'a> {
    x: &'a [f64],
    corners: &'a [f64],
}

impl WithSimd for Gaps<'_> {
    type Output = [f64; FAN];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> [f64; FAN] {
        let mut squared = [0.0; FAN];
        for (&x, corners) in self.x.iter().zip(self.corners.as_chunks::<FAN>().0.as_chunks::<2>().0) {
            let [lower, upper] = corners;
            for t in 0..FAN {
                let (below, above) = (lower[t] - x, x - upper[t]);
                let gap = if below > above { below } else { above };
                let gap = if gap > 0.0 { gap } else { 0.0 };
                squared[t] += gap * gap;
            }
        }
        squared
    }
}

/// How many of these are at most `bound`.
pub(crate) fn count_within(simd: Simd, squares: &[f64], bound: f64) -> usize {
    simd.run(Within { squares, bound })
}

struct Within<'a> {
    squares: &'a [f64],
    bound: f64,
}

impl WithSimd for Within<'_> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> usize {
        let (vectors, rest) = S::as_simd_f64s(self.squares);
        let (bound, one, zero) = (simd.splat_f64s(self.bound), simd.splat_f64s(1.0), simd.splat_f64s(0.0));
        let mut counts = zero;
        for &squares in vectors {
            let within = simd.less_than_or_equal_f64s(squares, bound);
            counts = simd.add_f64s(counts, simd.select_f64s(within, one, zero));
        }
        let rest = rest.iter().filter(|&&squared| squared <= self.bound).count();
        simd.reduce_sum_f64s(counts) as usize + rest
    }
}

/// What is looked for in a leaf: points no farther than this, with a key below the limit.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) reach: f64,
    pub(crate) limit: u32,
}

/// Writes the squared distances of `x` from the points of a leaf, whose coordinates are dimension by dimension, by the sums of
/// [`add_squared_differences`](super::squared::add_squared_differences). Returns a bit for each point that is wanted; `keys` are
/// those of the points.
pub(crate) fn squares_in_leaf(
    simd: Simd,
    x: &[f64],
    coords: &[f64],
    (wanted, keys): (Wanted, &[u32; POINTS]),
    out: &mut [f64; POINTS],
) -> u32 {
    simd.run(InLeaf { x, coords, wanted, keys, out })
}

struct InLeaf<'a> {
    x: &'a [f64],
    coords: &'a [f64],
    wanted: Wanted,
    keys: &'a [u32; POINTS],
    out: &'a mut [f64; POINTS],
}

impl WithSimd for InLeaf<'_> {
    type Output = u32;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> u32 {
        let InLeaf { x, coords, wanted, keys, out } = self;
        let mut squared = [0.0; POINTS];
        for (&x, column) in x.iter().zip(coords.as_chunks::<POINTS>().0) {
            for t in 0..POINTS {
                let difference = x - column[t];
                squared[t] += difference * difference;
            }
        }
        let mut reaching = 0;
        for t in 0..POINTS {
            reaching |= u32::from((squared[t] <= wanted.reach) & (keys[t] < wanted.limit)) << t;
        }
        *out = squared;
        reaching
    }
}
