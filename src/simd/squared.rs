//! Squared Euclidean distances of one point to many, coordinates stored dimension by dimension.

use super::Simd;
use pulp::WithSimd;

/// Adds (x - others\[i\])^2 to `out[i]`: one dimension of a squared distance.
#[inline]
pub(crate) fn add_squared_differences(simd: Simd, x: f64, others: &[f64], out: &mut [f64]) {
    let add = AddSquaredDifferences { x, others, out };
    if add.others.len() < FEW { add.run() } else { simd.run(add) }
}

/// So few are done before a kernel would be chosen. The bits are the same.
const FEW: usize = 16;

struct AddSquaredDifferences<'a> {
    x: f64,
    others: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for AddSquaredDifferences<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        self.run();
    }
}

impl AddSquaredDifferences<'_> {
    #[inline(always)]
    fn run(self) {
        for (out, &other) in self.out.iter_mut().zip(self.others) {
            let difference = self.x - other;
            *out += difference * difference;
        }
    }
}
