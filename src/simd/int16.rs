//! Products of 16 query rows with a panel of 16 points in 16-bit integers: the filter that looks at most pairs.
//!
//! A panel stores columns in pairs, lane by lane: pair j holds (x\[2j\], x\[2j + 1\]) of each of its 16 points. One
//! instruction multiplies a pair of one query with that of all points and adds both products, so no sum across lanes is
//! needed; and only chosen pairs are read.

use super::Simd;

/// Points of a panel, and rows of a block of queries.
pub(crate) const LANES: usize = 16;

/// Numbers of a pair of all lanes of a panel.
pub(crate) const PAIR: usize = 2 * LANES;

/// `out[r][lane]` = sum over t of the two products of `rows[t][r]` and pair `pairs[t]` of `panel`, in 32 bits: the
/// caller sees to it that no sum overflows. Each of `rows` holds two 16-bit numbers, the first in the low half.
pub(crate) fn panel_products(
    simd: Simd,
    rows: &[[i32; LANES]],
    pairs: &[u32],
    panel: &[i16],
    out: &mut [[i32; LANES]; LANES],
) {
    assert_eq!(rows.len(), pairs.len());
    assert!(pairs.iter().all(|&pair| (pair as usize + 1) * PAIR <= panel.len()));
    #[cfg(target_arch = "x86_64")]
    if matches!(simd, Simd::Native(_)) {
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has these instructions; the pairs were checked to lie in the panel.
            return unsafe { x86::vnni(rows, pairs, panel, out) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { x86::avx2(rows, pairs, panel, out) };
        }
    }
    let _ = simd;
    portable(rows, pairs, panel, out);
}

fn portable(rows: &[[i32; LANES]], pairs: &[u32], panel: &[i16], out: &mut [[i32; LANES]; LANES]) {
    *out = [[0; LANES]; LANES];
    for (rows, &pair) in rows.iter().zip(pairs) {
        let points = &panel[pair as usize * PAIR..][..PAIR];
        for (&row, out) in rows.iter().zip(out.iter_mut()) {
            let (first, second) = (i32::from(row as i16), row >> 16);
            for (out, point) in out.iter_mut().zip(points.chunks_exact(2)) {
                *out += first * i32::from(point[0]) + second * i32::from(point[1]);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{LANES, PAIR};
    use std::arch::x86_64::*;

    /// # Safety
    /// The processor has AVX-512 F and VNNI; every pair lies in the panel.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) unsafe fn vnni(rows: &[[i32; LANES]], pairs: &[u32], panel: &[i16], out: &mut [[i32; LANES]; LANES]) {
        let mut sums = [_mm512_setzero_si512(); LANES];
        for (rows, &pair) in rows.iter().zip(pairs) {
            // SAFETY: the caller's promise: 64 bytes from here on are in the panel.
            let points = unsafe { _mm512_loadu_si512(panel.as_ptr().add(pair as usize * PAIR).cast()) };
            for (sum, &row) in sums.iter_mut().zip(rows) {
                *sum = _mm512_dpwssd_epi32(*sum, points, _mm512_set1_epi32(row));
            }
        }
        for (sum, out) in sums.iter().zip(out) {
            // SAFETY: `out` holds 64 bytes.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), *sum) };
        }
    }

    /// # Safety
    /// The processor has AVX2; every pair lies in the panel.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(rows: &[[i32; LANES]], pairs: &[u32], panel: &[i16], out: &mut [[i32; LANES]; LANES]) {
        const ROWS: usize = 4;
        for first in (0..LANES).step_by(ROWS) {
            let mut sums = [[_mm256_setzero_si256(); 2]; ROWS];
            for (rows, &pair) in rows.iter().zip(pairs) {
                // SAFETY: the caller's promise: 64 bytes from here on are in the panel.
                let points = unsafe {
                    let start = panel.as_ptr().add(pair as usize * PAIR);
                    [_mm256_loadu_si256(start.cast()), _mm256_loadu_si256(start.add(LANES).cast())]
                };
                for (sums, &row) in sums.iter_mut().zip(&rows[first..first + ROWS]) {
                    let row = _mm256_set1_epi32(row);
                    for (sum, &points) in sums.iter_mut().zip(&points) {
                        *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(points, row));
                    }
                }
            }
            for (sums, out) in sums.iter().zip(&mut out[first..first + ROWS]) {
                for (sum, out) in sums.iter().zip(out.chunks_exact_mut(LANES / 2)) {
                    // SAFETY: `out` holds 32 bytes.
                    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), *sum) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_sums_of_products() {
        let number = |i: usize| ((i * 7919 + 13) % 65_521) as i64 as i32 as i16;
        let count = 9;
        let panel: Vec<i16> = (0..count * PAIR).map(|i| number(i) / 4).collect();
        let pairs = [0u32, 3, 4, 8];
        let rows: Vec<[i32; LANES]> = (0..pairs.len())
            .map(|t| {
                std::array::from_fn(|r| {
                    let (low, high) = (number(100 * t + r) / 4, number(77 * t + 5 * r) / 4);
                    i32::from(low as u16) | (i32::from(high) << 16)
                })
            })
            .collect();
        for simd in [Simd::detect(), Simd::Portable] {
            let mut out = [[0; LANES]; LANES];
            panel_products(simd, &rows, &pairs, &panel, &mut out);
            for (r, out) in out.iter().enumerate() {
                for (lane, &product) in out.iter().enumerate() {
                    let sum: i64 = pairs
                        .iter()
                        .zip(&rows)
                        .map(|(&pair, rows)| {
                            let at = pair as usize * PAIR + 2 * lane;
                            let (low, high) = (rows[r] as i16, (rows[r] >> 16) as i16);
                            i64::from(low) * i64::from(panel[at]) + i64::from(high) * i64::from(panel[at + 1])
                        })
                        .sum();
                    assert_eq!(i64::from(product), sum, "row {r}, lane {lane}");
                }
            }
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx2") {
                let mut narrow = [[0; LANES]; LANES];
                // SAFETY: AVX2 is there, and all pairs are below `count`.
                unsafe { x86::avx2(&rows, &pairs, &panel, &mut narrow) };
                assert_eq!(narrow, out);
            }
        }
    }
}
