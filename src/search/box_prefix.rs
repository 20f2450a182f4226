//! The first points of an order, in leaves and boxes of their own: of what a query descends it may then find at least half, where in
//! those of all points it would find hardly any.

use crate::error::{Result, try_collect, try_with_capacity};
use crate::layout::{Boxes, Layout, LeastKeys, gathered};
use crate::metric::Points;
use crate::parallel::Threads;

/// Some points of a part, leaf by leaf.
pub(crate) struct BoxPrefix {
    /// Where they are in the layout of their part.
    pub(super) positions: Vec<u32>,
    pub(super) layout: Layout,
    pub(super) boxes: Boxes,
    pub(super) keys: Vec<u32>,
    pub(super) least: LeastKeys,
    pub(super) numbers: Vec<u32>,
    pub(super) least_numbers: LeastKeys,
}

impl BoxPrefix {
    /// The points whose keys are below `end`; keys and numbers are by position. O(n + count d log count).
    pub(crate) fn new(
        points: &Points,
        keys: &[u32],
        numbers: &[u32],
        end: usize,
        threads: &Threads,
    ) -> Result<BoxPrefix> {
        let what = "the boxes of predecessors";
        let mut some = try_with_capacity(end.min(keys.len()), what)?;
        some.extend((0..).zip(keys).filter(|&(_, &key)| (key as usize) < end).map(|(position, _)| position));
        let mut columns = gathered(&points.coords, points.n, &some)?;
        let layout = Layout::new(&mut columns, some.len(), threads)?;
        let boxes = Boxes::searched(&columns, some.len(), points.d)?;
        let positions: Vec<u32> = try_collect(layout.numbers.iter().map(|&t| Ok(some[t as usize])), what)?;
        let of = |values: &[u32]| try_collect(positions.iter().map(|&i| Ok(values[i as usize])), what);
        let (keys, numbers) = (of(keys)?, of(numbers)?);
        let (least, least_numbers) = (boxes.least_keys(&keys)?, boxes.least_keys(&numbers)?);
        Ok(BoxPrefix { positions, layout, boxes, keys, least, numbers, least_numbers })
    }
}
