//! Single rows of V.

use super::Simd;
use pulp::WithSimd;

/// Sums that are added up side by side.
const STREAMS: usize = 16;

/// Subtracts `factor` times another row.
pub(crate) fn subtract(simd: Simd, factor: f64, other: &[f64], row: &mut [f64]) {
    simd.run(Subtract { factor, other, row });
}

struct Subtract<'a> {
    factor: f64,
    other: &'a [f64],
    row: &'a mut [f64],
}

impl WithSimd for Subtract<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        self.row.iter_mut().zip(self.other).for_each(|(value, other)| *value -= self.factor * other);
    }
}

/// The sum of squares.
pub(crate) fn square(simd: Simd, row: &[f32]) -> f64 {
    simd.run(Square { row })
}

struct Square<'a> {
    row: &'a [f32],
}

impl WithSimd for Square<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> f64 {
        let mut sums = [0.0f64; STREAMS];
        let (blocks, rest) = self.row.as_chunks::<STREAMS>();
        for block in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, &value)| *sum += f64::from(value) * f64::from(value));
        }
        sums.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>()
    }
}
