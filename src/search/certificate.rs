//! Certificates: what a query's scores with the pivots of cells say of the cells' members.

use super::cells::{CellView, Cells};
use super::collect::Collector;
use super::space::{Group, Scratch, Space};
use crate::error::{Result, try_collect, try_resize, try_vec};
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
    /// Points of the first cells, with their estimates and bounds; pivots, which have been scored, have the bound NaN.
    pub(super) first: Vec<(f32, f32, u32)>,
    pub(super) left: Vec<u32>,
}

/// What is known of a query and a cell.
pub(super) struct Part {
    /// sqrt(1 - u.u), rounded up.
    pub(super) sine: f64,
    /// An upper bound of the score with any member that is no pivot.
    pub(super) bound: f64,
    /// What rounding can add to a bound.
    pub(super) slack: f64,
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

/// A query's part in the span of the first pivots of a cell, from its rho with them.
pub(super) fn span(
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    q: u32,
    view: &CellView<'_>,
    signed: &[f64],
    memory: &mut Memory,
) -> Part {
    let rank = view.pivots.len();
    let margins = if signed.len() < rank { &view.first } else { &view.margins };
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
    // cos(theta - phi), theta the query's angle to the span and phi the farthest member's.
    let cosine = square.sqrt().min(1.0);
    let within = sine <= margins.sine;
    let bound = if within { 1.0 } else { cosine * margins.cosine + sine * margins.sine + slack };
    Part { sine, bound, slack }
}

/// The part of a query in the span of a cell in `memory` makes estimates of the members' scores.
pub(super) fn estimate(bound: &CellBound<'_>, view: &CellView<'_>, memory: &mut Memory) {
    memory.estimates.resize(view.sines.len(), 0.0);
    estimates(bound.metric.simd, &memory.part, view.coords, &mut memory.estimates);
}

/// Evaluates for the queries `rows` what the pivots of the cells `near` cannot exclude of their members, but for the
/// cells that are `done`, a list for each query of the group, which may be absent. Adds the number of what is evaluated
/// to `left`, if that is not empty.
#[allow(clippy::too_many_arguments)]
pub(super) fn certify<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    rows: &[u32],
    near: &[u32],
    done: &[Vec<u32>],
    left: &mut [usize],
    scratch: &mut Scratch,
) -> Result<()> {
    if near.is_empty() || rows.is_empty() {
        return Ok(());
    }
    let mut memory = std::mem::take(&mut scratch.angles);
    let views: Vec<CellView<'_>> = try_collect(near.iter().map(|&c| Ok(bound.cells.view(c as usize))), "the search")?;
    // The first pivots of all cells; then the others of those that some query cannot exclude.
    let pivots: Vec<u32> = views.iter().flat_map(CellView::first_pivots).copied().collect();
    score_pivots(bound, queries, rows, &pivots, &mut memory, scratch)?;
    let first = std::mem::take(&mut memory.signed);
    let mut open = try_vec(rows.len() * near.len(), false, "the search")?;
    for ((&q, signed), open) in rows.iter().zip(first.chunks_exact(pivots.len())).zip(open.chunks_exact_mut(near.len()))
    {
        if let Some(done) = done.get(q as usize) {
            open.iter_mut().zip(near).for_each(|(open, c)| *open = !done.contains(c));
        } else {
            open.fill(true);
        }
        let parts = || {
            let mut signed = signed;
            views.iter().map(move |view| signed.split_off(..view.first_pivots().len()).unwrap_or_default())
        };
        for ((view, own), _) in views.iter().zip(parts()).zip(&*open).filter(|&(_, &open)| open) {
            for (&pivot, rho) in view.first_pivots().iter().zip(own) {
                space.offer(group, q as usize, pivot as usize, rho.abs());
            }
        }
        let threshold = group.collectors[q as usize].threshold();
        for ((view, own), open) in views.iter().zip(parts()).zip(open).filter(|(_, open)| **open) {
            let part = span(bound, queries, q, view, own, &mut memory);
            *open = part.bound >= threshold || !space.certificates.first_pivots;
            scratch.counters.pruned_by_ball += u64::from(!*open);
        }
    }
    // Queries that leave the same cells open are scored with the others of their pivots together.
    let more = |i: usize| views[i].pivots.len() - views[i].first_pivots().len();
    let together = |i: usize| open.iter().skip(i).step_by(near.len()).any(|&open| open);
    let together: usize = (0..near.len()).filter(|&i| together(i)).map(more).sum();
    let apart: usize = open.iter().enumerate().filter(|&(_, &open)| open).map(|(o, _)| more(o % near.len())).sum();
    let size = if together * rows.len() <= 2 * apart { rows.len() } else { 1 };
    let parts = rows.chunks(size).zip(open.chunks(size * near.len())).zip(first.chunks(size * pivots.len()));
    for ((rows, open), first) in parts {
        finish(space, bound, queries, group, rows, &views, (first, open), left, &mut memory, scratch)?;
    }
    memory.signed = first;
    scratch.angles = memory;
    Ok(())
}

/// The second half of [`certify`]: the other pivots of the cells that are `open` to a query, and what they cannot
/// exclude. `first` has the queries' rho with the first pivots.
#[allow(clippy::too_many_arguments)]
fn finish<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    rows: &[u32],
    views: &[CellView<'_>],
    (first, open): (&[f64], &[bool]),
    left: &mut [usize],
    memory: &mut Memory,
    scratch: &mut Scratch,
) -> Result<()> {
    let (pivots, count) = (first.len() / rows.len(), views.len());
    let wanted: Vec<bool> = (0..count).map(|i| open.iter().skip(i).step_by(count).any(|&open| open)).collect();
    let rest = views.iter().zip(&wanted).filter(|&(_, &wanted)| wanted);
    let rest: Vec<u32> = rest.flat_map(|(view, _)| &view.pivots[view.first_pivots().len()..]).copied().collect();
    score_pivots(bound, queries, rows, &rest, memory, scratch)?;
    let second = std::mem::take(&mut memory.signed);
    let mut signed = Vec::new();
    let mut kept = std::mem::take(&mut memory.left);
    for (r, &q) in rows.iter().enumerate() {
        let mut first = &first[r * pivots..(r + 1) * pivots];
        let mut second = &second[r * rest.len()..(r + 1) * rest.len()];
        kept.clear();
        for (i, view) in views.iter().enumerate() {
            let (own, others) = view.pivots.split_at(view.first_pivots().len());
            signed.clear();
            signed.extend_from_slice(first.split_off(..own.len()).unwrap_or_default());
            if wanted[i] {
                signed.extend_from_slice(second.split_off(..others.len()).unwrap_or_default());
            }
            if !open[r * count + i] {
                continue;
            }
            for (&pivot, rho) in others.iter().zip(&signed[own.len()..]) {
                space.offer(group, q as usize, pivot as usize, rho.abs());
            }
            let threshold = group.collectors[q as usize].threshold();
            let part = span(bound, queries, q, view, &signed, memory);
            if part.bound < threshold && space.certificates.cells {
                scratch.counters.pruned_by_ball += 1;
                continue;
            }
            estimate(bound, view, memory);
            let (sine, mut least) = (part.sine as f32, (threshold - part.slack) as f32);
            if !space.certificates.members {
                least = f32::NEG_INFINITY;
            }
            let members = view.others.iter().zip(&memory.estimates).zip(view.sines);
            kept.extend(members.filter(|((_, estimate), e)| *estimate + *e * sine >= least).map(|((&i, _), _)| i));
        }
        if let Some(left) = left.get_mut(q as usize) {
            *left += kept.len();
        }
        space.evaluate_some(group, &[q], queries, kept.iter().copied(), scratch)?;
    }
    (memory.left, memory.signed) = (kept, second);
    Ok(())
}
