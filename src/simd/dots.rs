//! Dot products of blocks of rows: the small matrix product that searches spend their time in.
//!
//! Rows are padded with zeros to whole vectors ([`super::padded`]). Tiles of 4 x 4 (or 2 x 4) row pairs are held in
//! registers; each pair adds up its own vector in the order of the columns, so its sum has the same bits in any tile.
//! Compared with packing for a general product, this needs no copy of either side.

use super::Simd;
use pulp::WithSimd;

/// `f64`, or `f32` for filters.
pub(crate) trait Element: Copy + Default + Send + Sync + 'static {
    /// A vector of an instruction set.
    type Vector<S: pulp::Simd>: Copy;
    /// The whole vectors of a slice.
    fn vectors<S: pulp::Simd>(slice: &[Self]) -> &[Self::Vector<S>];
    /// A vector of zeros.
    fn zeros<S: pulp::Simd>(simd: S) -> Self::Vector<S>;
    /// x y + sum
    fn multiply_add<S: pulp::Simd>(
        simd: S,
        x: Self::Vector<S>,
        y: Self::Vector<S>,
        sum: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// Sum of the lanes.
    fn sum<S: pulp::Simd>(simd: S, vector: Self::Vector<S>) -> Self;
}

macro_rules! element {
    ($type:ty, $vector:ident, $as_simd:ident, $splat:ident, $mul_add:ident, $reduce_sum:ident) => {
        impl Element for $type {
            type Vector<S: pulp::Simd> = S::$vector;
            #[inline(always)]
            fn vectors<S: pulp::Simd>(slice: &[Self]) -> &[S::$vector] {
                S::$as_simd(slice).0
            }
            #[inline(always)]
            fn zeros<S: pulp::Simd>(simd: S) -> S::$vector {
                simd.$splat(0.0)
            }
            #[inline(always)]
            fn multiply_add<S: pulp::Simd>(simd: S, x: S::$vector, y: S::$vector, sum: S::$vector) -> S::$vector {
                simd.$mul_add(x, y, sum)
            }
            #[inline(always)]
            fn sum<S: pulp::Simd>(simd: S, vector: S::$vector) -> Self {
                simd.$reduce_sum(vector)
            }
        }
    };
}

element!(f64, f64s, as_simd_f64s, splat_f64s, mul_add_e_f64s, reduce_sum_f64s);
element!(f32, f32s, as_simd_f32s, splat_f32s, mul_add_e_f32s, reduce_sum_f32s);

/// Rows of a row-major matrix: all, a range or a selection.
pub(crate) trait Rows<E>: Copy {
    /// Number of rows.
    fn len(self) -> usize;
    /// Row `i`.
    fn row<'a>(self, i: usize) -> &'a [E]
    where
        Self: 'a;
}

/// Contiguous rows of `width` values.
#[derive(Clone, Copy)]
pub(crate) struct Dense<'a, E = f64> {
    pub(crate) data: &'a [E],
    pub(crate) width: usize,
    pub(crate) len: usize,
}

/// Rows `index[i]` of `data`.
#[derive(Clone, Copy)]
pub(crate) struct Gathered<'a, E = f64> {
    pub(crate) data: &'a [E],
    pub(crate) width: usize,
    pub(crate) index: &'a [u32],
}

impl<E: Copy> Rows<E> for Dense<'_, E> {
    #[inline(always)]
    fn len(self) -> usize {
        self.len
    }
    #[inline(always)]
    fn row<'a>(self, i: usize) -> &'a [E]
    where
        Self: 'a,
    {
        &self.data[i * self.width..(i + 1) * self.width]
    }
}

impl<E: Copy> Rows<E> for Gathered<'_, E> {
    #[inline(always)]
    fn len(self) -> usize {
        self.index.len()
    }
    #[inline(always)]
    fn row<'a>(self, i: usize) -> &'a [E]
    where
        Self: 'a,
    {
        let at = self.index[i] as usize * self.width;
        &self.data[at..at + self.width]
    }
}

/// `out[i * b.len() + j]` = dot of row i of `a` and row j of `b`. Rows of both have the same padded width.
pub(crate) fn dots<E: Element, A: Rows<E>, B: Rows<E>>(simd: Simd, a: A, b: B, out: &mut [E]) {
    debug_assert_eq!(out.len(), a.len() * b.len());
    simd.run(Dots { a, b, out });
}

struct Dots<'a, E, A, B> {
    a: A,
    b: B,
    out: &'a mut [E],
}

impl<E: Element, A: Rows<E>, B: Rows<E>> WithSimd for Dots<'_, E, A, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Dots { a, b, out } = self;
        let mut i = 0;
        if S::REGISTER_COUNT >= 32 {
            while i + 4 <= a.len() {
                stripe::<S, E, A, B, 4>(simd, a, b, i, out);
                i += 4;
            }
        }
        while i + 2 <= a.len() {
            stripe::<S, E, A, B, 2>(simd, a, b, i, out);
            i += 2;
        }
        if i < a.len() {
            stripe::<S, E, A, B, 1>(simd, a, b, i, out);
        }
    }
}

/// Rows `i..i + I` of `a` against all rows of `b`.
#[inline(always)]
fn stripe<S, E, A, B, const I: usize>(simd: S, a: A, b: B, i: usize, out: &mut [E])
where
    S: pulp::Simd,
    E: Element,
    A: Rows<E>,
    B: Rows<E>,
{
    let mut j = 0;
    while j + 4 <= b.len() {
        tile::<S, E, A, B, I, 4>(simd, a, b, i, j, out);
        j += 4;
    }
    while j < b.len() {
        tile::<S, E, A, B, I, 1>(simd, a, b, i, j, out);
        j += 1;
    }
}

/// Asks for the cache line that holds `value`.
#[inline(always)]
fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching has no effect but on caches, and the address is that of a value.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Rows `i..i + I` of `a` against rows `j..j + J` of `b`.
#[inline(always)]
fn tile<S, E, A, B, const I: usize, const J: usize>(simd: S, a: A, b: B, i: usize, j: usize, out: &mut [E])
where
    S: pulp::Simd,
    E: Element,
    A: Rows<E>,
    B: Rows<E>,
{
    let left: [&[E::Vector<S>]; I] = std::array::from_fn(|s| E::vectors::<S>(a.row(i + s)));
    let right: [&[E::Vector<S>]; J] = std::array::from_fn(|t| E::vectors::<S>(b.row(j + t)));
    let len = left.iter().chain(&right).map(|row| row.len()).min().unwrap_or(0);
    let left: [&[E::Vector<S>]; I] = std::array::from_fn(|s| &left[s][..len]);
    let right: [&[E::Vector<S>]; J] = std::array::from_fn(|t| &right[t][..len]);
    // Rows that are gathered lie anywhere: the next ones are asked for while these are multiplied.
    let ahead = j + J + J <= b.len();
    let next: [&[E::Vector<S>]; J] =
        std::array::from_fn(|t| if ahead { E::vectors::<S>(b.row(j + J + t)) } else { &[] });
    let mut sums = [[E::zeros(simd); J]; I];
    for v in 0..len {
        if ahead {
            next.iter().for_each(|row| prefetch(&row[v]));
        }
        let y: [E::Vector<S>; J] = std::array::from_fn(|t| right[t][v]);
        for s in 0..I {
            let x = left[s][v];
            for t in 0..J {
                sums[s][t] = E::multiply_add(simd, x, y[t], sums[s][t]);
            }
        }
    }
    for s in 0..I {
        for t in 0..J {
            out[(i + s) * b.len() + j + t] = E::sum(simd, sums[s][t]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_has_the_same_bits_in_every_tile_and_is_the_dot_product() {
        let width = 40;
        let data: Vec<f64> = (0..23 * width).map(|i| ((i * 7919) % 1009) as f64 / 1009.0 - 0.5).collect();
        for simd in [Simd::detect(), Simd::Portable] {
            let all = Dense { data: &data, width, len: 23 };
            let mut full = vec![0.0; 23 * 23];
            dots(simd, all, all, &mut full);
            for i in 0..23u32 {
                for j in 0..23u32 {
                    let mut one = [0.0];
                    let a = Gathered { data: &data, width, index: &[i] };
                    dots(simd, a, Gathered { data: &data, width, index: &[j] }, &mut one);
                    assert_eq!(one[0].to_bits(), full[(i * 23 + j) as usize].to_bits());
                    let plain: f64 = all.row(i as usize).iter().zip(all.row(j as usize)).map(|(x, y)| x * y).sum();
                    assert!((plain - one[0]).abs() < 1e-13);
                }
            }
        }
    }

    #[test]
    fn rows_of_no_columns_have_dot_zero() {
        let mut out = [1.0; 6];
        let (a, b) = (Dense { data: &[], width: 0, len: 2 }, Dense { data: &[], width: 0, len: 3 });
        dots(Simd::detect(), a, b, &mut out);
        assert_eq!(out, [0.0; 6]);
    }
}
