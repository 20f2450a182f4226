//! What the automatic traversal searches residual correlations with, over all points of a tree or a prefix of them:
//! cells where a few points of each hold nearly all of it, and panels where few columns of V do.

use super::at_inducing::AtInducing;
use super::cells::{CellBound, Cells};
use super::cells_build::Listing;
use super::inducing_rows::InducingRows;
use super::inducing_rows::at_inducing;
use super::panels::{PanelBound, Panels};
use super::plan::{Decision, Plan, WhyBruteForce, WhyNoLeaves, decide};
use crate::control::Control;
use crate::error::{Result, try_vec, try_with_capacity};
use crate::inducing::InducingPoints;
use crate::kernel::{Covariance, Kernel};
use crate::metric::{AnyMetric, Correlation};
use crate::parallel::Threads;
use crate::simd::panel::LANES as PANEL;
use std::sync::{Arc, OnceLock};

/// Cells and panels, either of which may be absent.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) plan: Plan,
    pub(crate) cells: Option<Cells>,
    pub(crate) panels: Option<Panels>,
    /// Where the points of each cell of all points begin in the panels, and the last one's end, if these are panels of a prefix.
    pub(crate) starts: Option<Vec<u32>>,
    /// Pairs evaluated to build it.
    pub(crate) evaluations: u64,
}

impl Index {
    /// Whether there is neither.
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_none() && self.panels.is_none()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.as_ref().map_or(0, Cells::bytes) + self.panels.as_ref().map_or(0, Panels::bytes)
    }

    /// The panel or cell of a tree position, if it is in one.
    pub(crate) fn home(&self, position: u32) -> Option<u32> {
        match &self.panels {
            Some(panels) => panels.of(position),
            None => self.cells.as_ref().and_then(|cells| cells.of(position)),
        }
    }
}

/// What indices of one tree are built from.
#[derive(Default)]
pub(crate) struct IndexSource {
    /// What all panels share, made with the first.
    inducing: OnceLock<Arc<InducingRows>>,
}

/// The stationary kernel.
fn kernel(covariance: &Covariance) -> Option<&Kernel> {
    if let Covariance::Stationary(kernel) = covariance { Some(kernel) } else { None }
}

impl IndexSource {
    /// With what panels share.
    pub(crate) fn with(inducing: Arc<InducingRows>) -> Self {
        IndexSource { inducing: OnceLock::from(inducing) }
    }

    /// Bytes held beside those of `index`, which was made from it.
    pub(crate) fn bytes(&self, index: &Index) -> usize {
        if index.panels.is_some() { 0 } else { self.inducing.get().map_or(0, |shared| shared.bytes()) }
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
        let rows = |metric: &Correlation| self.inducing_rows(metric, inducing);
        let Decision { plan, order, subspaces, evaluations } = decide(metric, covariance, positions, rows, threads)?;
        let mut index = Index { plan, evaluations, ..Index::default() };
        let AnyMetric::Correlation(metric) = metric else { return Ok(index) };
        if let Some((leaf, sine)) = subspaces {
            let at_inducing = at_inducing(&metric.points, inducing);
            let overlaps = match (plan, leaf) {
                (Plan::LeavesAndSubspaces, _) => Listing::Around,
                (_, PANEL) => Listing::Near(&at_inducing),
                // In large cells the spans tell little more than the table.
                _ => Listing::Nothing,
            };
            let (cells, evaluations) = Cells::new(metric, &order, leaf, sine, overlaps, threads, control)?;
            index.evaluations += evaluations;
            index.cells = Some(cells);
        }
        if matches!(plan, Plan::Leaves(_) | Plan::LeavesAndSubspaces) {
            // The panels of a cell come one after the other, where it has its points.
            index.panels = self.panels(metric, inducing, order, subspaces.is_none(), threads, control)?;
            match (&mut index.panels, kernel(covariance)) {
                (Some(panels), Some(kernel)) if subspaces.is_some() => {
                    panels.at_inducing = AtInducing::of_panels(panels, metric, kernel, threads, control)?;
                }
                (None, _) if subspaces.is_some() => index.plan = Plan::Subspaces(WhyNoLeaves::ManyColumns),
                (None, _) => index.plan = Plan::BruteForce(WhyBruteForce::NothingBounds),
                _ => {}
            }
        }
        Ok(index)
    }

    /// Panels over those points of `whole`, of which all is known that its cells tell, that are at `positions`; None if it has no
    /// panels and cells, or too many columns matter.
    pub(crate) fn prefix(
        &self,
        whole: &Index,
        metric: &AnyMetric,
        inducing: Option<&InducingPoints>,
        positions: &[u32],
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Option<Index>> {
        let (Some(cells), Some(all), AnyMetric::Correlation(metric)) = (&whole.cells, &whole.panels, metric) else {
            return Ok(None);
        };
        let what = "the index";
        let mut chosen = try_vec(metric.points.n, false, what)?;
        positions.iter().for_each(|&i| chosen[i as usize] = true);
        let mut order = try_with_capacity(positions.len(), what)?;
        let mut starts = try_with_capacity(cells.len() + 1, what)?;
        for c in 0..cells.len() {
            starts.push(order.len() as u32);
            order.extend(all.positions[cells.run(c)].iter().filter(|&&i| chosen.get(i as usize) == Some(&true)));
        }
        starts.push(order.len() as u32);
        let panels = self.panels(metric, inducing, order, false, threads, control)?;
        let plan = whole.plan;
        Ok(panels.map(|panels| Index { plan, panels: Some(panels), starts: Some(starts), ..Index::default() }))
    }

    fn panels(
        &self,
        metric: &Correlation,
        inducing: Option<&InducingPoints>,
        order: Vec<u32>,
        bounded: bool,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Option<Panels>> {
        Panels::new(self.inducing_rows(metric, inducing)?, metric, order, bounded, threads, control)
    }

    /// What all panels share.
    fn inducing_rows(&self, metric: &Correlation, inducing: Option<&InducingPoints>) -> Result<Arc<InducingRows>> {
        let shared = match self.inducing.get() {
            Some(shared) => shared.clone(),
            None => Arc::new(InducingRows::new(metric, inducing)?),
        };
        Ok(self.inducing.get_or_init(|| shared).clone())
    }

    /// The bounds that cells give.
    pub(crate) fn cells<'a>(index: &'a Index, metric: &'a AnyMetric) -> Option<CellBound<'a>> {
        match (&index.cells, metric) {
            (Some(cells), AnyMetric::Correlation(metric)) => Some(CellBound { cells, metric }),
            _ => None,
        }
    }

    /// The bounds that panels give.
    pub(crate) fn bound<'a>(
        index: &'a Index,
        metric: &'a AnyMetric,
        covariance: &'a Covariance,
    ) -> Option<PanelBound<'a>> {
        match (&index.panels, metric, kernel(covariance)) {
            (Some(panels), AnyMetric::Correlation(metric), Some(kernel)) => Some(PanelBound { panels, metric, kernel }),
            _ => None,
        }
    }
}
