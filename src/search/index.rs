//! What the automatic traversal searches residual correlations with, over all points of a tree or a prefix of them:
//! anchors where angles tell points apart, and a screen of integers where it tells something.

use super::{Anchors, Screen, ScreenBasis, ScreenBound};
use crate::control::Control;
use crate::error::Result;
use crate::inducing::InducingPoints;
use crate::kernel::{Covariance, Kernel};
use crate::metric::{AnyMetric, Correlation, Metric};
use crate::parallel::Threads;
use std::sync::Arc;

/// Anchors and a screen, either of which may be absent.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) anchors: Anchors,
    pub(crate) screen: Option<Screen>,
    /// Pairs evaluated to build it.
    pub(crate) evaluations: u64,
}

impl Index {
    /// Whether there is neither.
    pub(crate) fn is_empty(&self) -> bool {
        self.anchors.len() == 0 && self.screen.is_none()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.anchors.bytes() + self.screen.as_ref().map_or(0, Screen::bytes)
    }
}

/// What indices of one tree are built from.
pub(crate) struct IndexSource {
    basis: Option<Arc<ScreenBasis>>,
}

/// The metric and its stationary kernel and inducing points, where a screen needs them.
fn parts<'a>(
    metric: &'a AnyMetric,
    covariance: &'a Covariance,
    inducing: Option<&'a InducingPoints>,
) -> Option<(&'a Correlation, &'a Kernel, &'a InducingPoints)> {
    match (metric, covariance, inducing) {
        (AnyMetric::Correlation(metric), Covariance::Stationary(kernel), Some(inducing)) => {
            Some((metric, kernel, inducing))
        }
        _ => None,
    }
}

impl IndexSource {
    /// O(n + m^3).
    pub(crate) fn new(metric: &AnyMetric, covariance: &Covariance, inducing: Option<&InducingPoints>) -> Result<Self> {
        let Some((metric, _, inducing)) = parts(metric, covariance, inducing) else {
            return Ok(IndexSource { basis: None });
        };
        Ok(IndexSource { basis: Some(Arc::new(ScreenBasis::new(metric, inducing)?)) })
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
        if correlation.is_spatial() || !correlation.is_metric() {
            return Ok(index);
        }
        (index.anchors, index.evaluations) = Anchors::new(correlation, positions.clone(), threads, control)?;
        // Where angles help, they help more than a screen would.
        if index.anchors.len() > 0 {
            return Ok(index);
        }
        if let (Some(basis), Some((metric, kernel, inducing))) = (&self.basis, parts(metric, covariance, inducing)) {
            let screen = Screen::new(basis.clone(), metric, kernel, inducing, positions, threads, control)?;
            index.screen = Some(screen);
        }
        Ok(index)
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
