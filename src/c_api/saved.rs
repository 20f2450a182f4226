//! Trees in files and in memory.

use super::control::with_control;
use super::status::guard;
use super::tree::{ROOM, handle, rct_tree, with_tree};
use super::types::*;
use super::views::{required, required_mut, sized};
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result, headroom};
use crate::residual_cover_tree::{LoadOptions, ResidualCoverTree};
use memmap2::Mmap;
use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::Arc;

/// A saved tree in memory. Read with `rct_buffer_view`, free with `rct_buffer_free`; independent of the tree.
pub struct rct_buffer {
    bytes: Vec<u8>,
}

/// Saves the tree in the file at `path`, whatever is there: all is written to another file in the same folder, brought to
/// the disk, and only then takes the name, so that at any moment there is the whole old file or the whole new one. The
/// file can be loaded on any machine. A custom covariance cannot be saved: RCT_ERROR_UNSUPPORTED. `control` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_save(
    tree: *const rct_tree,
    path: *const c_char,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree| {
            let path = self::path(path)?;
            with_control(control, |control| tree.save(&path, control))
        })
    }
}

/// Loads the tree that was saved at `path`; `*tree` is set on success only, to be freed with `rct_free`. `options` may be
/// NULL for the defaults, `control` for neither callback.
///
/// RCT_ERROR_CORRUPT for a file that is damaged or no saved tree, RCT_ERROR_UNSUPPORTED for one of a later format.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_load(
    path: *const c_char,
    options: *const rct_load_options,
    tree: *mut *mut rct_tree,
    control: *const rct_control,
) -> rct_status {
    // SAFETY (all): the caller's promise.
    unsafe {
        load(options, tree, control, |map, options, control| {
            let path = self::path(path)?;
            if !map {
                return ResidualCoverTree::load(&path, options, control);
            }
            let failed = |error| Error::new(ErrorKind::Io, format!("cannot map {}: {error}", path.display()));
            let file = std::fs::File::open(&path).map_err(failed)?;
            // SAFETY: who asks for a map promises that nobody changes the file meanwhile.
            let bytes = Mmap::map(&file).map_err(failed)?;
            ResidualCoverTree::from_shared(Arc::new(bytes), options, control)
        })
    }
}

/// Saves the tree in memory: `*buffer` is set on success only, to be freed with `rct_buffer_free`. It has the bytes of the
/// file that `rct_save` would write. `control` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_save_to_buffer(
    tree: *const rct_tree,
    buffer: *mut *mut rct_buffer,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree| {
            let slot = required_mut(buffer, "buffer")?;
            let bytes = with_control(control, |control| tree.to_bytes(control))?;
            *slot = Box::into_raw(Box::new(rct_buffer { bytes }));
            Ok(())
        })
    }
}

/// As `rct_load`, from the `len` bytes at `bytes`, which are not needed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_load_from_buffer(
    bytes: *const u8,
    len: usize,
    options: *const rct_load_options,
    tree: *mut *mut rct_tree,
    control: *const rct_control,
) -> rct_status {
    // SAFETY (all): the caller's promise.
    unsafe {
        load(options, tree, control, |map, options, control| {
            if map {
                return Err(Error::invalid("memory_map is set, but a buffer is no file"));
            }
            required(bytes, "bytes")?;
            if len > isize::MAX as usize {
                return Err(Error::invalid(format!("len is {len}: no buffer is as long")));
            }
            ResidualCoverTree::from_bytes(std::slice::from_raw_parts(bytes, len), options, control)
        })
    }
}

/// Sets `*bytes` and `*len` to what `buffer` holds, which lives until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_buffer_view(
    buffer: *const rct_buffer,
    bytes: *mut *const u8,
    len: *mut usize,
) -> rct_status {
    guard(|| {
        // SAFETY (all): the caller's promise.
        let buffer = unsafe { required(buffer, "buffer") }?;
        let (bytes, len) = unsafe { (required_mut(bytes, "bytes")?, required_mut(len, "len")?) };
        (*bytes, *len) = (buffer.bytes.as_ptr(), buffer.bytes.len());
        Ok(())
    })
}

/// Frees a buffer; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_buffer_free(buffer: *mut rct_buffer) {
    if !buffer.is_null() {
        // SAFETY: not NULL, made by rct_save_to_buffer, and the caller's last use.
        drop(unsafe { Box::from_raw(buffer) });
    }
}

/// Loads what `read` reads, which is told whether to map it.
///
/// # Safety
/// The pointers are NULL or valid.
unsafe fn load(
    options: *const rct_load_options,
    tree: *mut *mut rct_tree,
    control: *const rct_control,
    read: impl FnOnce(bool, &LoadOptions, &mut Control<'_>) -> Result<ResidualCoverTree>,
) -> rct_status {
    guard(|| {
        // SAFETY (all): the caller's promise.
        headroom(ROOM, "the call")?;
        let slot = unsafe { required_mut(tree, "tree") }?;
        let (mut threads, mut map) = (-1, false);
        if !options.is_null() {
            let given = unsafe { sized(options, "options") }?;
            (threads, map) = (given.threads, given.memory_map != 0);
        }
        if threads < -1 {
            return Err(Error::invalid(format!("threads is {threads}; it must be -1 or more")));
        }
        let options = LoadOptions { threads: usize::try_from(threads).ok() };
        let loaded = unsafe { with_control(control, |control| read(map, &options, control)) }?;
        *slot = handle(loaded.options().clone(), (None, null_mut()), Some(loaded));
        Ok(())
    })
}

/// The path that a host means.
///
/// # Safety
/// `path` is NULL or a string that ends with a 0.
unsafe fn path(path: *const c_char) -> Result<PathBuf> {
    // SAFETY: the caller's promise.
    unsafe { required(path, "path") }?;
    // SAFETY: not NULL; the rest is the caller's promise.
    let bytes = unsafe { CStr::from_ptr(path) };
    if bytes.is_empty() {
        return Err(Error::invalid("path is empty"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Ok(PathBuf::from(std::ffi::OsStr::from_bytes(bytes.to_bytes())))
    }
    #[cfg(not(unix))]
    {
        let text = bytes.to_str().map_err(|_| Error::invalid("path is not UTF-8"))?;
        Ok(PathBuf::from(text))
    }
}
