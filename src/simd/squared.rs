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

/// Which of the points is nearest to `x`, the first of several; coordinates are stored dimension by dimension. `distances` is
/// memory, a value a point.
pub(crate) fn nearest(simd: Simd, x: &[f64], points: &[f64], distances: &mut [f64]) -> usize {
    simd.run(Nearest { x, points, distances })
}

struct Nearest<'a> {
    x: &'a [f64],
    points: &'a [f64],
    distances: &'a mut [f64],
}

impl WithSimd for Nearest<'_> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> usize {
        let Nearest { x, points, distances } = self;
        distances.fill(0.0);
        for (&x, others) in x.iter().zip(points.chunks_exact(distances.len().max(1))) {
            AddSquaredDifferences { x, others, out: distances }.run();
        }
        // Distances are not negative: their bits are ordered as they are, and a minimum of integers may be taken in any order.
        let least = distances.iter().fold(u64::MAX, |least, distance| least.min(distance.to_bits()));
        distances.iter().position(|distance| distance.to_bits() == least).unwrap_or(0)
    }
}
