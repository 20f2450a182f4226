//! What a tree is asked: batches of queries, radii, the Vecchia job.

use super::{Neighbors, ResidualCoverTree};
use crate::control::Control;
use crate::data::{Query, QueryPoints};
use crate::error::{Error, ErrorKind, Result, try_collect, try_vec};
use crate::metric::{AnyMetric, Metric, QueryBlock};
use crate::options::Traversal;
use crate::search::{
    Batch, Collector, FEW, Index, IndexSource, Keys, Nearest, Neighbor, SearchCounters, Space, Within, least_keys,
    run_batch,
};
use crate::stats::SearchStats;
use ndarray::ArrayView1;
use std::sync::Arc;
use std::time::Instant;

impl ResidualCoverTree {
    /// The k nearest points of each query; exact.
    ///
    /// # Errors
    /// Wrong shapes, ids out of range, values that are not finite, k = 0, memory, cancellation.
    pub fn query_batch(&self, query: &Query<'_>, control: &mut Control<'_>) -> Result<Neighbors> {
        if query.k == 0 {
            return Err(Error::invalid("k is 0; it must be at least 1"));
        }
        let bounds = Bounds::new(query)?;
        let k = query.k.min(self.len());
        with_metric!(&self.metric, m => {
            self.search(m, query, |q| Nearest::new(m, k, bounds.of(q)), Nearest::into_sorted, control)
        })
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
            return Err(Error::invalid(format!("radius is {radius}; it must be positive")));
        }
        with_metric!(&self.metric, m => {
            self.search(m, query, |_| Within::new(m, radius), Within::into_sorted, control)
        })
    }

    /// The Vecchia job: row t of the answer has the k nearest of the points `order[..t]` to point `order[t]`.
    /// `order` is a permutation of the ids; absent, the ids in their order.
    ///
    /// # Errors
    /// An order that is no permutation, k = 0, memory, cancellation.
    pub fn vecchia_neighbors(
        &self,
        k: usize,
        order: Option<ArrayView1<'_, i64>>,
        control: &mut Control<'_>,
    ) -> Result<Neighbors> {
        if k == 0 {
            return Err(Error::invalid("k is 0; it must be at least 1"));
        }
        let n = self.len();
        let k = k.min(n);
        let ids: Vec<u32> = match order {
            None => try_collect((0..n as u32).map(Ok), "the order")?,
            Some(order) => permutation(order, n)?,
        };
        let position = |&id: &u32| Ok(self.tree.positions[id as usize]);
        let positions: Vec<u32> = try_collect(ids.iter().map(position), "the order")?;
        let mut ranks = try_vec(n, 0u32, "the order")?;
        positions.iter().enumerate().for_each(|(t, &position)| ranks[position as usize] = t as u32);
        let least = least_keys(&self.tree, &ranks);
        let limits: Vec<u32> = try_collect((0..n as u32).map(Ok), "id limits")?;
        let clock = Instant::now();
        let mut counters = SearchCounters::default();
        let mut found = try_vec(n, Vec::new(), "the answer")?;
        // Points of the last three quarters of the order search among all points, those before among the first quarter
        // with an index of its own, and so on: of what is searched, at least a quarter may be found.
        let mut end = n;
        while end > 0 {
            let start = if self.index.is_empty() || end <= 4 * FEW { 0 } else { end / 4 };
            control.window(1.0 - end as f64 / n as f64, 1.0 - start as f64 / n as f64);
            with_metric!(&self.metric, m => {
                let prefix = match end == n || start == 0 {
                    true => None,
                    false => Some(self.prefix_index(&positions[..end], control)?),
                };
                counters.distance_evaluations += prefix.as_ref().map_or(0, |index| index.evaluations);
                let index = prefix.as_ref().unwrap_or(&self.index);
                let keys = Keys { of: &ranks, least: &least, positions: &positions };
                let space = self.space(m, index, keys, true);
                let numbers = start..end;
                let place = |t: usize| Ok(self.place(index, positions[t]));
                let places = try_collect(numbers.clone().map(place), "the queries")?;
                let batch = Batch { limits: &limits[numbers], places: &places, traversal: self.options.traversal };
                let load = |numbers: &[u32], block: &mut QueryBlock| {
                    let position = |t: u32| positions[start + t as usize] as usize;
                    numbers.iter().for_each(|&t| block.push_stored(m.points(), position(t)));
                    Ok(())
                };
                let collector = |_| Nearest::new(m, k, f64::INFINITY);
                let (part, counted) =
                    run_batch(&space, &batch, load, collector, Nearest::into_sorted, &self.threads, control)?;
                found[start..end].iter_mut().zip(part).for_each(|(to, from)| *to = from);
                counters += counted;
            });
            end = start;
        }
        self.note(self.options.traversal, n, counters, clock);
        Ok(Neighbors { found })
    }

    /// Searches for a batch: its points checked and arranged, what each query keeps made by `collector`.
    fn search<M: Metric, C: Collector>(
        &self,
        metric: &M,
        query: &Query<'_>,
        collector: impl Fn(u32) -> C + Sync,
        finish: impl Fn(C) -> Vec<Neighbor> + Sync,
        control: &mut Control<'_>,
    ) -> Result<Neighbors> {
        let traversal = match query.traversal {
            Traversal::Automatic => self.options.traversal,
            chosen => chosen,
        };
        let keys = Keys { of: &self.tree.ids, least: &self.least_ids, positions: &self.tree.positions };
        let space = self.space(metric, &self.index, keys, query.exclude_self);
        match &query.points {
            QueryPoints::Ids(ids) => {
                let position = |(t, &id)| Ok(self.tree.positions[self.checked_id("ids", t, id)? as usize]);
                let positions: Vec<u32> = try_collect(ids.iter().enumerate().map(position), "the queries")?;
                let limits = self.limits(query, positions.len())?;
                let places = try_collect(
                    positions.iter().map(|&position| Ok(self.place(&self.index, position))),
                    "the queries",
                )?;
                let batch = Batch { limits: &limits, places: &places, traversal };
                let load = |numbers: &[u32], block: &mut QueryBlock| {
                    numbers.iter().for_each(|&t| block.push_stored(metric.points(), positions[t as usize] as usize));
                    Ok(())
                };
                self.run(&space, &batch, load, collector, finish, control)
            }
            QueryPoints::New { coords, factor, residual_variances } => {
                self.preparation.check_new(*coords, *factor, *residual_variances)?;
                let scaled = self.preparation.scaled("query coords", *coords)?;
                let near = scaled.chunks_exact(metric.points().d).map(|x| self.near_on_curve(x));
                let places = try_collect(near.map(|position| Ok(self.place(&self.index, position))), "the queries")?;
                let limits = self.limits(query, places.len())?;
                let batch = Batch { limits: &limits, places: &places, traversal };
                let load = |numbers: &[u32], block: &mut QueryBlock| {
                    self.preparation.load_new(numbers, *coords, *factor, *residual_variances, block)?;
                    if factor.is_some() {
                        let near: Vec<u32> = numbers.iter().map(|&t| places[t as usize].1).collect();
                        block.improper = block.improper || !metric.admits(block, &near)?;
                    }
                    Ok(())
                };
                self.run(&space, &batch, load, collector, finish, control)
            }
        }
    }

    /// Position of the stored point at or after `x` (scaled) along the Hilbert curve.
    fn near_on_curve(&self, x: &[f64]) -> u32 {
        let key = self.frame.key(x);
        let next = self.curve.partition_point(|&(stored, _)| stored < key).min(self.len() - 1);
        self.curve[next].1
    }

    /// Home and position of a stored point: queries are grouped by it.
    fn place(&self, index: &Index, position: u32) -> (u32, u32) {
        let home = match index.cells.as_ref().and_then(|cells| cells.of(position)) {
            Some(cell) => cell,
            None => self.blocks.of_position(position as usize) as u32,
        };
        (home, position)
    }

    /// An index over some points.
    fn prefix_index(&self, positions: &[u32], control: &mut Control<'_>) -> Result<Index> {
        let (covariance, inducing) = (&self.options.covariance, self.preparation.inducing());
        let positions = try_collect(positions.iter().map(|&i| Ok(i)), "the index")?;
        self.source.index(&self.metric, covariance, inducing, positions, &self.threads, control)
    }

    /// What a search runs over.
    fn space<'a, M: Metric>(
        &'a self,
        metric: &'a M,
        index: &'a Index,
        keys: Keys<'a>,
        exclude_self: bool,
    ) -> Space<'a, M> {
        Space {
            metric,
            tree: &self.tree,
            blocks: &self.blocks,
            cells: IndexSource::cells(index, &self.metric),
            screen: IndexSource::bound(index, &self.metric, &self.options.covariance, self.preparation.inducing()),
            largest_weight: self.largest_weight,
            keys,
            exclude_self,
            certificates: self.certificates,
        }
    }

    /// Runs a batch and notes what it did.
    fn run<M: Metric, C: Collector>(
        &self,
        space: &Space<'_, M>,
        batch: &Batch<'_>,
        load: impl Fn(&[u32], &mut QueryBlock) -> Result<()> + Sync,
        collector: impl Fn(u32) -> C + Sync,
        finish: impl Fn(C) -> Vec<Neighbor> + Sync,
        control: &mut Control<'_>,
    ) -> Result<Neighbors> {
        let clock = Instant::now();
        let (found, counters): (_, SearchCounters) =
            run_batch(space, batch, load, collector, finish, &self.threads, control)?;
        self.note(batch.traversal, found.len(), counters, clock);
        Ok(Neighbors { found })
    }

    /// Notes what a search did that began at `clock`.
    fn note(&self, traversal: Traversal, queries: usize, counters: SearchCounters, clock: Instant) {
        let traversal = if self.proper { traversal } else { Traversal::BruteForce };
        let seconds = clock.elapsed().as_secs_f64();
        self.last_search.store(Arc::new(SearchStats { traversal, queries: queries as u64, counters, seconds }));
    }

    /// Limits of a batch of `count` queries as keys: absent means every id.
    fn limits(&self, query: &Query<'_>, count: usize) -> Result<Vec<u32>> {
        let Some(limits) = query.id_limits else { return try_vec(count, self.len() as u32, "id limits") };
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
            Ok(limit.min(self.len() as i64) as u32)
        };
        try_collect((0..count).map(limit), "id limits")
    }
}

/// The bounds of a batch's distances.
struct Bounds<'a>(Option<ArrayView1<'a, f64>>);

impl<'a> Bounds<'a> {
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
                return Err(Error::invalid(format!("max_distances[{t}] is {}; it must be positive", bounds[t])));
            }
        }
        Ok(Bounds(query.max_distances))
    }

    fn of(&self, q: u32) -> f64 {
        self.0.map_or(f64::INFINITY, |bounds| if bounds.len() == 1 { bounds[0] } else { bounds[q as usize] })
    }
}

/// The ids of `order`, or an error unless it is a permutation of 0..n.
fn permutation(order: ArrayView1<'_, i64>, n: usize) -> Result<Vec<u32>> {
    if order.len() != n {
        return Err(Error::invalid(format!("order has {} ids but the tree has {n} points", order.len())));
    }
    let mut seen = try_vec(n, false, "the order")?;
    let checked = |(t, &id): (usize, &i64)| {
        let valid = usize::try_from(id).ok().filter(|&id| id < n);
        let Some(id) = valid else {
            return Err(Error::invalid(format!("order[{t}] is {id}; ids go from 0 to {}", n - 1)));
        };
        if std::mem::replace(&mut seen[id], true) {
            return Err(Error::invalid(format!("order[{t}] is {id}, which came before; it must be a permutation")));
        }
        Ok(id as u32)
    };
    try_collect(order.iter().enumerate().map(checked), "the order")
}
