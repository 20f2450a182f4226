//! Products with the spans of subspaces: of a query's coordinates with those of the members, and of spans with each other.

use super::Simd;
use super::affine::bits;
use pulp::WithSimd;

/// Members come in whole numbers of these.
pub(crate) const LANES: usize = 16;

/// Bounds of the members of a subspace, for one query.
#[derive(Default)]
pub(crate) struct MemberBounds {
    /// abs(u.w), w a member's coordinates.
    pub(crate) estimates: Vec<f32>,
    pub(crate) uppers: Vec<f32>,
    /// A bit for each upper bound that is not below what matters, [`LANES`] a mask: what is no number matters.
    pub(crate) reaches: Vec<u16>,
}

impl MemberBounds {
    /// The members whose bound is not below what matters.
    pub(crate) fn reaching(&self) -> impl Iterator<Item = usize> {
        let runs = self.reaches.iter().enumerate();
        runs.flat_map(|(run, &reaches)| bits(u64::from(reaches)).map(move |lane| run * LANES + lane as usize))
    }
}

/// A query in the span of a subspace: its coordinates there, its sine, what rounding can add to a bound, and what bounds must
/// reach to matter.
pub(crate) struct InSpan<'a> {
    pub(crate) u: &'a [f32],
    pub(crate) sine: f32,
    pub(crate) slack: f32,
    pub(crate) least: f32,
}

/// Bounds the members whose coordinates are in `coords`, a row of a whole number of [`LANES`] for each of the query's, and whose
/// sines are in `sines`.
pub(crate) fn bound_members(simd: Simd, query: &InSpan<'_>, coords: &[f32], sines: &[f32], out: &mut MemberBounds) {
    debug_assert_eq!(coords.len(), query.u.len() * sines.len());
    out.estimates.resize(sines.len(), 0.0);
    out.uppers.resize(sines.len(), 0.0);
    out.reaches.resize(sines.len() / LANES, 0);
    simd.run(BoundMembers { query, coords, sines, out });
}

struct BoundMembers<'a> {
    query: &'a InSpan<'a>,
    coords: &'a [f32],
    sines: &'a [f32],
    out: &'a mut MemberBounds,
}

impl WithSimd for BoundMembers<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let BoundMembers { query: &InSpan { u, sine, slack, least }, coords, sines, out } = self;
        let count = sines.len() / LANES;
        let runs = sines.as_chunks::<LANES>().0.iter().zip(&mut out.reaches);
        let bounds = out.estimates.as_chunks_mut::<LANES>().0.iter_mut().zip(out.uppers.as_chunks_mut::<LANES>().0);
        for (run, ((sines, reaches), (estimates, uppers))) in runs.zip(bounds).enumerate() {
            *estimates = [0.0; LANES];
            let sums = S::as_mut_simd_f32s(estimates).0;
            for (&u, row) in u.iter().zip(coords.as_chunks::<LANES>().0.iter().skip(run).step_by(count)) {
                let u = simd.splat_f32s(u);
                for (sum, &w) in sums.iter_mut().zip(S::as_simd_f32s(row).0) {
                    *sum = simd.mul_add_e_f32s(u, w, *sum);
                }
            }
            sums.iter_mut().for_each(|sum| *sum = simd.abs_f32s(*sum));
            let mut bits = [0u32; LANES];
            for lane in 0..LANES {
                let upper = estimates[lane] + (sines[lane] * sine + slack);
                uppers[lane] = upper;
                bits[lane] = if upper < least { 0 } else { 1 << lane };
            }
            *reaches = bits.iter().fold(0, |all, bit| all | bit) as u16;
        }
    }
}

/// Multiplies a lower triangular matrix, row by row, by rows of `width` values each, in their place.
pub(crate) fn multiply_lower(simd: Simd, lower: &[f64], rows: &mut [f64], width: usize) {
    debug_assert_eq!(lower.len() * width * width, rows.len() * rows.len());
    simd.run(MultiplyLower { lower, rows, width });
}

struct MultiplyLower<'a> {
    lower: &'a [f64],
    rows: &'a mut [f64],
    width: usize,
}

impl WithSimd for MultiplyLower<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let MultiplyLower { lower, rows, width } = self;
        let rank = rows.len() / width.max(1);
        // From the last on, since each needs those before it as they were.
        for i in (0..rank).rev() {
            let (before, own) = rows.split_at_mut(i * width);
            let (factors, own) = (&lower[i * rank..=i * rank + i], &mut own[..width]);
            own.iter_mut().for_each(|value| *value *= factors[i]);
            for (factor, row) in factors.iter().zip(before.chunks_exact(width)) {
                own.iter_mut().zip(row).for_each(|(value, x)| *value += factor * x);
            }
        }
    }
}

/// The sums of squares of each column of rows as long as `out`.
pub(crate) fn squares(simd: Simd, rows: &[f64], out: &mut [f64]) {
    simd.run(Squares { rows, out });
}

struct Squares<'a> {
    rows: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for Squares<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        self.out.fill(0.0);
        for row in self.rows.chunks_exact(self.out.len().max(1)) {
            self.out.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
        }
    }
}
