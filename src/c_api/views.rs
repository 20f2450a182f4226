//! The caller's memory as array views, after every check that can be made.

use super::types::*;
use crate::error::{Error, Result};
use ndarray::{ArrayView, ArrayView1, ArrayView2, Axis, Dimension, IntoDimension, ShapeBuilder};

/// `*pointer`, or an error that names it.
///
/// # Safety
/// `pointer` is NULL or points to a `T` that lives during the call.
pub(super) unsafe fn required<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    if !pointer.is_null() && !pointer.is_aligned() {
        return Err(misaligned(name));
    }
    // SAFETY: the caller's promise; NULL becomes None.
    unsafe { pointer.as_ref() }.ok_or_else(|| Error::invalid(format!("{name} is NULL")))
}

/// As [`required`], to write through.
///
/// # Safety
/// As [`required`], and nobody else uses the `T` during the call.
pub(super) unsafe fn required_mut<'a, T>(pointer: *mut T, name: &str) -> Result<&'a mut T> {
    if !pointer.is_null() && !pointer.is_aligned() {
        return Err(misaligned(name));
    }
    // SAFETY: the caller's promise; NULL becomes None.
    unsafe { pointer.as_mut() }.ok_or_else(|| Error::invalid(format!("{name} is NULL")))
}

/// An error unless the caller's struct has this library's size. It is read before anything else of the struct.
pub(super) fn check_struct_size<T>(struct_size: usize, name: &str) -> Result<()> {
    let own = std::mem::size_of::<T>();
    if struct_size == own {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name}.struct_size is {struct_size}, not {own}: fill the struct with its _init function, of this library's header"
    )))
}

/// A struct of the caller's whose first field is its size.
///
/// # Safety
/// `pointer` is NULL or points to at least a `size_t`, and to a whole `T` if that equals the size of `T`.
pub(super) unsafe fn sized<'a, T>(pointer: *const T, name: &str) -> Result<&'a T> {
    // SAFETY: the first field is a size_t; alignment of T is at least its own.
    let struct_size = *unsafe { required(pointer.cast::<usize>(), name) }?;
    check_struct_size::<T>(struct_size, name)?;
    // SAFETY: the caller says that a whole T is there.
    unsafe { required(pointer, name) }
}

fn misaligned(name: &str) -> Error {
    Error::invalid(format!("{name} is not aligned for its type"))
}

/// Checks that offsets of a strided array fit the address space.
fn check_extent(name: &str, lens: &[usize], strides: &[isize]) -> Result<()> {
    let too_large =
        || Error::invalid(format!("{name}: shape {lens:?} with strides {strides:?} does not fit in memory"));
    let mut extent = 0usize;
    let mut count = 1usize;
    for (&len, &stride) in lens.iter().zip(strides) {
        count = count.checked_mul(len.max(1)).ok_or_else(too_large)?;
        let reach = stride.unsigned_abs().checked_mul(len.saturating_sub(1)).ok_or_else(too_large)?;
        extent = extent.checked_add(reach).ok_or_else(too_large)?;
    }
    let limit = isize::MAX as usize / std::mem::size_of::<f64>();
    if extent >= limit || count >= limit { Err(too_large()) } else { Ok(()) }
}

/// A view of strided memory; strides may be negative or 0.
///
/// # Safety
/// All elements may be read during the call.
unsafe fn view<'a, T, D: Dimension>(
    name: &str,
    data: *const T,
    lens: D,
    strides: &[isize],
) -> Result<ArrayView<'a, T, D>> {
    if !data.is_aligned() {
        return Err(misaligned(name));
    }
    check_extent(name, lens.slice(), strides)?;
    let mut lowest = data;
    let mut forward = lens.clone();
    for (axis, &stride) in strides.iter().enumerate() {
        forward[axis] = stride.unsigned_abs();
        if stride < 0 && lens[axis] > 1 {
            // SAFETY: the last element along the axis is part of the array; the offset was checked.
            lowest = unsafe { lowest.offset(stride * (lens[axis] - 1) as isize) };
        }
    }
    // SAFETY: `lowest` is the element of lowest address, strides are not negative, offsets were checked, and the
    // caller says that the elements may be read.
    let mut view = unsafe { ArrayView::from_shape_ptr(lens.strides(forward), lowest) };
    for (axis, &stride) in strides.iter().enumerate() {
        if stride < 0 {
            view.invert_axis(Axis(axis));
        }
    }
    Ok(view)
}

/// A matrix, or `None` where it is absent.
///
/// # Safety
/// The elements it describes may be read during the call.
pub(super) unsafe fn matrix<'a>(name: &str, matrix: &rct_matrix) -> Result<Option<ArrayView2<'a, f64>>> {
    if matrix.data.is_null() {
        return absent(name, matrix.rows);
    }
    let lens = (matrix.rows, matrix.cols).into_dimension();
    // SAFETY: the caller's promise.
    unsafe { view(name, matrix.data, lens, &[matrix.row_stride, matrix.col_stride]) }.map(Some)
}

/// A vector of numbers, or `None` where it is absent.
///
/// # Safety
/// The elements it describes may be read during the call.
pub(super) unsafe fn vector<'a>(name: &str, vector: &rct_vector) -> Result<Option<ArrayView1<'a, f64>>> {
    if vector.data.is_null() {
        return absent(name, vector.len);
    }
    // SAFETY: the caller's promise.
    unsafe { view(name, vector.data, vector.len.into_dimension(), &[vector.stride]) }.map(Some)
}

/// A vector of ids, or `None` where it is absent.
///
/// # Safety
/// The elements it describes may be read during the call.
pub(super) unsafe fn indices<'a>(name: &str, vector: &rct_index_vector) -> Result<Option<ArrayView1<'a, i64>>> {
    if vector.data.is_null() {
        return absent(name, vector.len);
    }
    // SAFETY: the caller's promise.
    unsafe { view(name, vector.data, vector.len.into_dimension(), &[vector.stride]) }.map(Some)
}

/// NULL says "absent" only together with length 0.
fn absent<T>(name: &str, len: usize) -> Result<Option<T>> {
    if len == 0 { Ok(None) } else { Err(Error::invalid(format!("{name}: data is NULL but its length is {len}"))) }
}

/// A required argument, which may have no elements but not be absent.
pub(super) fn present<'a, T, D: Dimension>(
    name: &str,
    view: Option<ArrayView<'a, T, D>>,
) -> Result<ArrayView<'a, T, D>> {
    view.ok_or_else(|| Error::invalid(format!("{name} is missing: its data is NULL")))
}

/// Checked memory to write a matrix or (one column of) a vector to.
pub(super) struct Output<T> {
    data: *mut T,
    rows: usize,
    cols: usize,
    row_stride: isize,
    col_stride: isize,
}

impl<T: Copy> Output<T> {
    /// A matrix of the given shape, or `None` where it is not wanted.
    pub(super) fn matrix(
        name: &str,
        data: *mut T,
        shape: (usize, usize),
        strides: (isize, isize),
        expected: (usize, usize),
    ) -> Result<Option<Self>> {
        if data.is_null() {
            return absent(name, shape.0);
        }
        if !data.is_aligned() {
            return Err(misaligned(name));
        }
        if shape != expected {
            let ((r, c), (rows, cols)) = (shape, expected);
            return Err(Error::invalid(format!("{name} is {r} x {c}; it must be {rows} x {cols}")));
        }
        let (row_stride, col_stride) = strides;
        check_extent(name, &[shape.0, shape.1], &[row_stride, col_stride])?;
        if overlaps(shape, strides) {
            return Err(Error::invalid(format!(
                "{name}: with strides {row_stride} and {col_stride} elements share memory"
            )));
        }
        Ok(Some(Output { data, rows: shape.0, cols: shape.1, row_stride, col_stride }))
    }

    /// A vector of the given length, or `None` where it is not wanted.
    pub(super) fn vector(name: &str, data: *mut T, len: usize, stride: isize, expected: usize) -> Result<Option<Self>> {
        if !data.is_null() && len != expected {
            return Err(Error::invalid(format!("{name} has {len} elements; it must have {expected}")));
        }
        Self::matrix(name, data, (len, 1), (stride, 1), (expected, 1))
    }

    /// Writes element (i, j).
    ///
    /// # Safety
    /// The memory that the caller described may be written, by this call alone.
    pub(super) unsafe fn write(&self, i: usize, j: usize, value: T) {
        assert!(i < self.rows && j < self.cols, "output index");
        // SAFETY: (i, j) is inside the array, whose offsets were checked; the rest is the caller's promise.
        unsafe { self.data.offset(i as isize * self.row_stride + j as isize * self.col_stride).write(value) }
    }

    /// Writes `values` to a vector of as many, which may be absent only where there are none.
    ///
    /// # Safety
    /// As [`Output::write`].
    pub(super) unsafe fn write_all(name: &str, out: Option<Self>, values: Vec<T>) -> Result<()> {
        match out {
            // SAFETY: the caller's promise.
            Some(out) => values.into_iter().enumerate().for_each(|(t, value)| unsafe { out.write(t, 0, value) }),
            None if values.is_empty() => {}
            None => return Err(Error::invalid(format!("{name} output is NULL"))),
        }
        Ok(())
    }

    /// First and last byte addresses, with which two outputs can be told apart; of no elements a span that meets none.
    pub(super) fn span(&self) -> (usize, usize) {
        if self.rows == 0 || self.cols == 0 {
            return (usize::MAX, 0);
        }
        let reach = |len: usize, stride: isize| (len as isize - 1) * stride;
        let ends = [reach(self.rows, self.row_stride), reach(self.cols, self.col_stride)];
        let size = std::mem::size_of::<T>() as isize;
        let low = ends.iter().map(|&end| end.min(0)).sum::<isize>() * size;
        let high = ends.iter().map(|&end| end.max(0)).sum::<isize>() * size + size - 1;
        (self.data.addr().wrapping_add_signed(low), self.data.addr().wrapping_add_signed(high))
    }
}

/// Whether two elements (i, j) and (i', j') lie at one address: then (i - i') row = (j' - j) col.
fn overlaps((rows, cols): (usize, usize), (row, col): (isize, isize)) -> bool {
    let (row, col) = (row.unsigned_abs(), col.unsigned_abs());
    if rows == 0 || cols == 0 {
        return false;
    }
    if (rows > 1 && row == 0) || (cols > 1 && col == 0) {
        return true;
    }
    if rows <= 1 || cols <= 1 {
        return false;
    }
    let divisor = greatest_common_divisor(row, col);
    col / divisor < rows && row / divisor < cols
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// An error if two outputs share memory.
pub(super) fn check_disjoint(names: (&str, &str), a: (usize, usize), b: (usize, usize)) -> Result<()> {
    if a.0 <= b.1 && b.0 <= a.1 {
        return Err(Error::invalid(format!("{} and {} overlap in memory", names.0, names.1)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_told_exactly() {
        for rows in 0..5usize {
            for cols in 0..5usize {
                for row in -7..8isize {
                    for col in -7..8isize {
                        let mut seen = std::collections::HashSet::new();
                        let pairs = (0..rows as isize).flat_map(|i| (0..cols as isize).map(move |j| (i, j)));
                        let truth = pairs.map(|(i, j)| i * row + j * col).any(|at| !seen.insert(at));
                        assert_eq!(overlaps((rows, cols), (row, col)), truth, "{rows} {cols} {row} {col}");
                    }
                }
            }
        }
    }
}
