//! Bounds of the residual correlations of a query with all points of some panels, a panel a lane.
//!
//! Of x in the box of a panel, at y in [-1, 1]^d, entry j of V is a_j + b_j.y, but for c_j at most. With g the query's
//! product with b, w k(q, x) - W_q.V_x is at most w k(q, x) - g.y - W_q.a + abs(W_q).c: the correlation and what inducing
//! points explain of it change together, so that their difference is bounded far better than either. As a function of the
//! squared distance t every kernel here is convex: from above it is bounded by its chord between the box's nearest and its
//! farthest t, from below by its tangent at the middle's, and t is a sum over dimensions, so that the largest value over
//! the box is found dimension by dimension.

use super::Simd;
use super::covariance::{Shape, correlations_f32, declines_f32};
use pulp::WithSimd;

/// Panels of a region.
pub(crate) const LANES: usize = 16;
/// More dimensions than these have no slopes: b is 0.
pub(crate) const SLOPES: usize = 3;
/// Boxes of a smaller side are taken to be so wide where they are divided by.
const NARROW: f32 = 1e-18;
/// A tangent is not used where it falls by more than this in a box: its rounding would tell.
const STEEP: f32 = 4.0;

/// A region: values of its panels, one a lane.
#[derive(Clone, Copy)]
pub(crate) struct Region<'a> {
    /// For each column of V over the standard deviation: a, c, and so many rows b.
    pub(crate) columns: &'a [f32],
    pub(crate) slopes: usize,
    /// At least the sum of the norms of a, c and b.
    pub(crate) sizes: &'a [f32; LANES],
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
    /// What rounding can add, for points of weight 1: and to products, for a size of 1.
    pub(crate) error: f32,
    pub(crate) product_error: f32,
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

/// Products of a query's row with a and b, and of its sizes with c.
struct Products {
    middle: [f32; LANES],
    spread: [f32; LANES],
    slopes: [[f32; LANES]; SLOPES],
}

impl RegionBounds<'_> {
    #[inline(always)]
    fn run<S: pulp::Simd, const N: usize>(self, simd: S) -> [f32; LANES] {
        let products = match self.region.slopes {
            1 => self.products::<S, N, 1>(simd),
            2 => self.products::<S, N, 2>(simd),
            3 => self.products::<S, N, 3>(simd),
            _ => self.products::<S, N, 0>(simd),
        };
        self.finish::<S>(&products)
    }

    /// With `B` slopes.
    #[inline(always)]
    fn products<S: pulp::Simd, const N: usize, const B: usize>(&self, simd: S) -> Products {
        let (region, query) = (self.region, self.query);
        let size = (2 + B) * LANES;
        let zero = simd.splat_f32s(0.0);
        let (mut sums, mut spreads, mut slopes) = ([zero; N], [zero; N], [[zero; N]; B]);
        for (&j, &value) in query.columns.iter().zip(query.values) {
            let rows = S::as_simd_f32s(&region.columns[j as usize * size..(j as usize + 1) * size]).0;
            let (value, abs) = (simd.splat_f32s(value), simd.splat_f32s(value.abs()));
            for v in 0..N {
                sums[v] = simd.mul_add_e_f32s(value, rows[v], sums[v]);
                spreads[v] = simd.mul_add_e_f32s(abs, rows[N + v], spreads[v]);
                for b in 0..B {
                    slopes[b][v] = simd.mul_add_e_f32s(value, rows[(2 + b) * N + v], slopes[b][v]);
                }
            }
        }
        let lanes = |sums: &[S::f32s; N]| {
            let mut to = [0.0f32; LANES];
            S::as_mut_simd_f32s(&mut to).0.copy_from_slice(sums);
            to
        };
        let mut all = [[0.0; LANES]; SLOPES];
        all.iter_mut().zip(&slopes).for_each(|(to, slopes)| *to = lanes(slopes));
        Products { middle: lanes(&sums), spread: lanes(&spreads), slopes: all }
    }

    #[inline(always)]
    fn finish<S: pulp::Simd>(&self, products: &Products) -> [f32; LANES] {
        let RegionBounds { shape, region, query } = *self;
        let (mut near, mut far, mut middle) = ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
        // Of the farthest over the nearest, with nothing that cancels.
        let mut range = [0.0f32; LANES];
        let sides = || {
            let sides = region.lower.as_chunks::<LANES>().0.iter().zip(region.upper.as_chunks::<LANES>().0);
            query.coords.iter().zip(sides).map(|(&x, (lower, upper))| (x, lower, upper))
        };
        for (x, lower, upper) in sides() {
            for lane in 0..LANES {
                let side = Side::new(x, lower[lane], upper[lane]);
                near[lane] += side.near * side.near;
                far[lane] += side.far * side.far;
                range[lane] += (side.far - side.near) * (side.far + side.near);
                middle[lane] += side.middle * side.middle;
            }
        }
        let mut squares = [0.0f32; 3 * LANES];
        squares[..LANES].copy_from_slice(&near);
        squares[LANES..2 * LANES].copy_from_slice(&far);
        squares[2 * LANES..].copy_from_slice(&middle);
        if S::IS_SCALAR {
            correlations_f32::<false, { 3 * LANES }>(shape, &mut squares);
        } else {
            correlations_f32::<true, { 3 * LANES }>(shape, &mut squares);
        }
        let (k_near, k_far, k_middle) =
            (&squares[..LANES], &squares[LANES..2 * LANES], squares[2 * LANES..].as_chunks::<LANES>().0[0]);
        let mut declines = k_middle;
        declines_f32(shape, &middle, &mut declines);

        let (mut chord, mut half) = ([0.0f32; LANES], [0.0f32; LANES]);
        for lane in 0..LANES {
            // Not above 0: how much the correlation changes with t.
            chord[lane] = (query.weight * (k_far[lane] - k_near[lane]) / range[lane].max(f32::MIN_POSITIVE)).min(0.0);
            half[lane] = 0.5 / (chord[lane] - f32::MIN_POSITIVE);
            declines[lane] *= query.weight;
        }
        // What is added to the value at the nearest corner, to minus the tangent's at the middle, and to minus that at the
        // farthest corner; and how far the tangent falls.
        let (mut above, mut below, mut steep, mut beyond) =
            ([0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES], [0.0f32; LANES]);
        for ((x, lower, upper), slopes) in sides().zip(products.slopes.iter().chain(std::iter::repeat(&[0.0; LANES]))) {
            for lane in 0..LANES {
                let side = Side::new(x, lower[lane], upper[lane]);
                let g = slopes[lane];
                let inverse = side.half.max(NARROW).recip();
                let y = ((g * half[lane] * inverse - side.middle) * inverse).max(-1.0).min(1.0);
                let u = y * side.half + side.middle;
                above[lane] += chord[lane] * (u - side.near) * (u + side.near) - g * y;
                let (square, cross) =
                    (declines[lane] * side.half * side.half, 2.0 * declines[lane] * side.middle * side.half);
                below[lane] += square + (cross + g).abs();
                steep[lane] += square + cross.abs();
                beyond[lane] += g.abs();
            }
        }
        let mut bounds = [0.0f32; LANES];
        for lane in 0..LANES {
            let sum = products.middle[lane];
            let most = query.weight * k_near[lane] - sum + above[lane];
            let farthest = sum - query.weight * k_far[lane] + beyond[lane];
            let tangent = sum - query.weight * k_middle[lane] + below[lane];
            let least = if steep[lane] <= STEEP * query.weight { farthest.min(tangent) } else { farthest };
            let error = query.error + query.product_error * region.sizes[lane];
            let bound = most.max(least) + products.spread[lane] + query.rest + error;
            bounds[lane] = (bound * region.weights[lane]).max((query.norm + query.error) * region.norms[lane]);
        }
        bounds
    }
}

/// One side of a box as it is seen from a query: distances of what is nearest and farthest in it, where its middle is, and
/// half its length.
#[derive(Clone, Copy)]
struct Side {
    near: f32,
    far: f32,
    middle: f32,
    half: f32,
}

impl Side {
    #[inline(always)]
    fn new(x: f32, lower: f32, upper: f32) -> Side {
        let (lower, upper) = (lower - x, upper - x);
        Side {
            near: lower.max(-upper).max(0.0),
            far: upper.max(-lower),
            middle: 0.5 * (lower + upper),
            half: 0.5 * (upper - lower),
        }
    }
}
