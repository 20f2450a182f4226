//! The caller's covariance callback.

use crate::error::{Error, ErrorKind, Result};
use crate::kernel::CovarianceFunction;
use std::ffi::c_void;

/// A covariance callback with its user pointer.
pub(super) struct CallerCovariance {
    pub(super) function: unsafe extern "C" fn(*mut c_void, *const f64, *const f64, usize, usize, *mut f64) -> i32,
    pub(super) user: *mut c_void,
}

// SAFETY: the callback is called only on threads that are inside a call to this library (trees with a custom
// covariance start no threads), as the header says; whether it may be called by several such threads at once is the
// host's choice, who makes those calls.
unsafe impl Send for CallerCovariance {}
// SAFETY: as above.
unsafe impl Sync for CallerCovariance {}

impl CovarianceFunction for CallerCovariance {
    fn covariances(&self, x: &[f64], others: &[f64], out: &mut [f64]) -> Result<()> {
        debug_assert_eq!(others.len(), out.len() * x.len());
        // SAFETY: the arrays have the lengths that the header promises; the rest is the caller's promise.
        let code =
            unsafe { (self.function)(self.user, x.as_ptr(), others.as_ptr(), out.len(), x.len(), out.as_mut_ptr()) };
        if code == 0 {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Cancelled, format!("covariance callback returned {code}")))
    }
}
