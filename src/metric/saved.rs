//! The points of a saved tree, and how they were made.

use super::prepare::FactorSource;
use super::unit::unit_between;
use super::{AnyMetric, Correlation, Euclidean, Points, Preparation};
use crate::error::{Result, checked_area, try_collect, try_vec};
use crate::inducing::{InducingPoints, SavedInducing};
use crate::kernel::Covariance;
use crate::options::{MetricKind, Options};
use crate::saved::{Array, Reader, Rows, Writer, corrupt};
use crate::simd::{Simd, padded};
use serde::{Deserialize, Serialize};

/// Points and what the metric knows of them.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedPoints {
    n: u32,
    coords: Array<f64>,
    raw_coords: Array<f64>,
    factor: Array<f64>,
    variances: Array<f64>,
    sd: f64,
    proper: bool,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SavedPreparation {
    scales: Vec<f64>,
    m: u32,
    source: SavedSource,
    floor: f64,
}

#[derive(Serialize, Deserialize)]
enum SavedSource {
    None,
    Inducing(SavedInducing),
    Given { with_variances: bool },
}

impl Preparation {
    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedPreparation> {
        Ok(SavedPreparation {
            scales: self.scales.clone(),
            m: self.m as u32,
            source: match &self.source {
                FactorSource::None => SavedSource::None,
                FactorSource::Inducing(inducing) => SavedSource::Inducing(inducing.save(writer)?),
                &FactorSource::Given { with_variances } => SavedSource::Given { with_variances },
            },
            floor: self.floor,
        })
    }

    pub(crate) fn load(
        saved: SavedPreparation,
        options: &Options,
        simd: Simd,
        reader: &Reader<'_, '_>,
    ) -> Result<Self> {
        let (d, m) = (saved.scales.len(), saved.m as usize);
        let own = match &options.covariance {
            Covariance::Stationary(kernel) => kernel.scales(d).map_err(corrupt)?,
            Covariance::Custom(_) => try_vec(d, 1.0, "lengthscales")?,
        };
        let unit = unit_between(&own, &saved.scales);
        let unit = unit.filter(|&unit| d > 0 && (unit == 1.0 || options.metric == MetricKind::Euclidean));
        let Some(unit) = unit else { return Err(corrupt("its lengthscales are not those of its kernel")) };
        let source = match saved.source {
            SavedSource::None if m == 0 => FactorSource::None,
            SavedSource::Inducing(inducing) if m > 0 => {
                FactorSource::Inducing(InducingPoints::load(inducing, m, d, reader)?)
            }
            SavedSource::Given { with_variances } => FactorSource::Given { with_variances },
            _ => return Err(corrupt("its factor has a wrong number of columns")),
        };
        Ok(Preparation {
            simd,
            metric: options.metric,
            covariance: options.covariance.clone(),
            reciprocals: own,
            scales: saved.scales,
            unit,
            m,
            source,
            floor: saved.floor,
        })
    }
}

impl AnyMetric {
    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedPoints> {
        let (points, sd, proper) = match self {
            AnyMetric::Correlation(metric) => (&metric.points, metric.sd, metric.proper),
            AnyMetric::Euclidean(metric) => (&metric.points, 1.0, true),
        };
        points.factor.check(0..points.factor.len())?;
        Ok(SavedPoints {
            n: points.n as u32,
            coords: writer.array(&points.coords)?,
            raw_coords: writer.array(&points.raw_coords)?,
            factor: writer.array(&points.factor)?,
            variances: writer.array(&points.variances)?,
            sd,
            proper,
        })
    }

    pub(crate) fn load(
        saved: SavedPoints,
        options: &Options,
        preparation: &Preparation,
        reader: &Reader<'_, '_>,
    ) -> Result<Self> {
        let (n, d, m) = (saved.n as usize, preparation.d(), preparation.m());
        let what = "the points";
        let values = checked_area(n, padded(m), what).map_err(corrupt)?;
        let variances = reader.array(&saved.variances, &[n], what)?;
        let inverse_sds = try_collect(variances.iter().map(|p: &f64| Ok(p.sqrt().recip())), what)?;
        let points = Points {
            n,
            d,
            m,
            coords: reader.array(&saved.coords, &[n, d], what)?,
            raw_coords: reader.array(&saved.raw_coords, &[n, d], what)?,
            custom: matches!(options.covariance, Covariance::Custom(_)),
            factor: Rows::load(reader, saved.factor, values, "the factor V")?,
            width: padded(m),
            variances,
            inverse_sds,
        };
        let simd = preparation.simd;
        Ok(match options.metric {
            MetricKind::Euclidean => AnyMetric::Euclidean(Euclidean { simd, points }),
            _ => {
                let (covariance, slack) = (options.covariance.clone(), preparation.slack());
                let (sd, proper) = (saved.sd, saved.proper);
                AnyMetric::Correlation(Correlation { simd, points, covariance, sd, slack, proper })
            }
        })
    }
}
