//! Which queries of a group each cell is open to.

use crate::error::{Result, try_push, try_resize};

/// Which queries of a group cells are open to.
#[derive(Default)]
pub(super) struct Open {
    /// Cells and queries, as they were added.
    pairs: Vec<(u32, u32)>,
    /// The queries cell by cell, and where those of each cell begin and the last one's end.
    queries: Vec<u32>,
    starts: Vec<u32>,
}

impl Open {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Opens a cell to a query.
    pub(super) fn add(&mut self, cell: u32, query: u32) -> Result<()> {
        try_push(&mut self.pairs, (cell, query), "the search")
    }

    /// Sorts what was added by cell, of which there are `count`; queries of one cell stay in order.
    pub(super) fn arrange(&mut self, count: usize) -> Result<()> {
        self.starts.clear();
        try_resize(&mut self.starts, count + 2, 0, "the search")?;
        try_resize(&mut self.queries, self.pairs.len(), 0, "the search")?;
        self.pairs.iter().for_each(|&(cell, _)| self.starts[cell as usize + 2] += 1);
        for c in 2..count + 2 {
            self.starts[c] += self.starts[c - 1];
        }
        // A cell's start moves to its end, where the next one's is.
        for &(cell, query) in &self.pairs {
            let place = &mut self.starts[cell as usize + 1];
            self.queries[*place as usize] = query;
            *place += 1;
        }
        Ok(())
    }

    /// The queries of a cell.
    pub(super) fn of(&self, cell: usize) -> &[u32] {
        &self.queries[self.starts[cell] as usize..self.starts[cell + 1] as usize]
    }
}

/// Sets the bit of a cell.
pub(super) fn exclude(excluded: &mut [u64], cell: u32) {
    excluded[cell as usize / 64] |= 1 << (cell % 64);
}

/// Whether the bit of a cell is set.
pub(super) fn is_excluded(excluded: &[u64], cell: u32) -> bool {
    excluded[cell as usize / 64] >> (cell % 64) & 1 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cell_has_the_queries_it_was_opened_to() {
        let mut open = Open::default();
        for _ in 0..2 {
            open.clear();
            for (cell, query) in [(2, 0), (0, 0), (4, 1), (2, 3), (0, 5)] {
                open.add(cell, query).unwrap();
            }
            open.arrange(5).unwrap();
            let all: Vec<&[u32]> = (0..5).map(|cell| open.of(cell)).collect();
            assert_eq!(all, [&[0, 5][..], &[], &[0, 3], &[], &[1]]);
        }
    }
}
