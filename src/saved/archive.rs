//! Arrays in a saved tree: written one after the other, read by their place and checked.

use super::format::{ALIGN, CHUNK, corrupt};
use super::source::{Shared, Source};
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result, checked_area, try_reserve, try_vec, try_with_capacity};
use bytemuck::Pod;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::io::Write;
use std::marker::PhantomData;
use xxhash_rust::xxh3::xxh3_64;

/// A number that arrays are made of.
pub(crate) trait Element: Pod {
    /// To little-endian from this machine's order of bytes, or back.
    fn little_endian(self) -> Self;
}

macro_rules! elements {
    ($($number:ty),*) => {
        $(impl Element for $number {
            fn little_endian(self) -> Self {
                self.to_le()
            }
        })*
    };
}
elements!(u8, i8, u32, u64, u128);

impl Element for f32 {
    fn little_endian(self) -> Self {
        f32::from_bits(self.to_bits().to_le())
    }
}

impl Element for f64 {
    fn little_endian(self) -> Self {
        f64::from_bits(self.to_bits().to_le())
    }
}

/// Where an array lies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Array<T> {
    place: u64,
    /// Number of elements.
    len: u64,
    /// Checksum of each chunk of bytes.
    sums: Vec<u64>,
    #[serde(skip)]
    of: PhantomData<T>,
}

impl<T: Element> Array<T> {
    /// Number of elements; of more than there can be in memory as many as there can.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// The bytes it lies in; an error where they are not among `available`, or do not have as many checksums.
    pub(super) fn range(&self, available: u64) -> Result<std::ops::Range<usize>> {
        let bytes = self.len.checked_mul(size_of::<T>() as u64);
        let end = bytes.and_then(|bytes| self.place.checked_add(bytes)).filter(|&end| end <= available);
        let Some(end) = end else { return Err(corrupt(format!("an array of {} values leaves it", self.len))) };
        let chunks = (end - self.place).div_ceil(CHUNK as u64);
        if self.sums.len() as u64 != chunks || !self.place.is_multiple_of(ALIGN as u64) {
            return Err(corrupt("an array has a wrong place or number of checksums"));
        }
        match (usize::try_from(self.place), usize::try_from(end)) {
            (Ok(start), Ok(end)) => Ok(start..end),
            _ => Err(Error::new(ErrorKind::OutOfMemory, "the saved tree is too large for this machine")),
        }
    }

    /// Checks the bytes of chunk `chunk`.
    pub(super) fn check(&self, chunk: usize, bytes: &[u8]) -> Result<()> {
        // A fuzzer could not get behind checksums.
        if cfg!(fuzzing) || self.sums.get(chunk) == Some(&xxh3_64(bytes)) {
            return Ok(());
        }
        let from = self.place + (chunk * CHUNK) as u64;
        Err(corrupt(format!("bytes {from} to {} do not match their checksum", from + bytes.len() as u64 - 1)))
    }
}

/// An error unless an array of `found` values has `len`.
pub(crate) fn expect_len(found: usize, len: usize, what: &str) -> Result<()> {
    if found == len { Ok(()) } else { Err(corrupt(format!("{what} has {found} values, not {len}"))) }
}

/// Writes arrays, and reports what is written.
pub(crate) struct Writer<'a, 'c> {
    out: &'a mut dyn Write,
    place: u64,
    control: &'a mut Control<'c>,
    /// Bytes that there will be, about.
    total: u64,
}

impl<'a, 'c> Writer<'a, 'c> {
    pub(crate) fn new(out: &'a mut dyn Write, total: usize, control: &'a mut Control<'c>) -> Self {
        Writer { out, place: 0, control, total: (total as u64).max(1) }
    }

    /// Bytes written so far.
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::OutOfMemory => Error::new(ErrorKind::OutOfMemory, "could not allocate the saved tree"),
            _ => Error::new(ErrorKind::Io, format!("cannot write: {error}")),
        })?;
        self.place += bytes.len() as u64;
        Ok(())
    }

    /// Writes an array.
    pub(crate) fn array<T: Element>(&mut self, items: &[T]) -> Result<Array<T>> {
        let gap = self.place.next_multiple_of(ALIGN as u64) - self.place;
        self.bytes(&[0; ALIGN][..gap as usize])?;
        let place = self.place;
        let mut sums = try_with_capacity(size_of_val(items).div_ceil(CHUNK), "checksums")?;
        let mut turned: Vec<T> = Vec::new();
        for chunk in items.chunks(CHUNK / size_of::<T>()) {
            let chunk = if cfg!(target_endian = "little") {
                chunk
            } else {
                turned.clear();
                turned.extend(chunk.iter().map(|item| item.little_endian()));
                &turned
            };
            let bytes: &[u8] = bytemuck::cast_slice(chunk);
            sums.push(xxh3_64(bytes));
            self.bytes(bytes)?;
            if sums.len() % 64 == 1 {
                self.control.step((self.place as f64 / self.total as f64).min(1.0))?;
            }
        }
        Ok(Array { place, len: items.len() as u64, sums, of: PhantomData })
    }
}

/// Reads arrays.
pub(crate) struct Reader<'a, 'c> {
    source: &'a dyn Source,
    control: RefCell<&'a mut Control<'c>>,
    /// The same bytes, where one array may stay in them.
    shared: Option<Shared>,
}

impl<'a, 'c> Reader<'a, 'c> {
    pub(crate) fn new(source: &'a dyn Source, shared: Option<Shared>, control: &'a mut Control<'c>) -> Self {
        Reader { source, shared, control: RefCell::new(control) }
    }

    /// The bytes that arrays may stay in.
    pub(super) fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    /// Number of bytes.
    pub(super) fn len(&self) -> u64 {
        self.source.len()
    }

    /// An array, which is to fill a table of these sides, if there are any.
    pub(crate) fn array<T: Element>(&self, array: &Array<T>, sides: &[usize], what: &str) -> Result<Vec<T>> {
        if let Some(area) = sides.iter().copied().map(Ok).reduce(|area, side| checked_area(area?, side?, what)) {
            expect_len(array.len(), area.map_err(corrupt)?, what)?;
        }
        array.range(self.source.len())?;
        let mut items = try_vec(array.len as usize, T::zeroed(), what)?;
        self.read(array, &mut items)?;
        Ok(items)
    }

    /// Reads an array into `items`, which are as many.
    pub(super) fn read<T: Element>(&self, array: &Array<T>, items: &mut [T]) -> Result<()> {
        let range = array.range(self.source.len())?;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(items);
        for (chunk, bytes) in bytes.chunks_mut(CHUNK).enumerate() {
            self.source.read((range.start + chunk * CHUNK) as u64, bytes)?;
            array.check(chunk, bytes)?;
            if chunk % 64 == 0 {
                let done = (range.start + chunk * CHUNK) as f64 / self.source.len() as f64;
                self.control.borrow_mut().step(done)?;
            }
        }
        if cfg!(target_endian = "big") {
            items.iter_mut().for_each(|item| *item = item.little_endian());
        }
        Ok(())
    }
}

/// A vector to write into, whose growth may fail.
pub(crate) struct Buffer(pub(crate) Vec<u8>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.capacity() - self.0.len() < bytes.len() {
            let more = bytes.len().max(self.0.len() / 2);
            try_reserve(&mut self.0, more, "the saved tree").map_err(|_| std::io::ErrorKind::OutOfMemory)?;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
