//! Places along a Hilbert curve, in any number of dimensions.
//!
//! A point's cell is found on a grid of 2^b cells along each of a dimensions, and the cell's index along the curve
//! through all 2^(a b) of them is the key. The curve is that of Skilling, *Programming the Hilbert curve*, AIP Conf.
//! Proc. 707 (2004): O(a b) a key, without tables. Cells are cubes: one scale, the largest range, for all dimensions.

use super::frame::Frame;
use crate::error::{Result, try_collect, try_vec, try_with_capacity};
use ndarray::ArrayView2;

/// Dimensions that a key has a bit for.
const MAX_DIMENSIONS: usize = 128;

/// Cells along a dimension are at most 2^52: the bits of an f64's fraction.
const MAX_BITS: usize = 52;

/// The grid around a set of points, in which keys of these and other points compare.
struct HilbertFrame {
    /// A power of two that coordinates are multiplied by: see [`Frame`].
    factor: f64,
    /// The dimensions that are used, ascending: at most [`MAX_DIMENSIONS`].
    dims: Vec<usize>,
    /// Lower corner of the cube along `dims`, times `factor`.
    lower: Vec<f64>,
    /// Edge of the cube, times `factor`.
    edge: f64,
    /// b: cells along an edge, as a power of two; `bits * dims.len() <= 128`.
    bits: usize,
}

impl HilbertFrame {
    /// The grid around finite coordinates, n x d; O(n d + d log d).
    ///
    /// At most the 128 dimensions of largest range are used (ties: the first). A dimension whose whole range is less
    /// than the edge of a cell would only turn the curve and take bits from the others: the narrowest such is left
    /// out, until there is none.
    fn new(coords: ArrayView2<'_, f64>) -> Result<Self> {
        let Frame { factor, dims, lower, ranges } = Frame::of(coords)?;
        let mut widest: Vec<usize> = try_collect((0..dims.len()).map(Ok), "the extent of coords")?;
        widest.sort_unstable_by(|&a, &b| ranges[b].total_cmp(&ranges[a]).then(a.cmp(&b)));
        widest.truncate(MAX_DIMENSIONS);
        let edge = widest.first().map_or(0.0, |&k| ranges[k]);
        while widest.last().is_some_and(|&k| ranges[k] < edge / cells_per_edge(bits(widest.len()))) {
            widest.pop();
        }
        widest.sort_unstable();
        let bits = bits(widest.len());
        Ok(HilbertFrame {
            factor,
            dims: widest.iter().map(|&k| dims[k]).collect(),
            lower: widest.iter().map(|&k| lower[k]).collect(),
            edge,
            bits,
        })
    }

    /// The key of `point`, d coordinates as given; a point outside the cube has the key of the nearest cell.
    /// O(a b), without allocation.
    fn key(&self, point: &[f64]) -> u128 {
        let mut cells = [0; MAX_DIMENSIONS];
        let cells = &mut cells[..self.dims.len()];
        let count = cells_per_edge(self.bits);
        for ((cell, &j), &lower) in cells.iter_mut().zip(&self.dims).zip(&self.lower) {
            let place = ((self.factor * point[j] - lower) / self.edge).clamp(0.0, 1.0);
            // The upper face of the cube belongs to the last cell.
            *cell = ((place * count) as u64).min((1 << self.bits) - 1);
        }
        to_curve(cells, self.bits);
        interleave(cells, self.bits)
    }
}

/// b for a dimensions.
fn bits(dimensions: usize) -> usize {
    MAX_BITS.min(128 / dimensions.max(1))
}

/// 2^b
fn cells_per_edge(bits: usize) -> f64 {
    (1u64 << bits) as f64
}

/// Keys of all rows of finite coordinates, n x d, in the frame of these; O(n d).
fn hilbert_keys(coords: ArrayView2<'_, f64>) -> Result<Vec<u128>> {
    let frame = HilbertFrame::new(coords)?;
    let mut keys = try_with_capacity(coords.nrows(), "keys along the Hilbert curve")?;
    let mut point = try_vec(coords.ncols(), 0.0, "a point")?;
    for row in coords.rows() {
        point.iter_mut().zip(row).for_each(|(to, &x)| *to = x);
        keys.push(frame.key(&point));
    }
    Ok(keys)
}

/// The rows of finite coordinates along the curve, ties by the values `ties` of the rows, which are all different. O(n d + n log n).
pub(crate) fn hilbert_order(coords: ArrayView2<'_, f64>, ties: &[u32]) -> Result<Vec<u32>> {
    let keys = hilbert_keys(coords)?;
    let mut order = try_collect((0..coords.nrows() as u32).map(Ok), "the order")?;
    order.sort_unstable_by_key(|&i| (keys[i as usize], ties[i as usize]));
    Ok(order)
}

/// Turns the cell `cells` of a grid with 2^`bits` cells an edge into its index along the curve, transposed: the most
/// significant bits of all words are the most significant bits of the index (Skilling's `AxestoTranspose`).
fn to_curve(cells: &mut [u64], bits: usize) {
    let Some((&mut mut first, _)) = cells.split_first_mut() else { return };
    // Each level's cube holds a reflected and rotated copy of the curve: take that back, from the coarsest level down.
    for level in (1..bits).rev() {
        let finer = (1u64 << level) - 1;
        // A set bit reflects the first axis on all finer levels, a clear one exchanges it with this axis; as masks,
        // because the bits are as good as random and branches on them would be mispredicted.
        first ^= finer & (first >> level & 1).wrapping_neg();
        for cell in cells.iter_mut().skip(1) {
            let reflect = (*cell >> level & 1).wrapping_neg();
            let exchange = (first ^ *cell) & finer & !reflect;
            first ^= exchange | (finer & reflect);
            *cell ^= exchange;
        }
    }
    cells[0] = first;
    // What is left is one Gray code over the bits of all words.
    for i in 1..cells.len() {
        cells[i] ^= cells[i - 1];
    }
    let last = cells[cells.len() - 1];
    let flips = (1..bits).filter(|&level| last >> level & 1 == 1).fold(0, |flips, level| flips ^ ((1u64 << level) - 1));
    cells.iter_mut().for_each(|cell| *cell ^= flips);
}

/// The index whose bits, from the most significant on, are bit b-1 of every word, bit b-2 of every word, ...
fn interleave(words: &[u64], bits: usize) -> u128 {
    let mut key = 0;
    for level in (0..bits).rev() {
        for &word in words {
            key = key << 1 | u128::from(word >> level & 1);
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn indices_walk_the_whole_grid_one_cell_at_a_time() {
        for (d, bits) in [(1, 6), (2, 1), (2, 5), (3, 3), (4, 2), (5, 2), (9, 1)] {
            let count = 1usize << (d * bits);
            let mut cell_at = vec![None; count];
            for cell in 0..count as u64 {
                let cells: Vec<u64> = (0..d).map(|j| cell >> (j * bits) & ((1 << bits) - 1)).collect();
                let mut words = cells.clone();
                to_curve(&mut words, bits);
                let index = interleave(&words, bits) as usize;
                assert!(cell_at[index].replace(cells).is_none(), "{d} dimensions: index {index} twice");
            }
            assert_eq!(cell_at[0], Some(vec![0; d]));
            for pair in cell_at.windows(2) {
                let (a, b) = (pair[0].as_ref().unwrap(), pair[1].as_ref().unwrap());
                let moved: u64 = a.iter().zip(b).map(|(&a, &b)| a.abs_diff(b)).sum();
                assert_eq!(moved, 1, "{d} dimensions: {a:?} to {b:?}");
            }
        }
    }

    #[test]
    fn points_outside_are_moved_to_the_cube() {
        let frame = HilbertFrame::new(array![[-1.0, 2.0], [1.0, 3.0]].view()).unwrap();
        assert_eq!(frame.key(&[-9.0, 2.0]), frame.key(&[-1.0, 2.0]));
        assert_eq!(frame.key(&[f64::MAX, 2.5]), frame.key(&[1.0, 2.5]));
        // The cube is as wide as the widest dimension.
        assert_eq!(frame.key(&[0.5, f64::MIN]), frame.key(&[0.5, 2.0]));
        assert_ne!(frame.key(&[0.5, 3.5]), frame.key(&[0.5, 3.0]));
        assert_eq!(frame.key(&[0.5, 5.0]), frame.key(&[0.5, 4.0]));
    }

    #[test]
    fn extreme_ranges_keep_their_order() {
        for unit in [f64::MAX, 1e300, 1.0, 1e-300, 1e-320] {
            let coords = Array2::from_shape_fn((9, 1), |(i, _)| (i as f64 - 4.0) / 4.0 * unit);
            let keys = hilbert_keys(coords.view()).unwrap();
            assert!(keys.is_sorted_by(|a, b| a < b), "{unit}: {keys:?}");
        }
    }

    #[test]
    fn without_range_all_keys_are_equal() {
        assert_eq!(hilbert_keys(array![[7.0, -3.0], [7.0, -3.0]].view()).unwrap(), [0, 0]);
        assert_eq!(hilbert_keys(array![[7.0, -3.0]].view()).unwrap(), [0]);
    }

    #[test]
    fn a_dimension_narrower_than_a_cell_takes_no_bits() {
        let frame = |width: f64| HilbertFrame::new(array![[0.0, 0.0, 0.0], [1.0, width, 2.0]].view()).unwrap();
        assert_eq!((frame(1e-12).dims, frame(1e-12).bits), (vec![0, 1, 2], 42));
        assert_eq!((frame(1e-13).dims, frame(1e-13).bits), (vec![0, 2], 52));
    }

    #[test]
    fn the_widest_of_many_dimensions_count() {
        // Dimensions 0..3 are too narrow to be among the 128.
        let mut coords = Array2::from_shape_fn((3, 131), |(i, j)| (i * usize::from(j >= 3)) as f64);
        coords[[1, 0]] = 0.5;
        coords[[1, 1]] = 0.5;
        coords[[2, 2]] = 0.5;
        let frame = HilbertFrame::new(coords.view()).unwrap();
        assert_eq!((frame.dims.len(), frame.dims[0], frame.bits), (128, 3, 1));
        let row = coords.row(1).to_vec();
        let moved: Vec<f64> = row.iter().enumerate().map(|(j, x)| if j < 3 { 2.0 } else { *x }).collect();
        assert_eq!(frame.key(&row), frame.key(&moved));
        assert_ne!(frame.key(&row), frame.key(&coords.row(0).to_vec()));
    }
}
