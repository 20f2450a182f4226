//! Bounds of residual correlations in `f32`: some queries against a panel of points, from a few columns of V.
//!
//! rho of q and x is weight_q weight_x k - row_q.row_x. The columns of a panel hold nearly all of its rows; what is left
//! out of a product is at most the norm that the query has beyond these columns times the point's.

use super::Simd;
use super::covariance::{Shape, correlations_f32};
use pulp::WithSimd;

/// Points of a panel.
pub(crate) const LANES: usize = 32;
/// Columns of a panel come in whole numbers of these.
pub(crate) const COLUMNS: usize = 4;

/// Queries of a block: with more of them a panel is fetched less often.
pub(crate) const QUERIES: usize = 64;

/// A panel: values of its points, one a lane.
#[derive(Clone, Copy)]
pub(crate) struct Panel<'a> {
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

/// A query in a panel.
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
}

/// The bounds of a query in a panel: at most `upper`, which is `twice` over a lower bound.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) upper: [f32; LANES],
    pub(crate) twice: [f32; LANES],
    /// A bit for each lane whose upper bound is not below what matters.
    pub(crate) reaches: u32,
}

impl Bounds {
    pub(crate) const NONE: Self = Bounds { upper: [0.0; LANES], twice: [0.0; LANES], reaches: 0 };
}

/// Writes the bounds of some queries of a block in `panel`. `rows` has the rows of all queries of the block, column by
/// column, `coords` the coordinates of these, row by row.
pub(crate) fn bounds(
    simd: Simd,
    shape: Shape,
    panel: Panel<'_>,
    rows: &[[f32; QUERIES]],
    coords: &[f32],
    terms: &[Terms],
    out: &mut [Bounds],
) {
    simd.run(PanelBounds { shape, panel, rows, coords, terms, out });
}

struct PanelBounds<'a> {
    shape: Shape,
    panel: Panel<'a>,
    rows: &'a [[f32; QUERIES]],
    coords: &'a [f32],
    terms: &'a [Terms],
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
    /// With panels of `N` vectors, and `Q` queries at a time.
    #[inline(always)]
    fn run<S: pulp::Simd, const N: usize, const Q: usize>(self, simd: S) {
        let PanelBounds { shape, panel, rows, coords, terms, out } = self;
        let d = panel.coords.len() / LANES;
        let mut at = 0;
        while at + Q <= terms.len() {
            products::<S, N, Q, 1>(simd, panel, rows, &terms[at..at + Q], &mut out[at..at + Q]);
            at += Q;
        }
        for at in at..terms.len() {
            products::<S, N, 1, COLUMNS>(simd, panel, rows, &terms[at..=at], &mut out[at..=at]);
        }
        // Of many queries the squares are added up side by side.
        let many = terms.len() >= QUERIES / 8;
        let mut squares = [0.0f32; QUERIES];
        if many {
            let sums = S::as_mut_simd_f32s(&mut squares).0;
            for &j in panel.columns {
                let row = S::as_simd_f32s(&rows[j as usize]).0;
                for (sum, &values) in sums.iter_mut().zip(row) {
                    *sum = simd.mul_add_e_f32s(values, values, *sum);
                }
            }
        }
        for (terms, (out, coords)) in terms.iter().zip(out.iter_mut().zip(coords.chunks_exact(d))) {
            let number = terms.number as usize % QUERIES;
            let within = if many { squares[number] } else { square(panel.columns, rows, number) };
            // A sum of squares is off by less than its number of terms in units of rounding.
            let rounding = (panel.columns.len() + 8) as f32 * f32::EPSILON;
            let beyond = (terms.square - within * (1.0 - rounding)).max(0.0).sqrt();
            if S::IS_SCALAR {
                finish::<S, N, false>(simd, shape, panel, beyond, coords, *terms, out);
            } else {
                finish::<S, N, true>(simd, shape, panel, beyond, coords, *terms, out);
            }
        }
    }
}

/// Products of the rows of `Q` queries with the columns, in place of the upper bounds.
#[inline(always)]
fn products<S: pulp::Simd, const N: usize, const Q: usize, const CHAINS: usize>(
    simd: S,
    panel: Panel<'_>,
    rows: &[[f32; QUERIES]],
    terms: &[Terms],
    out: &mut [Bounds],
) {
    let numbers: [usize; Q] = std::array::from_fn(|q| terms[q].number as usize % QUERIES);
    // Columns in turn add to sums of their own, so that none waits for the one before.
    let mut sums = [[[simd.splat_f32s(0.0); N]; CHAINS]; Q];
    for (columns, values) in panel.columns.chunks_exact(CHAINS).zip(panel.values.chunks_exact(CHAINS * LANES)) {
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

/// Bounds from products; `beyond` is at least the norm of the query's row beyond the columns.
#[inline(always)]
fn finish<S: pulp::Simd, const N: usize, const FUSED: bool>(
    simd: S,
    shape: Shape,
    panel: Panel<'_>,
    beyond: f32,
    coords: &[f32],
    terms: Terms,
    out: &mut Bounds,
) {
    let mut k = [0.0f32; LANES];
    let mut sums = [simd.splat_f32s(0.0); N];
    for (&x, points) in coords.iter().zip(panel.coords.chunks_exact(LANES)) {
        let (x, points) = (simd.splat_f32s(x), S::as_simd_f32s(points).0);
        for v in 0..N {
            let difference = simd.sub_f32s(x, points[v]);
            sums[v] = simd.mul_add_e_f32s(difference, difference, sums[v]);
        }
    }
    S::as_mut_simd_f32s(&mut k).0.copy_from_slice(&sums);
    correlations_f32::<FUSED, LANES>(shape, &mut k);
    let mut reaches = [0u32; LANES];
    for lane in 0..LANES {
        let rho = (k[lane] * terms.weight * panel.weights[lane] - out.upper[lane]).abs();
        let error = beyond * panel.tails[lane] + terms.error * panel.norms[lane];
        let upper = rho + error;
        out.upper[lane] = upper;
        out.twice[lane] = 2.0 * error;
        // So that what is no number reaches everything.
        reaches[lane] = if upper < terms.least { 0 } else { 1 << lane };
    }
    out.reaches = reaches.iter().fold(0, |all, bit| all | bit);
}
