//! Search of residual correlations by angles: the queries of one cell against the pivots and members of others.
//!
//! The pivots of the nearest cells tell nearly what the scores of their members are; the best of these are evaluated
//! first and make the thresholds tight. What is left is a certificate that no other point is nearer: for most cells by
//! the table of gaps, at no evaluation; for the rest by the query's part in the span of their pivots, and what that
//! says of each member.

use super::certificate::{CellBound, certify, estimate, score_pivots, span};
use super::collect::Collector;
use super::space::{Group, Scratch, Space};
use super::spatial::bounding_box;
use crate::error::Result;
use crate::metric::{Metric, NEW, QueryBlock};

/// Allowed points in the cells that a query starts from, as a multiple of the number wanted.
const START_FACTOR: f64 = 6.0;
/// A query to which the table leaves more than this share of the cells waits, to be scored with all pivots together
/// with others like it.
const MOST_NEAR: f64 = 0.4;
/// Cells that waiting queries are scored with at a time: their pivots' rows of V stay in the second-level cache.
const CHUNK: usize = 16;
/// A waiting query is given up where bounds leave it this share of the points.
const MOST_LEFT: f64 = 0.25;

/// Searches for the queries of the group. Returns those for which the table does not discard enough.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let mut homes: Vec<(u32, u32)> = (0..queries.len as u32).map(|q| (group.homes[q as usize], q)).collect();
    homes.sort_unstable();
    let mut others = Vec::new();
    for run in homes.chunk_by(|a, b| a.0 == b.0) {
        let rows: Vec<u32> = run.iter().map(|&(_, q)| q).collect();
        search_home(space, bound, queries, group, &rows, &mut others, scratch)?;
    }
    others.sort_unstable();
    Ok(others)
}

/// Searches for queries whose home is one cell.
fn search_home<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    rows: &[u32],
    others: &mut Vec<u32>,
    scratch: &mut Scratch,
) -> Result<()> {
    let (metric, cells) = (space.metric, bound.cells);
    let start = start(space, bound, queries, group, rows, scratch)?;
    // Cells that the table leaves to each query.
    let mut near: Vec<u32> = Vec::new();
    let most = (MOST_NEAR * cells.len() as f64) as usize;
    let mut kept = Vec::with_capacity(rows.len());
    for (&q, &(home, offset)) in rows.iter().zip(&start.offsets) {
        let weight = metric.weight(queries.inverse_sds[q as usize]);
        let threshold = group.collectors[q as usize].threshold() - metric.slack(weight, space.largest_weight);
        let before = near.len();
        cells.near(home as usize, offset, metric.length(threshold), &mut near);
        let found = near.len() - before;
        scratch.counters.nodes_visited += cells.len() as u64;
        scratch.counters.pruned_by_ball += (cells.len() - found) as u64;
        if found <= most && space.certificates.table {
            kept.push(q);
        } else {
            near.truncate(before);
            others.push(q);
        }
    }
    near.sort_unstable();
    near.dedup();
    near.retain(|c| !start.cells.contains(c));
    certify(space, bound, queries, group, &kept, &near, &[], &mut [], scratch)
}

/// Searches for queries to which the table leaves too much: the pivots of all cells, in blocks. Returns those to which
/// they leave too much as well.
pub(crate) fn search_all<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let cells = bound.cells;
    let mut done: Vec<Vec<u32>> = Vec::new();
    for q in 0..queries.len as u32 {
        done.push(start(space, bound, queries, group, &[q], scratch)?.cells);
    }
    let (mut rows, mut others) = (queries.all.clone(), Vec::new());
    let mut left = vec![0usize; rows.len()];
    let mut seen = 0;
    // Chunks that are spread over space: the first tells what to expect of the others.
    let chunks = cells.len().div_ceil(CHUNK);
    for chunk in 0..chunks {
        let some: Vec<u32> = (chunk..cells.len()).step_by(chunks).map(|c| c as u32).collect();
        certify(space, bound, queries, group, &rows, &some, &done, &mut left, scratch)?;
        seen += some.iter().map(|&c| cells.view(c as usize).others.len()).sum::<usize>();
        rows.retain(|&q| {
            let hopeless = left[q as usize] as f64 > MOST_LEFT * seen as f64 + 64.0;
            if hopeless {
                others.push(q);
            }
            !hopeless
        });
    }
    Ok(others)
}

/// What a start came to.
struct Start {
    /// Cells of which all members have been offered or excluded.
    cells: Vec<u32>,
    /// For each query the cell whose span is nearest to it, and the angle to it.
    offsets: Vec<(u32, f64)>,
}

/// Searches the cells nearest to the queries' home, the most promising members first.
fn start<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    rows: &[u32],
    scratch: &mut Scratch,
) -> Result<Start> {
    let cells = bound.cells;
    let home = group.homes[rows[0] as usize];
    let chosen = first_cells(space, bound, queries, group, rows);
    let near = &chosen;

    let mut memory = std::mem::take(&mut scratch.angles);
    let centres: Vec<u32> = near.iter().flat_map(|&c| cells.view(c as usize).pivots).copied().collect();
    score_pivots(bound, queries, rows, &centres, &mut memory, scratch)?;
    let mut offsets = Vec::with_capacity(rows.len());
    let signed = std::mem::take(&mut memory.signed);
    for (&q, signed) in rows.iter().zip(signed.chunks_exact(centres.len())) {
        let position = group.positions[q as usize];
        let mut offset = match position {
            NEW => (home, std::f64::consts::FRAC_PI_2),
            position => (home, cells.offset(position)),
        };
        let limit = group.limits[q as usize];
        memory.first.clear();
        let mut at = 0;
        for &c in near {
            let view = cells.view(c as usize);
            let signed = &signed[at..at + view.pivots.len()];
            at += signed.len();
            for (&pivot, rho) in view.pivots.iter().zip(signed) {
                let rho = rho.abs();
                space.offer(group, q as usize, pivot as usize, rho);
                if space.keys.of[pivot as usize] < limit {
                    memory.first.push((rho as f32, f32::NAN, pivot));
                }
            }
            let part = span(bound, queries, q, &view, signed, &mut memory);
            estimate(bound, &view, &mut memory);
            let angle = part.sine.asin();
            if position == NEW && angle < offset.1 {
                offset = (c, angle);
            }
            let (sine, slack) = (part.sine as f32, part.slack as f32);
            let members = view.others.iter().zip(&memory.estimates).zip(view.sines);
            let members = members.filter(|((i, _), _)| space.keys.of[**i as usize] < limit);
            memory.first.extend(members.map(|((&i, &estimate), e)| (estimate, estimate + e * sine + slack, i)));
        }
        offsets.push(offset);
        let promising = group.collectors[q as usize].wanted().min(memory.first.len());
        if promising > 0 && promising < memory.first.len() {
            memory.first.select_nth_unstable_by(promising - 1, |a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
        }
        let (best, rest) = memory.first.split_at(promising);
        let best = best.iter().filter(|member| !member.1.is_nan()).map(|member| member.2);
        space.evaluate_some(group, &[q], queries, best, scratch)?;
        let threshold = group.collectors[q as usize].threshold();
        let rest = rest.iter().filter(|member| f64::from(member.1) >= threshold).map(|member| member.2);
        memory.left.clear();
        memory.left.extend(rest);
        space.evaluate_some(group, &[q], queries, memory.left.iter().copied(), scratch)?;
    }
    memory.signed = signed;
    scratch.angles = memory;
    Ok(Start { cells: chosen, offsets })
}

/// The cells around the queries `rows`, nearest in space first, until there are enough points in them that all may find.
fn first_cells<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    group: &Group<C>,
    rows: &[u32],
) -> Vec<u32> {
    let wanted = rows.iter().map(|&q| group.collectors[q as usize].wanted()).max().unwrap_or(0);
    let enough = ((wanted as f64 * START_FACTOR) as usize).max(1);
    let limit = rows.iter().map(|&q| group.limits[q as usize]).min().unwrap_or(0);
    let (cells, d) = (bound.cells, space.metric.points().d);
    let corners = bounding_box(d, rows.iter(), |&q, j| queries.coords[q as usize * d + j]);
    let mut order = Vec::new();
    cells.by_distance(&corners, cells.around(group.homes[rows[0] as usize] as usize), &mut order);
    let (mut met, mut chosen) = (0, Vec::new());
    for (_, c) in order {
        let view = cells.view(c as usize);
        let members = view.pivots.iter().chain(view.others);
        met += members.filter(|&&i| space.keys.of[i as usize] < limit).count();
        chosen.push(c);
        if met >= enough {
            break;
        }
    }
    chosen
}
