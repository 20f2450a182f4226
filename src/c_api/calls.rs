//! The calls on trees that are under way on this thread: a callback may not call on the tree whose call it serves.
//!
//! Such a call would recurse without end (a covariance that asks its own tree), or build or free what is in use.
//!
//! Calls need not end in the order in which they began: where a callback waits, hosts whose tasks share a thread (Julia,
//! coroutines) go on with another task, which may make a call of its own, and come back before that has ended.

use crate::error::{Error, ErrorKind, Result};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null;

thread_local! {
    /// The last of a list of the calls under way, which live on the stack. Plain, so that it is there to the end of
    /// the thread.
    static INNERMOST: Cell<*const Call> = const { Cell::new(null()) };
}

/// In the list from [`Call::enter`] on, and therefore not moved; dropped on the same thread.
struct Call {
    tree: *const c_void,
    outer: Cell<*const Call>,
}

impl Call {
    fn on(tree: *const c_void) -> Self {
        Call { tree, outer: Cell::new(null()) }
    }

    fn enter(&self) {
        self.outer.set(INNERMOST.replace(self));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if INNERMOST.get() == &raw const *self {
            INNERMOST.set(self.outer.get());
        } else if let Some(inner) = under_way().find(|call| call.outer.get() == &raw const *self) {
            inner.outer.set(self.outer.get());
        }
    }
}

/// The calls under way on this thread, innermost first.
fn under_way() -> impl Iterator<Item = &'static Call> {
    // SAFETY: the list has calls alone that have not returned; no reference outlives the functions of this module.
    let call = |place: *const Call| unsafe { place.as_ref() };
    std::iter::successors(call(INNERMOST.get()), move |inner| call(inner.outer.get()))
}

/// Refuses a tree that has a call under way on this thread.
pub(super) fn refuse_nested(tree: *const c_void) -> Result<()> {
    if under_way().any(|call| call.tree == tree) {
        return Err(Error::new(
            ErrorKind::InvalidState,
            "tree is in use by the call that made this callback: a callback may call on other trees only",
        ));
    }
    Ok(())
}

/// Runs `body`, a call on `tree`, unless it is nested in another one.
pub(super) fn call_on<R>(tree: *const c_void, body: impl FnOnce() -> Result<R>) -> Result<R> {
    refuse_nested(tree)?;
    let call = Call::on(tree);
    call.enter();
    body()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_end_in_any_order() {
        let places = [0_u8; 3];
        let trees = [0, 1, 2].map(|t| (&raw const places[t]).cast::<c_void>());
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut calls = trees.map(|tree| Some(Box::new(Call::on(tree))));
            calls.iter().flatten().for_each(|call| call.enter());
            for t in order {
                assert!(refuse_nested(trees[t]).is_err());
                calls[t] = None;
                for (call, tree) in calls.iter().zip(trees) {
                    assert_eq!(refuse_nested(tree).is_err(), call.is_some());
                }
            }
            assert!(INNERMOST.get().is_null());
        }
    }
}
