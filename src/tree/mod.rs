//! The compressed cover tree: every point is exactly one node.
//!
//! A tree has levels 0, 1, ... with decreasing radii r_t. The cover set C_t holds the nodes of level t or less.
//! - nesting: C_t is a subset of C_(t+1), each parent has a smaller level than its children;
//! - covering: a node of level t is within r_(t-1) of its parent;
//! - separation: two points of C_t are more than r_t apart. Points that are closer to a node than the least radius
//!   hang below it on one last level, where separation is not asked for: duplicates.
//!
//! Lengths are those of the metric the tree was shaped with (angles for correlations). Nodes are stored in preorder,
//! so that a subtree is a range of positions, and the numbers of the points lie in the same order, 1:1.
//! Source: Beygelzimer, Kakade & Langford (ICML 2006); Elkin & Kurlin, *A new near-linear time algorithm for
//! k-nearest neighbor search using a compressed cover tree* (ICML 2023), for the form with each point once.

mod grid;
mod net;
mod pack;
mod radii;
mod saved;
mod validate;

pub(crate) use net::{Net, build_net};
pub(crate) use radii::node_balls;
pub(crate) use saved::SavedNodes;

use crate::error::{Result, try_copy, try_vec};
use crate::metric::Ball;
use std::ops::Range;

/// The parent of the root.
pub(crate) const NO_PARENT: u32 = u32::MAX;

/// Nodes in preorder; position i of every array, and of the metric's points, is node i.
pub(crate) struct CoverTree {
    /// Id of the point at a position.
    pub(crate) ids: Vec<u32>,
    /// Position of the point with an id.
    pub(crate) positions: Vec<u32>,
    /// Level of each node; 0 is the root.
    pub(crate) levels: Vec<u8>,
    /// Position of each node's parent, or [`NO_PARENT`].
    pub(crate) parents: Vec<u32>,
    /// Position after the last descendant of each node.
    pub(crate) ends: Vec<u32>,
    /// Ball of each node's subtree under the metric that is searched.
    pub(crate) balls: Vec<Ball>,
    /// r_t
    pub(crate) radii: Vec<f64>,
}

impl CoverTree {
    /// The same nodes, without balls.
    pub(crate) fn nodes(&self) -> Result<CoverTree> {
        let what = "the tree";
        Ok(CoverTree {
            ids: try_copy(&self.ids, what)?,
            positions: try_copy(&self.positions, what)?,
            levels: try_copy(&self.levels, what)?,
            parents: try_copy(&self.parents, what)?,
            ends: try_copy(&self.ends, what)?,
            balls: Vec::new(),
            radii: try_copy(&self.radii, what)?,
        })
    }

    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Positions of the subtree of `node`, itself first.
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

    /// The parent of `node`, unless that is the root.
    pub(crate) fn parent(&self, node: usize) -> Option<usize> {
        Some(self.parents[node]).filter(|&parent| parent != NO_PARENT).map(|parent| parent as usize)
    }

    /// Whether `node` has no children.
    pub(crate) fn is_leaf(&self, node: usize) -> bool {
        self.ends[node] as usize == node + 1
    }

    /// Shape of the tree.
    pub(crate) fn shape(&self) -> Result<Shape> {
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
        let per_node = 4 * std::mem::size_of::<u32>() + 1 + std::mem::size_of::<Ball>();
        self.len() * per_node
    }
}

/// Shape of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
