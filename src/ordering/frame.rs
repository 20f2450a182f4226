//! What orderings start from: ids, draws of them, and coordinates in a frame that no square overflows in.

use crate::error::{Error, Result, checked_area, try_collect, try_vec, try_with_capacity};
use crate::powers_of_two::{exponent, power_of_two};
use ndarray::ArrayView2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Checks that ids of `n` points fit 32 bits.
pub(crate) fn check_count(n: usize) -> Result<()> {
    if u32::try_from(n).is_err() {
        return Err(Error::invalid(format!("coords has {n} rows; at most {} are supported", u32::MAX)));
    }
    Ok(())
}

/// The ids 0..n; n has passed [`check_count`].
pub(crate) fn all_ids(n: usize) -> Result<Vec<u32>> {
    let mut ids = try_with_capacity(n, "ids")?;
    ids.extend(0..n as u32);
    Ok(ids)
}

/// `count` <= n distinct ids of 0..n, every sequence of them equally likely: the first steps of Fisher & Yates's
/// shuffle; O(n) time and memory.
pub(crate) fn draw_without_replacement(rng: &mut ChaCha8Rng, n: usize, count: usize) -> Result<Vec<u32>> {
    let mut ids = all_ids(n)?;
    for place in 0..count {
        // Drawn as u32, so that 32-bit and 64-bit machines see the same numbers.
        let from = rng.random_range(place as u32..n as u32) as usize;
        ids.swap(place, from);
    }
    ids.truncate(count);
    Ok(ids)
}

/// The dimensions along which points differ, and a power of two times which their coordinates can be subtracted,
/// squared and summed without overflow, and without underflow that matters.
///
/// Multiplying by a power of two rounds nothing, so squared distances compare as those of the given coordinates do.
/// The largest range becomes about 2^400, so differences below 2^-936 of it square to zero. Coordinates stay below
/// 2^456, because different f64 of size x differ by at least 2^-53 x, and dimensions without range are left out.
pub(crate) struct Frame {
    /// The power of two.
    pub(crate) factor: f64,
    /// Dimensions with a range above 0, ascending.
    pub(crate) dims: Vec<usize>,
    /// Least coordinate along each of `dims`, times `factor`.
    pub(crate) lower: Vec<f64>,
    /// Range along each of `dims`, times `factor`.
    pub(crate) ranges: Vec<f64>,
}

/// Exponent of the largest range, after scaling.
const RANGE_EXPONENT: i32 = 400;

impl Frame {
    /// The frame of finite coordinates, n x d; O(n d).
    pub(crate) fn of(coords: ArrayView2<'_, f64>) -> Result<Self> {
        let d = coords.ncols();
        let mut lower = try_vec(d, f64::INFINITY, "the extent of coords")?;
        let mut upper = try_vec(d, f64::NEG_INFINITY, "the extent of coords")?;
        for row in coords.rows() {
            for ((&x, lower), upper) in row.iter().zip(&mut lower).zip(&mut upper) {
                *lower = lower.min(x);
                *upper = upper.max(x);
            }
        }
        let mut dims: Vec<usize> = try_with_capacity(d, "the extent of coords")?;
        dims.extend((0..d).filter(|&j| lower[j] < upper[j]));
        // Halves, because the range itself may overflow.
        let half_range = dims.iter().map(|&j| 0.5 * upper[j] - 0.5 * lower[j]).fold(0.0, f64::max);
        let factor = power_of_two(RANGE_EXPONENT - exponent(half_range));
        let range = |&j: &usize| Ok(factor * upper[j] - factor * lower[j]);
        let ranges = try_collect(dims.iter().map(range), "the extent of coords")?;
        let lower = try_collect(dims.iter().map(|&j| Ok(factor * lower[j])), "the extent of coords")?;
        Ok(Frame { factor, dims, lower, ranges })
    }

    /// Scaled coordinates of the points `ids` along `dims`, dimension by dimension; O(ids d).
    pub(crate) fn columns(&self, coords: ArrayView2<'_, f64>, ids: &[u32]) -> Result<Vec<f64>> {
        let mut columns = try_with_capacity(checked_area(ids.len(), self.dims.len(), "coords")?, "coordinates")?;
        for &j in &self.dims {
            let column = coords.column(j);
            columns.extend(ids.iter().map(|&id| self.factor * column[id as usize]));
        }
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use rand::SeedableRng;

    #[test]
    fn a_frame_scales_by_powers_of_two_and_drops_constant_dimensions() {
        for unit in [1e-320, 1e-300, 1.0, 1e300] {
            let coords = array![[unit, f64::MAX, -unit], [5.0 * unit, f64::MAX, 0.0]];
            let frame = Frame::of(coords.view()).unwrap();
            assert_eq!(frame.dims, [0, 2]);
            assert_eq!(frame.factor.to_bits() << 12, 0);
            assert_eq!(frame.lower, [frame.factor * unit, -frame.factor * unit]);
            let columns = frame.columns(coords.view(), &[1, 0]).unwrap();
            assert_eq!(columns.iter().map(|x| x / frame.factor).collect::<Vec<_>>(), [5.0 * unit, unit, 0.0, -unit]);
            assert!(columns.iter().all(|x| (x * x).is_finite()));
        }
    }

    #[test]
    fn a_frame_survives_the_whole_range() {
        let frame = Frame::of(array![[f64::MAX], [f64::MIN]].view()).unwrap();
        assert!(frame.ranges[0].is_finite() && (frame.ranges[0] * frame.ranges[0]).is_finite());
        let frame = Frame::of(array![[3.0, 3.0]].view()).unwrap();
        assert!(frame.dims.is_empty() && frame.factor.is_finite());
    }

    #[test]
    fn a_draw_is_distinct_and_reaches_everything() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut seen = [0; 6];
        for _ in 0..600 {
            let ids = draw_without_replacement(&mut rng, 6, 2).unwrap();
            assert!(ids.len() == 2 && ids[0] != ids[1]);
            ids.iter().for_each(|&id| seen[id as usize] += 1);
        }
        assert!(seen.iter().all(|&count| (140..260).contains(&count)), "{seen:?}");
    }
}
