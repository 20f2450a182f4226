//! From parents by id to nodes in preorder.

use super::{CoverTree, NO_PARENT, Net};
use crate::error::{Result, try_copy, try_vec, try_with_capacity};

impl CoverTree {
    /// Packs a net; siblings are stored in the order of `places` (a point's place along a Hilbert curve), so that what
    /// is near in space is near in memory. Balls are computed afterwards. O(n log n).
    pub(crate) fn pack(net: Net, places: &[u32]) -> Result<Self> {
        let n = net.parents.len();
        let what = "the tree";
        // Children of each id, one after the other, by a counting sort of the points along the curve.
        let mut starts = try_vec(n + 1, 0u32, what)?;
        for &parent in net.parents.iter().filter(|&&parent| parent != NO_PARENT) {
            starts[parent as usize + 1] += 1;
        }
        for i in 0..n {
            starts[i + 1] += starts[i];
        }
        let mut by_place = try_vec(n, 0u32, what)?;
        places.iter().enumerate().for_each(|(id, &place)| by_place[place as usize] = id as u32);
        let mut fill = try_copy(&starts, what)?;
        let mut children = try_vec(n, 0u32, what)?;
        for id in by_place {
            let parent = net.parents[id as usize];
            if parent != NO_PARENT {
                children[fill[parent as usize] as usize] = id;
                fill[parent as usize] += 1;
            }
        }

        let mut tree = CoverTree {
            ids: try_with_capacity(n, what)?,
            positions: try_vec(n, 0, what)?,
            levels: try_vec(n, 0, what)?,
            parents: try_vec(n, NO_PARENT, what)?,
            ends: try_vec(n, 0, what)?,
            balls: Vec::new(),
            radii: net.radii,
        };
        let mut stack = try_with_capacity(n, what)?;
        stack.push(net.root);
        while let Some(id) = stack.pop() {
            let position = tree.ids.len();
            tree.ids.push(id);
            tree.positions[id as usize] = position as u32;
            tree.levels[position] = net.levels[id as usize];
            let parent = net.parents[id as usize];
            if parent != NO_PARENT {
                tree.parents[position] = tree.positions[parent as usize];
            }
            let range = starts[id as usize] as usize..starts[id as usize + 1] as usize;
            stack.extend(children[range].iter().rev());
        }
        for position in (0..n).rev() {
            let end = tree.ends[position].max(position as u32 + 1);
            tree.ends[position] = end;
            let parent = tree.parents[position];
            if parent != NO_PARENT {
                let parent_end = &mut tree.ends[parent as usize];
                *parent_end = (*parent_end).max(end);
            }
        }
        Ok(tree)
    }
}
