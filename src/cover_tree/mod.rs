//! The compressed cover tree: every point is exactly one node.
//!
//! A tree has levels 0, 1, ... with decreasing radii r_t. The cover set C_t holds the nodes of level t or less.
//! - nesting: C_t is a subset of C_(t+1), each parent has a smaller level than its children;
//! - covering: a node of level t is within r_(t-1) of its parent;
//! - separation: two points of C_t are more than r_t apart. Points that are closer to a node than the least radius
//!   hang below it on one last level, where separation is not asked for: duplicates.
//!
//! Lengths are those of the metric the tree was shaped with (angles for correlations). Nodes are stored in preorder,
//! so that a subtree is a range of nodes; the points lie in the order of the layout.
//! Source: Beygelzimer, Kakade & Langford (ICML 2006); Elkin & Kurlin, *A new near-linear time algorithm for
//! k-nearest neighbor search using a compressed cover tree* (ICML 2023), for the form with each point once.

mod balls;
mod net;
mod nodes;
mod pack;
mod saved;
mod validate;

pub(crate) use net::{Net, Reach, build_net};
pub use nodes::Shape;
pub(crate) use nodes::{CoverTree, ShapedBy};
pub(crate) use saved::SavedNodes;
