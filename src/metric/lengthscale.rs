//! Whether a lengthscale fits the coordinates. One in another unit leaves no correlation between any two points, or
//! hardly anything but correlation; what is nearest is then decided by rounding and by ids, and answers are worthless.

use super::euclidean::squared_distances;
use super::lengthscale_check::LengthscaleCheck;
use super::{Candidates, Correlation, QueryBlock, ScoreScratch};
use crate::error::{Result, try_vec};
use crate::kernel::Covariance;

/// Points that are looked at: together they take about a thousandth of a build.
const SAMPLE: usize = 32;
/// Points whose distances from the sample are computed at a time, so that they stay in the cache.
const CHUNK: usize = 1024;
/// A point with less than this correlation with its nearest neighbour has nothing to be conditioned on.
const LEAST: f64 = 0.01;
/// Points that are all correlated by more than this are hardly told apart: with a Matern-3/2 kernel they are all within a
/// fortieth of a lengthscale.
const MOST: f64 = 0.999;

impl Correlation {
    /// What a sample of the points tells of the kernel's lengthscale; O(n d).
    pub(crate) fn lengthscale_check(&self) -> Result<LengthscaleCheck> {
        let Covariance::Stationary(kernel) = &self.covariance else { return Ok(LengthscaleCheck::Plausible) };
        let n = self.points.n;
        let sample: Vec<u32> = (0..n.min(SAMPLE)).map(|t| (t * n / n.min(SAMPLE)) as u32).collect();
        let mut queries = QueryBlock::default();
        sample.iter().for_each(|&i| queries.push_coords(&self.points, i as usize));
        let mut scratch = ScoreScratch::default();
        let mut squared = try_vec(sample.len() * CHUNK.min(n), 0.0, "the lengthscale's check")?;
        let mut distances = |candidates: &Candidates<'_>, each: &mut dyn FnMut(usize, &[f64])| {
            let out = &mut squared[..sample.len() * candidates.len()];
            squared_distances(self.simd, &self.points, &queries, &queries.all, candidates, &mut scratch, out);
            out.chunks_exact(candidates.len()).enumerate().for_each(|(q, row)| each(q, row));
        };

        // Of points at other places.
        let mut nearest = vec![f64::INFINITY; sample.len()];
        for start in (0..n).step_by(CHUNK) {
            distances(&Candidates::Range(start..(start + CHUNK).min(n)), &mut |q, row| {
                let elsewhere = |&s: &f64| if s > 0.0 { s } else { f64::INFINITY };
                nearest[q] = row.iter().map(elsewhere).fold(nearest[q], f64::min);
            });
        }
        nearest.retain(|s| s.is_finite());
        nearest.sort_by(f64::total_cmp);
        let Some(&median) = nearest.get(nearest.len() / 2) else { return Ok(LengthscaleCheck::Plausible) };
        // It falls with distance.
        let correlation = |squared: f64| kernel.correlation(self.simd, squared);
        if correlation(median) < LEAST {
            let uncorrelated = nearest.iter().filter(|&&s| correlation(s) < LEAST).count() as u32;
            let (sampled, distance) = (nearest.len() as u32, median.sqrt());
            return Ok(LengthscaleCheck::TooShort { sampled, uncorrelated, least: LEAST, distance });
        }
        let mut farthest = nearest[nearest.len() - 1];
        distances(&Candidates::Gather(&sample), &mut |_, row| farthest = row.iter().copied().fold(farthest, f64::max));
        if correlation(farthest) > MOST {
            return Ok(LengthscaleCheck::TooLong { most: MOST, distance: farthest.sqrt() });
        }
        Ok(LengthscaleCheck::Plausible)
    }
}
