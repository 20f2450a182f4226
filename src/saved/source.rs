//! Where the bytes of a saved tree come from.

use super::format::corrupt;
use crate::error::{Error, ErrorKind, Result};
use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// Bytes that stay as they are while somebody holds them: a memory map, or memory.
pub(crate) type Shared = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Bytes to be read.
pub(crate) trait Source {
    /// What an error calls them.
    fn name(&self) -> String {
        "this".to_owned()
    }

    /// How many there are.
    fn len(&self) -> u64;

    /// Fills `out` with those from `place` on.
    fn read(&self, place: u64, out: &mut [u8]) -> Result<()>;
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        (**self).len() as u64
    }

    fn read(&self, place: u64, out: &mut [u8]) -> Result<()> {
        let range = usize::try_from(place).ok().and_then(|start| Some(start..start.checked_add(out.len())?));
        let bytes = range.and_then(|range| self.get(range)).ok_or_else(|| corrupt("it ends too early"))?;
        out.copy_from_slice(bytes);
        Ok(())
    }
}

/// A file, read piece by piece.
pub(crate) struct OpenFile<'a> {
    file: RefCell<File>,
    len: u64,
    path: &'a Path,
}

impl<'a> OpenFile<'a> {
    /// Opens the file at `path`.
    pub(crate) fn open(path: &'a Path) -> Result<Self> {
        let failed = |error| file_error("cannot read", path, &error);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Io, format!("cannot read {}: it is no file", path.display())));
        }
        Ok(OpenFile { file: RefCell::new(file), len: metadata.len(), path })
    }
}

impl Source for OpenFile<'_> {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, place: u64, out: &mut [u8]) -> Result<()> {
        let mut file = self.file.borrow_mut();
        let read = file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(out));
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => corrupt("it ends too early"),
            _ => file_error("cannot read", self.path, &error),
        })
    }
}

/// An error of the operating system.
pub(crate) fn file_error(what: &str, path: &Path, error: &std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
        _ => ErrorKind::Io,
    };
    Error::new(kind, format!("{what} {}: {error}", path.display()))
}
