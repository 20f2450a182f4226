//! Progress and cancellation callbacks.

use super::types::rct_control;
use super::views::sized;
use crate::control::Control;
use crate::error::Result;

/// Runs `body` with the caller's callbacks; NULL for none.
///
/// # Safety
/// `control` is NULL or valid, and its callbacks may be called with its `user`.
pub(super) unsafe fn with_control<R>(
    control: *const rct_control,
    body: impl FnOnce(&mut Control<'_>) -> Result<R>,
) -> Result<R> {
    if control.is_null() {
        return body(&mut Control::none());
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    let rct_control { progress, should_stop, user, .. } = *unsafe { sized(control, "control") }?;
    // SAFETY (both calls): the caller's promise; this is the calling thread, as Control guarantees.
    let mut report = |fraction| {
        if let Some(progress) = progress {
            unsafe { progress(fraction, user) }
        }
    };
    let mut stop = || should_stop.is_some_and(|should_stop| unsafe { should_stop(user) } != 0);
    let mut control = Control::none();
    if progress.is_some() {
        control = control.with_progress(&mut report);
    }
    if should_stop.is_some() {
        control = control.with_should_stop(&mut stop);
    }
    body(&mut control)
}
