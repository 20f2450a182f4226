//! What the automatic traversal searches residual correlations with, over all points of a tree or a prefix of them:
//! subspaces where a few points of each hold nearly all of it, and leaves where few columns of V do.

use super::coincident::Coincident;
use super::leaves::{LeafBound, Leaves};
use super::plan::{Decision, Plan, WhyBruteForce, WhyNoLeaves, decide};
use super::subspaces::{SubspaceBound, Subspaces};
use super::subspaces_build::Listing;
use super::whitened_rows::WhitenedRows;
use super::whitened_rows::coincident;
use crate::control::Control;
use crate::error::{Result, try_vec, try_with_capacity};
use crate::inducing::InducingPoints;
use crate::kernel::{Covariance, Kernel};
use crate::metric::{AnyMetric, Correlation};
use crate::parallel::Threads;
use crate::simd::leaf::LANES as LEAF;
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// Subspaces and leaves, either of which may be absent.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) plan: Plan,
    pub(crate) subspaces: Option<Subspaces>,
    pub(crate) leaves: Option<Leaves>,
    /// Where the points of each subspace of all points begin in the leaves, and the last one's end, if these are leaves of a prefix.
    pub(crate) starts: Option<Vec<u32>>,
    /// Pairs evaluated to build it.
    pub(crate) evaluations: u64,
}

impl Index {
    /// Whether there is neither.
    pub(crate) fn is_empty(&self) -> bool {
        self.subspaces.is_none() && self.leaves.is_none()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.subspaces.as_ref().map_or(0, Subspaces::bytes) + self.leaves.as_ref().map_or(0, Leaves::bytes)
    }

    /// Whether its leaves are those of the layout.
    pub(crate) fn follows_layout(&self) -> bool {
        self.leaves.as_ref().is_some_and(Leaves::follow_layout)
    }

    /// The leaf or subspace of a tree position, if it is in one.
    pub(crate) fn home(&self, position: u32) -> Option<u32> {
        match &self.leaves {
            Some(leaves) => leaves.of(position),
            None => self.subspaces.as_ref().and_then(|subspaces| subspaces.of(position)),
        }
    }
}

/// What indices of one tree are built from.
#[derive(Default)]
pub(crate) struct IndexSource {
    /// What all leaves share, made with the first.
    inducing: ArcSwapOption<WhitenedRows>,
}

/// The stationary kernel.
fn kernel(covariance: &Covariance) -> Option<&Kernel> {
    if let Covariance::Stationary(kernel) = covariance { Some(kernel) } else { None }
}

impl IndexSource {
    /// With what leaves share.
    pub(crate) fn with(inducing: Arc<WhitenedRows>) -> Self {
        IndexSource { inducing: ArcSwapOption::new(Some(inducing)) }
    }

    /// Bytes held beside those of `index`, which was made from it.
    pub(crate) fn bytes(&self, index: &Index) -> usize {
        if index.leaves.is_some() { 0 } else { self.inducing.load().as_ref().map_or(0, |shared| shared.bytes()) }
    }

    /// An index over all points, or those at `positions`.
    pub(crate) fn index(
        &self,
        metric: &AnyMetric,
        covariance: &Covariance,
        inducing: Option<&InducingPoints>,
        positions: Option<&[u32]>,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Index> {
        let rows = |metric: &Correlation| self.whitened_rows(metric, inducing);
        let Decision { plan, order, subspaces, evaluations } = decide(metric, covariance, positions, rows, threads)?;
        let mut index = Index { plan, evaluations, ..Index::default() };
        let AnyMetric::Correlation(metric) = metric else { return Ok(index) };
        if let Some((size, sine)) = subspaces {
            let coincident = coincident(&metric.points, inducing);
            let cross_grams = match (plan, size) {
                (Plan::LeavesAndSubspaces, _) => Listing::Around,
                (_, LEAF) => Listing::Near(&coincident),
                // In large subspaces the spans tell little more than the table.
                _ => Listing::Nothing,
            };
            let (subspaces, evaluations) = Subspaces::new(metric, &order, size, sine, cross_grams, threads, control)?;
            index.evaluations += evaluations;
            index.subspaces = Some(subspaces);
        }
        if matches!(plan, Plan::Leaves(_) | Plan::LeavesAndSubspaces) {
            // The leaves of a subspace come one after the other, where it has its points.
            index.leaves = self.leaves(metric, inducing, order, subspaces.is_none(), threads, control)?;
            match (&mut index.leaves, kernel(covariance)) {
                (Some(leaves), Some(kernel)) if subspaces.is_some() => {
                    leaves.coincident = Coincident::of_leaves(leaves, metric, kernel, threads, control)?;
                }
                (None, _) if subspaces.is_some() => index.plan = Plan::Subspaces(WhyNoLeaves::ManyColumns),
                (None, _) => index.plan = Plan::BruteForce(WhyBruteForce::NothingBounds),
                _ => {}
            }
        }
        Ok(index)
    }

    /// Leaves over those points of `whole`, of which all is known that its subspaces tell, that are at `positions`; None if it has no
    /// leaves and subspaces, or too many columns matter.
    pub(crate) fn prefix(
        &self,
        whole: &Index,
        metric: &AnyMetric,
        inducing: Option<&InducingPoints>,
        positions: &[u32],
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Option<Index>> {
        let (Some(subspaces), Some(all), AnyMetric::Correlation(metric)) = (&whole.subspaces, &whole.leaves, metric)
        else {
            return Ok(None);
        };
        let what = "the index";
        let mut chosen = try_vec(metric.points.n, false, what)?;
        positions.iter().for_each(|&i| chosen[i as usize] = true);
        let mut order = try_with_capacity(positions.len(), what)?;
        let mut starts = try_with_capacity(subspaces.len() + 1, what)?;
        for c in 0..subspaces.len() {
            starts.push(order.len() as u32);
            order.extend(all.positions[subspaces.run(c)].iter().filter(|&&i| chosen.get(i as usize) == Some(&true)));
        }
        starts.push(order.len() as u32);
        let leaves = self.leaves(metric, inducing, order, false, threads, control)?;
        let plan = whole.plan;
        Ok(leaves.map(|leaves| Index { plan, leaves: Some(leaves), starts: Some(starts), ..Index::default() }))
    }

    fn leaves(
        &self,
        metric: &Correlation,
        inducing: Option<&InducingPoints>,
        order: Vec<u32>,
        bounded: bool,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Option<Leaves>> {
        Leaves::new(self.whitened_rows(metric, inducing)?, metric, order, bounded, threads, control)
    }

    /// What all leaves share.
    fn whitened_rows(&self, metric: &Correlation, inducing: Option<&InducingPoints>) -> Result<Arc<WhitenedRows>> {
        if let Some(shared) = self.inducing.load_full() {
            return Ok(shared);
        }
        // No lock: a forked child could wait for it for ever.
        let shared = Arc::new(WhitenedRows::new(metric, inducing)?);
        self.inducing.store(Some(shared.clone()));
        Ok(shared)
    }

    /// The bounds that subspaces give.
    pub(crate) fn subspaces<'a>(index: &'a Index, metric: &'a AnyMetric) -> Option<SubspaceBound<'a>> {
        match (&index.subspaces, metric) {
            (Some(subspaces), AnyMetric::Correlation(metric)) => Some(SubspaceBound { subspaces, metric }),
            _ => None,
        }
    }

    /// The bounds that leaves give.
    pub(crate) fn bound<'a>(
        index: &'a Index,
        metric: &'a AnyMetric,
        covariance: &'a Covariance,
    ) -> Option<LeafBound<'a>> {
        match (&index.leaves, metric, kernel(covariance)) {
            (Some(leaves), AnyMetric::Correlation(metric), Some(kernel)) => Some(LeafBound { leaves, metric, kernel }),
            _ => None,
        }
    }
}
