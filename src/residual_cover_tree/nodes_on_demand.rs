//! A cover tree that is there once something has asked for it.
//!
//! There is no lock, so that a forked child never waits for a thread that it does not have: while one call makes the nodes, others
//! search without them, which has the same answers.

use crate::cover_tree::CoverTree;
use crate::error::Result;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Nodes that may be there, or are being made.
#[derive(Default)]
pub(super) struct NodesOnDemand {
    made: ArcSwapOption<CoverTree>,
    making: AtomicBool,
}

impl NodesOnDemand {
    /// Nodes that are there.
    pub(super) fn with(nodes: CoverTree) -> Self {
        NodesOnDemand { made: ArcSwapOption::from_pointee(nodes), making: AtomicBool::new(false) }
    }

    /// The nodes, if they are there.
    pub(super) fn get(&self) -> Option<Arc<CoverTree>> {
        self.made.load_full()
    }

    /// The nodes, made by `make` if need be; none while another call makes them.
    pub(super) fn get_or_make(&self, make: impl FnOnce() -> Result<CoverTree>) -> Result<Option<Arc<CoverTree>>> {
        if let Some(made) = self.get() {
            return Ok(Some(made));
        }
        if self.making.swap(true, Ordering::Acquire) {
            return Ok(self.get());
        }
        /// Lets the next call try, whatever comes of this one.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }
        let _done = Done(&self.making);
        if self.get().is_none() {
            self.made.store(Some(Arc::new(make()?)));
        }
        Ok(self.get())
    }
}
