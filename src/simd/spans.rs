//! Products with the spans of cells: of a query's coordinates with those of the members, and of spans with each other.

use super::Simd;
use pulp::WithSimd;

/// Members come in whole numbers of these.
pub(crate) const LANES: usize = 16;

/// `out[x]` = abs(sum over j of `query[j]` * `coords[j * out.len() + x]`). Rows of `coords` are whole vectors.
pub(crate) fn estimates(simd: Simd, query: &[f32], coords: &[f32], out: &mut [f32]) {
    debug_assert_eq!(coords.len(), query.len() * out.len());
    simd.run(Estimates { query, coords, out });
}

struct Estimates<'a> {
    query: &'a [f32],
    coords: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Estimates<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let len = self.out.len();
        self.out.fill(0.0);
        if len == 0 {
            return;
        }
        let out = S::as_mut_simd_f32s(self.out).0;
        for (&u, row) in self.query.iter().zip(self.coords.chunks_exact(len)) {
            let u = simd.splat_f32s(u);
            for (out, &w) in out.iter_mut().zip(S::as_simd_f32s(row).0) {
                *out = simd.mul_add_e_f32s(u, w, *out);
            }
        }
        out.iter_mut().for_each(|out| *out = simd.abs_f32s(*out));
    }
}

/// Upper bounds from estimates of members at these sines from a span, for a query whose sine there is given, with what
/// rounding can add and what bounds must reach to matter; a bit for each that does, or is no number, [`LANES`] a mask.
pub(crate) fn uppers(
    simd: Simd,
    estimates: &[f32],
    sines: &[f32],
    (sine, slack, least): (f32, f32, f32),
    out: &mut Vec<f32>,
    reaches: &mut Vec<u16>,
) {
    out.clear();
    out.resize(estimates.len(), 0.0);
    reaches.clear();
    reaches.resize(estimates.len() / LANES, 0);
    simd.run(Uppers { estimates, sines, terms: (sine, slack, least), out, reaches });
}

struct Uppers<'a> {
    estimates: &'a [f32],
    sines: &'a [f32],
    terms: (f32, f32, f32),
    out: &'a mut [f32],
    reaches: &'a mut [u16],
}

impl WithSimd for Uppers<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let (sine, slack, least) = self.terms;
        let runs = self.estimates.as_chunks::<LANES>().0.iter().zip(self.sines.as_chunks::<LANES>().0);
        let out = self.out.as_chunks_mut::<LANES>().0.iter_mut().zip(self.reaches);
        for ((estimates, sines), (out, reaches)) in runs.zip(out) {
            let mut bits = [0u32; LANES];
            for lane in 0..LANES {
                let upper = estimates[lane] + (sines[lane] * sine + slack);
                out[lane] = upper;
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
