//! Certificates: what a query's scores with the pivots of cells say of the cells' members.

use super::angles::AngleQuery;
use super::cells::{CellView, Cells};
use super::open::Open;
use super::space::Scratch;
use crate::error::{Result, try_resize};
use crate::metric::{Candidates, Correlation, Metric, QueryBlock};
use crate::simd::spans::estimates;

/// Cells and the metric they were made with.
#[derive(Clone, Copy)]
pub(crate) struct CellBound<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) metric: &'a Correlation,
}

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Memory {
    /// rho of queries with pivots.
    pub(super) signed: Vec<f64>,
    /// u of a query in a cell.
    pub(super) part: Vec<f32>,
    pub(super) estimates: Vec<f32>,
    pub(super) uppers: Vec<f32>,
    /// A bit for each member whose upper bound matters.
    pub(super) reaches: Vec<u16>,
    /// What is known of each query.
    pub(super) queries: Vec<AngleQuery>,
    pub(super) lowers: Vec<f32>,
    pub(super) open: Open,
    /// A bit for each cell that a query does not look at.
    pub(super) excluded: Vec<u64>,
}

/// What is known of a query and a cell.
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
    bound: &CellBound<'_>,
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

/// A query's part in the span of a cell, from its rho with the pivots.
pub(super) fn span(
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    q: u32,
    view: &CellView<'_>,
    signed: &[f64],
    memory: &mut Memory,
) -> Part {
    let rank = view.pivots.len();
    let margins = &view.margins;
    memory.part.clear();
    let mut square = 0.0;
    for (j, row) in view.inverse.chunks_exact(rank).take(signed.len()).enumerate() {
        let u: f64 = row[..=j].iter().zip(signed).map(|(l, rho)| l * rho).sum();
        square += u * u;
        memory.part.push(u as f32);
    }
    let weight = bound.metric.weight(queries.inverse_sds[q as usize]);
    let slack = margins.slack(bound.metric, weight);
    let sine = (1.0 - square + margins.square_slack(bound.metric, weight)).clamp(0.0, 1.0).sqrt();
    let apart = sine + margins.u_slack(bound.metric, weight);
    // cos(theta - phi), theta the query's angle to the span and phi the farthest member's.
    let cosine = square.sqrt().min(1.0);
    let within = sine <= margins.sine;
    let bound = if within { 1.0 } else { cosine * margins.cosine + sine * margins.sine + slack };
    Part { sine, bound, slack, apart }
}

/// The part of a query in the span of a cell in `memory` makes estimates of the members' scores.
pub(super) fn estimate(bound: &CellBound<'_>, view: &CellView<'_>, memory: &mut Memory) {
    memory.estimates.resize(view.sines.len(), 0.0);
    estimates(bound.metric.simd, &memory.part, view.coords, &mut memory.estimates);
}
