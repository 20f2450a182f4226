//! Orderings of points: the permutations that Vecchia approximations start from.
//!
//! In a Vecchia approximation every observation is conditioned on earlier ones only, so the order decides which
//! neighbours are to be had: along a Hilbert curve they are near on one side, in maximin order they surround the
//! point at the scale it is reached at. All orderings are deterministic: the same coordinates and seed give the same
//! permutation on every machine.

mod frame;
pub(crate) mod hilbert;
mod maximin;
mod order;

pub(crate) use frame::{Frame, all_ids, check_count, draw_without_replacement};
pub use order::{Ordering, order};
