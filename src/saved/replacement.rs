//! A file that takes another's place at once, or leaves no trace.

use crate::error::Result;
use crate::saved::file_error;
use std::fs::{File, OpenOptions};
use std::hash::BuildHasher;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Names that are tried before the error is believed that says they are taken.
const ATTEMPTS: u32 = 1 << 10;

/// A new file beside the one whose place it is to take. Dropped before it did, it is removed; where the process is killed
/// it stays, under a name that begins with `.rct-` and ends with `.tmp`.
pub(crate) struct Replacement<'a> {
    file: File,
    /// Where it is until it has its place.
    beside: Option<PathBuf>,
    /// The name that it is to take, and the same as the caller gave it.
    place: PathBuf,
    path: &'a Path,
}

impl<'a> Replacement<'a> {
    /// An empty file in the folder of `path`, with the permissions that any new file gets: 0666 less what the process
    /// masks. Nobody else has it: it is created, or the name is left to whoever has it, be it a link.
    pub(crate) fn create(path: &'a Path) -> Result<Self> {
        // A process that moves to another folder meanwhile changes what a relative path means.
        let place = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = folder(&place);
        let mut attempt = 0;
        loop {
            // Names that others cannot guess, so that they cannot take them all; those of a forked child are others.
            let random = std::hash::RandomState::new().hash_one((std::process::id(), attempt));
            let beside = folder.join(format!(".rct-{random:016x}.tmp"));
            match OpenOptions::new().write(true).create_new(true).open(&beside) {
                Ok(file) => return Ok(Replacement { file, beside: Some(beside), place, path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(file_error("cannot write", path, &error)),
            }
        }
    }

    /// The file, to be written.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Brings all that was written to the disk, and then gives the file its name, which is another file's no more.
    pub(crate) fn take_place(mut self) -> Result<()> {
        let failed = |error: std::io::Error| file_error("cannot write", self.path, &error);
        self.file.sync_all().map_err(failed)?;
        if let Some(beside) = &self.beside {
            std::fs::rename(beside, &self.place).map_err(failed)?;
            self.beside = None;
        }
        // The name itself is to be on the disk too; where folders cannot be opened there is no way to ask for that.
        if let Ok(folder) = File::open(folder(&self.place)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside {
            let _ = std::fs::remove_file(beside);
        }
    }
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
