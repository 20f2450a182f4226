//! Figures of a tree and of its last search.

pub use crate::cover_tree::Shape;
pub use crate::metric::LengthscaleCheck;
use crate::options::Traversal;
pub use crate::search::{Plan, SearchCounters};
use serde::{Deserialize, Serialize};

/// Seconds that the phases of a build took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildSeconds {
    /// Reading, Cholesky factor, V and p.
    pub factor: f64,
    /// The layout of the points.
    pub order: f64,
    /// The index, and the nodes of the cover tree where the options name a traversal of these.
    pub tree: f64,
}

/// What the last search did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchStats {
    /// How it searched.
    pub traversal: Traversal,
    /// Number of queries.
    pub queries: u64,
    /// What it looked at.
    pub counters: SearchCounters,
    /// Seconds on the clock.
    pub seconds: f64,
}

impl Default for SearchStats {
    fn default() -> Self {
        SearchStats { traversal: Traversal::Automatic, queries: 0, counters: SearchCounters::default(), seconds: 0.0 }
    }
}

/// Figures of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// Points.
    pub n: usize,
    /// Inducing points, or columns of the caller's factor.
    pub m: usize,
    /// Dimensions.
    pub d: usize,
    /// Parts that are searched one after the other: 1 unless points were inserted.
    pub parts: usize,
    /// Removed points that still take their room.
    pub removed: usize,
    /// How the automatic traversal searches, and why: of the first part, which is the largest.
    pub plan: Plan,
    /// Nodes of the cover tree, one a point, removed ones included.
    pub nodes: usize,
    /// Levels, depth and fan-out: the largest of all parts; zeros as long as nobody has asked for the nodes of the cover tree.
    pub shape: Shape,
    /// Leaves of the layout.
    pub leaves: usize,
    /// Bytes held by the tree.
    pub memory_bytes: usize,
    /// Pairs evaluated during the build.
    pub build_evaluations: u64,
    /// Seconds of the build.
    pub seconds: BuildSeconds,
    /// The caller's factor is no residual of its kernel (or its covariance none), so every search is brute force.
    pub brute_force_only: bool,
    /// What the build or the last refit found of the lengthscale.
    pub lengthscale: LengthscaleCheck,
    /// The last search of this tree, by whichever thread.
    pub last_search: SearchStats,
}
