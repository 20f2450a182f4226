//! Saved trees: what lies where in a file, and how damage is found.
//!
//! A file is, all numbers little-endian:
//! - the [`MAGIC`] number, and the format's [`VERSION`] as a `u32`, and four bytes 0;
//! - arrays, each at a multiple of [`ALIGN`] bytes, the gaps filled with 0;
//! - the directory, in the `postcard` encoding: options, sizes, and for each array its place, its length and the XXH3-64
//!   checksum of every [`CHUNK`] bytes of it;
//! - the trailer: place, length and XXH3-64 checksum of the directory as three `u64`, the version again as a `u64`, and
//!   the magic number.
//!
//! So a file that was cut off has no trailer, the directory tells of damage in itself, and damage in an array is found
//! in the chunk where it is. Arrays may be read all at once, or one of them chunk by chunk as it is used. The version is
//! raised when a reader of the one before would misread; a newer one than the library's own is refused, saying so.

mod archive;
mod columns;
mod container;
mod format;
mod replacement;
mod rows;
mod source;

pub(crate) use archive::{Array, Buffer, Reader, Writer, expect_len};
pub(crate) use columns::columns;
pub(crate) use container::{directory, write};
pub(crate) use format::corrupt;
pub(crate) use replacement::Replacement;
pub(crate) use rows::Rows;
pub(crate) use source::{OpenFile, Shared, Source, file_error};
