//! The metric of a tree, whichever it is.

use super::correlation::Correlation;
use super::euclidean::Euclidean;
use super::lengthscale_check::LengthscaleCheck;
use super::points::Points;
use crate::error::Result;

/// The metric of a tree.
pub(crate) enum AnyMetric {
    /// Residual or plain correlation.
    Correlation(Correlation),
    /// Euclidean.
    Euclidean(Euclidean),
}

impl AnyMetric {
    /// Whether the kernel's lengthscale fits the coordinates.
    pub(crate) fn lengthscale_check(&self) -> Result<LengthscaleCheck> {
        match self {
            AnyMetric::Correlation(metric) => metric.lengthscale_check(),
            AnyMetric::Euclidean(_) => Ok(LengthscaleCheck::Plausible),
        }
    }

    /// The stored points.
    pub(crate) fn points(&self) -> &Points {
        match self {
            AnyMetric::Correlation(metric) => &metric.points,
            AnyMetric::Euclidean(metric) => &metric.points,
        }
    }

    /// The metric over points of metrics of one preparation, each told by its source and its position there.
    pub(crate) fn joined(sources: &[&AnyMetric], of: &[(u32, u32)]) -> Result<AnyMetric> {
        let points: Vec<&Points> = sources.iter().map(|metric| metric.points()).collect();
        let points = Points::joined(&points, of)?;
        let correlations = sources.iter().filter_map(|metric| match metric {
            AnyMetric::Correlation(metric) => Some(metric),
            AnyMetric::Euclidean(_) => None,
        });
        Ok(match sources[0] {
            AnyMetric::Correlation(Correlation { simd, covariance, .. }) => AnyMetric::Correlation(Correlation {
                simd: *simd,
                points,
                covariance: covariance.clone(),
                sd: correlations.clone().map(|metric| metric.sd).fold(0.0, f64::max),
                slack: correlations.clone().map(|metric| metric.slack).fold(0.0, f64::max),
                proper: correlations.clone().all(|metric| metric.proper),
            }),
            AnyMetric::Euclidean(Euclidean { simd, .. }) => AnyMetric::Euclidean(Euclidean { simd: *simd, points }),
        })
    }
}
