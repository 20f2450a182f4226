//! Search: exact nearest neighbours, predecessors and neighbours within a radius.
//!
//! A batch is cut into groups of queries that lie near each other (and have similar limits); each group is searched
//! by one thread with one of the traversals. All traversals score pairs with the same bits and keep points by
//! (distance, id), so they agree.
//!
//! The automatic traversal of residual correlations is [`panelling`] where a few columns of V hold nearly all of what is
//! near in space. Elsewhere it has stages: the table of [`angles`] between cells, and the pivots of all cells. What is
//! left is scored with all points.

mod angles;
mod at_inducing;
mod at_inducing_build;
mod at_inducing_search;
mod batch;
mod best_first;
mod boxes;
mod brute_force;
mod cell;
#[cfg(test)]
pub(crate) mod cell_checks;
mod cells;
mod cells_build;
mod certificate;
mod collect;
mod index;
mod inducing_rows;
mod level_synchronous;
mod open;
mod origins;
mod overlaps;
mod overlaps_build;
#[cfg(test)]
pub(crate) mod panel_checks;
mod panel_query;
mod panelling;
mod panels;
mod plan;
mod regions;
mod saved;
mod shortlist;
mod space;
mod table;

pub(crate) use batch::{Batch, run_batch};
#[cfg(test)]
pub(crate) use cells::{CellBound, Cells};
#[cfg(test)]
pub(crate) use cells_build::Listing;
pub(crate) use collect::{Collector, Nearest, Neighbor, Reaching, Within};
pub(crate) use index::{Index, IndexSource};
pub(crate) use plan::FEW;
pub use plan::{Plan, WhyBruteForce, WhyLeaves, WhyNoLeaves};
pub(crate) use saved::SavedIndex;
pub use space::SearchCounters;
pub(crate) use space::{Certificates, Keys, Nodes, Space};
