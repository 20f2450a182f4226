//! Norms of a query's part in the span of its own cell, projected on the spans of other cells, a cell a lane.

use super::Simd;
use pulp::WithSimd;

/// Cells of a group.
pub(crate) const LANES: usize = 16;

/// Squares of the norms of G u, for each lane its own G, whose entries are in `products` row by row; `u` is no part of a
/// row longer than it.
pub(crate) fn squares(simd: Simd, products: &[i8], u: &[f32]) -> [f32; LANES] {
    simd.run(Squares { products, u })
}

struct Squares<'a> {
    products: &'a [i8],
    u: &'a [f32],
}

impl WithSimd for Squares<'_> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> [f32; LANES] {
        let mut squares = [0.0f32; LANES];
        for row in self.products.as_chunks::<LANES>().0.chunks_exact(self.u.len()) {
            let mut sums = [0.0f32; LANES];
            for (products, u) in row.iter().zip(self.u) {
                for lane in 0..LANES {
                    sums[lane] += u * f32::from(products[lane]);
                }
            }
            for lane in 0..LANES {
                squares[lane] += sums[lane] * sums[lane];
            }
        }
        squares
    }
}
