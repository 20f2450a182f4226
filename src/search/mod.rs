//! Search: exact nearest neighbours, predecessors and neighbours within a radius.
//!
//! A batch is cut into groups of queries that lie near each other (and have similar limits); each group is searched
//! by one thread with one of the traversals. All traversals score pairs with the same bits and keep points by
//! (distance, id), so they agree.
//!
//! The automatic traversal of residual correlations is [`leaf_search`] where a few columns of V hold nearly all of what is
//! near in space. Elsewhere it has stages: the table of [`angles`] between subspaces, and the pivots of all subspaces. What is
//! left is scored with all points.

mod affine_bounds;
mod batch;
mod best_first;
mod box_prefix;
mod box_search;
mod brute_force;
mod candidates;
mod coincident;
mod coincident_build;
mod coincident_search;
mod collector;
mod context;
mod cross_grams;
mod cross_grams_build;
mod index;
mod inverted_lists;
#[cfg(test)]
pub(crate) mod leaf_checks;
mod leaf_query;
mod leaf_search;
mod leaves;
mod level_synchronous;
mod nearest_squares;
mod plan;
mod principal_angles;
mod projection;
mod recentring;
mod saved;
mod subspace;
#[cfg(test)]
pub(crate) mod subspace_checks;
mod subspace_search;
mod subspaces;
mod subspaces_build;
mod twins;
mod whitened_rows;

pub(crate) use batch::{Batch, run_batch};
pub(crate) use box_prefix::BoxPrefix;
pub(crate) use collector::{Collector, Nearest, Neighbor, Reaching, Within};
pub use context::SearchCounters;
pub(crate) use context::{InUse, Keys, Nodes, Space};
pub(crate) use index::{Index, IndexSource};
pub(crate) use plan::FEW;
pub use plan::{Plan, WhyBruteForce, WhyLeaves, WhyNoLeaves};
pub(crate) use saved::SavedIndex;
#[cfg(test)]
pub(crate) use subspaces::{SubspaceBound, Subspaces};
#[cfg(test)]
pub(crate) use subspaces_build::Listing;
pub(crate) use twins::Twins;
