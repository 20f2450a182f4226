//! Checks, on samples, that what the caller handed over is a covariance: bounds rest on it.

use super::{Candidates, Correlation, Metric, QueryBlock, ScoreScratch};
use crate::error::{Error, Result, number};
use crate::kernel::{Covariance, checked_covariances};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;

/// Points of a sample, how many samples, and how many of points far apart.
const SAMPLE: usize = 48;
const SAMPLES: usize = 12;
const SPREAD: usize = 4;

/// An error unless a custom covariance is symmetric on a sample of pairs; `numbers` are those of the points.
pub(crate) fn check_symmetry(metric: &Correlation, numbers: &[u32]) -> Result<()> {
    let Covariance::Custom(function) = &metric.covariance else { return Ok(()) };
    let (points, n) = (&metric.points, numbers.len());
    let row = |i: usize| &points.raw_coords[i * points.d..(i + 1) * points.d];
    let pairs = (0..64).map(|t| (t * n / 64, (t * t * 31 + t + 1) % n));
    for (i, j) in pairs {
        let (mut there, mut back) = ([0.0], [0.0]);
        checked_covariances(function.as_ref(), row(i), row(j), &mut there)?;
        checked_covariances(function.as_ref(), row(j), row(i), &mut back)?;
        if (there[0] - back[0]).abs() > 1e-9 * metric.sd * metric.sd {
            let (i, j) = (numbers[i], numbers[j]);
            return Err(Error::invalid(format!(
                "covariance callback is not symmetric: {} for points {i} and {j}, {} for {j} and {i}",
                number(there[0]),
                number(back[0])
            )));
        }
    }
    Ok(())
}

/// Whether residual correlation matrices of samples (points of neighbouring leaves, and points far apart) are positive
/// semidefinite. Where one is not, K - V V' is no covariance, angles are no metric, and only brute force is exact.
/// With `every`, each point is in a sample: rows of a caller's V may be wrong one by one.
pub(crate) fn is_covariance(metric: &Correlation, every: bool) -> Result<bool> {
    let n = metric.points.n;
    let size = SAMPLE.min(n);
    let (mut block, mut scratch) = (QueryBlock::default(), ScoreScratch::default());
    let near = if every { n.div_ceil(size) } else { SAMPLES - SPREAD };
    let start = |sample: usize| sample * (n - size) / (near - 1).max(1);
    let near = (0..near).map(|sample| (start(sample) as u32..).take(size).collect::<Vec<u32>>());
    let place = |sample: usize, t: usize| ((t * n + sample * n / SPREAD) / size) as u32;
    let spread = (0..SPREAD).map(|sample| (0..size).map(|t| place(sample, t)).collect());
    for members in near.chain(spread) {
        block.clear();
        members.iter().for_each(|&i| block.push_stored(&metric.points, i as usize));
        let mut matrix = metric.signed_block(&block, &Candidates::Gather(&members), &mut scratch)?;
        allow_for_rounding(metric, &block, &mut matrix);
        let matrix = faer::Mat::from_fn(size, size, |i, j| matrix[i * size + j]);
        if matrix.llt(faer::Side::Lower).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether every new query may join a sample of stored points, those at the positions `near` (one a query) and the
/// ones after them, in a positive semidefinite residual correlation matrix.
pub(crate) fn admits(metric: &Correlation, queries: &QueryBlock, near: &[u32]) -> Result<bool> {
    let each = SAMPLE.div_ceil(near.len()).max(2) as u32;
    let mut members: Vec<u32> = near.iter().flat_map(|&first| first..first.saturating_add(each)).collect();
    members.sort_unstable();
    members.dedup();
    members.retain(|&position| (position as usize) < metric.points.n);
    let (mut block, mut scratch) = (QueryBlock::default(), ScoreScratch::default());
    members.iter().for_each(|&position| block.push_stored(&metric.points, position as usize));
    let candidates = Candidates::Gather(&members);
    let mut stored = metric.signed_block(&block, &candidates, &mut scratch)?;
    allow_for_rounding(metric, &block, &mut stored);
    let size = members.len();
    let Ok(stored) = faer::Mat::from_fn(size, size, |i, j| stored[i * size + j]).llt(faer::Side::Lower) else {
        return Ok(false);
    };
    // With R = L L' of the members, a query of correlations r fits where abs(L^-1 r)^2 <= 1.
    let r = metric.signed_block(queries, &candidates, &mut scratch)?;
    let mut r = faer::Mat::from_fn(size, queries.len, |i, q| r[q * size + i]);
    solve_lower_triangular_in_place(stored.L(), r.as_mut(), faer::Par::Seq);
    Ok((0..queries.len).all(|q| {
        let weight = metric.weight(queries.inverse_sds[q]);
        r.col(q).squared_norm_l2() <= 1.0 + rounding(size, weight)
    }))
}

/// What rounding may take from the diagonal of a valid residual correlation matrix of `size` points.
fn rounding(size: usize, weight: f64) -> f64 {
    1e-8 + 1e-11 * size as f64 * weight * weight
}

/// Sets the diagonal of the points' residual correlation matrix so that a valid one passes with the rounding its
/// entries may have.
fn allow_for_rounding(metric: &Correlation, points: &QueryBlock, matrix: &mut [f64]) {
    let size = points.len;
    for i in 0..size {
        matrix[i * size + i] = 1.0 + rounding(size, metric.weight(points.inverse_sds[i]));
    }
}
