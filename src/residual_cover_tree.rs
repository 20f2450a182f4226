//! The tree as its users see it: built once, then asked.

use crate::control::Control;
use crate::data::{Data, Query, QueryPoints};
use crate::error::{Error, ErrorKind, Result, try_collect, try_vec, try_with_capacity};
use crate::kernel::Covariance;
use crate::metric::{
    AnyMetric, Candidates, Euclidean, Metric, Points, Preparation, QueryBlock, ScoreScratch, check_symmetry,
    is_covariance,
};
use crate::options::{Construction, Options, Traversal, TreeOrder};
use crate::ordering::hilbert::HilbertFrame;
use crate::parallel::Threads;
use crate::search::{
    Anchors, Batch, Blocks, CellBound, Cells, Collector, Keys, Nearest, Neighbor, SearchCounters, Space, Within,
    least_keys, run_batch,
};
use crate::simd::Simd;
use crate::stats::{BuildSeconds, SearchStats, Stats};
use crate::tree::{CoverTree, build_net, node_balls};
use ndarray::{ArrayView1, ArrayView2, ShapeBuilder};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Exact nearest neighbours under the residual correlation distance (or the plain one, or the Euclidean one).
///
/// Built once from coordinates and inducing points (or the caller's factor), then asked from any number of threads.
pub struct ResidualCoverTree {
    options: Options,
    threads: Threads,
    preparation: Preparation,
    metric: AnyMetric,
    tree: CoverTree,
    blocks: Blocks,
    anchors: Anchors,
    cells: Option<Cells>,
    largest_weight: f64,
    /// Least id of each subtree.
    least_ids: Vec<u32>,
    frame: HilbertFrame,
    /// (key, position) of every stored point along the Hilbert curve.
    curve: Vec<(u128, u32)>,
    build_evaluations: u64,
    seconds: BuildSeconds,
    /// Whether bounds hold, so that something else than brute force is exact.
    proper: bool,
    last_search: Mutex<SearchStats>,
}

/// The answer to a batch: for each query its neighbours, nearest first; ties by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    found: Vec<Vec<Neighbor>>,
}

impl Neighbors {
    /// Number of queries.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are no queries.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// (id, distance) of each neighbour of query `q`, ascending by (distance, id).
    pub fn of(&self, q: usize) -> impl ExactSizeIterator<Item = (i64, f64)> + '_ {
        self.found[q].iter().map(|neighbor| (i64::from(neighbor.id), neighbor.distance))
    }

    /// Ids of the neighbours of query `q`.
    pub fn ids_of(&self, q: usize) -> Vec<i64> {
        self.of(q).map(|(id, _)| id).collect()
    }
}

/// Runs `$body` with `$metric` bound to the tree's metric, whichever it is.
macro_rules! with_metric {
    ($any:expr, $metric:ident => $body:expr) => {
        match $any {
            AnyMetric::Correlation($metric) => $body,
            AnyMetric::Euclidean($metric) => $body,
        }
    };
}

impl ResidualCoverTree {
    /// Builds a tree over the rows of `data.coords`.
    ///
    /// O(m^3 + n m^2) for the factor; the tree takes at most n^2 / 2 and usually far fewer evaluations of O(m).
    ///
    /// # Errors
    /// Wrong shapes or options, values that are not finite, an inducing covariance that is not positive definite,
    /// memory, cancellation; nothing is left behind.
    pub fn build(options: &Options, data: &Data<'_>, control: &mut Control<'_>) -> Result<Self> {
        options.check()?;
        let clock = Instant::now();
        let simd = if options.portable_simd { Simd::Portable } else { Simd::detect() };
        let custom = matches!(options.covariance, Covariance::Custom(_));
        let threads = Threads::new(if custom { 1 } else { options.threads });
        control.phase(0.0, 0.3);
        let mut preparation = Preparation::new(options, simd, data)?;
        let mut metric = preparation.metric(options, data, &threads, control)?;
        let seconds_factor = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        control.phase(0.3, 0.75);
        let points = with_metric!(&metric, m => m.points());
        let n = points.n;
        let frame = HilbertFrame::new(scaled_view(points))?;
        let mut row = try_vec(points.d, 0.0, "a point")?;
        let mut keys = try_with_capacity(n, "the order")?;
        for i in 0..n {
            row.iter_mut().enumerate().for_each(|(j, x)| *x = points.coord(i, j));
            keys.push((frame.key(&row), i as u32));
        }
        keys.sort_unstable();
        let along: Vec<u32> = try_collect(keys.iter().map(|&(_, id)| Ok(id)), "the order")?;
        let mut places = try_vec(n, 0, "the order")?;
        along.iter().enumerate().for_each(|(place, &id)| places[id as usize] = place as u32);
        let seconds_order = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let mut proper = true;
        if let AnyMetric::Correlation(correlation) = &mut metric {
            check_symmetry(correlation, &along)?;
            if data.factor.is_some() || custom {
                correlation.proper = correlation.proper && is_covariance(correlation, &along)?;
            }
            proper = correlation.is_metric();
        }
        let natural: Vec<u32>;
        let order = match options.order {
            TreeOrder::Hilbert => &along,
            TreeOrder::Natural => {
                natural = try_collect((0..n as u32).map(Ok), "the order")?;
                &natural
            }
        };
        let euclidean = shape_metric(options, proper, simd, &metric);
        let net = match &euclidean {
            Some(euclidean) => build_net(euclidean, order, &along, &threads, control)?,
            None => with_metric!(&metric, m => build_net(m, order, &along, &threads, control)?),
        };
        let mut build_evaluations = net.evaluations;
        let mut tree = CoverTree::pack(net, &places)?;
        with_metric!(&mut metric, m => m.points_mut().reorder(&tree.ids)?);
        let at = |(key, id): (u128, u32)| Ok((key, tree.positions[id as usize]));
        let curve = try_collect(keys.into_iter().map(at), "the order")?;
        if let AnyMetric::Correlation(correlation) = &mut metric {
            correlation.prepare_filter()?;
        }
        control.phase(0.75, 0.8);
        let (balls, evaluations) = with_metric!(&metric, m => node_balls(m, &tree, &threads, control)?);
        tree.balls = balls;
        build_evaluations += evaluations;
        control.phase(0.8, 0.9);
        let blocks = with_metric!(&metric, m => Blocks::new(m.points(), &tree)?);
        let (anchors, evaluations) = with_metric!(&metric, m => match m.is_spatial() {
            true => (Anchors::default(), 0),
            false => Anchors::new(m, (0..n as u32).collect(), &threads, control)?,
        });
        build_evaluations += evaluations;
        control.phase(0.9, 1.0);
        let cells = match (&metric, preparation.inducing(), &options.covariance) {
            (AnyMetric::Correlation(m), Some(inducing), Covariance::Stationary(kernel)) => {
                Some(Cells::new(simd, kernel, &m.points, inducing, &threads, control)?)
                    .filter(|cells| cells.are_useful(simd, &m.points))
            }
            _ => None,
        };
        let largest_weight = with_metric!(&metric, m => {
            m.points().inverse_sds.iter().map(|&isd| m.weight(isd)).fold(0.0, f64::max)
        });
        let least_ids = least_keys(&tree, &tree.ids);
        control.step(1.0)?;
        let seconds_tree = clock.elapsed().as_secs_f64();
        Ok(ResidualCoverTree {
            options: options.clone(),
            threads,
            preparation,
            metric,
            tree,
            blocks,
            anchors,
            cells,
            largest_weight,
            least_ids,
            frame,
            curve,
            build_evaluations,
            seconds: BuildSeconds { factor: seconds_factor, order: seconds_order, tree: seconds_tree },
            proper,
            last_search: Mutex::default(),
        })
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Never: a tree has at least one point.
    pub fn is_empty(&self) -> bool {
        self.tree.len() == 0
    }

    /// The options it was built with.
    pub fn options(&self) -> &Options {
        &self.options
    }

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
        let keys = Keys { of: &ranks, least: &least, positions: &positions };
        let limits: Vec<u32> = try_collect((0..n as u32).map(Ok), "id limits")?;
        let places = try_collect(positions.iter().map(|&position| Ok(self.place(position))), "the queries")?;
        let batch = Batch { limits: &limits, places: &places, traversal: self.options.traversal };
        with_metric!(&self.metric, m => {
            let space = self.space(m, keys, true, self.options.traversal);
            let load = |numbers: &[u32], block: &mut QueryBlock| {
                numbers.iter().for_each(|&t| block.push_stored(m.points(), positions[t as usize] as usize));
                Ok(())
            };
            self.run(&space, &batch, load, |_| Nearest::new(m, k, f64::INFINITY), Nearest::into_sorted, control)
        })
    }

    /// The distance of each pair (i\[t\], j\[t\]) of stored points; O(m) a pair.
    pub fn distances(&self, i: ArrayView1<'_, i64>, j: ArrayView1<'_, i64>) -> Result<Vec<f64>> {
        let (mut block, mut scratch) = (QueryBlock::default(), ScoreScratch::default());
        with_metric!(&self.metric, m => self.pairs(i, j, |a, b| {
            let mut score = [0.0];
            block.clear();
            block.push_stored(m.points(), a);
            m.scores(&block, &block.all, &Candidates::Range(b..b + 1), &mut scratch, &mut score)?;
            Ok(m.distance(score[0]))
        }))
    }

    /// The signed residual correlation of each pair of stored points; [`ErrorKind::Unsupported`] for the Euclidean
    /// metric.
    pub fn correlations(&self, i: ArrayView1<'_, i64>, j: ArrayView1<'_, i64>) -> Result<Vec<f64>> {
        let AnyMetric::Correlation(correlation) = &self.metric else {
            return Err(Error::new(ErrorKind::Unsupported, "correlations: this tree has the Euclidean metric"));
        };
        let (mut block, mut scratch) = (QueryBlock::default(), ScoreScratch::default());
        self.pairs(i, j, |a, b| correlation.signed(a, b, &mut block, &mut scratch))
    }

    /// Figures of the tree and of the last call that searched it.
    pub fn stats(&self) -> Stats {
        let points = with_metric!(&self.metric, m => m.points());
        let ids = self.least_ids.len() * std::mem::size_of::<u32>();
        Stats {
            n: points.n,
            m: self.preparation.m(),
            d: points.d,
            shape: self.tree.shape(),
            blocks: self.blocks.len(),
            memory_bytes: points.bytes()
                + self.filter_bytes()
                + self.tree.bytes()
                + self.blocks.bytes()
                + self.anchors.bytes()
                + self.cells.as_ref().map_or(0, Cells::bytes)
                + self.preparation.bytes()
                + ids,
            build_evaluations: self.build_evaluations,
            seconds: self.seconds,
            brute_force_only: !self.proper,
            last_search: *self.last_search.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Checks every invariant of the tree by its definition; O(n^2) evaluations.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] names the invariant that is broken; [`ErrorKind::Cancelled`].
    pub fn validate(&self, control: &mut Control<'_>) -> Result<()> {
        self.tree.check_structure()?;
        control.phase(0.0, 0.5);
        let simd = if self.options.portable_simd { Simd::Portable } else { Simd::detect() };
        match shape_metric(&self.options, self.proper, simd, &self.metric) {
            Some(euclidean) => self.tree.check_nets(&euclidean, &self.threads, control)?,
            None => with_metric!(&self.metric, m => self.tree.check_nets(m, &self.threads, control)?),
        }
        control.phase(0.5, 1.0);
        with_metric!(&self.metric, m => {
            self.blocks.check(m.points())?;
            self.tree.check_balls(m, &self.threads, control)
        })
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
        let space = self.space(metric, keys, query.exclude_self, traversal);
        match &query.points {
            QueryPoints::Ids(ids) => {
                let position = |(t, &id)| Ok(self.tree.positions[self.checked_id("ids", t, id)? as usize]);
                let positions: Vec<u32> = try_collect(ids.iter().enumerate().map(position), "the queries")?;
                let limits = self.limits(query, positions.len())?;
                let places = try_collect(positions.iter().map(|&position| Ok(self.place(position))), "the queries")?;
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
                let places = try_collect(near.map(|position| Ok(self.place(position))), "the queries")?;
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
    fn place(&self, position: u32) -> (u32, u32) {
        let home = match self.anchors.of.get(position as usize) {
            Some(&anchor) => anchor,
            None => self.blocks.of_position(position as usize) as u32,
        };
        (home, position)
    }

    /// Bytes of V in single precision.
    fn filter_bytes(&self) -> usize {
        if let AnyMetric::Correlation(metric) = &self.metric { metric.single.len() * size_of::<f32>() } else { 0 }
    }

    /// The bounds over cells, if the tree has them.
    fn cell_bound(&self) -> Option<CellBound<'_>> {
        match (&self.cells, &self.metric, &self.options.covariance) {
            (Some(cells), AnyMetric::Correlation(metric), Covariance::Stationary(kernel)) => {
                Some(CellBound { cells, kernel, simd: metric.simd })
            }
            _ => None,
        }
    }

    /// What a search runs over.
    fn space<'a, M: Metric>(
        &'a self,
        metric: &'a M,
        keys: Keys<'a>,
        exclude_self: bool,
        traversal: Traversal,
    ) -> Space<'a, M> {
        Space {
            metric,
            tree: &self.tree,
            blocks: &self.blocks,
            anchors: &self.anchors,
            cell_bound: self.cell_bound(),
            largest_weight: self.largest_weight,
            keys,
            exclude_self,
            filter: traversal == Traversal::Automatic,
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
        let traversal = if self.proper { batch.traversal } else { Traversal::BruteForce };
        *self.last_search.lock().unwrap_or_else(PoisonError::into_inner) =
            SearchStats { traversal, queries: found.len() as u64, counters, seconds: clock.elapsed().as_secs_f64() };
        Ok(Neighbors { found })
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

    /// Evaluates `f` at the positions of each pair.
    fn pairs(
        &self,
        i: ArrayView1<'_, i64>,
        j: ArrayView1<'_, i64>,
        mut f: impl FnMut(usize, usize) -> Result<f64>,
    ) -> Result<Vec<f64>> {
        if i.len() != j.len() {
            return Err(Error::invalid(format!("i has {} ids but j has {}", i.len(), j.len())));
        }
        let mut out = try_with_capacity(i.len(), "distances")?;
        for (t, (&a, &b)) in i.iter().zip(j).enumerate() {
            let (a, b) = (self.checked_id("i", t, a)?, self.checked_id("j", t, b)?);
            out.push(f(self.tree.positions[a as usize] as usize, self.tree.positions[b as usize] as usize)?);
        }
        Ok(out)
    }

    /// `id` if a stored point has it.
    fn checked_id(&self, name: &str, index: usize, id: i64) -> Result<u32> {
        u32::try_from(id)
            .ok()
            .filter(|&id| (id as usize) < self.len())
            .ok_or_else(|| Error::invalid(format!("{name}[{index}] is {id}; ids go from 0 to {}", self.len() - 1)))
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

/// The Euclidean metric that shapes a hybrid tree (or one whose own metric's bounds do not hold), if it does.
fn shape_metric(options: &Options, proper: bool, simd: Simd, metric: &AnyMetric) -> Option<Euclidean> {
    match metric {
        AnyMetric::Correlation(correlation) if options.construction == Construction::Hybrid || !proper => {
            Some(Euclidean { simd, points: correlation.points.coordinates_only() })
        }
        _ => None,
    }
}

/// Scaled coordinates as an n x d view.
fn scaled_view(points: &Points) -> ArrayView2<'_, f64> {
    let shape = (points.n, points.d).strides((1, points.n));
    ArrayView2::from_shape(shape, &points.coords)
        .unwrap_or_else(|_| ArrayView2::from_shape((0, 0), &[]).expect("empty"))
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
