//! Projection: what a query's scores with the pivots of subspaces say of the subspaces' members.

use super::context::Scratch;
use super::subspaces::{SubspaceBound, SubspaceView};
use crate::error::{Result, try_reserve, try_resize};
use crate::metric::{Candidates, Metric, QueryBlock};
use crate::simd::spans::{self, multiply_lower};

/// Queries are laid side by side in whole numbers of these.
const SIDE: usize = 8;

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Memory {
    /// rho of queries with pivots.
    pub(super) signed: Vec<f64>,
    /// u of some queries in a subspace, a row a coordinate, as wide as whole vectors.
    pub(super) us: Vec<f64>,
    squares: Vec<f64>,
    pub(super) parts: Vec<Part>,
}

/// What is known of a query and a subspace.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// sqrt(1 - u.u), rounded up.
    pub(super) sine: f64,
    /// An upper bound of the score with any member that is no pivot.
    pub(super) bound: f64,
    /// What rounding can add to a bound.
    pub(super) slack: f64,
    /// At least the distance of the query from what has its coordinates u, as they were computed.
    pub(super) apart: f64,
}

/// rho of the queries `rows` with the pivots, in `memory.signed`.
pub(super) fn score_pivots(
    bound: &SubspaceBound<'_>,
    queries: &QueryBlock,
    rows: &[u32],
    pivots: &[u32],
    memory: &mut Memory,
    scratch: &mut Scratch,
) -> Result<()> {
    try_resize(&mut memory.signed, rows.len() * pivots.len(), 0.0, "the search")?;
    let candidates = Candidates::Gather(pivots);
    scratch.counters.distance_evaluations += memory.signed.len() as u64;
    bound.metric.signed_scores(queries, rows, &candidates, &mut scratch.score, &mut memory.signed)
}

/// The parts of the queries `rows` in the span of a subspace, from their rho with the pivots in `memory.signed`; in `memory.parts`,
/// their coordinates in `memory.us`.
pub(super) fn spans(
    bound: &SubspaceBound<'_>,
    queries: &QueryBlock,
    rows: &[u32],
    view: &SubspaceView<'_>,
    memory: &mut Memory,
) -> Result<()> {
    let (rank, width) = (view.pivots.len(), rows.len().next_multiple_of(SIDE));
    let Memory { signed, us, squares, parts, .. } = memory;
    us.clear();
    try_resize(us, rank * width, 0.0, "the search")?;
    for (t, signed) in signed.chunks_exact(rank).enumerate() {
        us.iter_mut().skip(t).step_by(width).zip(signed).for_each(|(u, rho)| *u = *rho);
    }
    multiply_lower(bound.metric.simd, view.inverse, us, width);
    try_resize(squares, width, 0.0, "the search")?;
    spans::squares(bound.metric.simd, us, &mut squares[..width]);
    let margins = &view.margins;
    parts.clear();
    try_reserve(parts, rows.len(), "the search")?;
    parts.extend(rows.iter().zip(&*squares).map(|(&q, &square)| {
        let weight = bound.metric.weight(queries.inverse_sds[q as usize]);
        let slack = margins.slack(bound.metric, weight);
        let sine = (1.0 - square + margins.square_slack(bound.metric, weight)).clamp(0.0, 1.0).sqrt();
        let apart = sine + margins.u_slack(bound.metric, weight);
        // cos(theta - phi), theta the query's angle to the span and phi the farthest member's.
        let cosine = square.sqrt().min(1.0);
        let within = sine <= margins.sine;
        let bound = if within { 1.0 } else { cosine * margins.cosine + sine * margins.sine + slack };
        Part { sine, bound, slack, apart }
    }));
    Ok(())
}

/// Copies the coordinates of the query in place `t` to `u`.
pub(super) fn coordinates(us: &[f64], rank: usize, t: usize, u: &mut Vec<f32>) {
    u.clear();
    u.extend(us.iter().skip(t).step_by(us.len() / rank).map(|&u| u as f32));
}
