//! The plan: how an index is searched. One function decides, from the metric, the covariance, p, the decay of V's columns and n;
//! each refusal has its reason beside it. `docs/search.md` has the table.

use super::leaves::Leaves;
use super::subspaces::Subspaces;
use super::whitened_rows::WhitenedRows;
use crate::error::Result;
use crate::kernel::Covariance;
use crate::layout::ordered;
use crate::metric::{AnyMetric, Correlation, Metric};
use crate::parallel::Threads;
use crate::simd::leaf::LANES as LEAF;
use serde::{Deserialize, Serialize};
use std::ffi::CStr;
use std::fmt;
use std::sync::Arc;

/// Fewer points than this are scored one and all.
pub(crate) const FEW: usize = 1024;
/// Subspaces are not used where a larger share of the points than this would have to be pivots.
const MOST_PIVOTS: f64 = 0.5;
/// The sine of the angle that members may have to the span of their subspace, the first of these that is possible, where there are
/// no leaves, and the last where there are. Smaller ones
/// make bounds sharper, and the pivots more: with 0.12, 0.15, 0.2 and 0.25 the benchmark's gold takes 32, 32, 34 and 44
/// microseconds a query, its predecessors 33, 26, 29 and 36, and its tree 1.4, 1.2, 1.1 and 0.9 seconds.
const SINES: [f64; 2] = [0.15, 0.2];
/// Where there are leaves only the table counts: with 0.13, 0.15, 0.18, 0.21 and 0.25 the benchmark's square-512 takes 12, 13,
/// 14, 16 and 20 microseconds a query, and its tree 0.95, 0.82, 0.70, 0.60 and 0.53 seconds; the search of its square is no
/// faster with less than 0.18. The first of these is chosen whose table takes at most so many evaluations a point.
const SHARP: [f64; 2] = [0.18, 0.21];
const MOST_EVALUATIONS: f64 = 4096.0;
/// A subspace has several leaves, at most so many points, where the table is much smaller then. Subspaces are made twice as large while
/// that saves so many evaluations a point, a pair of subspaces counting as these, and a subspace has at most so many times as many pivots.
/// With subspaces of 32, 64 and 128 points the benchmark's square takes 0.20, 0.15 and 0.13 seconds for its tree and 5.0, 5.3 and 5.6
/// microseconds a point for predecessors; with n = 131,072 it is 1.1, 0.7 and 0.5 seconds and 5.3, 5.7 and 5.6 microseconds.
const WIDEST: usize = 8 * LEAF;
const LEAST_SAVED: f64 = 150.0;
const PAIR: f64 = 4.0;
const MOST_GROWTH: f64 = 1.6;
/// The residual's share of the variance above which the table of subspaces tells too little where there are leaves.
const MUCH: f64 = 0.1;

/// How the automatic traversal searches, and why. Its text is a sentence for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Plan {
    /// By the boxes of leaves, nearest first: the distance is a function of Euclidean distance.
    Boxes,
    /// By leaves that hold a few columns of V, first those that affine bounds of V leave open.
    Leaves(WhyLeaves),
    /// By leaves that hold a few columns of V, first those that the angles between subspaces leave open.
    LeavesAndSubspaces,
    /// By subspaces, that is pivots of each box of points in whose span the others nearly are.
    Subspaces(WhyNoLeaves),
    /// All points that are allowed are scored.
    BruteForce(WhyBruteForce),
    /// There are no points yet.
    #[default]
    Empty,
}

/// Why leaves are searched without subspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WhyLeaves {
    /// Much variance is left after V, so that points are far from each other's spans.
    MuchIsLeft,
    /// More points would have to be pivots than pays.
    ManyPivots,
}

/// Why subspaces are searched without leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WhyNoLeaves {
    /// The covariance is the caller's function, which nothing bounds.
    Callback,
    /// Too many columns of V matter everywhere.
    ManyColumns,
}

/// Why all points are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WhyBruteForce {
    /// The caller's factor or covariance is none of a covariance, so that no bound holds.
    NoCovariance,
    /// There are so few points that an index does not pay.
    Few,
    /// The covariance is the caller's function, and too many points would have to be pivots.
    CallbackAndManyPivots,
    /// Too many columns of V matter everywhere, or leaves are too wide, and too many points would have to be pivots.
    NothingBounds,
}

impl Plan {
    /// Its name: "boxes", "leaves", "leaves and subspaces", "subspaces", "brute force" or "none".
    pub fn name(self) -> &'static str {
        self.c_name().to_str().unwrap_or_default()
    }

    /// Why this one.
    pub fn reason(self) -> &'static str {
        self.c_reason().to_str().unwrap_or_default()
    }

    pub(crate) fn c_name(self) -> &'static CStr {
        match self {
            Plan::Boxes => c"boxes",
            Plan::Leaves(_) => c"leaves",
            Plan::LeavesAndSubspaces => c"leaves and subspaces",
            Plan::Subspaces(_) => c"subspaces",
            Plan::BruteForce(_) => c"brute force",
            Plan::Empty => c"none",
        }
    }

    pub(crate) fn c_reason(self) -> &'static CStr {
        match self {
            Plan::Boxes => c"the distance is a function of Euclidean distance",
            Plan::Leaves(WhyLeaves::MuchIsLeft) => {
                c"few columns of V matter in a leaf, and much variance is left after V"
            }
            Plan::Leaves(WhyLeaves::ManyPivots) => {
                c"few columns of V matter in a leaf, and too many points would be pivots of subspaces"
            }
            Plan::LeavesAndSubspaces => c"few columns of V matter in a leaf, and little variance is left after V",
            Plan::Subspaces(WhyNoLeaves::Callback) => c"the covariance is a function of yours, which nothing bounds",
            Plan::Subspaces(WhyNoLeaves::ManyColumns) => c"too many columns of V matter in each leaf",
            Plan::BruteForce(WhyBruteForce::NoCovariance) => {
                c"the factor or the covariance is none of a covariance, so that no bound holds"
            }
            Plan::BruteForce(WhyBruteForce::Few) => c"there are so few points that an index does not pay",
            Plan::BruteForce(WhyBruteForce::CallbackAndManyPivots) => {
                c"the covariance is a function of yours, and too many points would be pivots of subspaces"
            }
            Plan::BruteForce(WhyBruteForce::NothingBounds) => {
                c"too many columns of V matter in each leaf, and too many points would be pivots of subspaces"
            }
            Plan::Empty => c"there are no points",
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.reason())
    }
}

/// A plan, and what is made by it.
pub(super) struct Decision {
    pub(super) plan: Plan,
    /// The points in runs that are boxes; none where there is no index.
    pub(super) order: Vec<u32>,
    /// Points of a subspace, and the sine of the angle that they have to it at most.
    pub(super) subspaces: Option<(usize, f64)>,
    pub(super) evaluations: u64,
}

/// Decides how all points, or those at `positions`, are searched. `rows` are what leaves are made of.
pub(super) fn decide(
    metric: &AnyMetric,
    covariance: &Covariance,
    positions: Option<&[u32]>,
    rows: impl FnOnce(&Correlation) -> Result<Arc<WhitenedRows>>,
    threads: &Threads,
) -> Result<Decision> {
    let without_index = |plan| Ok(Decision { plan, order: Vec::new(), subspaces: None, evaluations: 0 });
    let metric = match metric {
        AnyMetric::Euclidean(_) => return without_index(Plan::Boxes),
        AnyMetric::Correlation(metric) if !metric.is_metric() => {
            return without_index(Plan::BruteForce(WhyBruteForce::NoCovariance));
        }
        AnyMetric::Correlation(metric) if metric.is_spatial() => return without_index(Plan::Boxes),
        AnyMetric::Correlation(metric) => metric,
    };
    let count = positions.map_or(metric.points.n, <[u32]>::len);
    if count <= FEW {
        return without_index(Plan::BruteForce(WhyBruteForce::Few));
    }
    let bounded = matches!(covariance, Covariance::Stationary(_));
    let rows = if bounded { Some(rows(metric)?) } else { None };
    let size = Subspaces::size_of(count, metric.points.width);
    let order = ordered(&metric.points.coords, metric.points.n, positions, threads)?;
    let leaves = rows.map_or(Ok(false), |rows| Leaves::fit(&rows, metric, &order))?;
    // Affine bounds then tell as much as subspaces would.
    if leaves && much_is_left(metric, &order) {
        return Ok(Decision { plan: Plan::Leaves(WhyLeaves::MuchIsLeft), order, subspaces: None, evaluations: 0 });
    }
    let (subspaces, evaluations) = subspaces(metric, &order, size, leaves, threads)?;
    let plan = match (leaves, subspaces.is_some()) {
        (true, true) => Plan::LeavesAndSubspaces,
        (true, false) => Plan::Leaves(WhyLeaves::ManyPivots),
        (false, true) if bounded => Plan::Subspaces(WhyNoLeaves::ManyColumns),
        (false, true) => Plan::Subspaces(WhyNoLeaves::Callback),
        (false, false) if bounded => Plan::BruteForce(WhyBruteForce::NothingBounds),
        (false, false) => Plan::BruteForce(WhyBruteForce::CallbackAndManyPivots),
    };
    Ok(Decision { plan, order, subspaces, evaluations })
}

/// Whether the median residual of a sample of the points is a large share of the variance.
fn much_is_left(metric: &Correlation, positions: &[u32]) -> bool {
    let sample = positions.iter().step_by(positions.len() / 64 + 1);
    let weights = sample.map(|&i| metric.weight(metric.points.inverse_sds[i as usize]));
    let mut shares: Vec<f64> = weights.map(|weight| weight.powi(-2)).collect();
    shares.sort_unstable_by(f64::total_cmp);
    shares.get(shares.len() / 2).is_some_and(|&share| share > MUCH)
}

/// The points of a subspace, `size` at least, and its sine, if so few points need be pivots that they pay; with `leaves` only the
/// table of angles counts. And what that took to find out.
fn subspaces(
    metric: &Correlation,
    order: &[u32],
    mut size: usize,
    leaves: bool,
    threads: &Threads,
) -> Result<(Option<(usize, f64)>, u64)> {
    let mut evaluations = 0;
    let mut known = None;
    if leaves {
        let (wide, share) = wide_subspaces(metric, order, size, threads, &mut evaluations)?;
        (size, known) = (wide, Some(share));
    }
    let most_sharp = MOST_PIVOTS.min((2.0 * MOST_EVALUATIONS / order.len() as f64).sqrt());
    let sharp = SHARP.iter().filter(|_| leaves).map(|&sine| (sine, most_sharp));
    for (sine, most) in sharp.chain(SINES.iter().skip(usize::from(leaves)).map(|&sine| (sine, MOST_PIVOTS))) {
        let share = match known.take() {
            Some(share) => share,
            None => {
                let (share, sampled) = Subspaces::share_of_pivots(metric, order, size, sine, threads)?;
                evaluations += sampled as u64;
                share
            }
        };
        if share <= most {
            return Ok((Some((size, sine)), evaluations));
        }
    }
    Ok((None, evaluations))
}

/// How many points a subspace has where subspaces have leaves, `size` at least and points in this order, by samples, and the share that
/// would be pivots; adds what these took to `evaluations`.
fn wide_subspaces(
    metric: &Correlation,
    order: &[u32],
    mut size: usize,
    threads: &Threads,
    evaluations: &mut u64,
) -> Result<(usize, f64)> {
    let n = order.len() as f64;
    let table = |share: f64, size: usize| 0.5 * n * (share * share + PAIR / (size * size) as f64);
    let mut sample = |size: usize| {
        let (share, evaluated) = Subspaces::share_of_pivots(metric, order, size, SHARP[0], threads)?;
        *evaluations += evaluated as u64;
        Ok(share)
    };
    let mut share = sample(size)?;
    while size < WIDEST {
        let wider = sample(2 * size)?;
        if table(share, size) - table(wider, 2 * size) < LEAST_SAVED || 2.0 * wider > MOST_GROWTH * share {
            break;
        }
        (share, size) = (wider, 2 * size);
    }
    Ok((size, share))
}
