//! The last steps of the screen: a panel of points against the queries that cannot exclude it.

use super::Simd;
use super::int16::LANES;
use pulp::WithSimd;

/// Writes the squared distances of each query from the points of a panel, [`LANES`] a query.
///
/// `queries` holds d coordinates a query, `panel` [`LANES`] coordinates a dimension.
pub(crate) fn squared_distances(simd: Simd, queries: &[f64], panel: &[f64], out: &mut [f64]) {
    simd.run(SquaredDistances { queries, panel, out });
}

struct SquaredDistances<'a> {
    queries: &'a [f64],
    panel: &'a [f64],
    out: &'a mut [f64],
}

impl WithSimd for SquaredDistances<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) {
        let d = self.panel.len() / LANES;
        for (query, out) in self.queries.chunks_exact(d).zip(self.out.chunks_exact_mut(LANES)) {
            let mut sums = [0.0; LANES];
            for (&x, points) in query.iter().zip(self.panel.chunks_exact(LANES)) {
                for (sum, &point) in sums.iter_mut().zip(points) {
                    let difference = x - point;
                    *sum += difference * difference;
                }
            }
            out.copy_from_slice(&sums);
        }
    }
}

/// Writes upper bounds of the residual covariances of a query with the points of a panel, over sqrt(p) of the point:
/// abs(k - unit product) + error, where `covariances` holds k. Returns a bit for each that reaches `wanted`.
pub(crate) fn upper_bounds(
    simd: Simd,
    covariances: &mut [f64],
    products: &[i32; LANES],
    inverse_sds: &[f64],
    (unit, error, wanted): (f64, f64, f64),
) -> u32 {
    simd.run(UpperBounds { covariances, products, inverse_sds, unit, error, wanted })
}

struct UpperBounds<'a> {
    covariances: &'a mut [f64],
    products: &'a [i32; LANES],
    inverse_sds: &'a [f64],
    unit: f64,
    error: f64,
    wanted: f64,
}

impl WithSimd for UpperBounds<'_> {
    type Output = u32;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _simd: S) -> u32 {
        let mut reaches = [false; LANES];
        let values = self.covariances[..LANES].iter_mut().zip(self.products).zip(&self.inverse_sds[..LANES]);
        for (reaches, ((k, &product), &isd)) in reaches.iter_mut().zip(values) {
            *k = ((*k - self.unit * f64::from(product)).abs() + self.error) * isd;
            *reaches = *k >= self.wanted;
        }
        reaches.iter().enumerate().fold(0, |mask, (lane, &reaches)| mask | u32::from(reaches) << lane)
    }
}
