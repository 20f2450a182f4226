//! What a search runs over, and the queries it runs for.

use super::box_prefix::BoxPrefix;
use super::collector::Collector;
use super::leaves::LeafBound;
use super::subspaces::SubspaceBound;
use super::twins::Twins;
use crate::cover_tree::CoverTree;
use crate::error::{Result, try_resize};
use crate::layout::{Boxes, Layout, LeastKeys};
use crate::metric::{Candidates, Metric, NEW, QueryBlock, ScoreScratch};
use std::ops::AddAssign;

/// Points that are scored at a time, so that scores stay in the first-level cache.
const CHUNK: usize = 256;

/// Keys that decide which points a query may find: ids, or places in an order of the caller's. A query with limit l
/// finds points with a key below l.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    /// Key of each position.
    pub(crate) of: &'a [u32],
    /// Position of each key.
    pub(crate) positions: &'a [u32],
}

/// A cover tree, and the least key of each of its subtrees.
#[derive(Clone, Copy)]
pub(crate) struct Nodes<'a> {
    pub(crate) tree: &'a CoverTree,
    pub(crate) least: &'a [u32],
}

/// Points in their layout, with what is known of them, and who may be found.
pub(crate) struct Space<'a, M> {
    pub(crate) metric: &'a M,
    /// Number of each position.
    pub(crate) numbers: &'a [u32],
    pub(crate) boxes: &'a Boxes,
    pub(crate) layout: &'a Layout,
    /// The least key of each box's points, where a query's limit may exclude some: of the leaves of the layout, which are then those of
    /// the index.
    pub(crate) least: Option<&'a LeastKeys>,
    /// The least number of each box's points, where boxes are searched.
    pub(crate) least_numbers: Option<&'a LeastKeys>,
    /// The first points of the order whose places keys are, if boxes of these are searched.
    pub(crate) prefix: Option<&'a BoxPrefix>,
    /// Which points are at one place, of which the subspaces and leaves have the first, and keys of its own are those of all.
    pub(crate) twins: Option<&'a Twins>,
    /// The position of each number, unless numbers are positions.
    pub(crate) positions: Option<&'a [u32]>,
    /// The cover tree, for its traversals.
    pub(crate) nodes: Option<Nodes<'a>>,
    /// The subspaces, where they help.
    pub(crate) subspaces: Option<SubspaceBound<'a>>,
    /// The leaves, where they help.
    pub(crate) leaves: Option<LeafBound<'a>>,
    /// Where the points of each subspace begin in the leaves, and the last one's end, if these are leaves of a prefix.
    pub(crate) starts: Option<&'a [u32]>,
    /// The largest weight of a stored point.
    pub(crate) largest_weight: f64,
    pub(crate) keys: Keys<'a>,
    pub(crate) exclude_self: bool,
    pub(crate) in_use: InUse,
}

/// Declares the bounds that a search uses: all of them, but in unit tests, which show that answers depend on none.
macro_rules! bounds_in_use {
    ($($(#[$doc:meta])* $bound:ident),+) => {
        /// The bounds that a search uses. In the library nothing is there to be asked.
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct InUse {
            $($(#[$doc])* #[cfg(test)] pub(crate) $bound: bool),+
        }

        impl InUse {
            pub(crate) const ALL: Self = InUse { $(#[cfg(test)] $bound: true),+ };

            $($(#[$doc])* #[inline] pub(crate) fn $bound(self) -> bool {
                #[cfg(test)]
                return self.$bound;
                #[cfg(not(test))]
                true
            })+
        }
    };
}

bounds_in_use! {
    /// The table of angles between subspaces.
    table,
    /// The products of a subspace with others.
    cross_grams,
    /// All pivots of a subspace, for all its members at once.
    subspaces,
    /// All pivots of a subspace, for each of its members.
    members,
    /// The bounds of regions.
    regions,
    /// The bounds of a leaf's points.
    points
}

/// What a few queries that are searched for together may find, and have found.
pub(crate) struct Group<C> {
    /// Tree position of each query, or [`NEW`].
    pub(crate) positions: Vec<u32>,
    /// Leaf, subspace or block of each query, or of a stored point near it.
    pub(crate) homes: Vec<u32>,
    /// Keys below this may be found, one limit a query.
    pub(crate) limits: Vec<u32>,
    pub(crate) collectors: Vec<C>,
}

impl<C> Group<C> {
    /// The largest limit of its queries.
    pub(crate) fn largest_limit(&self) -> u32 {
        self.limits.iter().copied().max().unwrap_or(0)
    }
}

/// A query to which more than this share of the leaves, or subspaces, is open waits, to be searched for together with others like
/// it.
const MOST_NEAR: f64 = 0.125;

/// How far a search goes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reach {
    /// Queries to which much is open wait.
    Near,
    /// None waits; those that are not stored take affine bounds where there are some.
    Wide,
}

impl Reach {
    /// So many of `count` leaves, or subspaces, may be open to a query that does not wait.
    pub(crate) fn most(self, count: usize) -> usize {
        match self {
            Reach::Near => (MOST_NEAR * count as f64) as usize,
            Reach::Wide => count,
        }
    }
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchCounters {
    /// Products of length m, those spent on bounds included; shorter ones count by their share.
    pub distance_evaluations: u64,
    /// Nodes or blocks that were considered.
    pub nodes_visited: u64,
    /// Of these, discarded by the ball (angle) bound.
    pub pruned_by_ball: u64,
    /// Of these, discarded by a bound over a region of space.
    pub pruned_by_cell: u64,
    /// Of these, discarded because they hold no allowed id.
    pub pruned_by_id: u64,
    /// Queries that the boxes of leaves answered, and so on: one is counted for each part that was searched for it.
    pub by_boxes: u64,
    /// Queries that leaves answered.
    pub by_leaves: u64,
    /// Queries that subspaces answered.
    pub by_subspaces: u64,
    /// Queries that the nodes of the cover tree answered.
    pub by_nodes: u64,
    /// Queries for which all allowed points were scored.
    pub by_brute_force: u64,
}

impl AddAssign for SearchCounters {
    fn add_assign(&mut self, other: Self) {
        self.distance_evaluations += other.distance_evaluations;
        self.nodes_visited += other.nodes_visited;
        self.pruned_by_ball += other.pruned_by_ball;
        self.pruned_by_cell += other.pruned_by_cell;
        self.pruned_by_id += other.pruned_by_id;
        self.by_boxes += other.by_boxes;
        self.by_leaves += other.by_leaves;
        self.by_subspaces += other.by_subspaces;
        self.by_nodes += other.by_nodes;
        self.by_brute_force += other.by_brute_force;
    }
}

/// Memory of one thread, reused from group to group; nothing in it has length n.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) score: ScoreScratch,
    pub(crate) scores: Vec<f64>,
    pub(crate) candidates: Vec<u32>,
    pub(crate) frontier: Vec<u32>,
    pub(crate) next: Vec<u32>,
    pub(crate) counters: SearchCounters,
}

impl<'a, M> Space<'a, M> {
    /// The first points of places alone, which have these keys; none is a query's own.
    pub(crate) fn of_places<'b>(&'b self, keys: &'b [u32]) -> Space<'b, M>
    where
        'a: 'b,
    {
        Space { keys: Keys { of: keys, positions: self.keys.positions }, exclude_self: true, ..*self }
    }
}

impl<M: Metric> Space<'_, M> {
    /// Scores `rows`, which are queries of the group, with those of the points that one of them may find.
    pub(crate) fn evaluate_some<C: Collector>(
        &self,
        group: &mut Group<C>,
        rows: &[u32],
        queries: &QueryBlock,
        points: impl Iterator<Item = u32>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let limit = rows.iter().map(|&q| group.limits[q as usize]).max().unwrap_or(0);
        let Scratch { candidates, score, scores, counters, .. } = scratch;
        candidates.clear();
        candidates.extend(points.filter(|&i| self.keys.of[i as usize] < limit));
        for candidates in candidates.chunks(CHUNK) {
            let parts = (&mut *score, &mut *scores, &mut *counters);
            self.evaluate(group, rows, queries, &Candidates::Gather(candidates), parts)?;
        }
        Ok(())
    }

    /// Scores the queries `rows` of the group with the candidates, and offers what is allowed.
    pub(crate) fn evaluate<C: Collector>(
        &self,
        group: &mut Group<C>,
        rows: &[u32],
        queries: &QueryBlock,
        candidates: &Candidates<'_>,
        scratch: (&mut ScoreScratch, &mut Vec<f64>, &mut SearchCounters),
    ) -> Result<()> {
        let (score, scores, counters) = scratch;
        let count = candidates.len();
        try_resize(scores, rows.len() * count, 0.0, "the search")?;
        if scores.is_empty() {
            return Ok(());
        }
        counters.distance_evaluations += scores.len() as u64;
        self.metric.scores(queries, rows, candidates, score, scores)?;
        for (&q, row) in rows.iter().zip(scores.chunks_exact(count)) {
            let q = q as usize;
            let (limit, own) = (group.limits[q], group.positions[q]);
            let own = if self.exclude_self { own } else { NEW };
            let collector = &mut group.collectors[q];
            let mut threshold = collector.threshold();
            for (c, &score) in row.iter().enumerate() {
                if score >= threshold {
                    let position = candidates.position(c);
                    if self.keys.of[position] < limit && position as u32 != own {
                        collector.offer(self.metric, score, self.numbers[position]);
                        threshold = collector.threshold();
                    }
                }
            }
        }
        Ok(())
    }

    /// Offers the point at `position` to query `q` of the group, if that may find it.
    pub(crate) fn offer<C: Collector>(&self, group: &mut Group<C>, q: usize, position: usize, score: f64) {
        let own = self.exclude_self && position as u32 == group.positions[q];
        if score >= group.collectors[q].threshold() && self.keys.of[position] < group.limits[q] && !own {
            group.collectors[q].offer(self.metric, score, self.numbers[position]);
        }
    }
}
