//! Bounds of residual correlations in `f32`: some queries against a leaf of points, from a few columns of V.
//!
//! rho of q and x is weight_q weight_x k - row_q.row_x. The columns of a leaf hold nearly all of its rows; what is left
//! out of a product is at most the norm that the query has beyond these columns times the point's.

use super::Simd;
use super::covariance::{Shape, correlations_f32};
use pulp::WithSimd;

/// Points of a leaf.
pub(crate) const LANES: usize = 32;
/// Columns of a leaf come in whole numbers of these.
pub(crate) const COLUMNS: usize = 4;

/// Queries of a block: with more of them a leaf is fetched less often.
pub(crate) const QUERIES: usize = 64;

/// A leaf: values of its points, one a lane.
#[derive(Clone, Copy)]
pub(crate) struct Leaf<'a> {
    /// Which columns of the points' rows it has, a whole number of [`COLUMNS`].
    pub(crate) columns: &'a [u32],
    /// These columns, [`LANES`] values each.
    pub(crate) values: &'a [f32],
    /// Coordinates, [`LANES`] a dimension.
    pub(crate) coords: &'a [f32],
    pub(crate) weights: &'a [f32; LANES],
    /// At least the norm of the points' rows beyond the columns.
    pub(crate) tails: &'a [f32; LANES],
    /// At least the weight and the norm of the row.
    pub(crate) norms: &'a [f32; LANES],
}

/// Origins of a query, at most.
pub(crate) const ORIGINS: usize = 2;

/// What a query is taken relative to: places of origins, and the coefficients times the query's weight.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Relative {
    pub(crate) count: u32,
    pub(crate) places: [u32; ORIGINS],
    pub(crate) factors: [f32; ORIGINS],
}

impl Relative {
    /// Places and factors.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, f32)> {
        self.places.into_iter().zip(self.factors).take(self.count as usize)
    }
}

/// A query in a leaf.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terms {
    /// Its number in the block.
    pub(crate) number: u32,
    pub(crate) weight: f32,
    /// At least the square of the norm of the query's row.
    pub(crate) square: f32,
    /// What rounding can add to a bound, for a point of norm 1.
    pub(crate) error: f32,
    /// Bounds that do not reach this do not matter.
    pub(crate) least: f32,
    pub(crate) relative: Relative,
}

/// A value for each lane, none of whose vectors lies across two cache lines: on the stack of one thread they all would and on
/// another's none.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Lanes<T>([T; LANES]);

/// The bounds of a query in a leaf: at most `upper`, which is `twice` over a lower bound.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Bounds {
    pub(crate) upper: [f32; LANES],
    pub(crate) twice: [f32; LANES],
    /// A bit for each lane whose upper bound is not below what matters.
    pub(crate) reaches: u32,
}

impl Bounds {
    pub(crate) const NONE: Self = Bounds { upper: [0.0; LANES], twice: [0.0; LANES], reaches: 0 };
}

/// Some queries of a block in a leaf.
#[derive(Clone, Copy)]
pub(crate) struct Queries<'a> {
    /// The rows of all queries of the block, column by column.
    pub(crate) rows: &'a [[f32; QUERIES]],
    /// The squares of these rows in the columns of the leaf, if they are known; see [`squares`].
    pub(crate) squares: Option<&'a [f32; QUERIES]>,
    pub(crate) terms: &'a [Terms],
    /// Coordinates of these, row by row.
    pub(crate) coords: &'a [f32],
    /// The origins' correlations with the points of the leaf times the weights of these; see [`weighted`].
    pub(crate) origins: &'a [[f32; LANES]],
}

/// Writes the bounds of some queries in `leaf`.
pub(crate) fn bounds(simd: Simd, shape: Shape, leaf: Leaf<'_>, queries: Queries<'_>, out: &mut [Bounds]) {
    simd.run(PanelBounds { shape, leaf, queries, out });
}

/// The correlation of one point, its coordinates given, with each of a leaf, times the weights of these.
pub(crate) fn weighted(simd: Simd, shape: Shape, leaf: Leaf<'_>, coords: &[f32]) -> [f32; LANES] {
    simd.run(Weighted { shape, leaf, coords })
}

/// The sums of squares of the rows of a block's queries over the columns of a leaf; `rows` are these column by column.
pub(crate) fn squares(simd: Simd, leaf: Leaf<'_>, rows: &[[f32; QUERIES]]) -> [f32; QUERIES] {
    simd.run(Squares { columns: leaf.columns, rows })
}

struct Squares<'a> {
    columns: &'a [u32],
    rows: &'a [[f32; QUERIES]],
}

impl WithSimd for Squares<'_> {
    type Output = [f32; QUERIES];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> [f32; QUERIES] {
        let mut squares = [0.0f32; QUERIES];
        let sums = S::as_mut_simd_f32s(&mut squares).0;
        for &j in self.columns {
            let row = S::as_simd_f32s(&self.rows[j as usize]).0;
            for (sum, &values) in sums.iter_mut().zip(row) {
                *sum = simd.mul_add_e_f32s(values, values, *sum);
            }
        }
        squares
    }
}

struct Weighted<'a> {
    shape: Shape,
    leaf: Leaf<'a>,
    coords: &'a [f32],
}

impl WithSimd for Weighted<'_> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> Self::Output {
        let Weighted { shape, leaf, coords } = self;
        let mut k = match LANES / S::F32_LANES {
            2 => correlations::<S, 2>(simd, shape, leaf, coords),
            4 => correlations::<S, 4>(simd, shape, leaf, coords),
            8 => correlations::<S, 8>(simd, shape, leaf, coords),
            _ => correlations::<S, LANES>(simd, shape, leaf, coords),
        };
        k.0.iter_mut().zip(leaf.weights).for_each(|(k, weight)| *k *= weight);
        k.0
    }
}

struct PanelBounds<'a> {
    shape: Shape,
    leaf: Leaf<'a>,
    queries: Queries<'a>,
    out: &'a mut [Bounds],
}

impl WithSimd for PanelBounds<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        match LANES / S::F32_LANES {
            2 => self.run::<S, 2, 4>(simd),
            4 => self.run::<S, 4, 2>(simd),
            8 => self.run::<S, 8, 1>(simd),
            _ => self.run::<S, LANES, 1>(simd),
        }
    }
}

impl PanelBounds<'_> {
    /// With leaves of `N` vectors, and `Q` queries at a time, at most 4.
    #[inline(always)]
    fn run<S: pulp::Simd, const N: usize, const Q: usize>(self, simd: S) {
        let PanelBounds { shape, leaf, queries, out } = self;
        let Queries { rows, squares, terms, coords, origins } = queries;
        let d = leaf.coords.len() / LANES;
        let (mut left, mut left_out) = (terms, &mut out[..terms.len()]);
        while !left.is_empty() {
            let now = left.len().min(Q);
            let (terms, out) = (&left[..now], &mut left_out[..now]);
            // The fewer queries, the more sums each needs to keep the machine busy.
            match now {
                1 => products::<S, N, 1, COLUMNS>(simd, leaf, rows, terms, out),
                2 => products::<S, N, 2, 2>(simd, leaf, rows, terms, out),
                3 => products::<S, N, 3, 1>(simd, leaf, rows, terms, out),
                _ => products::<S, N, 4, 1>(simd, leaf, rows, terms, out),
            }
            left = &left[now..];
            left_out = &mut left_out[now..];
        }
        for (terms, (out, coords)) in terms.iter().zip(out.iter_mut().zip(coords.chunks_exact(d))) {
            let number = terms.number as usize % QUERIES;
            let within = squares.map_or_else(|| square(leaf.columns, rows, number), |squares| squares[number]);
            // A sum of squares is off by less than its number of terms in units of rounding.
            let rounding = (leaf.columns.len() + 8) as f32 * f32::EPSILON;
            let beyond = (terms.square - within * (1.0 - rounding)).max(0.0).sqrt();
            // At inducing points it is all in the row.
            let k =
                if terms.weight == 0.0 { Lanes([0.0; LANES]) } else { correlations::<S, N>(simd, shape, leaf, coords) };
            finish(leaf, beyond, &k.0, *terms, origins, out);
        }
    }
}

/// Products of the rows of `Q` queries with the columns, in place of the upper bounds.
#[inline(always)]
fn products<S: pulp::Simd, const N: usize, const Q: usize, const CHAINS: usize>(
    simd: S,
    leaf: Leaf<'_>,
    rows: &[[f32; QUERIES]],
    terms: &[Terms],
    out: &mut [Bounds],
) {
    let numbers: [usize; Q] = std::array::from_fn(|q| terms[q].number as usize % QUERIES);
    // Columns in turn add to sums of their own, so that none waits for the one before.
    let mut sums = [[[simd.splat_f32s(0.0); N]; CHAINS]; Q];
    for (columns, values) in leaf.columns.chunks_exact(CHAINS).zip(leaf.values.chunks_exact(CHAINS * LANES)) {
        for (c, values) in values.as_chunks::<LANES>().0.iter().enumerate() {
            let values = S::as_simd_f32s(values).0;
            let row = &rows[columns[c] as usize];
            for q in 0..Q {
                let x = simd.splat_f32s(row[numbers[q]]);
                for v in 0..N {
                    sums[q][c][v] = simd.mul_add_e_f32s(x, values[v], sums[q][c][v]);
                }
            }
        }
    }
    for (sums, out) in sums.iter().zip(out) {
        let out = S::as_mut_simd_f32s(&mut out.upper).0;
        for v in 0..N {
            out[v] = sums[1..].iter().fold(sums[0][v], |sum, chain| simd.add_f32s(sum, chain[v]));
        }
    }
}

/// The sum of squares of a query's row over some columns.
#[inline(always)]
fn square(columns: &[u32], rows: &[[f32; QUERIES]], number: usize) -> f32 {
    let mut squares = [0.0f32; COLUMNS];
    for columns in columns.chunks_exact(COLUMNS) {
        for c in 0..COLUMNS {
            let value = rows[columns[c] as usize][number];
            squares[c] += value * value;
        }
    }
    squares.iter().sum()
}

/// The correlations of a point, its coordinates given, with those of a leaf.
#[inline(always)]
fn correlations<S: pulp::Simd, const N: usize>(simd: S, shape: Shape, leaf: Leaf<'_>, coords: &[f32]) -> Lanes<f32> {
    let mut lanes = Lanes([0.0f32; LANES]);
    let k = &mut lanes.0;
    let mut sums = [simd.splat_f32s(0.0); N];
    for (&x, points) in coords.iter().zip(leaf.coords.chunks_exact(LANES)) {
        let (x, points) = (simd.splat_f32s(x), S::as_simd_f32s(points).0);
        for v in 0..N {
            let difference = simd.sub_f32s(x, points[v]);
            sums[v] = simd.mul_add_e_f32s(difference, difference, sums[v]);
        }
    }
    S::as_mut_simd_f32s(k).0.copy_from_slice(&sums);
    if S::IS_SCALAR {
        correlations_f32::<false, LANES>(shape, k);
    } else {
        correlations_f32::<true, LANES>(shape, k);
    }
    lanes
}

/// Bounds from products and correlations; `beyond` is at least the norm of the query's row beyond the columns.
#[inline(always)]
fn finish(leaf: Leaf<'_>, beyond: f32, k: &[f32; LANES], terms: Terms, origins: &[[f32; LANES]], out: &mut Bounds) {
    for (place, factor) in terms.relative.iter() {
        let origin = &origins[place as usize];
        out.upper.iter_mut().zip(origin).for_each(|(product, k)| *product += factor * k);
    }
    let mut reaches = Lanes([0u32; LANES]);
    for (lane, &k) in k.iter().enumerate() {
        let rho = (k * terms.weight * leaf.weights[lane] - out.upper[lane]).abs();
        let error = beyond * leaf.tails[lane] + terms.error * leaf.norms[lane];
        let upper = rho + error;
        out.upper[lane] = upper;
        out.twice[lane] = 2.0 * error;
        // So that what is no number reaches everything.
        reaches.0[lane] = if upper < terms.least { 0 } else { 1 << lane };
    }
    out.reaches = reaches.0.iter().fold(0, |all, bit| all | bit);
}
