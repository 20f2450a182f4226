//! The calls on trees that are under way on this thread: a callback may not call on the tree whose call it serves.
//!
//! Such a call would recurse without end (a covariance that asks its own tree), or build or free what is in use.

use super::tree::rct_tree;
use crate::error::{Error, ErrorKind, Result};
use std::cell::Cell;
use std::ptr::null;

thread_local! {
    /// The last of a list of the calls under way, which live on the stack. Plain, so that it is there to the end of
    /// the thread.
    static INNERMOST: Cell<*const Call> = const { Cell::new(null()) };
}

struct Call {
    tree: *const rct_tree,
    outer: *const Call,
}

impl Drop for Call {
    fn drop(&mut self) {
        INNERMOST.set(self.outer);
    }
}

/// Refuses a tree that has a call under way on this thread.
pub(super) fn refuse_nested(tree: *const rct_tree) -> Result<()> {
    let mut call = INNERMOST.get();
    // SAFETY: the list has calls alone that have not returned.
    while let Some(Call { tree: used, outer }) = unsafe { call.as_ref() } {
        if *used == tree {
            return Err(Error::new(
                ErrorKind::InvalidState,
                "tree is in use by the call that made this callback: a callback may call on other trees only",
            ));
        }
        call = *outer;
    }
    Ok(())
}

/// Runs `body`, a call on `tree`, unless it is nested in another one.
pub(super) fn call_on<R>(tree: *const rct_tree, body: impl FnOnce() -> Result<R>) -> Result<R> {
    refuse_nested(tree)?;
    let call = Call { tree, outer: INNERMOST.get() };
    INNERMOST.set(&call);
    body()
}
