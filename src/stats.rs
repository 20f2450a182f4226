//! Figures of a tree and of its last search.

use crate::options::Traversal;
pub use crate::search::SearchCounters;
pub use crate::tree::Shape;

/// Seconds that the phases of a build took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BuildSeconds {
    /// Reading, Cholesky factor, V and p.
    pub factor: f64,
    /// The Hilbert order.
    pub order: f64,
    /// Tree, radii and blocks.
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
    /// Levels, depth and fan-out: the largest of all parts.
    pub shape: Shape,
    /// Blocks that the automatic traversal evaluates.
    pub blocks: usize,
    /// Bytes held by the tree.
    pub memory_bytes: usize,
    /// Pairs evaluated during the build.
    pub build_evaluations: u64,
    /// Seconds of the build.
    pub seconds: BuildSeconds,
    /// The caller's factor is no residual of its kernel (or its covariance none), so every search is brute force.
    pub brute_force_only: bool,
    /// The last search of this tree, by whichever thread.
    pub last_search: SearchStats,
}
