//! What the automatic traversal searches residual correlations with, over all points of a tree or a prefix of them:
//! cells where a few points of each hold nearly all of it, and a screen of integers elsewhere.

use super::{CellBound, Cells, FEW, Screen, ScreenBasis, ScreenBound};
use crate::control::Control;
use crate::error::{Result, try_copy};
use crate::inducing::InducingPoints;
use crate::kernel::{Covariance, Kernel};
use crate::metric::{AnyMetric, Correlation, Metric};
use crate::parallel::Threads;
use std::sync::{Arc, OnceLock};

/// Cells are not used where a larger share of the points than this would have to be pivots; where a screen tells much,
/// than the second of these.
const MOST_PIVOTS: f64 = 0.5;
const MOST_PIVOTS_OR_SCREEN: f64 = 0.35;
/// Below this variance the units of a screen's integers would underflow.
const LEAST_VARIANCE: f64 = 1e-280;
/// The residual's share of the variance above which a screen tells much.
const MUCH: f64 = 0.1;

/// Cells or a screen, either of which may be absent.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) cells: Option<Cells>,
    pub(crate) screen: Option<Screen>,
    /// Pairs evaluated to build it.
    pub(crate) evaluations: u64,
}

impl Index {
    /// Whether there is neither.
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_none() && self.screen.is_none()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.as_ref().map_or(0, Cells::bytes) + self.screen.as_ref().map_or(0, Screen::bytes)
    }
}

/// What indices of one tree are built from.
#[derive(Default)]
pub(crate) struct IndexSource {
    /// What all screens share, made with the first.
    basis: OnceLock<Arc<ScreenBasis>>,
}

/// Whether the median residual of a sample of the points is a large share of the variance.
fn much_is_left(metric: &Correlation, positions: &[u32]) -> bool {
    let sample = positions.iter().step_by(positions.len() / 64 + 1);
    let weights = sample.map(|&i| metric.weight(metric.points().inverse_sds[i as usize]));
    let mut shares: Vec<f64> = weights.map(|weight| weight.powi(-2)).collect();
    shares.sort_unstable_by(f64::total_cmp);
    shares.get(shares.len() / 2).is_some_and(|&share| share > MUCH)
}

/// The metric and its stationary kernel and inducing points, where a screen needs them.
fn parts<'a>(
    metric: &'a AnyMetric,
    covariance: &'a Covariance,
    inducing: Option<&'a InducingPoints>,
) -> Option<(&'a Correlation, &'a Kernel, &'a InducingPoints)> {
    match (metric, covariance, inducing) {
        (AnyMetric::Correlation(metric), Covariance::Stationary(kernel), Some(inducing))
            if kernel.variance >= LEAST_VARIANCE =>
        {
            Some((metric, kernel, inducing))
        }
        _ => None,
    }
}

impl IndexSource {
    /// With what screens share.
    pub(crate) fn with(basis: Arc<ScreenBasis>) -> Self {
        IndexSource { basis: OnceLock::from(basis) }
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
        let AnyMetric::Correlation(correlation) = metric else { return Ok(index) };
        if correlation.is_spatial() || !correlation.is_metric() || positions.len() <= FEW {
            return Ok(index);
        }
        let screenable = parts(metric, covariance, inducing).is_some() && much_is_left(correlation, &positions);
        let most_pivots = if screenable { MOST_PIVOTS_OR_SCREEN } else { MOST_PIVOTS };
        (index.cells, index.evaluations) =
            Cells::new(correlation, try_copy(&positions, "the index")?, most_pivots, threads, control)?;
        // Where cells help, they help more than a screen would.
        if index.cells.is_some() {
            return Ok(index);
        }
        if let Some((metric, kernel, inducing)) = parts(metric, covariance, inducing) {
            let basis = match self.basis.get() {
                Some(basis) => basis.clone(),
                None => Arc::new(ScreenBasis::new(metric, inducing)?),
            };
            let basis = self.basis.get_or_init(|| basis).clone();
            index.screen = Some(Screen::new(basis, metric, kernel, inducing, positions, threads, control)?);
        }
        Ok(index)
    }

    /// The bounds that cells give.
    pub(crate) fn cells<'a>(index: &'a Index, metric: &'a AnyMetric) -> Option<CellBound<'a>> {
        match (&index.cells, metric) {
            (Some(cells), AnyMetric::Correlation(metric)) => Some(CellBound { cells, metric }),
            _ => None,
        }
    }

    /// The bound that a screen gives.
    pub(crate) fn bound<'a>(
        index: &'a Index,
        metric: &'a AnyMetric,
        covariance: &'a Covariance,
        inducing: Option<&'a InducingPoints>,
    ) -> Option<ScreenBound<'a>> {
        let screen = index.screen.as_ref()?;
        let (metric, kernel, inducing) = parts(metric, covariance, inducing)?;
        Some(ScreenBound { screen, kernel, simd: metric.simd, nugget: inducing.nugget })
    }
}
