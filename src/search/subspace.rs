//! One subspace: points near each other, some of which are pivots whose span holds nearly all of the others.
//!
//! Points are unit vectors whose products are their residual correlations. The pivots of a subspace are chosen by a pivoted
//! Cholesky factorization R = L L' of their correlation matrix, until every other member x is within a small distance
//! of their span: x = sum_j alpha_j y_j + e. A query q, with u = L^-1 (its correlations with the pivots), then has
//! abs(rho_qx) <= abs(w.u) + abs(e) sqrt(1 - u.u), w = L' alpha: a few evaluations tell of every point of the subspace.
//! Source for the factorization: Harbrecht, Peters & Schneider, *On the low-rank approximation by the pivoted Cholesky
//! decomposition* (Applied Numerical Mathematics, 2012).

use crate::error::{Result, try_vec, try_with_capacity};
use crate::layout::aabb::bounding_box;
use crate::metric::{Candidates, Correlation, Metric, QueryBlock, ScoreScratch};
use crate::simd::spans::LANES;
use serde::{Deserialize, Serialize};

/// The subspace of a point that is in none.
pub(super) const NO_SUBSPACE: u32 = u32::MAX;

/// Up to so many pivots, all signs of their coefficients are tried to bound rounding.
const SIGNS: usize = 12;

/// A subspace as it is built.
#[derive(Default)]
pub(super) struct Subspace {
    /// Tree positions, pivots first.
    pub(super) members: Vec<u32>,
    /// Number of pivots.
    pub(super) rank: usize,
    /// L^-1, rank x rank, row by row.
    pub(super) inverse: Vec<f64>,
    /// w of each member, a padded row a coordinate.
    pub(super) coords: Vec<f32>,
    /// At least abs(e) of each member, 0 of pivots, padded with zeros.
    pub(super) offsets: Vec<f32>,
    pub(super) margins: Margins,
}

/// What rounding, and the members' distance from the span, may add to a bound.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Margins {
    /// The largest of the members' distances from the span, and the cosine that goes with it as a sine.
    pub(super) sine: f64,
    pub(super) cosine: f64,
    /// The largest sum_j abs(alpha_j) of a member.
    alpha: f64,
    /// At least the largest sum_j abs(alpha_j) of a unit vector in the span; and the weight a such that a times it is the
    /// largest sum_j abs(alpha_j) times the weight of pivot j.
    largest_alpha: f64,
    span_weight: f64,
    /// The largest weights of the pivots and of the members.
    pivot_weight: f64,
    weight: f64,
}

impl Margins {
    /// What rounding of a query's scores, its weight given, can add to abs(w.u) + abs(e) s for any member.
    pub(super) fn slack(&self, metric: &Correlation, weight: f64) -> f64 {
        let pivots = metric.slack(self.span_weight, self.pivot_weight);
        let members = metric.slack(self.span_weight, self.weight) + self.alpha * pivots;
        let query = self.alpha * metric.slack(self.pivot_weight, weight);
        query + self.largest_alpha * members + metric.slack(weight, self.weight) + 1e-5
    }

    /// What rounding can add to 1 - u.u.
    pub(super) fn square_slack(&self, metric: &Correlation, weight: f64) -> f64 {
        let query = 2.0 * self.u_slack(metric, weight);
        query + self.distortion(metric) + 1e-12
    }

    /// What rounding of a query's scores can change u by.
    pub(super) fn u_slack(&self, metric: &Correlation, weight: f64) -> f64 {
        self.largest_alpha * metric.slack(self.span_weight, weight)
    }

    /// By how much rounding can change the square of a unit vector in the span.
    fn distortion(&self, metric: &Correlation) -> f64 {
        self.largest_alpha * self.largest_alpha * metric.slack(self.span_weight, self.span_weight)
    }

    /// An upper bound of the product of unit vectors in the spans of two subspaces, from the norm of L_a^-1 R_ab L_b^-T.
    pub(super) fn between(&self, other: &Margins, metric: &Correlation, norm: f64) -> f64 {
        let (factor, slack) = self.reach(other, metric);
        factor * (norm + slack)
    }

    /// By how much rounding can be off in L_a^-1 R_ab L_b^-T times a unit vector, and the factor that makes the sum of its
    /// norm and that an upper bound.
    pub(super) fn reach(&self, other: &Margins, metric: &Correlation) -> (f64, f64) {
        let slack = self.largest_alpha * other.largest_alpha * metric.slack(self.span_weight, other.span_weight);
        let (own, others) = (1.0 - self.distortion(metric), 1.0 - other.distortion(metric));
        if own <= 0.5 || others <= 0.5 { (1.0, 1.0) } else { ((own * others).recip(), slack) }
    }
}

/// Memory of one thread: vectors that grew subspace by subspace would keep threads waiting for each other in the allocator.
#[derive(Default)]
pub(super) struct SubspaceScratch {
    queries: QueryBlock,
    score: ScoreScratch,
    row: Vec<f64>,
    /// Column j of L for all members, and what is left of their squares.
    columns: Vec<f64>,
    left: Vec<f64>,
    pivots: Vec<usize>,
}

impl SubspaceScratch {
    /// Chooses pivots among `members` until all others are within `sine` of their span, and returns how many: so many times as many
    /// evaluations as there are members.
    pub(super) fn choose(&mut self, metric: &Correlation, members: &[u32], sine: f64) -> Result<usize> {
        let (count, points) = (members.len(), metric.points());
        let SubspaceScratch { queries, score, row, columns, left, pivots } = self;
        columns.clear();
        pivots.clear();
        left.clear();
        left.resize(count, 1.0);
        row.resize(count, 0.0);
        let mut next = central(metric, members);
        loop {
            queries.clear();
            queries.push_stored(points, members[next] as usize);
            metric.signed_scores(queries, &queries.all, &Candidates::Gather(members), score, row)?;
            let scale = left[next].sqrt().recip();
            for column in columns.chunks_exact(count) {
                let factor = column[next];
                row.iter_mut().zip(column).for_each(|(value, &l)| *value -= factor * l);
            }
            row.iter_mut().for_each(|value| *value *= scale);
            pivots.iter().for_each(|&earlier| row[earlier] = 0.0);
            left.iter_mut().zip(&*row).for_each(|(left, &l)| *left -= l * l);
            columns.extend_from_slice(row);
            pivots.push(next);
            pivots.iter().for_each(|&pivot| left[pivot] = f64::NEG_INFINITY);
            let (farthest, &most) =
                left.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap_or((0, &f64::NEG_INFINITY));
            if most <= sine * sine {
                return Ok(pivots.len());
            }
            next = farthest;
        }
    }
}

impl Subspace {
    /// The subspace of `members`, all of which are within `sine` of the span of its pivots.
    pub(super) fn new(metric: &Correlation, members: &[u32], sine: f64, s: &mut SubspaceScratch) -> Result<Subspace> {
        let (count, points) = (members.len(), metric.points());
        let rank = s.choose(metric, members, sine)?;
        let SubspaceScratch { columns, left, pivots, .. } = s;
        let factor = Factor { metric, members, columns, inverse: invert(columns, pivots, count)?, rank };
        let weight = |i: usize| metric.weight(points.inverse_sds[members[i] as usize]);
        let others: Vec<usize> = (0..count).filter(|i| !pivots.contains(i)).collect();
        let (margins, offsets) = factor.margins(pivots, &others, left, weight);
        let padded = count.next_multiple_of(LANES);
        let mut coords = try_vec(rank * padded, 0.0f32, "the subspaces")?;
        let mut sines = try_vec(padded, 0.0f32, "the subspaces")?;
        let mut ordered = try_with_capacity(count, "the subspaces")?;
        for (place, &i) in pivots.iter().chain(&others).enumerate() {
            for j in 0..rank {
                coords[j * padded + place] = columns[j * count + i] as f32;
            }
            ordered.push(members[i]);
        }
        for (sine, &offset) in sines[rank..].iter_mut().zip(&offsets) {
            *sine = (offset as f32).next_up().min(1.0);
        }
        Ok(Subspace { members: ordered, rank, inverse: factor.inverse, coords, offsets: sines, margins })
    }
}

/// The Cholesky factor of a subspace: for all members the columns of L, and the inverse of the pivots' rows.
struct Factor<'a> {
    metric: &'a Correlation,
    members: &'a [u32],
    columns: &'a [f64],
    inverse: Vec<f64>,
    rank: usize,
}

impl Factor<'_> {
    /// Margins of the span of the first pivots and the members `others`, and the distance of each of these from it.
    /// `left` is what the pivots leave of the members' squares.
    fn margins(
        &self,
        pivots: &[usize],
        others: &[usize],
        left: &[f64],
        weight: impl Fn(usize) -> f64,
    ) -> (Margins, Vec<f64>) {
        let (count, used, rank, metric) = (self.members.len(), pivots.len(), self.rank, self.metric);
        let inverse = |j: usize, l: usize| self.inverse[j * rank + l];
        let weights: Vec<f64> = pivots.iter().map(|&i| weight(i)).collect();
        let largest_alpha = largest(used, |_| 1.0, inverse);
        let span_weight = largest(used, |l| weights[l], inverse) / largest_alpha;
        let mut margins = Margins {
            sine: 0.0,
            cosine: 1.0,
            // Of a pivot.
            alpha: 1.0,
            largest_alpha,
            span_weight,
            pivot_weight: weights.iter().copied().fold(0.0, f64::max),
            weight: (0..count).map(&weight).fold(0.0, f64::max),
        };
        let offset = |&i: &usize| {
            // alpha = L^-T w, w a row of L.
            let alpha = |l: usize| (l..used).map(|j| inverse(j, l) * self.columns[j * count + i]).sum::<f64>().abs();
            let alpha: f64 = (0..used).map(alpha).sum();
            let rounding = 2.0 * alpha * metric.slack(margins.pivot_weight, weight(i))
                + alpha * alpha * metric.slack(margins.pivot_weight, margins.pivot_weight);
            margins.alpha = margins.alpha.max(alpha);
            let offset = (left[i].max(0.0) + rounding).sqrt().min(1.0);
            margins.sine = margins.sine.max(offset);
            offset
        };
        let offsets = others.iter().map(offset).collect();
        margins.cosine = (1.0 - margins.sine * margins.sine).max(0.0).sqrt();
        (margins, offsets)
    }
}

/// At least the largest sum_j weight_j abs(alpha_j) of any alpha = L^-T w, w of norm 1 and `rank` entries: the largest norm of
/// L^-1 s, s_j = weight_j or -weight_j.
fn largest(rank: usize, weight: impl Fn(usize) -> f64, inverse: impl Fn(usize, usize) -> f64) -> f64 {
    let column = |l: usize| (l..rank).map(|j| inverse(j, l) * weight(l)).collect::<Vec<f64>>();
    let columns: Vec<Vec<f64>> = (0..rank).map(column).collect();
    if rank > SIGNS {
        let row = |j: usize| (0..=j).map(|l| columns[l][j - l].abs()).sum::<f64>();
        return (0..rank).map(|j| row(j).powi(2)).sum::<f64>().sqrt();
    }
    // All signs but for that of s as a whole, one that changes at a time.
    let mut sum: Vec<f64> = (0..rank).map(|j| (0..=j).map(|l| columns[l][j - l]).sum()).collect();
    let mut signs = [1.0; SIGNS];
    let square = |sum: &[f64]| sum.iter().map(|x| x * x).sum::<f64>();
    let mut most = square(&sum);
    for count in 1..1usize << (rank - 1) {
        let l = count.trailing_zeros() as usize;
        signs[l] = -signs[l];
        sum[l..].iter_mut().zip(&columns[l]).for_each(|(sum, x)| *sum += 2.0 * signs[l] * x);
        most = most.max(square(&sum));
    }
    most.sqrt() * (1.0 + 1e-9)
}

/// The member nearest to the middle of their box.
fn central(metric: &Correlation, members: &[u32]) -> usize {
    let points = metric.points();
    let corners = bounding_box(points.d, members.iter(), |&i, j| points.coord(i as usize, j));
    let (lower, upper) = corners.split_at(points.d);
    let middle: Vec<f64> = lower.iter().zip(upper).map(|(low, high)| 0.5 * (low + high)).collect();
    let squared = |&i: &u32| middle.iter().enumerate().map(|(j, x)| (x - points.coord(i as usize, j)).powi(2)).sum();
    let gaps: Vec<f64> = members.iter().map(squared).collect();
    (0..members.len()).min_by(|&a, &b| gaps[a].total_cmp(&gaps[b])).unwrap_or(0)
}

/// The inverse of the rows of L that belong to the pivots, which are lower triangular.
fn invert(columns: &[f64], pivots: &[usize], count: usize) -> Result<Vec<f64>> {
    let rank = pivots.len();
    let l = |i: usize, j: usize| columns[j * count + pivots[i]];
    let mut inverse = try_vec(rank * rank, 0.0, "the subspaces")?;
    for i in 0..rank {
        inverse[i * rank + i] = l(i, i).recip();
        for j in 0..i {
            let sum: f64 = (j..i).map(|t| l(i, t) * inverse[t * rank + j]).sum();
            inverse[i * rank + j] = -sum / l(i, i);
        }
    }
    Ok(inverse)
}
