//! What a metric is: scores of pairs, and bounds of them.

use super::candidates::Candidates;
use super::points::Points;
use super::query_block::QueryBlock;
use crate::error::Result;
use crate::simd::Simd;

/// A ball around a stored point that holds a set of points, in the terms of a metric's bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ball {
    /// The least score of the centre with any of the set, rounding allowed for.
    pub(crate) reach: f64,
    /// The largest weight of the set: what rounding a member's scores can have.
    pub(crate) weight: f64,
}

/// Temporary arrays of [`Metric::scores`], kept by each thread.
#[derive(Default)]
pub(crate) struct ScoreScratch {
    pub(crate) covariances: Vec<f64>,
    pub(crate) coords: Vec<f64>,
    pub(crate) inverse_sds: Vec<f64>,
    pub(crate) raw_coords: Vec<f64>,
}

/// A distance over stored points, evaluated a block at a time.
pub(crate) trait Metric: Sync {
    /// The stored points.
    fn points(&self) -> &Points;

    /// `out[r * candidates.len() + c]` = score of query `rows[r]` with candidate c. The same pair has the same bits in
    /// any block, and a stored query scores itself as [`Metric::SELF_SCORE`].
    fn scores(
        &self,
        queries: &QueryBlock,
        rows: &[u32],
        candidates: &Candidates<'_>,
        scratch: &mut ScoreScratch,
        out: &mut [f64],
    ) -> Result<()>;

    /// The score at distance 0.
    const SELF_SCORE: f64;

    /// The distance of a score; nonincreasing in it.
    fn distance(&self, score: f64) -> f64;

    /// A score such that every distance below `distance` has a larger or equal one.
    fn score_at(&self, distance: f64) -> f64;

    /// The length that trees are built with, from a score: the angle acos(abs(rho)), or the Euclidean distance.
    fn length(&self, score: f64) -> f64;

    /// The score at a length; the inverse of [`Metric::length`].
    fn score_at_length(&self, length: f64) -> f64;

    /// Radii of the levels of a tree whose root reaches `reach` (a score): decreasing, the first holds everything.
    fn level_radii(&self, reach: f64) -> Vec<f64>;

    /// What rounding a point's scores can have, relative to the metric's unit.
    fn weight(&self, inverse_sd: f64) -> f64;

    /// What rounding can change of a score of two points, from their weights.
    fn slack(&self, a: f64, b: f64) -> f64;

    /// The ball of one point.
    fn point_ball(&self, weight: f64) -> Ball {
        Ball { reach: Self::SELF_SCORE, weight }
    }

    /// The ball at a centre of weight `centre`, grown to hold a point of weight `weight` and score `score` with it.
    fn grow(&self, ball: Ball, centre: f64, weight: f64, score: f64) -> Ball;

    /// An upper bound of the score of a query with any point of a ball, from its score with the centre. Rounding of
    /// all scores is allowed for, so what is below a threshold by this bound is below it as computed.
    fn bound(&self, query_weight: f64, score: f64, ball: Ball) -> f64;

    /// Whether [`Metric::separation_bound`] tells all there is to tell, so that balls need not be looked at.
    fn is_spatial(&self) -> bool;

    /// An upper bound of the score of any two points whose squared scaled Euclidean distance is at least `squared`;
    /// tells something where the metric is a function of that distance.
    fn separation_bound(&self, squared: f64) -> f64;

    /// The vector kernels to run.
    fn simd(&self) -> Simd;

    /// Whether scores, as computed, never rise with squared distance.
    const FALLS: bool = false;

    /// The score of two different points at a squared distance, where that is computed from nothing else.
    fn score_of_square(&self, _squared: f64) -> Option<f64> {
        None
    }

    /// A squared distance such that points farther apart score less than `score`.
    fn reach(&self, _score: f64) -> f64 {
        f64::INFINITY
    }

    /// Points at up to this share of a squared distance are usually all that may be as near as those at it.
    fn tie_share(&self) -> f64 {
        1.0
    }

    /// Whether points whose squared distance is at least `squared` all have the largest distance there is.
    fn is_farthest_beyond(&self, _squared: f64) -> bool {
        false
    }

    /// Whether bounds hold. Where not (a factor that is no residual of its kernel), only brute force is exact.
    fn is_metric(&self) -> bool {
        true
    }
}
