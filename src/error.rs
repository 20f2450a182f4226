//! The one error type: what kind of failure, and a sentence that names the argument and the value.

use std::fmt;

/// What went wrong, one variant a status code of the C ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is outside its range or has the wrong shape.
    InvalidArgument,
    /// The call does not fit the state of the tree (for example a query before a build).
    InvalidState,
    /// A NaN or an infinity where a number is needed.
    NotFinite,
    /// The covariance of the inducing points has no Cholesky factor.
    NotPositiveDefinite,
    /// Memory for the request could not be had.
    OutOfMemory,
    /// Reading or writing failed.
    Io,
    /// A saved tree is damaged or foreign.
    Corrupt,
    /// The request is valid but this tree cannot serve it.
    Unsupported,
    /// The caller asked to stop.
    Cancelled,
    /// A defect of this library.
    Internal,
}

/// An [`ErrorKind`] and a sentence that names the argument and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The result of every call that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`; `message` names the argument and the value.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into() }
    }

    /// Shorthand for [`ErrorKind::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidArgument, message)
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A number in a sentence, as a person would write it: 1, 0.25, 25357.25 or 1e308, not 309 digits.
pub(crate) fn number(x: f64) -> String {
    let text = format!("{x:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A vector of `len` copies of `value`, or [`ErrorKind::OutOfMemory`] naming `what`.
pub(crate) fn try_vec<T: Clone>(len: usize, value: T, what: &str) -> Result<Vec<T>> {
    let mut v = try_with_capacity(len, what)?;
    v.resize(len, value);
    Ok(v)
}

/// `items` in a vector of their own, the first error among them, or [`ErrorKind::OutOfMemory`] naming `what`.
pub(crate) fn try_collect<T>(items: impl ExactSizeIterator<Item = Result<T>>, what: &str) -> Result<Vec<T>> {
    let mut v = try_with_capacity(items.len(), what)?;
    for item in items {
        v.push(item?);
    }
    Ok(v)
}

/// A copy of `items`, or [`ErrorKind::OutOfMemory`] naming `what`.
pub(crate) fn try_copy<T: Copy>(items: &[T], what: &str) -> Result<Vec<T>> {
    let mut v = try_with_capacity(items.len(), what)?;
    v.extend_from_slice(items);
    Ok(v)
}

/// An empty vector with room for `len` items, or [`ErrorKind::OutOfMemory`] naming `what`.
pub(crate) fn try_with_capacity<T>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut v = Vec::new();
    try_reserve(&mut v, len, what)?;
    Ok(v)
}

/// Appends `item`, or [`ErrorKind::OutOfMemory`] naming `what`.
#[inline]
pub(crate) fn try_push<T>(v: &mut Vec<T>, item: T, what: &str) -> Result<()> {
    try_grow(v, 1, what)?;
    v.push(item);
    Ok(())
}

/// An error unless as many bytes could be had now: what threads need for the little that they allocate as they go is
/// asked for before they begin, where it can still be refused.
pub(crate) fn headroom(bytes: usize, what: &str) -> Result<()> {
    let room: Vec<u8> = try_with_capacity(bytes, what)?;
    std::hint::black_box(&room);
    Ok(())
}

/// Makes room for `additional` more items, or [`ErrorKind::OutOfMemory`] naming `what`.
pub(crate) fn try_reserve<T>(v: &mut Vec<T>, additional: usize, what: &str) -> Result<()> {
    v.try_reserve_exact(additional).map_err(|_| out_of_memory(additional.saturating_mul(size_of::<T>()), what))
}

/// Makes room for `additional` more items of a vector that grows: for as many as there are, at least, when there is none left.
#[inline]
pub(crate) fn try_grow<T>(v: &mut Vec<T>, additional: usize, what: &str) -> Result<()> {
    v.try_reserve(additional).map_err(|_| out_of_memory(additional.saturating_mul(size_of::<T>()), what))
}

/// As [`Vec::resize`], or [`ErrorKind::OutOfMemory`] naming `what`.
pub(crate) fn try_resize<T: Clone>(v: &mut Vec<T>, len: usize, value: T, what: &str) -> Result<()> {
    try_reserve(v, len.saturating_sub(v.len()), what)?;
    v.resize(len, value);
    Ok(())
}

/// The error for an allocation that failed.
pub(crate) fn out_of_memory(bytes: usize, what: &str) -> Error {
    Error::new(ErrorKind::OutOfMemory, format!("could not allocate {bytes} bytes for {what}"))
}

/// `a * b`, or an error naming `what` when the product does not fit.
pub(crate) fn checked_area(a: usize, b: usize, what: &str) -> Result<usize> {
    a.checked_mul(b)
        .filter(|&area| area <= isize::MAX as usize / 8)
        .ok_or_else(|| Error::invalid(format!("{what}: {a} x {b} values do not fit in memory")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_do() {
        let numbers = [
            (0.0, "0"),
            (1.0, "1"),
            (-0.5, "-0.5"),
            (0.001, "0.001"),
            (25357.25, "25357.25"),
            (1e6, "1000000"),
            (-1e308, "-1e308"),
            (f64::MAX, "1.7976931348623157e308"),
            (1e-300, "1e-300"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (x, text) in numbers {
            assert_eq!(number(x), text);
        }
    }
}
