//! Bounds of the residual correlations of a query with all points of some leaves, a leaf a lane.
//!
//! Of x in the box of a leaf, at y in [-1, 1]^d, entry j of V is a_j + b_j.y, but for c_j at most. With g the query's
//! product with b, w k(q, x) - W_q.V_x is at most w k(q, x) - g.y - W_q.a + abs(W_q).c: the correlation and what inducing
//! points explain of it change together, so that their difference is bounded far better than either. As a function of the
//! squared distance t every kernel here is convex: from above it is bounded by its chord between the box's nearest and its
//! farthest t, from below by its tangent at the middle's, and t is a sum over dimensions, so that the largest value over
//! the box is found dimension by dimension.

use super::Simd;
use super::covariance::{Shape, correlations_f32, declines_f32};
use pulp::WithSimd;

/// Leaves of a region.
pub(crate) const LANES: usize = 16;
/// More dimensions than these have no slopes: b is 0.
pub(crate) const SLOPES: usize = 3;
/// Boxes of a smaller side are taken to be so wide where they are divided by.
const NARROW: f32 = 1e-18;
/// A tangent is not used where it falls by more than this in a box: its rounding would tell.
const STEEP: f32 = 4.0;

/// A region: values of its leaves, one a lane.
#[derive(Clone, Copy)]
pub(crate) struct AffineBound<'a> {
    /// A bit for each column of V that matters, and of each of these, over the standard deviation, a, c, and so many rows b.
    pub(crate) columns: &'a [u64],
    pub(crate) rows: &'a [f32],
    pub(crate) slopes: usize,
    /// At least the norm of what is in no row.
    pub(crate) tails: &'a [f32; LANES],
    /// At least the sum of the norms of a, c and b.
    pub(crate) sizes: &'a [f32; LANES],
    /// Lower and upper corners of the leaves' boxes, a dimension after the other.
    pub(crate) lower: &'a [f32],
    pub(crate) upper: &'a [f32],
    /// The largest weight of a point.
    pub(crate) weights: &'a [f32; LANES],
    /// The largest norm of the rows of points at inducing points.
    pub(crate) norms: &'a [f32; LANES],
}

/// The bits that are set.
pub(crate) fn bits(mut mask: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let bit = (mask != 0).then(|| mask.trailing_zeros());
        mask &= mask.wrapping_sub(1);
        bit
    })
}

/// Those of many words.
pub(crate) fn set_bits(words: &[u64]) -> impl Iterator<Item = usize> {
    words.iter().enumerate().flat_map(|(word, &mask)| bits(mask).map(move |bit| word * 64 + bit as usize))
}

impl AffineBound<'_> {
    /// Multiply-adds that the bounds of a query take.
    pub(crate) fn products(&self, query: Terms<'_>) -> usize {
        let both = self.columns.iter().zip(query.columns).map(|(own, other)| (own & other).count_ones());
        (2 + self.slopes) * LANES * both.sum::<u32>() as usize
    }
}

/// A query in a region.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    /// A bit for each column where its row is not small, the row, and the norm of the rest.
    pub(crate) columns: &'a [u64],
    pub(crate) row: &'a [f32],
    pub(crate) rest: f32,
    pub(crate) coords: &'a [f32],
    pub(crate) weight: f32,
    pub(crate) norm: f32,
    /// What rounding can add, for points of weight 1: and to products, for a size of 1.
    pub(crate) error: f32,
    pub(crate) product_error: f32,
    /// Bounds that do not reach this do not matter.
    pub(crate) least: f32,
}

/// An upper bound of the correlations of a query with the points of each leaf.
pub(crate) fn bounds(simd: Simd, shape: Shape, region: AffineBound<'_>, query: Terms<'_>) -> [f32; LANES] {
    simd.run(RegionBounds { shape, region, query })
}

struct RegionBounds<'a> {
    shape: Shape,
    region: AffineBound<'a>,
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
        let mut before = 0;
        for (word, (&own, &other)) in region.columns.iter().zip(query.columns).enumerate() {
            let mut both = own & other;
            while both != 0 {
                let bit = both.trailing_zeros();
                both &= both - 1;
                let at = (before + (own & !(u64::MAX << bit)).count_ones() as usize) * size;
                let rows = S::as_simd_f32s(&region.rows[at..at + size]).0;
                let value = query.row[word * 64 + bit as usize];
                let (value, abs) = (simd.splat_f32s(value), simd.splat_f32s(value.abs()));
                for v in 0..N {
                    sums[v] = simd.mul_add_e_f32s(value, rows[v], sums[v]);
                    spreads[v] = simd.mul_add_e_f32s(abs, rows[N + v], spreads[v]);
                    for b in 0..B {
                        slopes[b][v] = simd.mul_add_e_f32s(value, rows[(2 + b) * N + v], slopes[b][v]);
                    }
                }
            }
            before += own.count_ones() as usize;
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
        let RegionBounds { region, query, .. } = *self;
        let Products { middle: product, spread, slopes } = products;
        let (mut near, mut far) = ([0.0f32; LANES], [0.0f32; LANES]);
        // Of the farthest over the nearest, with nothing that cancels.
        let mut range = [0.0f32; LANES];
        for (x, lower, upper) in self.sides() {
            for lane in 0..LANES {
                let side = Side::new(x, lower[lane], upper[lane]);
                near[lane] += side.near * side.near;
                far[lane] += side.far * side.far;
                range[lane] += (side.far - side.near) * (side.far + side.near);
            }
        }
        let mut k = [0.0f32; 2 * LANES];
        k[..LANES].copy_from_slice(&near);
        k[LANES..].copy_from_slice(&far);
        self.correlations::<S, { 2 * LANES }>(&mut k);
        let (k_near, k_far) = k.split_at(LANES);
        // What is above the correlation less the affine function, and above the negative of that: first from the largest and
        // the least of each, which mostly will do.
        let (mut most, mut least) = ([0.0f32; LANES], [0.0f32; LANES]);
        for lane in 0..LANES {
            let beyond = slopes.iter().map(|slopes| slopes[lane].abs()).sum::<f32>();
            most[lane] = query.weight * k_near[lane] - product[lane] + beyond;
            least[lane] = product[lane] - query.weight * k_far[lane] + beyond;
        }
        let bounds = self.bounds(&most, &least, spread);
        if region.slopes == 0 || bounds.iter().all(|&bound| bound < query.least) {
            return bounds;
        }

        let mut middle = [0.0f32; LANES];
        for (x, lower, upper) in self.sides() {
            for lane in 0..LANES {
                let side = Side::new(x, lower[lane], upper[lane]);
                middle[lane] += side.middle * side.middle;
            }
        }
        let mut k_middle = middle;
        self.correlations::<S, LANES>(&mut k_middle);
        let mut decline = k_middle;
        declines_f32(self.shape, &middle, &mut decline);
        // Slopes of the chords in t, not above 0, and half their reciprocals; the bound that the tangents give, and how far they
        // fall.
        let (mut chord, mut half) = ([0.0f32; LANES], [0.0f32; LANES]);
        let (mut tangent, mut steep) = ([0.0f32; LANES], [0.0f32; LANES]);
        for lane in 0..LANES {
            chord[lane] = (query.weight * (k_far[lane] - k_near[lane]) / range[lane].max(f32::MIN_POSITIVE)).min(0.0);
            half[lane] = 0.5 / (chord[lane] - f32::MIN_POSITIVE);
            decline[lane] *= query.weight;
            most[lane] = query.weight * k_near[lane] - product[lane];
            tangent[lane] = product[lane] - query.weight * k_middle[lane];
        }
        for ((x, lower, upper), slopes) in self.sides().zip(slopes) {
            for lane in 0..LANES {
                let side = Side::new(x, lower[lane], upper[lane]);
                let g = slopes[lane];
                let inverse = side.half.max(NARROW).recip();
                // Where the chord less the affine function is largest.
                let y = ((g * half[lane] * inverse - side.middle) * inverse).clamp(-1.0, 1.0);
                let u = y * side.half + side.middle;
                most[lane] += chord[lane] * (u - side.near) * (u + side.near) - g * y;
                let square = decline[lane] * side.half * side.half;
                let cross = 2.0 * decline[lane] * side.middle * side.half;
                tangent[lane] += square + (cross + g).abs();
                steep[lane] += square + cross.abs();
            }
        }
        for lane in 0..LANES {
            let tangent = if steep[lane] <= STEEP * query.weight { tangent[lane] } else { f32::INFINITY };
            least[lane] = least[lane].min(tangent);
        }
        self.bounds(&most, &least, spread)
    }

    /// Coordinates of the query, and the sides of the boxes in that dimension.
    #[inline(always)]
    fn sides(&self) -> impl Iterator<Item = (f32, &[f32; LANES], &[f32; LANES])> {
        let (lower, upper) = (self.region.lower.as_chunks::<LANES>().0, self.region.upper.as_chunks::<LANES>().0);
        self.query.coords.iter().zip(lower.iter().zip(upper)).map(|(&x, (lower, upper))| (x, lower, upper))
    }

    #[inline(always)]
    fn correlations<S: pulp::Simd, const N: usize>(&self, squares: &mut [f32; N]) {
        if S::IS_SCALAR {
            correlations_f32::<false, N>(self.shape, squares);
        } else {
            correlations_f32::<true, N>(self.shape, squares);
        }
    }

    /// Bounds from the largest and the negative of the least value, by how much V is off its function.
    #[inline(always)]
    fn bounds(&self, most: &[f32; LANES], least: &[f32; LANES], spread: &[f32; LANES]) -> [f32; LANES] {
        let RegionBounds { region, query, .. } = *self;
        let mut bounds = [0.0f32; LANES];
        for lane in 0..LANES {
            let error = query.error + query.product_error * region.sizes[lane] + query.norm * region.tails[lane];
            // What is no number stays that.
            let larger = if least[lane] > most[lane] { least[lane] } else { most[lane] };
            let bound = (larger + spread[lane] + query.rest + error) * region.weights[lane];
            let floor = (query.norm + query.error) * region.norms[lane];
            bounds[lane] = if floor > bound { floor } else { bound };
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
