//! What a tree is asked: batches of queries, radii. Each part is searched for all queries, from the first, which is the largest, on.

use super::part::Ids;
use super::tree::{Neighbors, ResidualCoverTree, Spot};
use crate::control::Control;
use crate::data::{Query, QueryPoints};
use crate::error::{Error, ErrorKind, Result, number, try_collect, try_vec};
use crate::metric::{AnyMetric, Metric, QueryBlock, admits};
use crate::options::Traversal;
use crate::search::{
    Batch, BoxPrefix, Collector, Index, Keys, Nearest, Neighbor, Nodes, SearchCounters, Space, Within, run_batch,
};
use crate::stats::SearchStats;
use ndarray::{ArrayView1, ArrayView2};
use std::sync::Arc;
use std::time::Instant;

/// The points that a batch asks about, checked.
pub(super) enum Asked<'a> {
    /// Stored ones.
    Stored(&'a [Spot]),
    /// New ones, with their scaled coordinates, row by row.
    New {
        coords: ArrayView2<'a, f64>,
        factor: Option<ArrayView2<'a, f64>>,
        residual_variances: Option<ArrayView1<'a, f64>>,
        scaled: Vec<f64>,
    },
}

/// A search of one part for some queries.
pub(super) struct Search<'a, 'b> {
    pub(super) part: u32,
    pub(super) index: &'a Index,
    /// Boxes of the points that are searched, if these are the first of an order.
    pub(super) prefix: Option<&'a BoxPrefix>,
    pub(super) keys: Keys<'a>,
    /// Whether keys are numbers.
    pub(super) by_number: bool,
    /// Keys below its limit may be found by a query, one limit a query.
    pub(super) limits: &'a [u32],
    pub(super) asked: &'a Asked<'b>,
    pub(super) traversal: Traversal,
    pub(super) exclude_self: bool,
}

/// What is wanted of each query.
pub(super) trait Wanted: Sync {
    type Kept: Collector;

    /// What query `q`, which has `found` in other parts, keeps of the points of the next.
    fn collector<M: Metric>(&self, metric: &M, q: u32, found: &[Neighbor]) -> Self::Kept;

    /// What was kept, nearest first.
    fn finish(kept: Self::Kept) -> Vec<Neighbor>;

    /// How many are wanted, at most.
    fn most(&self) -> usize;

    /// What distances are multiplied by while they are searched for.
    fn units(&self) -> &Units;
}

/// The powers of two that distances are multiplied by, see [`Preparation::unit`](crate::metric::Preparation::unit): one for
/// all queries, or one each.
pub(super) struct Units {
    all: f64,
    each: Vec<f64>,
}

impl Units {
    /// One for all queries.
    pub(super) fn all(unit: f64) -> Units {
        Units { all: unit, each: Vec::new() }
    }

    fn of(&self, q: u32) -> f64 {
        self.each.get(q as usize).copied().unwrap_or(self.all)
    }

    /// A bound of distances, as it is searched with: positive, as it was, and not too small for what is at distance 0.
    fn bound(&self, q: u32, bound: f64) -> f64 {
        let unit = self.of(q);
        if unit == 1.0 { bound } else { (bound * unit).max(f64::MIN_POSITIVE) }
    }

    /// Gives all distances the caller's unit.
    pub(super) fn give_back(&self, found: &mut [Vec<Neighbor>]) {
        if self.all == 1.0 && self.each.is_empty() {
            return;
        }
        for (q, found) in (0..).zip(found) {
            let unit = self.of(q);
            found.iter_mut().for_each(|neighbor| neighbor.distance /= unit);
            // Distances that are no normal numbers may have become equal.
            found.sort_unstable();
        }
    }
}

/// The k nearest within bounds.
pub(super) struct KNearest<'a> {
    pub(super) k: usize,
    pub(super) bounds: Bounds<'a>,
    pub(super) units: Units,
}

impl Wanted for KNearest<'_> {
    type Kept = Nearest;

    fn collector<M: Metric>(&self, metric: &M, q: u32, found: &[Neighbor]) -> Nearest {
        let bound = self.units.bound(q, self.bounds.of(q));
        // As near as the farthest of k is not enough: ids ascend from part to part.
        let farthest = found.last().filter(|_| found.len() == self.k).map(|last| last.distance);
        Nearest::new(metric, self.k, farthest.map_or(bound, |farthest| farthest.min(bound)))
    }

    fn finish(kept: Nearest) -> Vec<Neighbor> {
        kept.into_sorted()
    }

    fn most(&self) -> usize {
        self.k
    }

    fn units(&self) -> &Units {
        &self.units
    }
}

/// All within a radius.
struct InRadius {
    radius: f64,
    units: Units,
}

impl Wanted for InRadius {
    type Kept = Within;

    fn collector<M: Metric>(&self, metric: &M, q: u32, _found: &[Neighbor]) -> Within {
        Within::new(metric, self.units.bound(q, self.radius))
    }

    fn finish(kept: Within) -> Vec<Neighbor> {
        kept.into_sorted()
    }

    fn most(&self) -> usize {
        usize::MAX
    }

    fn units(&self) -> &Units {
        &self.units
    }
}

impl ResidualCoverTree {
    /// The k nearest points of each query; exact.
    ///
    /// # Errors
    /// Wrong shapes, ids out of range, values that are not finite, k = 0, memory, cancellation.
    pub fn query_batch(&self, query: &Query<'_>, control: &mut Control<'_>) -> Result<Neighbors> {
        if query.k == 0 {
            return Err(Error::invalid("k is 0; it must be at least 1"));
        }
        let (k, bounds) = (query.k.min(self.len()), Bounds::new(query)?);
        self.search(query, |units| KNearest { k, bounds, units }, control)
    }

    /// All points nearer than `radius` to each query; `query.k` and `query.max_distances` are not used.
    ///
    /// # Errors
    /// As [`Self::query_batch`]; a radius that is NaN or not positive.
    pub fn radius_batch(&self, query: &Query<'_>, radius: f64, control: &mut Control<'_>) -> Result<Neighbors> {
        if radius.is_nan() {
            return Err(Error::new(ErrorKind::NotFinite, "radius is NaN"));
        }
        if radius <= 0.0 {
            return Err(Error::invalid(format!("radius is {}; it must be positive", number(radius))));
        }
        self.search(query, |units| InRadius { radius, units }, control)
    }

    /// Searches for a batch, its arguments checked.
    fn search<W: Wanted>(
        &self,
        query: &Query<'_>,
        wanted: impl FnOnce(Units) -> W,
        control: &mut Control<'_>,
    ) -> Result<Neighbors> {
        let clock = Instant::now();
        let traversal = match query.traversal {
            Traversal::Automatic => self.options.traversal,
            chosen => chosen,
        };
        let mut spots = Vec::new();
        let (scaled, units) = match &query.points {
            QueryPoints::Ids(ids) => {
                let spot = |(t, &id)| self.spot("ids", t, id);
                spots = try_collect(ids.iter().enumerate().map(spot), "the queries")?;
                Default::default()
            }
            QueryPoints::New { coords, factor, residual_variances } => {
                self.preparation.check_new(*coords, *factor, *residual_variances)?;
                self.preparation.scaled("query coords", *coords)?
            }
        };
        let count = query.points.len();
        let id_limits = self.id_limits(query, count)?;
        let asked = match query.points {
            QueryPoints::Ids(_) => Asked::Stored(&spots),
            QueryPoints::New { coords, factor, residual_variances } => {
                Asked::New { coords, factor, residual_variances, scaled }
            }
        };
        let wanted = &wanted(Units { all: self.preparation.unit(), each: units });
        let mut found = try_vec(count, Vec::new(), "the answer")?;
        let mut counters = SearchCounters::default();
        for (p, part) in self.parts.iter().enumerate() {
            let share = |parts: usize| parts as f64 / self.parts.len() as f64;
            control.window(share(p), share(p + 1));
            let limits = match &id_limits {
                Some(ids) => try_collect(ids.iter().map(|&id| Ok(part.ids.below(id))), "id limits")?,
                None => try_vec(count, part.ids.len() as u32, "id limits")?,
            };
            let keys = Keys { of: part.numbers(), positions: &part.layout.positions };
            let exclude_self = query.exclude_self;
            let search = Search {
                part: p as u32,
                index: &part.index,
                prefix: None,
                keys,
                by_number: true,
                limits: &limits,
                asked: &asked,
                traversal,
                exclude_self,
            };
            counters += self.run(&search, wanted, &mut found, control)?;
        }
        wanted.units().give_back(&mut found);
        self.note(traversal, count, counters, clock);
        Ok(Neighbors { found })
    }

    /// Searches a part, and adds to what the queries have `found` in others.
    pub(super) fn run<W: Wanted>(
        &self,
        search: &Search<'_, '_>,
        wanted: &W,
        found: &mut [Vec<Neighbor>],
        control: &mut Control<'_>,
    ) -> Result<SearchCounters> {
        let part = &self.parts[search.part as usize];
        let nodes = part.nodes_for(search.traversal, self.common(), control)?;
        let least = match &nodes {
            Some(nodes) if !search.by_number => nodes.least_keys(search.keys.of)?,
            _ => Vec::new(),
        };
        let nodes =
            nodes.as_ref().map(|tree| Nodes { tree, least: if search.by_number { &tree.least } else { &least } });
        // Answers are the same without nodes, where another call is making them.
        let automatic = search.traversal.needs_nodes() && nodes.is_none();
        let traversal = if automatic { Traversal::Automatic } else { search.traversal };
        with_metric!(&part.metric, metric => {
            let places = self.places(search)?;
            let batch = Batch { limits: search.limits, places: &places, traversal };
            let load = |numbers: &[u32], block: &mut QueryBlock| self.load_block(search, &places, numbers, block);
            let by_rank = match metric.is_spatial() && !search.by_number && search.prefix.is_none() {
                true => Some(part.boxes.least_keys(search.keys.of)?),
                false => None,
            };
            let space = Space {
                least: by_rank.as_ref().or(part.least.as_ref()),
                prefix: search.prefix,
                exclude_self: search.exclude_self,
                in_use: self.in_use,
                ..part.space(self.common(), metric, search.index, search.keys, nodes)
            };
            let earlier = &*found;
            let collector = |q: u32| wanted.collector(metric, q, &earlier[q as usize]);
            let (more, counters) = run_batch(&space, &batch, load, collector, W::finish, &self.threads, control)?;
            for (found, more) in found.iter_mut().zip(more) {
                merge(found, more, wanted.most(), &part.ids)?;
            }
            Ok(counters)
        })
    }

    /// Home and position of each query in the part that is searched, or of a point near it.
    fn places(&self, search: &Search<'_, '_>) -> Result<Vec<(u32, u32)>> {
        let part = &self.parts[search.part as usize];
        let place = |position: u32| Ok(part.place(search.index, position));
        match &search.asked {
            Asked::Stored(spots) => {
                let mut x = try_vec(self.preparation.d(), 0.0, "a point")?;
                let position = |&(home, position): &Spot| {
                    if home == search.part {
                        return place(position);
                    }
                    let points = self.parts[home as usize].points();
                    x.iter_mut().enumerate().for_each(|(j, x)| *x = points.coord(position as usize, j));
                    place(part.layout.home(&x))
                };
                try_collect(spots.iter().map(position), "the queries")
            }
            Asked::New { scaled, .. } => {
                let near = scaled.chunks_exact(self.preparation.d()).map(|x| place(part.layout.home(x)));
                try_collect(near, "the queries")
            }
        }
    }

    /// Fills a block with the queries of the given numbers.
    fn load_block(
        &self,
        search: &Search<'_, '_>,
        places: &[(u32, u32)],
        numbers: &[u32],
        block: &mut QueryBlock,
    ) -> Result<()> {
        let mut strange = false;
        match &search.asked {
            Asked::Stored(spots) => {
                for &t in numbers {
                    let spot = spots[t as usize];
                    self.push(block, search.part, spot);
                    if spot.0 != search.part {
                        strange = true;
                        block.improper |= !self.parts[spot.0 as usize].is_proper();
                    }
                }
            }
            Asked::New { coords, factor, residual_variances, .. } => {
                self.preparation.load_new(numbers, *coords, *factor, *residual_variances, block)?;
                strange = true;
            }
        }
        if strange && self.preparation.is_given() {
            let near: Vec<u32> = numbers.iter().map(|&t| places[t as usize].1).collect();
            if let AnyMetric::Correlation(metric) = &self.parts[search.part as usize].metric {
                block.improper = block.improper || !admits(metric, block, &near)?;
            }
        }
        Ok(())
    }

    /// Notes what a search did that began at `clock`.
    pub(super) fn note(&self, traversal: Traversal, queries: usize, counters: SearchCounters, clock: Instant) {
        let traversal = if self.is_proper() { traversal } else { Traversal::BruteForce };
        let seconds = clock.elapsed().as_secs_f64();
        self.last_search.store(Arc::new(SearchStats { traversal, queries: queries as u64, counters, seconds }));
    }

    /// The id limit of each of `count` queries, if there are limits.
    fn id_limits(&self, query: &Query<'_>, count: usize) -> Result<Option<Vec<u32>>> {
        let Some(limits) = query.id_limits else { return Ok(None) };
        if limits.len() != count && limits.len() != 1 {
            let len = limits.len();
            return Err(Error::invalid(format!("id_limits has {len} values; it must have 1 or {count}")));
        }
        let limit = |t| {
            let t = if limits.len() == 1 { 0 } else { t };
            let limit = limits[t];
            if limit < 0 {
                return Err(Error::invalid(format!("id_limits[{t}] is {limit}; it must not be negative")));
            }
            Ok(limit.min(i64::from(self.next_id)) as u32)
        };
        try_collect((0..count).map(limit), "id limits").map(Some)
    }
}

/// Adds to the neighbours `found` those of another part, whose numbers become ids; the nearest `most` stay.
fn merge(found: &mut Vec<Neighbor>, mut more: Vec<Neighbor>, most: usize, ids: &Ids) -> Result<()> {
    if !ids.are_numbers() {
        more.iter_mut().for_each(|neighbor| neighbor.id = ids.of(neighbor.id));
    }
    if found.is_empty() {
        *found = more;
        return Ok(());
    }
    crate::error::try_reserve(found, more.len(), "the answer")?;
    found.append(&mut more);
    found.sort_unstable();
    found.truncate(most);
    Ok(())
}

/// The bounds of a batch's distances.
pub(super) struct Bounds<'a>(Option<ArrayView1<'a, f64>>);

impl<'a> Bounds<'a> {
    /// None.
    pub(super) const NONE: Self = Bounds(None);

    fn new(query: &Query<'a>) -> Result<Self> {
        let count = match &query.points {
            QueryPoints::Ids(ids) => ids.len(),
            QueryPoints::New { coords, .. } => coords.nrows(),
        };
        if let Some(bounds) = query.max_distances {
            if bounds.len() != count && bounds.len() != 1 {
                let len = bounds.len();
                return Err(Error::invalid(format!("max_distances has {len} values; it must have 1 or {count}")));
            }
            if let Some(t) = bounds.iter().position(|b| b.is_nan()) {
                return Err(Error::new(ErrorKind::NotFinite, format!("max_distances[{t}] is NaN")));
            }
            if let Some(t) = bounds.iter().position(|&b| b <= 0.0) {
                return Err(Error::invalid(format!(
                    "max_distances[{t}] is {}; it must be positive",
                    number(bounds[t])
                )));
            }
        }
        Ok(Bounds(query.max_distances))
    }

    fn of(&self, q: u32) -> f64 {
        self.0.map_or(f64::INFINITY, |bounds| if bounds.len() == 1 { bounds[0] } else { bounds[q as usize] })
    }
}
