//! The nodes, and what follows of them.

use crate::error::{Result, try_collect, try_copy, try_vec};
use crate::layout::Layout;
use crate::metric::Ball;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What the radii of the levels are lengths of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum ShapedBy {
    /// The metric that is searched.
    #[default]
    Metric,
    /// The Euclidean distance of coordinates multiplied by these scales.
    Euclidean(Vec<f64>),
    /// A residual correlation of earlier parameters: a refit has kept the nodes.
    Earlier,
}

/// Nodes in preorder.
#[derive(Default)]
pub(crate) struct CoverTree {
    /// Number of each node's point.
    pub(crate) numbers: Vec<u32>,
    /// Its position in the layout.
    pub(crate) positions: Vec<u32>,
    /// Level of each node; 0 is the root.
    pub(crate) levels: Vec<u8>,
    /// Each node's parent, or [`NO_PARENT`].
    pub(crate) parents: Vec<u32>,
    /// The node after the last descendant of each node.
    pub(crate) ends: Vec<u32>,
    /// Least number of each subtree.
    pub(crate) least: Vec<u32>,
    /// Ball of each node's subtree under the metric that is searched.
    pub(crate) balls: Vec<Ball>,
    /// r_t
    pub(crate) radii: Vec<f64>,
    pub(crate) shaped_by: ShapedBy,
    pub(crate) shape: Shape,
    /// Pairs evaluated to make it.
    pub(crate) evaluations: u64,
}

impl CoverTree {
    /// The same nodes over points that lie in another layout, without balls.
    pub(crate) fn moved(&self, layout: &Layout, shaped_by: ShapedBy) -> Result<CoverTree> {
        let what = "the tree";
        let position = |&number: &u32| Ok(layout.positions[number as usize]);
        Ok(CoverTree {
            numbers: try_copy(&self.numbers, what)?,
            positions: try_collect(self.numbers.iter().map(position), what)?,
            levels: try_copy(&self.levels, what)?,
            parents: try_copy(&self.parents, what)?,
            ends: try_copy(&self.ends, what)?,
            least: try_copy(&self.least, what)?,
            balls: Vec::new(),
            radii: try_copy(&self.radii, what)?,
            shaped_by,
            shape: self.shape,
            evaluations: 0,
        })
    }

    /// The least of the keys of each subtree's points, one key a position; O(n).
    pub(crate) fn least_keys(&self, keys: &[u32]) -> Result<Vec<u32>> {
        let own = |&position: &u32| Ok(keys[position as usize]);
        let mut least = try_collect(self.positions.iter().map(own), "the least keys")?;
        for node in (1..self.len()).rev() {
            let parent = self.parents[node] as usize;
            least[parent] = least[parent].min(least[node]);
        }
        Ok(least)
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// The subtree of `node`, itself first.
    pub(crate) fn subtree(&self, node: usize) -> Range<usize> {
        node..self.ends[node] as usize
    }

    /// Children of `node`.
    pub(crate) fn children(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.ends[node] as usize;
        let mut next = node + 1;
        std::iter::from_fn(move || {
            let child = next;
            (child < end).then(|| {
                next = self.ends[child] as usize;
                child
            })
        })
    }

    /// Whether `node` has no children.
    pub(crate) fn is_leaf(&self, node: usize) -> bool {
        self.ends[node] as usize == node + 1
    }

    /// Measures the shape of the tree.
    pub(super) fn measured(&self) -> Result<Shape> {
        let n = self.len();
        let mut fan_out = try_vec(n, 0u32, "the tree")?;
        let mut depth = try_vec(n, 0u32, "the tree")?;
        for node in 1..n {
            let parent = self.parents[node] as usize;
            fan_out[parent] += 1;
            depth[node] = depth[parent] + 1;
        }
        let largest = |values: &[u32]| values.iter().max().map_or(0, |&most| most as usize);
        Ok(Shape {
            levels: self.levels.iter().max().map_or(0, |&level| usize::from(level) + 1),
            depth: largest(&depth),
            root_fan_out: largest(fan_out.get(..1).unwrap_or_default()),
            max_fan_out: largest(&fan_out),
        })
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.column_bytes()
            + size_of_val(&self.positions[..])
            + size_of_val(&self.least[..])
            + size_of_val(&self.balls[..])
    }
}

/// Shape of a tree; zeros where it has no nodes yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Levels in use.
    pub levels: usize,
    /// Longest path from the root, in edges.
    pub depth: usize,
    /// Children of the root.
    pub root_fan_out: usize,
    /// Largest number of children of one node.
    pub max_fan_out: usize,
}
