//! Bounds of the residual correlations of a query with all points of some panels, a panel a lane.

use super::Simd;
use super::covariance::{Shape, correlations_f32};
use pulp::WithSimd;

/// Panels of a region.
pub(crate) const LANES: usize = 16;

/// A region: values of its panels, one a lane.
#[derive(Clone, Copy)]
pub(crate) struct Region<'a> {
    /// The middle and half the width of what the panels' points have in each column of V over the standard deviation.
    pub(crate) middles: &'a [f32],
    pub(crate) halves: &'a [f32],
    /// Lower and upper corners of the panels' boxes, a dimension after the other.
    pub(crate) lower: &'a [f32],
    pub(crate) upper: &'a [f32],
    /// The largest weight of a point.
    pub(crate) weights: &'a [f32; LANES],
    /// The largest norm of the rows of points at inducing points.
    pub(crate) norms: &'a [f32; LANES],
}

/// A query in a region.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// The columns where its row is not small, the row's values there, and the norm of the rest.
    pub(crate) columns: &'a [u32],
    pub(crate) values: &'a [f32],
    pub(crate) rest: f32,
    pub(crate) coords: &'a [f32],
    pub(crate) weight: f32,
    pub(crate) norm: f32,
    /// What rounding can add, for points of weight 1.
    pub(crate) error: f32,
}

/// An upper bound of the correlations of a query with the points of each panel.
pub(crate) fn bounds(simd: Simd, shape: Shape, region: Region<'_>, query: Terms<'_>) -> [f32; LANES] {
    simd.run(RegionBounds { shape, region, query })
}

struct RegionBounds<'a> {
    shape: Shape,
    region: Region<'a>,
    query: Terms<'a>,
}

impl WithSimd for RegionBounds<'_> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> [f32; LANES] {
        match LANES / S::F32_LANES {
            1 => self.run::<S, 1>(simd),
            2 => self.run::<S, 2>(simd),
            4 => self.run::<S, 4>(simd),
            _ => self.run::<S, LANES>(simd),
        }
    }
}

impl RegionBounds<'_> {
    #[inline(always)]
    fn run<S: pulp::Simd, const N: usize>(self, simd: S) -> [f32; LANES] {
        let RegionBounds { shape, region, query } = self;
        let (mut sum, mut spread) = ([0.0f32; LANES], [0.0f32; LANES]);
        let mut sums = [simd.splat_f32s(0.0); N];
        let mut spreads = [simd.splat_f32s(0.0); N];
        for (&j, &value) in query.columns.iter().zip(query.values) {
            let at = j as usize * LANES..(j as usize + 1) * LANES;
            let middle = S::as_simd_f32s(&region.middles[at.clone()]).0;
            let half = S::as_simd_f32s(&region.halves[at]).0;
            let (value, size) = (simd.splat_f32s(value), simd.splat_f32s(value.abs()));
            for v in 0..N {
                sums[v] = simd.mul_add_e_f32s(value, middle[v], sums[v]);
                spreads[v] = simd.mul_add_e_f32s(size, half[v], spreads[v]);
            }
        }
        S::as_mut_simd_f32s(&mut sum).0.copy_from_slice(&sums);
        S::as_mut_simd_f32s(&mut spread).0.copy_from_slice(&spreads);
        // Of the nearest corners, and then of the farthest.
        let mut corners = [0.0f32; 2 * LANES];
        let zero = simd.splat_f32s(0.0);
        let (mut near, mut far) = ([zero; N], [zero; N]);
        let boxes = region.lower.chunks_exact(LANES).zip(region.upper.chunks_exact(LANES));
        for (&x, (lower, upper)) in query.coords.iter().zip(boxes) {
            let (x, lower, upper) = (simd.splat_f32s(x), S::as_simd_f32s(lower).0, S::as_simd_f32s(upper).0);
            for v in 0..N {
                let (below, above) = (simd.sub_f32s(lower[v], x), simd.sub_f32s(x, upper[v]));
                let gap = simd.max_f32s(simd.max_f32s(below, above), zero);
                // From the other side of each, the smaller of two numbers that are not above 0.
                let reach = simd.min_f32s(below, above);
                near[v] = simd.mul_add_e_f32s(gap, gap, near[v]);
                far[v] = simd.mul_add_e_f32s(reach, reach, far[v]);
            }
        }
        let to = S::as_mut_simd_f32s(&mut corners).0;
        to[..N].copy_from_slice(&near);
        to[N..].copy_from_slice(&far);
        if S::IS_SCALAR {
            correlations_f32::<false, { 2 * LANES }>(shape, &mut corners);
        } else {
            correlations_f32::<true, { 2 * LANES }>(shape, &mut corners);
        }
        let (near, far) = corners.split_at(LANES);
        let mut bounds = [0.0f32; LANES];
        for lane in 0..LANES {
            let above = query.weight * near[lane] - sum[lane];
            let below = sum[lane] - query.weight * far[lane];
            let most = above.max(below) + spread[lane] + query.rest + query.error;
            bounds[lane] = (most * region.weights[lane]).max((query.norm + query.error) * region.norms[lane]);
        }
        bounds
    }
}
