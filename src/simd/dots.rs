//! Dot products of blocks of rows: the small matrix product that searches spend their time in.
//!
//! Rows are padded with zeros to whole vectors ([`super::padded`]). Tiles of 4 x 4 (or 2 x 4) row pairs are held in
//! registers; each pair adds up its own vector in the order of the columns, so its sum has the same bits in any tile.
//! Compared with packing for a general product, this needs no copy of either side.

use super::Simd;
use pulp::WithSimd;

/// Rows of a row-major matrix: all, a range or a selection.
pub(crate) trait Rows: Copy {
    /// Number of rows.
    fn len(self) -> usize;
    /// Row `i`.
    fn row<'a>(self, i: usize) -> &'a [f64]
    where
        Self: 'a;
}

/// Contiguous rows of `width` values.
#[derive(Clone, Copy)]
pub(crate) struct Dense<'a> {
    pub(crate) data: &'a [f64],
    pub(crate) width: usize,
    pub(crate) len: usize,
}

/// Rows `index[i]` of `data`.
#[derive(Clone, Copy)]
pub(crate) struct Gathered<'a> {
    pub(crate) data: &'a [f64],
    pub(crate) width: usize,
    pub(crate) index: &'a [u32],
}

impl Rows for Dense<'_> {
    #[inline(always)]
    fn len(self) -> usize {
        self.len
    }
    #[inline(always)]
    fn row<'a>(self, i: usize) -> &'a [f64]
    where
        Self: 'a,
    {
        &self.data[i * self.width..(i + 1) * self.width]
    }
}

impl Rows for Gathered<'_> {
    #[inline(always)]
    fn len(self) -> usize {
        self.index.len()
    }
    #[inline(always)]
    fn row<'a>(self, i: usize) -> &'a [f64]
    where
        Self: 'a,
    {
        let at = self.index[i] as usize * self.width;
        &self.data[at..at + self.width]
    }
}

/// `out[i * b.len() + j]` = dot of row i of `a` and row j of `b`. Rows of both have the same padded width.
pub(crate) fn dots<A: Rows, B: Rows>(simd: Simd, a: A, b: B, out: &mut [f64]) {
    debug_assert_eq!(out.len(), a.len() * b.len());
    simd.run(Dots { a, b, out });
}

struct Dots<'a, A, B> {
    a: A,
    b: B,
    out: &'a mut [f64],
}

impl<A: Rows, B: Rows> WithSimd for Dots<'_, A, B> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Dots { a, b, out } = self;
        let mut i = 0;
        if S::REGISTER_COUNT >= 32 {
            while i + 4 <= a.len() {
                stripe::<S, A, B, 4>(simd, a, b, i, out);
                i += 4;
            }
        }
        if S::REGISTER_COUNT >= 32 && i + 3 == a.len() {
            stripe::<S, A, B, 3>(simd, a, b, i, out);
            i += 3;
        }
        while i + 2 <= a.len() {
            stripe::<S, A, B, 2>(simd, a, b, i, out);
            i += 2;
        }
        if i < a.len() {
            stripe::<S, A, B, 1>(simd, a, b, i, out);
        }
    }
}

/// Rows `i..i + I` of `a` against all rows of `b`.
#[inline(always)]
fn stripe<S, A, B, const I: usize>(simd: S, a: A, b: B, i: usize, out: &mut [f64])
where
    S: pulp::Simd,
    A: Rows,
    B: Rows,
{
    let mut j = 0;
    while j + 4 <= b.len() {
        tile::<S, A, B, I, 4>(simd, a, b, i, j, out);
        j += 4;
    }
    match b.len() - j {
        1 => tile::<S, A, B, I, 1>(simd, a, b, i, j, out),
        2 => tile::<S, A, B, I, 2>(simd, a, b, i, j, out),
        3 => tile::<S, A, B, I, 3>(simd, a, b, i, j, out),
        _ => {}
    }
}

/// By how many rows those that are asked for are ahead: with 4, 8 and 16 a row of 4 KiB from main memory takes 200, 134 and
/// 122 ns.
const AHEAD: usize = 16;

/// Asks for the cache line that holds `value`, to be in the second level: the first has hardly room for one tile.
#[inline(always)]
fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching has no effect but on caches, and the address is that of a value.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(value).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Rows `i..i + I` of `a` against rows `j..j + J` of `b`.
#[inline(always)]
fn tile<S, A, B, const I: usize, const J: usize>(simd: S, a: A, b: B, i: usize, j: usize, out: &mut [f64])
where
    S: pulp::Simd,
    A: Rows,
    B: Rows,
{
    let left: [&[S::f64s]; I] = std::array::from_fn(|s| S::as_simd_f64s(a.row(i + s)).0);
    let right: [&[S::f64s]; J] = std::array::from_fn(|t| S::as_simd_f64s(b.row(j + t)).0);
    let len = left.iter().chain(&right).map(|row| row.len()).min().unwrap_or(0);
    let left: [&[S::f64s]; I] = std::array::from_fn(|s| &left[s][..len]);
    let right: [&[S::f64s]; J] = std::array::from_fn(|t| &right[t][..len]);
    // Rows that are gathered lie anywhere: later ones are asked for while these are multiplied for the first time.
    let ahead = i == 0 && j + AHEAD < b.len();
    let next = |t: usize| S::as_simd_f64s(b.row((j + AHEAD + t).min(b.len() - 1))).0;
    let next: [&[S::f64s]; J] = std::array::from_fn(|t| if ahead { next(t) } else { &[] });
    let mut sums = [[simd.splat_f64s(0.0); J]; I];
    for v in 0..len {
        if ahead {
            next.iter().for_each(|row| prefetch(&row[v]));
        }
        let y: [S::f64s; J] = std::array::from_fn(|t| right[t][v]);
        for s in 0..I {
            let x = left[s][v];
            for t in 0..J {
                sums[s][t] = simd.mul_add_e_f64s(x, y[t], sums[s][t]);
            }
        }
    }
    for s in 0..I {
        for t in 0..J {
            out[(i + s) * b.len() + j + t] = simd.reduce_sum_f64s(sums[s][t]);
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
