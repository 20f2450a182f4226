//! Status codes, the last error's sentence, and the wrapper that keeps panics inside.

use super::types::rct_status::{self, *};
use crate::error::{Error, ErrorKind, Result};
use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// Runs `body`; an error or a panic becomes a status, and its sentence the thread's last error.
pub(super) fn guard(body: impl FnOnce() -> Result<()>) -> rct_status {
    guard_or(body, || {})
}

/// As [`guard`]; `panicked` is called after a panic.
pub(super) fn guard_or(body: impl FnOnce() -> Result<()>, panicked: impl FnOnce()) -> rct_status {
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return RCT_OK,
        Ok(Err(error)) => error,
        Err(panic) => {
            panicked();
            Error::new(ErrorKind::Internal, format!("internal error: {}", sentence(panic.as_ref())))
        }
    };
    let text = error.message().replace('\0', "?");
    // Where the thread is about to end there is no place left for it.
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = CString::new(text).unwrap_or_default());
    status_of(error.kind())
}

/// What a panic said.
fn sentence(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn status_of(kind: ErrorKind) -> rct_status {
    match kind {
        ErrorKind::InvalidArgument => RCT_ERROR_INVALID_ARGUMENT,
        ErrorKind::InvalidState => RCT_ERROR_INVALID_STATE,
        ErrorKind::NotFinite => RCT_ERROR_NOT_FINITE,
        ErrorKind::NotPositiveDefinite => RCT_ERROR_NOT_POSITIVE_DEFINITE,
        ErrorKind::OutOfMemory => RCT_ERROR_OUT_OF_MEMORY,
        ErrorKind::Io => RCT_ERROR_IO,
        ErrorKind::Corrupt => RCT_ERROR_CORRUPT,
        ErrorKind::Unsupported => RCT_ERROR_UNSUPPORTED,
        ErrorKind::Cancelled => RCT_ERROR_CANCELLED,
        ErrorKind::Internal => RCT_ERROR_INTERNAL,
    }
}

/// The sentence of this thread's last failed call: it names the argument and the value. Empty before the first
/// failure; valid until the next call of this library on this thread. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn rct_last_error() -> *const c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// The name of a status, such as "RCT_ERROR_CANCELLED"; "unknown status" for any other number. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn rct_status_name(status: i32) -> *const c_char {
    const NAMES: [(rct_status, &CStr); 11] = [
        (RCT_OK, c"RCT_OK"),
        (RCT_ERROR_INVALID_ARGUMENT, c"RCT_ERROR_INVALID_ARGUMENT"),
        (RCT_ERROR_INVALID_STATE, c"RCT_ERROR_INVALID_STATE"),
        (RCT_ERROR_NOT_FINITE, c"RCT_ERROR_NOT_FINITE"),
        (RCT_ERROR_NOT_POSITIVE_DEFINITE, c"RCT_ERROR_NOT_POSITIVE_DEFINITE"),
        (RCT_ERROR_OUT_OF_MEMORY, c"RCT_ERROR_OUT_OF_MEMORY"),
        (RCT_ERROR_IO, c"RCT_ERROR_IO"),
        (RCT_ERROR_CORRUPT, c"RCT_ERROR_CORRUPT"),
        (RCT_ERROR_UNSUPPORTED, c"RCT_ERROR_UNSUPPORTED"),
        (RCT_ERROR_CANCELLED, c"RCT_ERROR_CANCELLED"),
        (RCT_ERROR_INTERNAL, c"RCT_ERROR_INTERNAL"),
    ];
    let known = NAMES.iter().find(|(code, _)| *code as i32 == status);
    known.map_or(c"unknown status", |(_, name)| name).as_ptr()
}
