//! The residual correlation distance sqrt(1 - abs(rho)), and the plain one, where V has no columns.
//! Score: abs(rho).
//!
//! Pruning uses the angle acos(abs(rho)), a metric on projective space whose triangle inequality is tight: a point x
//! within angle r of a centre c has abs(rho_qx) <= cos(theta_qc - r). Points whose variance was raised to the floor,
//! or given larger than the residual's, only gain an independent part, which leaves a valid correlation matrix.

use super::euclidean::squared_distances;
use super::{Ball, Candidates, Metric, Points, QueryBlock, ScoreScratch};
use crate::error::{Result, try_resize};
use crate::kernel::{Covariance, checked_covariances, log_distance};
use crate::simd::Simd;
use crate::simd::dots::{Dense, Gathered, dots};
use crate::simd::residual::correlations;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use std::f64::consts::FRAC_PI_2;

/// Bounds allow each abs(rho_ij) to be off by a share of 1 + w_i w_j, w_i = sqrt(k_ii / p_i): where V is the caller's, or
/// the covariance is, by this one. Exactness is defined up to 1e-9 (1 + k_ij / sqrt(p_i p_j)).
const SLACK: f64 = 4e-11;
/// Otherwise by so many units of rounding over the root of the jitter, where that is less. V is solved for with a residual r of
/// a few units of rounding in k(Z, x), which makes V_i.V_j off by r_i.a_j + r_j.a_i, a_j = L^-T V_j; and as L L' is no smaller
/// than the jitter, abs(a_j) is at most 1 over its root. Of 512 inducing points and an RBF kernel, with jitters of 1e-6, 1e-8
/// and 1e-10, products are off by 1e-13, 1e-12 and 4e-12 at most: a ninth of this, or less.
const UNITS: f64 = 4.0;

/// Radii of the upper levels, in degrees. The angle is bounded: everything is within 90 degrees of everything and,
/// of rough processes, hardly anything within 45, so halving radii would hang nearly all points on the root.
const TOP_RADII: [f64; 5] = [90.0, 80.0, 70.0, 60.0, 45.0];

/// Points within this angle (radians) are not told apart by the tree.
const LEAST_RADIUS: f64 = 1e-3;

/// Correlation left after a factor V: rho_ij = (k_ij - V_i.V_j) / sqrt(p_i p_j).
pub(crate) struct Correlation {
    pub(crate) simd: Simd,
    pub(crate) points: Points,
    pub(crate) covariance: Covariance,
    /// sqrt(variance) of the kernel, or the largest sqrt(k_ii) of a custom covariance: the unit of weights.
    pub(crate) sd: f64,
    /// By how much a score may be off, as a share of 1 and the weights' product.
    pub(crate) slack: f64,
    /// Whether K - V V' is a covariance, so that the angle is a metric; see [`super::Metric::is_metric`].
    pub(crate) proper: bool,
}

/// What scores may be off by, as a share of 1 and the weights' product, where V and the kernel are this library's and the
/// jitter's share of the variance is given; and where they are not.
pub(super) fn slack_of(jitter: Option<f64>) -> f64 {
    jitter.map_or(SLACK, |jitter| SLACK.min(UNITS * f64::EPSILON / jitter.sqrt()))
}

impl Correlation {
    /// k(q, c) for every query and candidate, row by row in `out`.
    fn covariances(
        &self,
        queries: &QueryBlock,
        rows: &[u32],
        candidates: &Candidates<'_>,
        scratch: &mut ScoreScratch,
        out: &mut [f64],
    ) -> Result<()> {
        match &self.covariance {
            Covariance::Stationary(kernel) => {
                squared_distances(self.simd, &self.points, queries, rows, candidates, scratch, out);
                let (d, count) = (self.points.d, candidates.len());
                kernel.covariances_of_pairs(self.simd, out, |i| {
                    let (q, c) = (rows[i / count] as usize, candidates.position(i % count));
                    log_distance((0..d).map(|j| (queries.coords[q * d + j], self.points.coord(c, j))))
                });
                Ok(())
            }
            Covariance::Custom(function) => {
                let d = self.points.d;
                let others = match candidates {
                    Candidates::Range(range) => &self.points.raw_coords[range.start * d..range.end * d],
                    Candidates::Gather(index) => {
                        scratch.raw_coords.clear();
                        for &i in *index {
                            let row = i as usize * d..(i as usize + 1) * d;
                            scratch.raw_coords.extend_from_slice(&self.points.raw_coords[row]);
                        }
                        &scratch.raw_coords[..]
                    }
                };
                for (&q, row) in rows.iter().zip(out.chunks_exact_mut(candidates.len())) {
                    let x = &queries.raw_coords[q as usize * d..(q as usize + 1) * d];
                    checked_covariances(function.as_ref(), x, others, row)?;
                }
                Ok(())
            }
        }
    }

    /// The residual covariance k - V.V of every query with every candidate, row by row.
    pub(crate) fn residual_covariances(
        &self,
        queries: &QueryBlock,
        candidates: &Candidates<'_>,
        scratch: &mut ScoreScratch,
    ) -> Result<Vec<f64>> {
        let rows = &queries.all[..];
        let mut left = vec![0.0; queries.len * candidates.len()];
        self.covariances(queries, rows, candidates, scratch, &mut left)?;
        let mut products = vec![0.0; left.len()];
        self.factor_dots(queries, rows, candidates, &mut products)?;
        left.iter_mut().zip(products).for_each(|(left, product)| *left -= product);
        Ok(left)
    }

    /// The signed rho, unclamped, of every query with every candidate, row by row.
    pub(crate) fn signed_block(
        &self,
        queries: &QueryBlock,
        candidates: &Candidates<'_>,
        scratch: &mut ScoreScratch,
    ) -> Result<Vec<f64>> {
        let count = candidates.len();
        let mut rho = self.residual_covariances(queries, candidates, scratch)?;
        for (i, rho) in rho.iter_mut().enumerate() {
            let isd = self.points.inverse_sds[candidates.position(i % count)];
            *rho *= queries.inverse_sds[i / count] * isd;
        }
        Ok(rho)
    }

    /// rho, whose absolute value is the score that [`Metric::scores`] gives, laid out as there.
    pub(crate) fn signed_scores(
        &self,
        queries: &QueryBlock,
        rows: &[u32],
        candidates: &Candidates<'_>,
        scratch: &mut ScoreScratch,
        out: &mut [f64],
    ) -> Result<()> {
        self.correlations::<true>(queries, rows, candidates, scratch, out)
    }

    /// rho of every query of one block with every one of another, whose tree positions are `positions`, row by row: many at
    /// a time, so that it pays to pack rows of V.
    pub(crate) fn signed_products(
        &self,
        queries: &QueryBlock,
        others: &QueryBlock,
        positions: &[u32],
        scratch: &mut ScoreScratch,
        out: &mut [f64],
    ) -> Result<()> {
        let (rows, count, width) = (queries.len, others.len, self.points.width);
        if rows == 0 || count == 0 {
            return Ok(());
        }
        queries.check()?;
        others.check()?;
        let candidates = Candidates::Gather(positions);
        let mut covariances = std::mem::take(&mut scratch.covariances);
        try_resize(&mut covariances, out.len(), 0.0, "the search")?;
        let evaluated = self.covariances(queries, &queries.all, &candidates, scratch, &mut covariances);
        let left = MatRef::from_row_major_slice(&queries.factor, rows, width);
        let right = MatRef::from_row_major_slice(&others.factor, count, width).transpose();
        let to = MatMut::from_row_major_slice_mut(out, rows, count);
        matmul(to, Accum::Replace, left, right, 1.0, Par::Seq);
        for (q, (row, k)) in out.chunks_exact_mut(count).zip(covariances.chunks_exact(count)).enumerate() {
            correlations::<true>(self.simd, queries.inverse_sds[q], &others.inverse_sds, k, row);
            candidates.find(queries.positions[q], |c| row[c] = Self::SELF_SCORE);
        }
        scratch.covariances = covariances;
        evaluated
    }

    /// rho, or its absolute value, of every query with every candidate, row by row in `out`.
    fn correlations<const SIGNED: bool>(
        &self,
        queries: &QueryBlock,
        rows: &[u32],
        candidates: &Candidates<'_>,
        scratch: &mut ScoreScratch,
        out: &mut [f64],
    ) -> Result<()> {
        let count = candidates.len();
        if count == 0 || rows.is_empty() {
            return Ok(());
        }
        let mut covariances = std::mem::take(&mut scratch.covariances);
        try_resize(&mut covariances, out.len(), 0.0, "the search")?;
        let evaluated = self.covariances(queries, rows, candidates, scratch, &mut covariances);

        self.factor_dots(queries, rows, candidates, out)?;
        let inverse_sds = match candidates {
            Candidates::Range(range) => &self.points.inverse_sds[range.clone()],
            Candidates::Gather(index) => {
                scratch.inverse_sds.clear();
                scratch.inverse_sds.extend(index.iter().map(|&i| self.points.inverse_sds[i as usize]));
                &scratch.inverse_sds[..]
            }
        };
        for (&q, (row, k)) in rows.iter().zip(out.chunks_exact_mut(count).zip(covariances.chunks_exact(count))) {
            let q = q as usize;
            correlations::<SIGNED>(self.simd, queries.inverse_sds[q], inverse_sds, k, row);
            candidates.find(queries.positions[q], |c| row[c] = Self::SELF_SCORE);
        }
        scratch.covariances = covariances;
        evaluated
    }

    /// V_q.V_c for every query and candidate, row by row in `out`.
    fn factor_dots(
        &self,
        queries: &QueryBlock,
        rows: &[u32],
        candidates: &Candidates<'_>,
        out: &mut [f64],
    ) -> Result<()> {
        self.points.check_rows(candidates)?;
        queries.check()?;
        let (data, width) = (&self.points.factor[..], self.points.width);
        let rows = Gathered { data: &queries.factor, width, index: rows };
        match candidates {
            Candidates::Range(range) => {
                let data = &data[range.start * width..range.end * width];
                dots(self.simd, rows, Dense { data, width, len: range.len() }, out);
            }
            Candidates::Gather(index) => dots(self.simd, rows, Gathered { data, width, index }, out),
        }
        Ok(())
    }
}

impl Metric for Correlation {
    const SELF_SCORE: f64 = 1.0;

    fn points(&self) -> &Points {
        &self.points
    }

    fn scores(
        &self,
        queries: &QueryBlock,
        rows: &[u32],
        candidates: &Candidates<'_>,
        scratch: &mut ScoreScratch,
        out: &mut [f64],
    ) -> Result<()> {
        self.correlations::<false>(queries, rows, candidates, scratch, out)
    }

    fn distance(&self, score: f64) -> f64 {
        (1.0 - score).sqrt()
    }

    fn score_at(&self, distance: f64) -> f64 {
        1.0 - distance * distance - 1e-15
    }

    fn length(&self, score: f64) -> f64 {
        score.clamp(0.0, 1.0).acos()
    }

    fn score_at_length(&self, length: f64) -> f64 {
        // The cosine of the double next to a right angle is 6e-17, but every score, 0 too, is within a right angle.
        if length >= FRAC_PI_2 { 0.0 } else { length.cos() }
    }

    fn level_radii(&self, _reach: f64) -> Vec<f64> {
        let first = TOP_RADII.iter().map(|degrees| f64::to_radians(*degrees));
        let mut radii: Vec<f64> = first.collect();
        while let Some(&last) = radii.last().filter(|&&last| last > LEAST_RADIUS) {
            radii.push(0.75 * last);
        }
        radii
    }

    fn weight(&self, inverse_sd: f64) -> f64 {
        self.sd * inverse_sd
    }

    fn slack(&self, a: f64, b: f64) -> f64 {
        // Finite, so that no share of it is NaN.
        self.slack * (1.0 + a * b).min(f64::MAX)
    }

    fn grow(&self, ball: Ball, centre: f64, weight: f64, score: f64) -> Ball {
        Ball { reach: ball.reach.min(score - self.slack(centre, weight)).max(0.0), weight: ball.weight.max(weight) }
    }

    #[inline]
    fn bound(&self, query_weight: f64, score: f64, ball: Ball) -> f64 {
        let slack = self.slack(query_weight, ball.weight);
        let centre = score + slack;
        if centre >= ball.reach {
            return 1.0;
        }
        // cos(theta - r) = cos theta cos r + sin theta sin r, here with theta > r.
        let sines = ((1.0 - centre * centre) * (1.0 - ball.reach * ball.reach)).max(0.0).sqrt();
        (centre * ball.reach + sines + slack).min(1.0)
    }

    fn is_spatial(&self) -> bool {
        self.points.m == 0 && matches!(self.covariance, Covariance::Stationary(_))
    }

    fn separation_bound(&self, squared: f64) -> f64 {
        match &self.covariance {
            Covariance::Stationary(kernel) if self.points.m == 0 => {
                // Where it has overflowed, too, points are no more correlated than at the largest number.
                (kernel.correlation(self.simd, squared.min(f64::MAX)) + 1e-14).min(1.0)
            }
            _ => 1.0,
        }
    }

    fn simd(&self) -> Simd {
        self.simd
    }

    fn reach(&self, score: f64) -> f64 {
        if self.separation_bound(f64::MAX) >= score {
            return f64::INFINITY;
        }
        // Positive numbers are ordered as their bits are.
        let (mut within, mut beyond) = (0, f64::MAX.to_bits());
        while beyond - within > 1 {
            let middle = within + (beyond - within) / 2;
            match self.separation_bound(f64::from_bits(middle)) >= score {
                true => within = middle,
                false => beyond = middle,
            }
        }
        f64::from_bits(beyond)
    }

    fn tie_share(&self) -> f64 {
        1.0 + 1e-6
    }

    fn is_farthest_beyond(&self, squared: f64) -> bool {
        match &self.covariance {
            // One less this is one.
            Covariance::Stationary(kernel) => kernel.correlation(self.simd, squared.min(f64::MAX)) < 1e-17,
            Covariance::Custom(_) => false,
        }
    }

    fn is_metric(&self) -> bool {
        self.proper
    }
}
