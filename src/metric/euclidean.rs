//! The Euclidean metric of scaled coordinates. Score: the negative squared distance.

use super::{Ball, Candidates, Metric, Points, QueryBlock, ScoreScratch};
use crate::error::Result;
use crate::simd::Simd;
use crate::simd::squared::add_squared_differences;

/// Bounds are widened by this relative amount, many times what sums of rounded squares can be off.
const SLACK: f64 = 1e-12;

/// Levels of halving radii; points closer than 2^-59 of the root's reach count as equal.
const MAX_LEVELS: i32 = 60;

/// Euclidean distance of coordinates divided by their lengthscales.
pub(crate) struct Euclidean {
    pub(crate) simd: Simd,
    pub(crate) points: Points,
}

impl Metric for Euclidean {
    const SELF_SCORE: f64 = 0.0;

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
        squared_distances(self.simd, &self.points, queries, rows, candidates, scratch, out);
        out.iter_mut().for_each(|s| *s = -*s);
        Ok(())
    }

    fn distance(&self, score: f64) -> f64 {
        (-score).sqrt()
    }

    fn score_at(&self, distance: f64) -> f64 {
        -(distance * distance) * (1.0 + SLACK)
    }

    fn length(&self, score: f64) -> f64 {
        (-score).sqrt()
    }

    fn score_at_length(&self, length: f64) -> f64 {
        -(length * length)
    }

    fn level_radii(&self, reach: f64) -> Vec<f64> {
        let first = self.length(reach) * (1.0 + SLACK);
        (0..MAX_LEVELS).map(|t| first * 0.5f64.powi(t)).collect()
    }

    fn weight(&self, _inverse_sd: f64) -> f64 {
        0.0
    }

    fn slack(&self, _a: f64, _b: f64) -> f64 {
        0.0
    }

    fn grow(&self, ball: Ball, _centre: f64, _weight: f64, score: f64) -> Ball {
        Ball { reach: ball.reach.min(score * (1.0 + SLACK)), ..ball }
    }

    fn is_spatial(&self) -> bool {
        true
    }

    fn separation_bound(&self, squared: f64) -> f64 {
        -squared * (1.0 - SLACK)
    }

    fn simd(&self) -> Simd {
        self.simd
    }

    const FALLS: bool = true;

    fn score_of_square(&self, squared: f64) -> Option<f64> {
        Some(-squared)
    }

    fn reach(&self, score: f64) -> f64 {
        -score
    }

    fn tie_share(&self) -> f64 {
        // Numbers so close may have the same root.
        1.0 + 4.0 * f64::EPSILON
    }

    fn bound(&self, _query_weight: f64, score: f64, ball: Ball) -> f64 {
        if ball.reach == f64::NEG_INFINITY {
            return 0.0;
        }
        let gap = (-score).sqrt() * (1.0 - SLACK) - (-ball.reach).sqrt();
        if gap <= 0.0 { 0.0 } else { -(gap * gap) * (1.0 - SLACK) }
    }
}

/// `out[r * candidates.len() + c]` = squared scaled distance of query `rows[r]` and candidate c.
pub(super) fn squared_distances(
    simd: Simd,
    points: &Points,
    queries: &QueryBlock,
    rows: &[u32],
    candidates: &Candidates<'_>,
    scratch: &mut ScoreScratch,
    out: &mut [f64],
) {
    let count = candidates.len();
    out.fill(0.0);
    for j in 0..points.d {
        let column = &points.coords[j * points.n..(j + 1) * points.n];
        let column = match candidates {
            Candidates::Range(range) => &column[range.clone()],
            Candidates::Gather(index) => {
                scratch.coords.clear();
                scratch.coords.extend(index.iter().map(|&i| column[i as usize]));
                &scratch.coords[..]
            }
        };
        for (&q, row) in rows.iter().zip(out.chunks_exact_mut(count)) {
            add_squared_differences(simd, queries.coords[q as usize * points.d + j], column, row);
        }
    }
}
