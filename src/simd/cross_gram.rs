//! A query's part in the span of its own subspace, projected on the spans of other subspaces, a subspace a lane.

use super::Simd;
use pulp::WithSimd;

/// Subspaces of a group.
pub(crate) const LANES: usize = 16;

/// A group of subspaces: products row by row, [`LANES`] for each entry of u, and their units.
#[derive(Clone, Copy)]
pub(crate) struct Group<'a> {
    pub(crate) products: &'a [i8],
    pub(crate) scales: &'a [f32; LANES],
}

/// Writes G u to `parts`, row by row, for each lane its own G; returns the lengths of these. `u` is no part of a row longer
/// than it.
pub(crate) fn project(simd: Simd, group: Group<'_>, u: &[f32], parts: &mut [[f32; LANES]]) -> [f32; LANES] {
    debug_assert_eq!(group.products.len(), parts.len() * u.len() * LANES);
    simd.run(Project { group, u, parts })
}

struct Project<'a> {
    group: Group<'a>,
    u: &'a [f32],
    parts: &'a mut [[f32; LANES]],
}

impl WithSimd for Project<'_> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> [f32; LANES] {
        let mut squares = [0.0f32; LANES];
        let rows = self.group.products.as_chunks::<LANES>().0.chunks_exact(self.u.len());
        for (row, part) in rows.zip(self.parts) {
            let mut sums = [0.0f32; LANES];
            for (products, u) in row.iter().zip(self.u) {
                for lane in 0..LANES {
                    sums[lane] += u * f32::from(products[lane]);
                }
            }
            for lane in 0..LANES {
                sums[lane] *= self.group.scales[lane];
                squares[lane] += sums[lane] * sums[lane];
            }
            *part = sums;
        }
        squares.map(f32::sqrt)
    }
}
