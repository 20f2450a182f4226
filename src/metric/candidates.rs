//! Which points are scored.

use std::ops::Range;

/// The position of what is not stored.
pub(crate) const NEW: u32 = u32::MAX;

/// Points to be scored.
#[derive(Debug, Clone)]
pub(crate) enum Candidates<'a> {
    /// Tree positions in a row.
    Range(Range<usize>),
    /// Tree positions anywhere.
    Gather(&'a [u32]),
}

impl Candidates<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Candidates::Range(range) => range.len(),
            Candidates::Gather(index) => index.len(),
        }
    }

    /// Tree position of candidate `i`.
    #[inline]
    pub(crate) fn position(&self, i: usize) -> usize {
        match self {
            Candidates::Range(range) => range.start + i,
            Candidates::Gather(index) => index[i] as usize,
        }
    }

    /// Calls `found(i)` where candidate i is the point at `position`.
    pub(crate) fn find(&self, position: u32, mut found: impl FnMut(usize)) {
        if position == NEW {
            return;
        }
        match self {
            Candidates::Range(range) => {
                if range.contains(&(position as usize)) {
                    found(position as usize - range.start);
                }
            }
            Candidates::Gather(index) => {
                index.iter().enumerate().filter(|&(_, &i)| i == position).for_each(|(i, _)| found(i));
            }
        }
    }
}
