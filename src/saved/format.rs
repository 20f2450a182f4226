//! The numbers of the format, and the error for what does not keep to it.

use crate::error::{Error, ErrorKind};

/// What a file begins and ends with. Not text, with line ends that a transfer as text would change.
pub(super) const MAGIC: [u8; 8] = *b"\x89RCT\r\n\x1a\n";
/// The format that is written and read. Formats 1 to 6 were those of no release.
pub(super) const VERSION: u32 = 7;
/// What arrays are aligned to.
pub(super) const ALIGN: usize = 64;
/// Bytes of an array that have a checksum of their own.
pub(super) const CHUNK: usize = 1 << 16;
/// Bytes before the first array, and after the directory.
pub(super) const HEAD: usize = 16;
pub(super) const TRAILER: usize = 40;

/// An error that says what is damaged.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the saved tree is damaged: {what}"))
}
