//! Checks, on a sample, that what the caller handed over is a covariance: bounds rest on it.

use super::{Candidates, Correlation, Metric, QueryBlock, ScoreScratch};
use crate::error::{Error, Result};
use crate::kernel::{Covariance, checked_covariances};

/// Points of a sample, and how many samples.
const SAMPLE: usize = 48;
const SAMPLES: usize = 12;

/// An error unless a custom covariance is symmetric on a sample of pairs; `along` are ids along a curve.
pub(crate) fn check_symmetry(metric: &Correlation, along: &[u32]) -> Result<()> {
    let Covariance::Custom(function) = &metric.covariance else { return Ok(()) };
    let (points, n) = (&metric.points, along.len());
    let row = |id: u32| &points.raw_coords[id as usize * points.d..(id as usize + 1) * points.d];
    let pairs = (0..64).map(|t| (along[t * n / 64], along[(t * t * 31 + t + 1) % n]));
    for (i, j) in pairs {
        let (mut there, mut back) = ([0.0], [0.0]);
        checked_covariances(function.as_ref(), row(i), row(j), &mut there)?;
        checked_covariances(function.as_ref(), row(j), row(i), &mut back)?;
        if (there[0] - back[0]).abs() > 1e-9 * metric.sd * metric.sd {
            return Err(Error::invalid(format!(
                "covariance callback is not symmetric: {} for points {i} and {j}, {} for {j} and {i}",
                there[0], back[0]
            )));
        }
    }
    Ok(())
}

/// Whether residual correlation matrices of samples (neighbours along a curve, and points far apart) are positive
/// semidefinite. Where one is not, K - V V' is no covariance, angles are no metric, and only brute force is exact.
pub(crate) fn is_covariance(metric: &Correlation, along: &[u32]) -> Result<bool> {
    let n = along.len();
    let size = SAMPLE.min(n);
    let (mut block, mut scratch) = (QueryBlock::default(), ScoreScratch::default());
    for sample in 0..SAMPLES {
        let start = sample * (n - size) / (SAMPLES - 1);
        let members: Vec<u32> = if sample % 3 == 2 {
            (0..size).map(|t| along[t * n / size]).collect()
        } else {
            along[start..start + size].to_vec()
        };
        block.clear();
        members.iter().for_each(|&id| block.push_stored(&metric.points, id as usize));
        let mut matrix = metric.signed_block(&block, &Candidates::Gather(&members), &mut scratch)?;
        let weights: Vec<f64> = block.inverse_sds.iter().map(|&isd| metric.weight(isd)).collect();
        for i in 0..size {
            // A valid matrix passes with the rounding its entries may have.
            matrix[i * size + i] = 1.0 + 1e-8 + 1e-11 * size as f64 * weights[i] * weights[i];
        }
        let matrix = faer::Mat::from_fn(size, size, |i, j| matrix[i * size + j]);
        if matrix.llt(faer::Side::Lower).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
