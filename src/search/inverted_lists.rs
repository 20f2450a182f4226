//! Which queries of a group each subspace is open to.

use crate::error::{Result, try_push, try_resize};

/// Which queries of a group subspaces are open to.
#[derive(Default)]
pub(super) struct Open {
    /// Subspaces and queries, as they were added.
    pairs: Vec<(u32, u32)>,
    /// The queries subspace by subspace, and where those of each subspace begin and the last one's end.
    queries: Vec<u32>,
    starts: Vec<u32>,
}

impl Open {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Opens a subspace to a query.
    pub(super) fn add(&mut self, subspace: u32, query: u32) -> Result<()> {
        try_push(&mut self.pairs, (subspace, query), "the search")
    }

    /// Sorts what was added by subspace, of which there are `count`; queries of one subspace stay in order.
    pub(super) fn arrange(&mut self, count: usize) -> Result<()> {
        self.starts.clear();
        try_resize(&mut self.starts, count + 2, 0, "the search")?;
        try_resize(&mut self.queries, self.pairs.len(), 0, "the search")?;
        self.pairs.iter().for_each(|&(subspace, _)| self.starts[subspace as usize + 2] += 1);
        for c in 2..count + 2 {
            self.starts[c] += self.starts[c - 1];
        }
        // A subspace's start moves to its end, where the next one's is.
        for &(subspace, query) in &self.pairs {
            let place = &mut self.starts[subspace as usize + 1];
            self.queries[*place as usize] = query;
            *place += 1;
        }
        Ok(())
    }

    /// The queries of a subspace.
    pub(super) fn of(&self, subspace: usize) -> &[u32] {
        &self.queries[self.starts[subspace] as usize..self.starts[subspace + 1] as usize]
    }
}

/// Sets the bit of a subspace.
pub(super) fn exclude(excluded: &mut [u64], subspace: u32) {
    excluded[subspace as usize / 64] |= 1 << (subspace % 64);
}

/// Whether the bit of a subspace is set.
pub(super) fn is_excluded(excluded: &[u64], subspace: u32) -> bool {
    excluded[subspace as usize / 64] >> (subspace % 64) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_has_the_queries_it_was_opened_to() {
        let mut open = Open::default();
        for _ in 0..2 {
            open.clear();
            for (subspace, query) in [(2, 0), (0, 0), (4, 1), (2, 3), (0, 5)] {
                open.add(subspace, query).unwrap();
            }
            open.arrange(5).unwrap();
            let all: Vec<&[u32]> = (0..5).map(|subspace| open.of(subspace)).collect();
            assert_eq!(all, [&[0, 5][..], &[], &[0, 3], &[], &[1]]);
        }
    }
}
