//! What the automatic traversal searches residual correlations with, over all points of a tree or a prefix of them:
//! cells where a few points of each hold nearly all of it, and panels where few columns of V do.

use super::at_inducing::AtInducing;
use super::inducing_rows::at_inducing;
use super::spatial::kd_order;
use super::{CellBound, Cells, FEW, InducingRows, Listing, PanelBound, Panels};
use crate::control::Control;
use crate::error::{Result, try_copy, try_vec, try_with_capacity};
use crate::inducing::InducingPoints;
use crate::kernel::{Covariance, Kernel};
use crate::metric::{AnyMetric, Correlation, Metric};
use crate::parallel::Threads;
use crate::simd::panel::LANES as PANEL;
use std::sync::{Arc, OnceLock};

/// Cells are not used where a larger share of the points than this would have to be pivots.
const MOST_PIVOTS: f64 = 0.5;
/// The sine of the angle that members may have to the span of their cell, the first of these that is possible, where there are
/// no panels, and the last where there are. Smaller ones
/// make bounds sharper, and the pivots more: with 0.12, 0.15, 0.2 and 0.25 the benchmark's gold takes 32, 32, 34 and 44
/// microseconds a query, its predecessors 33, 26, 29 and 36, and its tree 1.4, 1.2, 1.1 and 0.9 seconds.
const SINES: [f64; 2] = [0.15, 0.2];
/// Where there are panels only the table counts: with 0.13, 0.15, 0.18, 0.21 and 0.25 the benchmark's square-512 takes 12, 13,
/// 14, 16 and 20 microseconds a query, and its tree 0.95, 0.82, 0.70, 0.60 and 0.53 seconds; the search of its square is no
/// faster with less than 0.18. The first of these is chosen whose table takes at most so many evaluations a point.
const SHARP: [f64; 2] = [0.18, 0.21];
const MOST_EVALUATIONS: f64 = 4096.0;
/// A cell has several panels, at most so many points, where the table is much smaller then. Cells are made twice as large while
/// that saves so many evaluations a point, a pair of cells counting as these, and a cell has at most so many times as many pivots.
/// With cells of 32, 64 and 128 points the benchmark's square takes 0.20, 0.15 and 0.13 seconds for its tree and 5.0, 5.3 and 5.6
/// microseconds a point for predecessors; with n = 131,072 it is 1.1, 0.7 and 0.5 seconds and 5.3, 5.7 and 5.6 microseconds.
const WIDEST: usize = 8 * PANEL;
const LEAST_SAVED: f64 = 150.0;
const PAIR: f64 = 4.0;
const MOST_GROWTH: f64 = 1.6;
/// The residual's share of the variance above which the table of cells tells too little where there are panels.
const MUCH: f64 = 0.1;

/// Cells and panels, either of which may be absent.
#[derive(Default)]
pub(crate) struct Index {
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

/// Whether the median residual of a sample of the points is a large share of the variance.
fn much_is_left(metric: &Correlation, positions: &[u32]) -> bool {
    let sample = positions.iter().step_by(positions.len() / 64 + 1);
    let weights = sample.map(|&i| metric.weight(metric.points().inverse_sds[i as usize]));
    let mut shares: Vec<f64> = weights.map(|weight| weight.powi(-2)).collect();
    shares.sort_unstable_by(f64::total_cmp);
    shares.get(shares.len() / 2).is_some_and(|&share| share > MUCH)
}

/// The stationary kernel.
fn kernel(covariance: &Covariance) -> Option<&Kernel> {
    if let Covariance::Stationary(kernel) = covariance { Some(kernel) } else { None }
}

/// Positions in runs of `leaf`, which are two runs of half as many each, and so on down to those of a panel.
pub(crate) fn ordered(metric: &Correlation, positions: &[u32], leaf: usize) -> Result<Vec<u32>> {
    let mut order = try_copy(positions, "the index")?;
    let (mut whole, mut leaf) = (order.len().max(1), leaf);
    loop {
        order.chunks_mut(whole).for_each(|run| kd_order(&metric.points.coords, metric.points.n, run, leaf));
        if leaf <= PANEL {
            return Ok(order);
        }
        (whole, leaf) = (leaf, leaf / 2);
    }
}

/// How many points a cell has where cells have panels, `leaf` at least and points in this order, by samples, and the share that
/// would be pivots; adds what these took to `evaluations`.
fn wide_leaf(
    metric: &Correlation,
    order: &[u32],
    mut leaf: usize,
    threads: &Threads,
    evaluations: &mut u64,
) -> Result<(usize, f64)> {
    let n = order.len() as f64;
    let table = |share: f64, leaf: usize| 0.5 * n * (share * share + PAIR / (leaf * leaf) as f64);
    let mut sample = |leaf: usize| {
        let (share, evaluated) = Cells::share_of_pivots(metric, order, leaf, SHARP[0], threads)?;
        *evaluations += evaluated as u64;
        Ok(share)
    };
    let mut share = sample(leaf)?;
    while leaf < WIDEST {
        let wider = sample(2 * leaf)?;
        if table(share, leaf) - table(wider, 2 * leaf) < LEAST_SAVED || 2.0 * wider > MOST_GROWTH * share {
            break;
        }
        (share, leaf) = (wider, 2 * leaf);
    }
    Ok((leaf, share))
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

    /// An index over the points at `positions`, which are in the order of the tree.
    pub(crate) fn index(
        &self,
        metric: &AnyMetric,
        covariance: &Covariance,
        inducing: Option<&InducingPoints>,
        positions: Vec<u32>,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Index> {
        let mut index = Index::default();
        let AnyMetric::Correlation(metric) = metric else { return Ok(index) };
        if metric.is_spatial() || !metric.is_metric() || positions.len() <= FEW {
            return Ok(index);
        }
        let panelled = kernel(covariance).is_some();
        // Where much is left, the regions of panels tell as much as a table of angles would.
        if panelled && much_is_left(metric, &positions) {
            index.panels =
                self.panels(metric, inducing, ordered(metric, &positions, PANEL)?, true, threads, control)?;
            if index.panels.is_some() {
                return Ok(index);
            }
        }
        let mut leaf = Cells::leaf_of(positions.len(), metric.points.width);
        let order = ordered(metric, &positions, leaf.max(WIDEST))?;
        let fit = panelled && Panels::fit(&*self.inducing_rows(metric, inducing)?, metric, &order)?;
        let mut known = None;
        if fit {
            let (wide, share) = wide_leaf(metric, &order, leaf, threads, &mut index.evaluations)?;
            (leaf, known) = (wide, Some(share));
        }
        let most_sharp = MOST_PIVOTS.min((2.0 * MOST_EVALUATIONS / order.len() as f64).sqrt());
        let at_inducing = at_inducing(&metric.points, inducing);
        let overlaps = match (fit, leaf) {
            (true, _) => Listing::Around,
            (false, PANEL) => Listing::Near(&at_inducing),
            // In large cells the spans tell little more than the table.
            _ => Listing::Nothing,
        };
        let sharp = SHARP.iter().filter(|_| fit).map(|&sine| (sine, most_sharp));
        for (sine, most) in sharp.chain(SINES.iter().skip(usize::from(fit)).map(|&sine| (sine, MOST_PIVOTS))) {
            let (share, sampled) = match known.take() {
                Some(share) => (share, 0),
                None => Cells::share_of_pivots(metric, &order, leaf, sine, threads)?,
            };
            index.evaluations += sampled as u64;
            if share <= most {
                let (cells, evaluations) = Cells::new(metric, &order, leaf, sine, overlaps, threads, control)?;
                index.evaluations += evaluations;
                index.cells = Some(cells);
                break;
            }
        }
        if let Some(kernel) = kernel(covariance) {
            index.panels = match &index.cells {
                // The panels of a cell come one after the other, where it has its points.
                Some(_) if fit => {
                    let mut panels = self.panels(metric, inducing, order, false, threads, control)?;
                    if let Some(panels) = &mut panels {
                        panels.at_inducing = AtInducing::of_panels(panels, metric, kernel, threads, control)?;
                    }
                    panels
                }
                Some(_) => None,
                None => self.panels(metric, inducing, order, true, threads, control)?,
            };
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
        Ok(panels.map(|panels| Index { panels: Some(panels), starts: Some(starts), ..Index::default() }))
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
