//! Progress and cancellation: what a long call does between chunks of its work.
//!
//! Both callbacks run on the calling thread only, so a host whose interpreter is single-threaded can pass its own.

use crate::error::{Error, ErrorKind, Result};

/// The caller's progress and cancellation callbacks, and the part of the whole that the current phase is.
pub struct Control<'a> {
    progress: Option<&'a mut (dyn FnMut(f64) + 'a)>,
    should_stop: Option<&'a mut (dyn FnMut() -> bool + 'a)>,
    from: f64,
    span: f64,
    /// The part of the whole, (start, length), that phases are parts of.
    window: (f64, f64),
    /// The largest fraction reported: progress never goes back.
    reported: f64,
}

impl Default for Control<'_> {
    fn default() -> Self {
        Control::none()
    }
}

impl<'a> Control<'a> {
    /// Neither reports nor stops.
    pub fn none() -> Self {
        Control { progress: None, should_stop: None, from: 0.0, span: 1.0, window: (0.0, 1.0), reported: 0.0 }
    }

    /// Calls `progress` with the fraction done, from 0 to 1.
    pub fn with_progress(mut self, progress: &'a mut (dyn FnMut(f64) + 'a)) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Stops with [`ErrorKind::Cancelled`] soon after `should_stop` returns true.
    pub fn with_should_stop(mut self, should_stop: &'a mut (dyn FnMut() -> bool + 'a)) -> Self {
        self.should_stop = Some(should_stop);
        self
    }

    /// The phases that follow are parts of the part `from..to` of the whole.
    pub(crate) fn window(&mut self, from: f64, to: f64) {
        self.window = (from, to - from);
    }

    /// The work that follows is the part `from..to` of the window, which is the whole where none was set.
    pub(crate) fn phase(&mut self, from: f64, to: f64) {
        let (start, length) = self.window;
        self.from = start + length * from;
        self.span = length * (to - from);
    }

    /// Reports that `done` (0 to 1) of the current phase is finished, and asks whether to stop.
    pub(crate) fn step(&mut self, done: f64) -> Result<()> {
        if let Some(progress) = self.progress.as_mut() {
            self.reported = (self.from + self.span * done).clamp(self.reported, 1.0);
            progress(self.reported);
        }
        if self.should_stop.as_mut().is_some_and(|stop| stop()) {
            return Err(Error::new(ErrorKind::Cancelled, "the caller's should_stop asked to stop"));
        }
        Ok(())
    }

    /// Whether anybody listens; without listeners the calling thread need not wake up between chunks.
    pub(crate) fn is_listening(&self) -> bool {
        self.progress.is_some() || self.should_stop.is_some()
    }
}
