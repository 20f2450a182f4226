//! Search of residual correlations by angles: blocks of queries against subspaces, whose pivots tell nearly what the scores of
//! their members are.
//!
//! A stored point is known in the span of its own subspace; a new one after the pivots of the subspaces nearest to it in space are
//! evaluated. The products of that span with those of other subspaces (cross-Grams) tell what a query is there too, nearly, and so
//! bound its scores with the members at no evaluation. Those of the subspaces where it is longest raise what neighbours must
//! reach, and the best of them are scored at once; then the cross-Grams exclude most of the other subspaces, and most members of
//! what is left. Only of subspaces that are not listed with the own one, but not excluded by the table of gaps either, the
//! pivots are evaluated, for all queries of the group that a subspace is open to at a time. What the bounds cannot exclude is
//! scored in the end.

use super::candidates::{Candidate, Shortlist};
use super::coincident_search;
use super::collector::Collector;
use super::context::{Group, Reach, Scratch, Space};
use super::cross_grams::{Inside, Lane, Projection};
use super::inverted_lists::{Open, exclude, is_excluded};
use super::projection::{self, coordinates, score_pivots, spans};
use super::subspace::NO_SUBSPACE;
use super::subspaces::{SubspaceBound, SubspaceView};
use crate::error::{Result, try_push, try_reserve, try_resize};
use crate::layout::aabb::{at_distance, bounding_box, keep_least};
use crate::metric::{Metric, NEW, QueryBlock};
use crate::simd::spans::{InSpan, MemberBounds, bound_members};

/// Queries of a group, at most: the more, the more of them share the rows of pivots that are fetched.
pub(super) const GROUP: usize = 256;
/// Allowed points in the subspaces that a query starts from, as a multiple of the number wanted; and, where cross-Grams choose them,
/// these subspaces at most.
const START_FACTOR: f64 = 8.0;
const MOST_FIRST: usize = 32;
/// CrossGrams tell too little of a subspace where they leave so many times as many members as there are pivots.
const MOST_DIRECT: usize = 2;
/// A query is given up where bounds leave it this share of the points it was bounded in, and so many times what is wanted.
const MOST_LEFT: f64 = 0.25;
const MOST_WANTED: usize = 16;

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Memory {
    spans: projection::Memory,
    /// Coordinates of one query in a subspace.
    u: Vec<f32>,
    bounds: MemberBounds,
    /// What is known of each query.
    queries: Vec<SubspaceQuery>,
    lowers: Vec<i32>,
    open: Open,
    survey: Survey,
}

/// A query and what has been found of it.
#[derive(Default)]
struct SubspaceQuery {
    list: Shortlist,
    /// The subspace whose span is nearest to it among those that are known, the sine of the angle to the span, the
    /// distance from what has its coordinates there, and these.
    own: u32,
    sine: f64,
    apart: f64,
    u: Vec<f32>,
    /// Whether it is stored, so that these are known.
    known: bool,
    /// The subspaces that it started from.
    started: Vec<u32>,
    /// Points of the subspaces that it was bounded in.
    seen: usize,
    /// Whether too many subspaces are open to it, or it is done with.
    waits: bool,
    done: bool,
}

/// What is known of one query and the subspaces that are listed with its own.
#[derive(Default)]
struct Survey {
    projection: Projection,
    /// Those subspaces that are looked at, by their lanes; and memory to find the longest of these.
    chosen: Vec<u32>,
    longest: Vec<u64>,
    /// A bit for each subspace that has been bounded, or has no neighbours of the query.
    excluded: Vec<u64>,
    /// Tree positions of what is best of these subspaces.
    best: Vec<u32>,
}

/// Searches for the queries of the group. Returns those to which more subspaces are open than it reaches, or too
/// many points are left.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &SubspaceBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    reach: Reach,
    (memory, scratch): (&mut Memory, &mut Scratch),
) -> Result<Vec<u32>> {
    let most_near = reach.most(bound.subspaces.len());
    SubspaceSearch { space, bound, queries, most_near }.run(group, memory, scratch)
}

/// A block of queries that is searched for.
struct SubspaceSearch<'a, 's, M> {
    space: &'a Space<'s, M>,
    bound: &'a SubspaceBound<'a>,
    queries: &'a QueryBlock,
    /// More subspaces than these make a query wait.
    most_near: usize,
}

impl<M: Metric> SubspaceSearch<'_, '_, M> {
    fn run<C: Collector>(&self, group: &mut Group<C>, memory: &mut Memory, scratch: &mut Scratch) -> Result<Vec<u32>> {
        let count = self.queries.len;
        if memory.queries.len() < count {
            try_reserve(&mut memory.queries, count, "the search")?;
            memory.queries.resize_with(count, SubspaceQuery::default);
        }
        for (q, query) in memory.queries.iter_mut().take(count).enumerate() {
            query.list.clear();
            query.u.clear();
            query.started.clear();
            (query.own, query.sine, query.apart) = (group.homes[q], 1.0, 1.0);
            let stored = self.space.in_use.cross_grams() && group.positions[q] != NEW;
            let found = if stored { self.bound.subspaces.stored(group.positions[q], &mut query.u) } else { None };
            query.known = found.is_some();
            if let Some((own, sine)) = found {
                (query.own, query.sine, query.apart) = (own, sine, sine);
            }
            query.seen = 0;
            (query.waits, query.done) = (false, false);
        }
        for q in 0..count {
            self.search_at_inducing(q, group, memory, scratch)?;
            self.raise(q, group, memory);
        }
        memory.open.clear();
        self.open_first(group, memory)?;
        self.look_at_open(group, memory, scratch)?;
        memory.open.clear();
        for q in 0..count {
            if memory.queries[q].done {
                continue;
            }
            self.raise(q, group, memory);
            self.survey(q, group, memory)?;
            self.settle(q, group, memory, scratch)?;
        }
        self.look_at_open(group, memory, scratch)?;
        let mut others = Vec::new();
        for q in 0..count {
            self.raise(q, group, memory);
            let query = &memory.queries[q];
            if query.list.lost || query.waits {
                others.push(q as u32);
            } else if !query.done {
                self.space.evaluate_some(group, &[q as u32], self.queries, query.list.positions(), scratch)?;
            }
        }
        Ok(others)
    }

    /// Searches for query `q` if it is known what all subspaces have for it.
    fn search_at_inducing<C: Collector>(
        &self,
        q: usize,
        group: &mut Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let SubspaceBound { subspaces, metric } = *self.bound;
        if let Some(place) = subspaces.coincident.place(group.positions[q]) {
            let query = (q as u32, place);
            let found =
                coincident_search::search(self.space, (subspaces, metric), query, self.queries, group, scratch)?;
            let query = &mut memory.queries[q];
            (query.done, query.known, query.list.lost) = (true, true, !found);
        }
        Ok(())
    }

    /// Opens to each query the subspaces that are nearest to its home, nearest in space first, until there are enough points
    /// in them that it may find.
    fn open_first<C: Collector>(&self, group: &Group<C>, memory: &mut Memory) -> Result<()> {
        let (subspaces, d) = (self.bound.subspaces, self.space.metric.points().d);
        let mut homes: Vec<(u32, u32)> = group.homes.iter().copied().zip(0..self.queries.len as u32).collect();
        homes.retain(|&(_, q)| !memory.queries[q as usize].known);
        homes.sort_unstable();
        let mut order = Vec::new();
        for run in homes.chunk_by(|a, b| a.0 == b.0) {
            let rows = || run.iter().map(|&(_, q)| q as usize);
            let wanted = rows().map(|q| group.collectors[q].wanted()).max().unwrap_or(0);
            let enough = ((wanted as f64 * START_FACTOR) as usize).max(1);
            let limit = rows().map(|q| group.limits[q]).min().unwrap_or(0);
            let corners = bounding_box(d, rows(), |q, j| self.queries.coords[q * d + j]);
            subspaces.by_distance(&corners, subspaces.around(run[0].0 as usize), &mut order);
            let mut met = 0;
            for &(_, c) in &order {
                let members = subspaces.view(c as usize).members;
                met += members.iter().filter(|&&i| self.space.keys.of[i as usize] < limit).count();
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

    /// Bounds for query `q` the members of those listed subspaces in whose spans most of it is: what is best there raises what the
    /// others must reach.
    fn survey<C: Collector>(&self, q: usize, group: &Group<C>, memory: &mut Memory) -> Result<()> {
        let subspaces = self.bound.subspaces;
        let Survey { excluded, projection, best, .. } = &mut memory.survey;
        excluded.clear();
        try_resize(excluded, subspaces.len().div_ceil(64), 0, "the search")?;
        projection.clear();
        best.clear();
        let SubspaceQuery { started, own, u, apart, .. } = &memory.queries[q];
        started.iter().for_each(|&c| exclude(excluded, c));
        if u.is_empty() || !self.space.in_use.cross_grams() || subspaces.cross_grams.is_empty() {
            return Ok(());
        }
        let inside = Inside { own: *own as usize, u, sine: *apart };
        subspaces.cross_grams.project(self.bound.metric.simd, inside, projection)?;
        self.choose_first(q, group, &mut memory.survey)?;
        self.look_at_chosen(q, true, group, memory)?;
        self.raise(q, group, memory);
        self.choose_best(q, group, memory)
    }

    /// Scores what is best of query `q`, bounds the members of the other listed subspaces, and opens to it those subspaces that the table
    /// and the cross-Grams leave many points of.
    fn settle<C: Collector>(
        &self,
        q: usize,
        group: &mut Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let subspaces = self.bound.subspaces;
        let best = memory.survey.best.iter().copied();
        self.space.evaluate_some(group, &[q as u32], self.queries, best, scratch)?;
        self.raise(q, group, memory);
        self.choose_others(q, memory)?;
        self.look_at_chosen(q, false, group, memory)?;
        self.raise(q, group, memory);
        let Memory { queries, survey, open, .. } = memory;
        let query = &mut queries[q];
        if query.list.lost {
            return Ok(());
        }
        let near = &mut scratch.frontier;
        near.clear();
        if self.space.in_use.table() {
            subspaces.near(query.own as usize, query.sine.asin(), self.angle(q, query), near);
        } else {
            near.extend(0..subspaces.len() as u32);
        }
        near.retain(|&c| !is_excluded(&survey.excluded, c));
        query.waits = near.len() > self.most_near;
        if query.waits {
            return Ok(());
        }
        scratch.counters.nodes_visited += subspaces.len() as u64;
        scratch.counters.pruned_by_ball += (subspaces.len() - near.len()) as u64;
        near.iter().try_for_each(|&c| open.add(c, q as u32))
    }

    /// The angle within which all points are that may be neighbours of query `q`.
    fn angle(&self, q: usize, query: &SubspaceQuery) -> f64 {
        let metric = self.bound.metric;
        let slack = metric.slack(metric.weight(self.queries.inverse_sds[q]), self.space.largest_weight);
        metric.length(f64::from(query.list.least) - slack)
    }

    /// Chooses those listed subspaces in whose spans the longest parts of query `q` are, until there are enough points in them that
    /// it may find.
    fn choose_first<C: Collector>(&self, q: usize, group: &Group<C>, survey: &mut Survey) -> Result<()> {
        let (subspaces, keys) = (self.bound.subspaces, &self.space.keys.of);
        let Survey { projection, longest, chosen, excluded, .. } = survey;
        let lanes = &projection.lanes;
        longest.clear();
        try_reserve(longest, lanes.len(), "the search")?;
        // The longest are the first of these integers.
        longest.extend(open_lanes(lanes, excluded).map(|(t, lane)| !at_distance(lane.longest, !t)));
        keep_least(longest, MOST_FIRST);
        longest.sort_unstable();
        chosen.clear();
        try_reserve(chosen, lanes.len(), "the search")?;
        chosen.extend(longest.iter().map(|&key| key as u32));
        let enough = (group.collectors[q].wanted() as f64 * START_FACTOR) as usize;
        let (mut met, mut count) = (0, 0);
        while met < enough && count < chosen.len() {
            let members = subspaces.view(lanes[chosen[count] as usize].subspace as usize).members;
            met += members.iter().filter(|&&i| keys[i as usize] < group.limits[q]).count();
            count += 1;
        }
        chosen.truncate(count);
        Ok(())
    }

    /// Chooses the listed subspaces that may have neighbours of query `q`, and excludes the others.
    fn choose_others(&self, q: usize, memory: &mut Memory) -> Result<()> {
        let Memory { queries, survey: Survey { projection, chosen, excluded, .. }, .. } = memory;
        projection
            .beyond(self.angle(q, &queries[q]), |c| self.bound.subspaces.margins(c))
            .for_each(|c| exclude(excluded, c));
        chosen.clear();
        try_reserve(chosen, projection.lanes.len(), "the search")?;
        chosen.extend(open_lanes(&projection.lanes, excluded).map(|(t, _)| t));
        Ok(())
    }

    /// Bounds the members of the listed subspaces that are chosen, `all` or those of which few are left by that.
    fn look_at_chosen<C: Collector>(&self, q: usize, all: bool, group: &Group<C>, memory: &mut Memory) -> Result<()> {
        let (subspaces, metric, keys) = (self.bound.subspaces, self.bound.metric, &self.space.keys.of);
        let Memory { queries, survey: Survey { excluded, projection, chosen, .. }, bounds, .. } = memory;
        let query = &mut queries[q];
        if query.list.lost {
            return Ok(());
        }
        let weight = metric.weight(self.queries.inverse_sds[q]);
        let (limit, itself) = (group.limits[q], group.positions[q]);
        let itself = if self.space.exclude_self { itself } else { NEW };
        let SubspaceQuery { own, list, seen, .. } = query;
        let least = if self.space.in_use.members() { list.least } else { f32::NEG_INFINITY };
        let margins = subspaces.margins(*own);
        for &t in &*chosen {
            let c = projection.lanes[t as usize].subspace;
            let view = subspaces.view(c as usize);
            let other = (&view.margins, view.pivots.len());
            let projected = projection.in_lane(metric, margins, other, t as usize);
            let inside = projected.in_span(metric, &view.margins, weight, least);
            let (sine, slack) = (inside.sine, inside.slack);
            bound_members(metric.simd, &inside, view.coords, view.sines, bounds);
            let left: u32 = bounds.reaches.iter().map(|reaches| reaches.count_ones()).sum();
            if !all && left as usize > MOST_DIRECT * view.pivots.len() {
                continue;
            }
            exclude(excluded, c);
            list.reserve(view.members.len())?;
            *seen += view.members.len();
            let allowed = |i: u32| keys[i as usize] < limit && i != itself;
            list_reaching(list, &view, 0, bounds, (sine, slack), allowed);
        }
        Ok(())
    }

    /// Takes the candidates of the largest lower bounds, as many as are wanted, off the list of query `q`, which was just raised:
    /// those whose lower bound is no less than what neighbours must reach.
    fn choose_best<C: Collector>(&self, q: usize, group: &Group<C>, memory: &mut Memory) -> Result<()> {
        let Memory { queries, survey: Survey { best, .. }, .. } = memory;
        let (list, wanted) = (&mut queries[q].list, group.collectors[q].wanted());
        try_reserve(best, wanted.min(list.candidates.len()), "the search")?;
        let least = list.least;
        list.candidates.retain(|candidate| {
            let is_best = candidate.lower >= least && best.len() < wanted && candidate.position != NEW;
            if is_best {
                best.push(candidate.position);
            }
            !is_best && candidate.position != NEW
        });
        Ok(())
    }

    /// Looks at all subspaces for the queries that they are open to.
    fn look_at_open<C: Collector>(
        &self,
        group: &mut Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let mut open = std::mem::take(&mut memory.open);
        open.arrange(self.bound.subspaces.len())?;
        let mut rows = std::mem::take(&mut scratch.next);
        for c in 0..self.bound.subspaces.len() {
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

    /// Offers the pivots of subspace `c` to the queries `rows`, and bounds the scores of its other members.
    fn look<C: Collector>(
        &self,
        c: u32,
        rows: &[u32],
        group: &mut Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let (space, bound) = (self.space, self.bound);
        let view = bound.subspaces.view(c as usize);
        let rank = view.pivots.len();
        score_pivots(bound, self.queries, rows, view.pivots, &mut memory.spans, scratch)?;
        spans(bound, self.queries, rows, &view, &mut memory.spans)?;
        let Memory { queries, lowers, spans, u, bounds, .. } = memory;
        let projection::Memory { signed, parts, us, .. } = spans;
        for ((&q, part), (t, signed)) in rows.iter().zip(&*parts).zip(signed.chunks_exact(rank).enumerate()) {
            let (limit, own) = (group.limits[q as usize], group.positions[q as usize]);
            let own = if space.exclude_self { own } else { NEW };
            let allowed = |i: u32| space.keys.of[i as usize] < limit && i != own;
            let query = &mut queries[q as usize];
            query.seen += view.members.len();
            query.list.reserve(view.members.len())?;
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
            if part.bound < f64::from(query.list.least) && space.in_use.subspaces() {
                scratch.counters.pruned_by_ball += 1;
                continue;
            }
            coordinates(us, rank, t, u);
            let (sine, slack) = (part.sine as f32, part.slack as f32);
            let least = if space.in_use.members() { query.list.least } else { f32::NEG_INFINITY };
            let inside = InSpan { u, sine, slack, least };
            bound_members(bound.metric.simd, &inside, view.coords, view.sines, bounds);
            list_reaching(&mut query.list, &view, rank, bounds, (sine, slack), allowed);
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

/// Adds the members that may matter, from the place `first` on, to a list that has room for them.
fn list_reaching(
    list: &mut Shortlist,
    view: &SubspaceView<'_>,
    first: usize,
    bounds: &MemberBounds,
    (sine, slack): (f32, f32),
    allowed: impl Fn(u32) -> bool,
) {
    for t in bounds.reaching().filter(|&t| t >= first && t < view.members.len()) {
        if allowed(view.members[t]) {
            let lower = bounds.estimates[t] - (view.sines[t] * sine + slack);
            list.candidates.push(Candidate::new(view.members[t], lower, bounds.uppers[t]));
        }
    }
}

/// The lanes of subspaces that are not excluded, with their places.
fn open_lanes<'a>(lanes: &'a [Lane], excluded: &'a [u64]) -> impl Iterator<Item = (u32, &'a Lane)> {
    let open = |lane: &Lane| lane.subspace != NO_SUBSPACE && !is_excluded(excluded, lane.subspace);
    (0..).zip(lanes).filter(move |(_, lane)| open(lane))
}

/// Raises what a query's neighbours must reach.
fn raise<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    query: &mut SubspaceQuery,
    collector: &C,
    lowers: &mut Vec<i32>,
) {
    // Where nothing is wanted in particular, what is left is mostly found.
    let (of, more) = match collector.wanted() {
        0 => (space.numbers.len(), 0),
        wanted => (query.seen, wanted.saturating_mul(MOST_WANTED)),
    };
    let most = ((MOST_LEFT * of as f64) as usize).saturating_add(more);
    query.list.raise(collector, 0.0, !space.in_use.members(), most, lowers);
}
