//! Products of a query's coordinates in the span of a cell with those of the cell's members.

use super::Simd;
use pulp::WithSimd;

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
