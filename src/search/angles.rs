//! Search of residual correlations by angles: blocks of queries against the pivots of cells.
//!
//! The pivots of the cells nearest to a query tell nearly what the scores of their members are: the k-th largest lower
//! bound there is a threshold. The table of gaps excludes most other cells at no evaluation, and the overlaps of spans
//! most of what is left. Of the rest the pivots are evaluated, for all queries of the group that a cell is open to at a
//! time, since it is their rows of V that take the time. What the bounds cannot exclude is scored in the end.

use super::certificate::{CellBound, Memory, coordinates, score_pivots, spans};
use super::collect::Collector;
use super::overlaps::{FEW_CELLS, Inside};
use super::shortlist::{Candidate, Shortlist};
use super::space::{Group, Scratch, Space};
use super::spatial::bounding_box;
use crate::error::{Result, try_push, try_reserve, try_resize};
use crate::metric::{Metric, NEW, QueryBlock};
use crate::simd::spans::{InSpan, LANES, bound_members};

/// Queries of a group, at most: the more, the more of them share the rows of pivots that are fetched.
pub(super) const GROUP: usize = 256;
/// Allowed points in the cells that a query starts from, as a multiple of the number wanted.
const START_FACTOR: f64 = 8.0;
/// A query is given up where bounds leave it this share of the points it was bounded in, and so many times what is wanted.
const MOST_LEFT: f64 = 0.25;
const MOST_WANTED: usize = 16;

/// A query and what has been found of it.
#[derive(Default)]
pub(super) struct AngleQuery {
    list: Shortlist,
    /// The cell whose span is nearest to it among those that it started from, the sine of the angle to the span, the
    /// distance from what has its coordinates there, and these.
    own: u32,
    sine: f64,
    apart: f64,
    u: Vec<f32>,
    /// The cells that it started from.
    started: Vec<u32>,
    /// Points of the cells that it was bounded in.
    seen: usize,
}

/// Searches for the queries of the group. Returns those to which too many points are left.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let mut memory = std::mem::take(&mut scratch.angles);
    let found = Angles { space, bound, queries }.run(group, &mut memory, scratch);
    scratch.angles = memory;
    found
}

/// A block of queries that is searched for.
struct Angles<'a, 's, M> {
    space: &'a Space<'s, M>,
    bound: &'a CellBound<'a>,
    queries: &'a QueryBlock,
}

impl<M: Metric> Angles<'_, '_, M> {
    fn run<C: Collector>(&self, group: &mut Group<C>, memory: &mut Memory, scratch: &mut Scratch) -> Result<Vec<u32>> {
        let count = self.queries.len;
        if memory.queries.len() < count {
            try_reserve(&mut memory.queries, count, "the search")?;
            memory.queries.resize_with(count, AngleQuery::default);
        }
        for (query, &home) in memory.queries.iter_mut().zip(&group.homes) {
            query.list.clear();
            query.u.clear();
            query.started.clear();
            (query.own, query.sine, query.apart) = (home, 1.0, 1.0);
            query.seen = 0;
        }
        for q in 0..count {
            self.raise(q, group, memory);
        }
        memory.open.clear();
        self.open_first(group, memory)?;
        self.look_at_open(group, memory, scratch)?;
        memory.open.clear();
        for q in 0..count {
            self.raise(q, group, memory);
            self.open_near(q, memory, scratch)?;
        }
        self.look_at_open(group, memory, scratch)?;
        let mut others = Vec::new();
        for q in 0..count {
            self.raise(q, group, memory);
            let query = &memory.queries[q];
            if query.list.lost {
                others.push(q as u32);
            } else {
                self.space.evaluate_some(group, &[q as u32], self.queries, query.list.positions(), scratch)?;
            }
        }
        Ok(others)
    }

    /// Opens to each query the cells that are nearest to its home, nearest in space first, until there are enough points
    /// in them that it may find.
    fn open_first<C: Collector>(&self, group: &Group<C>, memory: &mut Memory) -> Result<()> {
        let (cells, d) = (self.bound.cells, self.space.metric.points().d);
        let mut homes: Vec<(u32, u32)> = group.homes.iter().copied().zip(0..self.queries.len as u32).collect();
        homes.sort_unstable();
        let mut order = Vec::new();
        for run in homes.chunk_by(|a, b| a.0 == b.0) {
            let rows = || run.iter().map(|&(_, q)| q as usize);
            let wanted = rows().map(|q| group.collectors[q].wanted()).max().unwrap_or(0);
            let enough = ((wanted as f64 * START_FACTOR) as usize).max(1);
            let limit = rows().map(|q| group.limits[q]).min().unwrap_or(0);
            let corners = bounding_box(d, rows(), |q, j| self.queries.coords[q * d + j]);
            cells.by_distance(&corners, cells.around(run[0].0 as usize), &mut order);
            let mut met = 0;
            for &(_, c) in &order {
                let view = cells.view(c as usize);
                let members = view.pivots.iter().chain(view.others);
                met += members.filter(|&&i| self.space.keys.of[i as usize] < limit).count();
                for q in rows() {
                    memory.open.add(c, q as u32)?;
                    try_push(&mut memory.queries[q].started, c, "the search")?;
                }
                if met >= enough {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Opens to query `q` the cells that the table and the overlaps leave to it.
    fn open_near(&self, q: usize, memory: &mut Memory, scratch: &mut Scratch) -> Result<()> {
        let (cells, metric) = (self.bound.cells, self.bound.metric);
        let query = &mut memory.queries[q];
        if query.list.lost {
            return Ok(());
        }
        let weight = metric.weight(self.queries.inverse_sds[q]);
        let slack = metric.slack(weight, self.space.largest_weight);
        let angle = metric.length(f64::from(query.list.least) - slack);
        let offset = query.sine.asin();
        let mut near = std::mem::take(&mut scratch.frontier);
        near.clear();
        if self.space.certificates.table {
            cells.near(query.own as usize, offset, angle, &mut near);
        } else {
            near.extend(0..cells.len() as u32);
        }
        if near.len() > FEW_CELLS && !query.u.is_empty() && self.space.certificates.overlaps {
            memory.excluded.clear();
            try_resize(&mut memory.excluded, cells.len().div_ceil(64), 0, "the search")?;
            let inside = Inside { own: query.own as usize, u: &query.u, sine: query.apart, offset };
            cells.overlaps.exclude(metric.simd, cells, inside, angle, &mut memory.excluded);
            near.retain(|&c| memory.excluded[c as usize / 64] >> (c % 64) & 1 == 0);
        }
        scratch.counters.nodes_visited += cells.len() as u64;
        scratch.counters.pruned_by_ball += (cells.len() - near.len()) as u64;
        for &c in near.iter().filter(|&c| !query.started.contains(c)) {
            memory.open.add(c, q as u32)?;
        }
        scratch.frontier = near;
        Ok(())
    }

    /// Looks at all cells for the queries that they are open to.
    fn look_at_open<C: Collector>(
        &self,
        group: &mut Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let mut open = std::mem::take(&mut memory.open);
        open.arrange(self.bound.cells.len())?;
        let mut rows = std::mem::take(&mut scratch.next);
        for c in 0..self.bound.cells.len() {
            rows.clear();
            rows.extend(open.of(c).iter().filter(|&&q| !memory.queries[q as usize].list.lost));
            if !rows.is_empty() {
                self.look(c as u32, &rows, group, memory, scratch)?;
            }
        }
        scratch.next = rows;
        memory.open = open;
        Ok(())
    }

    /// Offers the pivots of cell `c` to the queries `rows`, and bounds the scores of its other members.
    fn look<C: Collector>(
        &self,
        c: u32,
        rows: &[u32],
        group: &mut Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let (space, bound) = (self.space, self.bound);
        let view = bound.cells.view(c as usize);
        let rank = view.pivots.len();
        score_pivots(bound, self.queries, rows, view.pivots, memory, scratch)?;
        spans(bound, self.queries, rows, &view, memory)?;
        let Memory { queries, lowers, signed, parts, us, u, bounds, .. } = &mut *memory;
        for ((&q, part), (t, signed)) in rows.iter().zip(&*parts).zip(signed.chunks_exact(rank).enumerate()) {
            let (limit, own) = (group.limits[q as usize], group.positions[q as usize]);
            let own = if space.exclude_self { own } else { NEW };
            let allowed = |i: u32| space.keys.of[i as usize] < limit && i != own;
            let query = &mut queries[q as usize];
            query.seen += rank + view.others.len();
            query.list.reserve(rank + view.others.len())?;
            for (&pivot, rho) in view.pivots.iter().zip(signed) {
                let score = rho.abs() as f32;
                if score >= query.list.least && allowed(pivot) {
                    space.offer(group, q as usize, pivot as usize, rho.abs());
                    query.list.candidates.push(Candidate::new(NEW, score.next_down(), score.next_up()));
                }
            }
            if part.sine < query.sine {
                (query.own, query.sine, query.apart) = (c, part.sine, part.apart);
                coordinates(us, rank, t, &mut query.u);
            }
            if part.bound < f64::from(query.list.least) && space.certificates.cells {
                scratch.counters.pruned_by_ball += 1;
                continue;
            }
            coordinates(us, rank, t, u);
            let (sine, slack) = (part.sine as f32, part.slack as f32);
            let least = if space.certificates.members { query.list.least } else { f32::NEG_INFINITY };
            let inside = InSpan { u, sine, slack, least };
            bound_members(bound.metric.simd, &inside, view.coords, view.sines, bounds);
            for (run, &reaches) in bounds.reaches.iter().enumerate() {
                let mut reaches = reaches;
                while reaches != 0 {
                    let t = run * LANES + reaches.trailing_zeros() as usize;
                    reaches &= reaches - 1;
                    if t < view.others.len() && allowed(view.others[t]) {
                        let lower = bounds.estimates[t] - (view.sines[t] * sine + slack);
                        query.list.candidates.push(Candidate::new(view.others[t], lower, bounds.uppers[t]));
                    }
                }
            }
            if query.list.crowded(group.collectors[q as usize].wanted()) {
                raise(space, query, &group.collectors[q as usize], lowers);
            }
        }
        Ok(())
    }

    /// Raises what the neighbours of query `q` must reach.
    fn raise<C: Collector>(&self, q: usize, group: &Group<C>, memory: &mut Memory) {
        raise(self.space, &mut memory.queries[q], &group.collectors[q], &mut memory.lowers);
    }
}

/// Raises what a query's neighbours must reach.
fn raise<M: Metric, C: Collector>(space: &Space<'_, M>, query: &mut AngleQuery, collector: &C, lowers: &mut Vec<f32>) {
    // Where nothing is wanted in particular, what is left is mostly found.
    let (of, more) = match collector.wanted() {
        0 => (space.tree.len(), 0),
        wanted => (query.seen, wanted.saturating_mul(MOST_WANTED)),
    };
    let most = ((MOST_LEFT * of as f64) as usize).saturating_add(more);
    query.list.raise(collector, 0.0, !space.certificates.members, most, lowers);
}
