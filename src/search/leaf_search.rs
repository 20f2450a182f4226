//! Search by leaves: blocks of queries against leaves of points in `f32`, with the error carried; what the bounds cannot
//! exclude is scored in `f64`, hardly more points than are wanted.
//!
//! A query with a long row is taken relative to what is near it ([`super::origins`]).
//!
//! The leaves nearest to a query in space are looked at first: the k-th largest of the lower bounds there is a threshold.
//! Then the table of angles between subspaces, where there is one, or the bounds of regions leave some leaves open to it.

use super::affine_bounds::AffineBounds;
use super::candidates::Candidate;
use super::coincident::most_level;
use super::collector::Collector;
use super::context::{Group, Reach, Scratch, Space};
use super::cross_grams::{Inside, Projection};
use super::inverted_lists::{exclude, is_excluded};
use super::leaf_query::{LeafQuery, Rows, SLACK};
use super::leaves::{LeafBound, Leaves};
use super::projection::{self, Part, coordinates, score_pivots, spans};
use super::subspaces::{SubspaceBound, Subspaces};
use crate::error::{Result, try_resize};
use crate::kernel::Kernel;
use crate::metric::{Correlation, Metric, NEW, QueryBlock};
use crate::simd::affine::{self, bits};
use crate::simd::leaf::{self, Bounds, LANES, QUERIES};
use std::ops::Range;

/// Points that a query may find in the leaves it looks at first, as a multiple of the number wanted; and leaves among
/// which these are chosen, in addition to as many as hold so many.
const START_FACTOR: usize = 2;
const START_LEAVES: usize = 12;
/// A query to which bounds leave one in so many points, and more than so many times what is wanted, is not searched for
/// with leaves.
const MOST_LEFT: usize = 8;
const MOST_WANTED: usize = 8;

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Memory {
    queries: Vec<LeafQuery>,
    rows: Rows,
    /// A bit for each query that a region, or a leaf, may matter to.
    regions: Vec<u64>,
    open: Vec<u64>,
    started: Vec<u64>,
    /// Subspaces, and leaves, that are nearest to a query.
    near: Vec<u64>,
    nearest: Vec<u64>,
    lowers: Vec<i32>,
    /// Subspaces that are open to a query; and what it is in the spans of these.
    subspaces: Vec<u32>,
    spans: projection::Memory,
    u: Vec<f32>,
    projection: Projection,
    excluded: Vec<u64>,
    // Of one leaf.
    numbers: Vec<u32>,
    coords: Vec<f32>,
    terms: Vec<leaf::Terms>,
    bounds: Vec<Bounds>,
    /// The origins' weighted correlations with its points, of those that a query needs.
    weighted: Vec<[f32; LANES]>,
    known: Vec<bool>,
}

/// Searches for the queries of the group. Returns those to which more leaves or subspaces are open than it reaches, or
/// too many points are left.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &LeafBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    reach: Reach,
    (memory, scratch): (&mut Memory, &mut Scratch),
) -> Result<Vec<u32>> {
    let LeafBound { leaves, metric, kernel } = *bound;
    let most_near = (reach.most(leaves.len()), reach.most(space.subspaces.map_or(0, |bound| bound.subspaces.len())));
    let search = LeafSearch { space, leaves, metric, kernel, queries, reach, most_near };
    search.run(group, memory, scratch)
}

/// A block of queries that is searched for.
struct LeafSearch<'a, 's, M> {
    space: &'a Space<'s, M>,
    leaves: &'a Leaves,
    metric: &'a Correlation,
    kernel: &'a Kernel,
    queries: &'a QueryBlock,
    reach: Reach,
    /// More leaves than these make a query wait; or more subspaces.
    most_near: (usize, usize),
}

impl<M: Metric> LeafSearch<'_, '_, M> {
    fn run<C: Collector>(&self, group: &mut Group<C>, memory: &mut Memory, scratch: &mut Scratch) -> Result<Vec<u32>> {
        let (leaves, count) = (self.leaves, self.queries.len);
        let mut products = 0;
        let table = self.space.subspaces.filter(|_| self.space.in_use.table());
        let made = leaves.made();
        let affine = leaves.affine(made.as_deref()).filter(|_| self.space.in_use.regions());
        // The queries that affine bounds are for: all where there is no table; else those from elsewhere, of which the table tells
        // little, and which have a threshold.
        let from_elsewhere = |r: &usize| {
            let bounded = group.collectors[*r].threshold() > f64::NEG_INFINITY;
            group.positions[*r] == NEW && (bounded || self.reach == Reach::Wide)
        };
        let all = u64::MAX >> (QUERIES - count);
        let by_affine = match (affine, table) {
            (None, _) => 0,
            (Some(_), None) => all,
            (Some(_), Some(_)) => (0..count).filter(from_elsewhere).fold(0, |mask, r| mask | 1u64 << r),
        };
        self.load(by_affine, memory)?;
        memory.open.clear();
        try_resize(&mut memory.open, leaves.len(), 0, "the search")?;
        for r in 0..count {
            self.score_itself(r, group);
            self.raise(r, group, memory);
            self.open_first(r, group, memory)?;
        }
        products += self.look_at_open(group, memory)?;
        for r in 0..count {
            self.raise(r, group, memory);
            self.score_others(r, group, memory, scratch)?;
        }
        std::mem::swap(&mut memory.started, &mut memory.open);
        memory.open.clear();
        try_resize(&mut memory.open, leaves.len(), 0, "the search")?;
        if let Some(levels) = affine.filter(|_| by_affine != 0) {
            let limit = group.largest_limit();
            products += self.open_regions(levels, (by_affine, limit), memory)?;
        }
        match table {
            Some(subspaces) => {
                for r in bits(all & !by_affine) {
                    self.open_near(&subspaces, r as usize, group, memory, scratch)?;
                }
            }
            None => memory.open.iter_mut().for_each(|open| *open |= all & !by_affine),
        }
        memory.open.iter_mut().zip(&memory.started).for_each(|(open, started)| *open &= !started);
        let opened: usize = memory.open.iter().map(|mask| mask.count_ones() as usize).sum();
        scratch.counters.nodes_visited += (count * leaves.len()) as u64;
        scratch.counters.pruned_by_cell += (count * leaves.len() - opened) as u64;
        products += self.look_at_open(group, memory)?;
        let mut others = Vec::new();
        for r in 0..count {
            self.finish(r, group, memory, &mut others, scratch)?;
        }
        scratch.counters.distance_evaluations += products.div_ceil(self.metric.points.m) as u64;
        Ok(others)
    }

    /// Fills `memory` with the queries, those of `regions` for these too.
    fn load(&self, regions: u64, memory: &mut Memory) -> Result<()> {
        let Memory { queries, rows, .. } = memory;
        queries.resize_with(QUERIES, LeafQuery::default);
        rows.clear(self.metric.points.m)?;
        for (q, query) in queries.iter_mut().take(self.queries.len).enumerate() {
            query.load(self.leaves, self.metric, self.queries, q, regions >> q & 1 == 1, rows);
        }
        rows.turn(self.queries.len);
        Ok(())
    }

    /// Scores a query with itself.
    fn score_itself<C: Collector>(&self, r: usize, group: &mut Group<C>) {
        let own = group.positions[r];
        if own != NEW {
            self.space.offer(group, r, own as usize, Correlation::SELF_SCORE);
        }
    }

    /// Scores a query at an inducing point with the others that are at these, which leaves do not bound.
    fn score_others<C: Collector>(
        &self,
        r: usize,
        group: &mut Group<C>,
        memory: &Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let (rows, own) = ([r as u32], group.positions[r]);
        if let Some(place) = self.coincident(r, group, memory) {
            let least = f64::from(memory.queries[r].list.least);
            let others = self.leaves.coincident.others(place, least).filter(|&i| i != own);
            self.space.evaluate_some(group, &rows, self.queries, others, scratch)?;
        } else if memory.queries[r].coincident {
            let others = self.leaves.inducing.at.iter().map(|&(_, position)| position).filter(|&i| i != own);
            self.space.evaluate_some(group, &rows, self.queries, others, scratch)?;
        }
        Ok(())
    }

    /// Opens to a query the leaves nearest to it in space, or those that have most for it if that is known, until there are enough
    /// points in them that it may find.
    fn open_first<C: Collector>(&self, r: usize, group: &Group<C>, memory: &mut Memory) -> Result<()> {
        let wanted = group.collectors[r].wanted();
        if wanted == 0 {
            return Ok(());
        }
        let enough = START_FACTOR.saturating_mul(wanted).saturating_add(LANES);
        let most = enough.div_ceil(LANES).saturating_add(START_LEAVES).min(self.leaves.len());
        // What is around a subspace is known; but its subspaces may hold too few points of a prefix.
        let subspaces = self.space.subspaces.filter(|_| self.space.starts.is_none()).map(|bound| bound.subspaces);
        let own = subspaces.and_then(|subspaces| Some((subspaces, subspaces.of(group.positions[r])?)));
        match (self.coincident(r, group, memory), own) {
            (Some(place), _) => self.leaves.coincident.best(place, most, &mut memory.nearest),
            (None, Some((subspaces, own))) => {
                // As many subspaces as have so many leaves.
                let enough = most * subspaces.len() / self.leaves.len() + 1;
                subspaces.nearest(own as usize, self.coords(r), enough, &mut memory.near);
                let leaves = memory.near.iter().flat_map(|&c| self.leaves_of(subspaces, c as u32 as usize));
                self.leaves.nearest_of(self.coords(r), leaves, most, &mut memory.nearest);
            }
            (None, None) => self.leaves.nearest(self.coords(r), most, &mut memory.nearest),
        }
        memory.queries[r].nearest = memory.nearest.first().map(|&p| p as u32);
        let mut met = 0;
        for p in memory.nearest.iter().map(|&p| p as u32) {
            let allowed = |&&i: &&u32| i != NEW && self.space.keys.of[i as usize] < group.limits[r];
            met += self.leaves.members(p as usize).iter().filter(allowed).count();
            memory.open[p as usize] |= 1u64 << r;
            if met >= enough {
                break;
            }
        }
        Ok(())
    }

    /// Looks at all leaves for the queries that they are open to. Returns multiply-adds, as others here do.
    fn look_at_open<C: Collector>(&self, group: &Group<C>, memory: &mut Memory) -> Result<usize> {
        let open = std::mem::take(&mut memory.open);
        let mut products = 0;
        let limit = group.largest_limit();
        let allowed = |p: usize| self.space.least.is_none_or(|least| least.in_leaves(p..p + 1, limit));
        for (p, &mask) in open.iter().enumerate().filter(|&(p, &mask)| mask != 0 && allowed(p)) {
            let queries = &memory.queries;
            memory.numbers.clear();
            memory.numbers.extend(bits(mask).filter(|&r| !queries[r as usize].list.lost));
            products += self.look(p, group, memory)?;
        }
        memory.open = open;
        Ok(products)
    }

    /// Opens the leaves of the subspaces that the table of angles and the cross-Grams leave to a query.
    fn open_near<C: Collector>(
        &self,
        bound: &SubspaceBound<'_>,
        r: usize,
        group: &Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if let Some(place) = self.coincident(r, group, memory) {
            self.open_levels(r, place, memory);
            return Ok(());
        }
        let subspaces = bound.subspaces;
        let (own, offset, apart) = self.own_span(bound, r, group, memory, scratch)?;
        let Memory { queries, open, subspaces: near, u, projection, excluded, .. } = memory;
        let query = &mut queries[r];
        let slack = self.metric.slack(query.true_weight, self.space.largest_weight);
        let angle = self.metric.length(f64::from(query.list.least) - slack);
        near.clear();
        subspaces.near(own as usize, offset, angle, near);
        if self.space.in_use.cross_grams() && !subspaces.cross_grams.is_empty() {
            subspaces.cross_grams.project(
                self.metric.simd,
                Inside { own: own as usize, u, sine: apart },
                projection,
            )?;
            excluded.clear();
            try_resize(excluded, subspaces.len().div_ceil(64), 0, "the search")?;
            projection.beyond(angle, |c| subspaces.margins(c)).for_each(|c| exclude(excluded, c));
            near.retain(|&c| !is_excluded(excluded, c));
        }
        scratch.counters.nodes_visited += subspaces.len() as u64;
        scratch.counters.pruned_by_ball += (subspaces.len() - near.len()) as u64;
        query.waits = near.len() > self.most_near.1;
        if !query.waits {
            for p in near.iter().flat_map(|&c| self.leaves_of(subspaces, c as usize)) {
                open[p] |= 1u64 << r;
            }
        }
        Ok(())
    }

    /// The leaves that have points of a subspace.
    fn leaves_of(&self, subspaces: &Subspaces, subspace: usize) -> Range<usize> {
        let Range { start, end } = match self.space.starts {
            Some(starts) => starts[subspace] as usize..starts[subspace + 1] as usize,
            None => subspaces.run(subspace),
        };
        start / LANES..if start < end { end.div_ceil(LANES) } else { start / LANES }
    }

    /// The place of a query among the points at inducing points of which it is known what the leaves have for them.
    fn coincident<C: Collector>(&self, r: usize, group: &Group<C>, memory: &Memory) -> Option<usize> {
        let known = memory.queries[r].coincident && self.space.in_use.table();
        known.then(|| self.leaves.coincident.place(group.positions[r])).flatten()
    }

    /// Opens the leaves that are known to have enough for a query at a place of these.
    fn open_levels(&self, r: usize, place: usize, memory: &mut Memory) {
        let Memory { queries, open, .. } = memory;
        let most = most_level(f64::from(queries[r].list.least));
        let near = || self.leaves.coincident.levels(place).map(|level| level <= most);
        queries[r].waits = near().filter(|&near| near).count() > self.most_near.0;
        if !queries[r].waits {
            open.iter_mut().zip(near()).for_each(|(open, near)| *open |= u64::from(near) << r);
        }
    }

    /// The subspace of a query, or that of the leaf that is nearest to it; its angle from the span of that, and at least its distance
    /// from what has its coordinates there, which are written to `memory.u`.
    fn own_span<C: Collector>(
        &self,
        bound: &SubspaceBound<'_>,
        r: usize,
        group: &Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<(u32, f64, f64)> {
        let (subspaces, position) = (bound.subspaces, group.positions[r]);
        let Memory { queries, spans: memory, u, .. } = memory;
        if let Some(own) = subspaces.of(position) {
            // Without cross-Grams nothing needs its coordinates.
            let apart = subspaces.stored(position, u).map_or(1.0, |(_, sine)| sine);
            return Ok((own, subspaces.offset(position), apart));
        }
        let own = subspaces.of_leaf(self.leaves.members(queries[r].nearest.unwrap_or(group.homes[r]) as usize));
        let view = subspaces.view(own as usize);
        score_pivots(bound, self.queries, &[r as u32], view.pivots, memory, scratch)?;
        spans(bound, self.queries, &[r as u32], &view, memory)?;
        coordinates(&memory.us, view.pivots.len(), 0, u);
        let Part { sine, apart, .. } = memory.parts[0];
        Ok((own, sine.asin(), apart))
    }

    /// Opens the leaves that the bounds of regions leave to some queries, those of coarse ones first.
    fn open_regions(
        &self,
        (fine, coarse): (&AffineBounds, &AffineBounds),
        (some, limit): (u64, u32),
        memory: &mut Memory,
    ) -> Result<usize> {
        let Memory { queries, regions, open, coords, .. } = memory;
        regions.clear();
        try_resize(regions, fine.len(), 0, "the search")?;
        coords.resize(self.leaves.d, 0.0);
        let mut products = 0;
        let allowed = |leaves: Range<usize>| self.space.least.is_none_or(|least| least.in_leaves(leaves, limit));
        let width = affine::LANES;
        for g in (0..coarse.len()).filter(|&g| allowed(g * width * width..(g + 1) * width * width)) {
            products += self.open_runs(coarse, g, some, queries, coords, regions);
        }
        let open_to = regions.iter().enumerate().filter(|&(_, &mask)| mask != 0);
        for (g, &mask) in open_to.filter(|&(g, _)| allowed(g * width..(g + 1) * width)) {
            products += self.open_runs(fine, g, mask, queries, coords, open);
        }
        Ok(products)
    }

    /// Opens those runs of region `g` that its bounds leave to the queries of `mask`.
    fn open_runs(
        &self,
        level: &AffineBounds,
        g: usize,
        mask: u64,
        queries: &[LeafQuery],
        coords: &mut [f32],
        open: &mut [u64],
    ) -> usize {
        let (shape, region) = (self.kernel.shape(), level.region(g));
        let first = g * affine::LANES;
        let end = open.len().min(first + affine::LANES);
        let mut products = 0;
        for r in bits(mask).map(|r| r as usize) {
            let terms = queries[r].in_region(self.coords(r), level.around(g), coords);
            products += region.products(terms);
            let bounds = affine::bounds(self.metric.simd, shape, region, terms);
            for (open, bound) in open[first..end].iter_mut().zip(bounds) {
                // What is no number leaves all open.
                *open |= if bound < queries[r].list.least { 0 } else { 1u64 << r };
            }
        }
        products
    }

    /// Bounds the points of a leaf for the queries `memory.numbers`.
    fn look<C: Collector>(&self, p: usize, group: &Group<C>, memory: &mut Memory) -> Result<usize> {
        let leaves = self.leaves;
        let (leaf, members) = (leaves.leaf(p), leaves.members(p));
        // Of many queries the squares are added up side by side.
        let many = memory.numbers.len() >= QUERIES / 8;
        let squares = many.then(|| leaf::squares(self.metric.simd, leaf, &memory.rows.columns));
        if let Some(within) = squares.as_ref().filter(|_| self.space.in_use.points()) {
            self.drop_beyond(p, within, memory);
        }
        let count = memory.numbers.len();
        if count == 0 {
            return Ok(0);
        }
        memory.coords.resize(count * leaves.d, 0.0);
        self.look_from_origins(p, memory);
        memory.terms.clear();
        for (&r, coords) in memory.numbers.iter().zip(memory.coords.chunks_exact_mut(leaves.d)) {
            let (middle, radius) = leaves.around(p);
            let query = &memory.queries[r as usize];
            let place = (leaf.columns.len(), middle, radius);
            let mut terms = query.in_leaf(r, self.coords(r as usize), place, coords);
            if !self.space.in_use.points() {
                terms.least = f32::NEG_INFINITY;
            }
            memory.terms.push(terms);
        }
        memory.bounds.resize(QUERIES, Bounds::NONE);
        let Memory { rows, terms, coords, weighted, bounds, .. } = memory;
        let squares = squares.as_ref();
        let queries = leaf::Queries { rows: &rows.columns, squares, terms, coords, origins: weighted };
        leaf::bounds(self.metric.simd, self.kernel.shape(), leaf, queries, &mut bounds[..count]);
        for t in 0..count {
            let (bounds, r) = (&memory.bounds[t], memory.numbers[t] as usize);
            let (query, limit, own) = (&mut memory.queries[r], group.limits[r], group.positions[r]);
            query.list.reserve(LANES)?;
            let mut lanes = bounds.reaches;
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                let position = members[lane];
                // Both at inducing points: scored already.
                let scored = position == own || (query.coincident && leaf.weights[lane] == 0.0);
                if position != NEW && !scored && self.space.keys.of[position as usize] < limit {
                    let upper = bounds.upper[lane];
                    query.list.candidates.push(Candidate::new(position, upper - bounds.twice[lane], upper));
                }
            }
            let wanted = group.collectors[r].wanted();
            if query.list.crowded(wanted) {
                self.raise(r, group, memory);
            }
        }
        Ok(count * leaf.columns.len() * LANES)
    }

    /// Drops from `memory.numbers` those at inducing points which norms tell that leaf `p` is beyond; `within` are the squares of
    /// all queries in its columns.
    fn drop_beyond(&self, p: usize, within: &[f32; QUERIES], memory: &mut Memory) {
        let (queries, leaves) = (&memory.queries, self.leaves);
        if !memory.numbers.iter().any(|&r| queries[r as usize].coincident) {
            return;
        }
        let largest = leaves.largest(p);
        memory.numbers.retain(|&r| !queries[r as usize].is_beyond(within[r as usize], largest));
    }

    /// Computes the correlations of leaf `p` with the origins of the queries `memory.numbers`.
    fn look_from_origins(&self, p: usize, memory: &mut Memory) {
        let Some(origins) = &self.leaves.inducing.origins else { return };
        let (shape, places) = (self.kernel.shape(), &memory.rows.origins);
        memory.known.clear();
        memory.known.resize(places.len(), false);
        memory.weighted.resize(places.len(), [0.0; LANES]);
        for &r in &memory.numbers {
            for (place, _) in memory.queries[r as usize].relative.iter() {
                let place = place as usize;
                if !std::mem::replace(&mut memory.known[place], true) {
                    let coords = &mut memory.coords[..self.leaves.d];
                    memory.weighted[place] =
                        origins.weighted(self.leaves, self.metric, shape, (places[place], p), coords);
                }
            }
        }
    }

    /// Raises what a query's neighbours must reach, from what is known of the candidates, and drops those that do not.
    fn raise<C: Collector>(&self, r: usize, group: &Group<C>, memory: &mut Memory) {
        let (collector, all) = (&group.collectors[r], self.leaves.positions.len());
        let wanted = collector.wanted();
        // Where nothing is wanted in particular, what is left is mostly found.
        let most = if wanted == 0 { all / 4 } else { (all / MOST_LEFT).max(wanted.saturating_mul(MOST_WANTED)) };
        let Memory { queries, lowers, .. } = memory;
        queries[r].list.raise(collector, 2.0 * SLACK, !self.space.in_use.points(), most, lowers);
    }

    /// Scores what the bounds leave to a query.
    fn finish<C: Collector>(
        &self,
        r: usize,
        group: &mut Group<C>,
        memory: &mut Memory,
        others: &mut Vec<u32>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        self.raise(r, group, memory);
        let query = &memory.queries[r];
        if query.list.lost || query.waits {
            others.push(r as u32);
            return Ok(());
        }
        self.space.evaluate_some(group, &[r as u32], self.queries, query.list.positions(), scratch)
    }

    /// Coordinates of query `r`.
    fn coords(&self, r: usize) -> &[f64] {
        &self.queries.coords[r * self.leaves.d..(r + 1) * self.leaves.d]
    }
}
