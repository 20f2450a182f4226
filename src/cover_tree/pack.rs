//! From parents by position to nodes in preorder.

use super::net::{NO_PARENT, Net};
use super::{CoverTree, Shape, ShapedBy};
use crate::error::{Result, try_collect, try_copy, try_vec, try_with_capacity};
use crate::layout::Layout;

impl CoverTree {
    /// Packs a net; siblings are stored in the order of the layout, so that what is near in space is near in memory. Balls are
    /// computed afterwards. O(n).
    pub(crate) fn pack(net: Net, layout: &Layout, shaped_by: ShapedBy) -> Result<Self> {
        let n = net.parents.len();
        let what = "the tree";
        // Children of each point, one after the other, by a counting sort.
        let mut starts = try_vec(n + 1, 0u32, what)?;
        for &parent in net.parents.iter().filter(|&&parent| parent != NO_PARENT) {
            starts[parent as usize + 1] += 1;
        }
        for i in 0..n {
            starts[i + 1] += starts[i];
        }
        let mut fill = try_copy(&starts, what)?;
        let mut children = try_vec(n, 0u32, what)?;
        for (i, &parent) in net.parents.iter().enumerate().filter(|&(_, &parent)| parent != NO_PARENT) {
            children[fill[parent as usize] as usize] = i as u32;
            fill[parent as usize] += 1;
        }

        let mut tree = CoverTree {
            numbers: Vec::new(),
            positions: try_with_capacity(n, what)?,
            levels: try_vec(n, 0, what)?,
            parents: try_vec(n, NO_PARENT, what)?,
            ends: try_vec(n, 0, what)?,
            least: Vec::new(),
            balls: Vec::new(),
            radii: net.radii,
            shaped_by,
            shape: Shape::default(),
            evaluations: net.evaluations,
        };
        let mut nodes = try_vec(n, 0u32, what)?;
        let mut stack = try_with_capacity(n, what)?;
        stack.push(net.root);
        while let Some(i) = stack.pop() {
            let node = tree.positions.len();
            tree.positions.push(i);
            nodes[i as usize] = node as u32;
            tree.levels[node] = net.levels[i as usize];
            let parent = net.parents[i as usize];
            if parent != NO_PARENT {
                tree.parents[node] = nodes[parent as usize];
            }
            let range = starts[i as usize] as usize..starts[i as usize + 1] as usize;
            stack.extend(children[range].iter().rev());
        }
        for node in (0..n).rev() {
            let end = tree.ends[node].max(node as u32 + 1);
            tree.ends[node] = end;
            let parent = tree.parents[node];
            if parent != NO_PARENT {
                let parent_end = &mut tree.ends[parent as usize];
                *parent_end = (*parent_end).max(end);
            }
        }
        let number = |&position: &u32| Ok(layout.numbers[position as usize]);
        tree.numbers = try_collect(tree.positions.iter().map(number), what)?;
        tree.finish(&layout.numbers)
    }

    /// With what follows from nodes and the numbers of the points in their layout.
    pub(super) fn finish(mut self, numbers: &[u32]) -> Result<CoverTree> {
        self.least = self.least_keys(numbers)?;
        self.shape = self.measured()?;
        Ok(self)
    }
}
