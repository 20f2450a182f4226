//! A part of a tree: points that were arranged together, with their own nodes, blocks and index.
//!
//! A tree that was only built is one part. Points that are inserted come in further parts, see [`super::grow`]; points
//! that are removed stay in theirs, under a number that no query may find, until it is arranged anew.

use crate::control::Control;
use crate::error::{Error, ErrorKind, Result, try_collect, try_copy, try_resize, try_vec};
use crate::metric::{AnyMetric, Euclidean, Metric, Points, Preparation, check_symmetry, is_covariance};
use crate::options::{Construction, Options, TreeOrder};
use crate::ordering::hilbert::HilbertFrame;
use crate::parallel::Threads;
use crate::search::{Blocks, Certificates, Index, IndexSource, Keys, Space, least_keys};
use crate::simd::Simd;
use crate::tree::{CoverTree, build_net, node_balls};
use ndarray::{ArrayView2, ShapeBuilder};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The number of a point that was removed: above every limit.
pub(super) const REMOVED: u32 = u32::MAX;

/// What the parts of a tree have in common.
#[derive(Clone, Copy)]
pub(super) struct Common<'a> {
    pub(super) options: &'a Options,
    pub(super) preparation: &'a Preparation,
    pub(super) threads: &'a Threads,
}

/// The ids of a part's points, ascending; a point's number is its place among them.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ids {
    /// So many, from a first one on, without a gap.
    Range(u32, u32),
    /// Any.
    List(Vec<u32>),
}

impl Ids {
    /// `ids`, ascending.
    pub(super) fn new(ids: Vec<u32>) -> Ids {
        match (ids.first(), ids.last()) {
            (Some(&first), Some(&last)) if (last - first) as usize + 1 == ids.len() => {
                Ids::Range(first, last - first + 1)
            }
            _ => Ids::List(ids),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Ids::Range(_, count) => *count as usize,
            Ids::List(ids) => ids.len(),
        }
    }

    /// The id of a number.
    pub(super) fn of(&self, number: u32) -> u32 {
        match self {
            Ids::Range(first, _) => first + number,
            Ids::List(ids) => ids[number as usize],
        }
    }

    /// How many ids are below `id`: the number of `id`, if it is among them.
    pub(super) fn below(&self, id: u32) -> u32 {
        match self {
            Ids::Range(first, count) => id.saturating_sub(*first).min(*count),
            Ids::List(ids) => ids.partition_point(|&other| other < id) as u32,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        if let Ids::List(ids) = self { size_of_val(&ids[..]) } else { 0 }
    }
}

/// What the radii of a part's levels are lengths of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Shape {
    /// The part's own metric.
    Metric,
    /// The Euclidean distance of coordinates multiplied by these scales.
    Euclidean(Vec<f64>),
    /// A residual correlation of earlier parameters: a refit has kept the nodes.
    Earlier,
}

/// Points that were arranged together. The nodes of `tree` bear the points' numbers.
pub(super) struct Part {
    pub(super) metric: AnyMetric,
    pub(super) tree: CoverTree,
    /// Depth and fan-out of `tree`.
    pub(super) form: crate::tree::Shape,
    pub(super) shape: Shape,
    pub(super) blocks: Blocks,
    pub(super) index: Index,
    /// What indices over prefixes are built from.
    pub(super) source: IndexSource,
    pub(super) largest_weight: f64,
    /// Least number of each subtree, or less.
    pub(super) least: Vec<u32>,
    pub(super) frame: HilbertFrame,
    /// (key, position) of every point along the Hilbert curve.
    pub(super) curve: Vec<(u128, u32)>,
    pub(super) ids: Ids,
    /// Number of each position, [`REMOVED`] where it was; empty as long as none was.
    pub(super) numbers: Vec<u32>,
    pub(super) removed: usize,
    pub(super) evaluations: u64,
    pub(super) seconds_order: f64,
    pub(super) seconds_tree: f64,
}

impl Part {
    /// Arranges the points of `metric`, the number of each being its place there.
    pub(super) fn new(common: Common<'_>, mut metric: AnyMetric, ids: Ids, control: &mut Control<'_>) -> Result<Part> {
        let Common { options, preparation, threads } = common;
        let clock = Instant::now();
        control.phase(0.0, 0.6);
        let points = points_of(&metric);
        let n = points.n;
        let frame = HilbertFrame::new(scaled_view(points))?;
        let keys = curve_keys(&frame, points, threads)?;
        let along: Vec<u32> = try_collect(keys.iter().map(|&(_, number)| Ok(number)), "the order")?;
        let mut places = try_vec(n, 0, "the order")?;
        along.iter().enumerate().for_each(|(place, &number)| places[number as usize] = place as u32);
        let seconds_order = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        check_covariance(common, &mut metric, &along)?;
        let natural: Vec<u32>;
        let order = match options.order {
            TreeOrder::Hilbert => &along,
            TreeOrder::Natural => {
                natural = try_collect((0..n as u32).map(Ok), "the order")?;
                &natural
            }
        };
        let shape = match &metric {
            AnyMetric::Correlation(correlation)
                if options.construction == Construction::Hybrid || !correlation.proper =>
            {
                Shape::Euclidean(preparation.shape_scales(points_of(&metric))?)
            }
            _ => Shape::Metric,
        };
        let net = match &shape {
            Shape::Euclidean(scales) => {
                let points = points_of(&metric).coordinates_only(scales)?;
                build_net(&Euclidean { simd: simd(options), points }, order, &along, threads, control)?
            }
            _ => with_metric!(&metric, m => build_net(m, order, &along, threads, control)?),
        };
        let evaluations = net.evaluations;
        let tree = CoverTree::pack(net, &places)?;
        with_metric!(&mut metric, m => m.points_mut().reorder(&tree.ids)?);
        let at = |(key, number): (u128, u32)| Ok((key, tree.positions[number as usize]));
        let curve = try_collect(keys.into_iter().map(at), "the order")?;
        let mut part = Part::over(common, metric, tree, shape, ids, (frame, curve), control)?;
        part.evaluations += evaluations;
        (part.seconds_order, part.seconds_tree) = (seconds_order, clock.elapsed().as_secs_f64());
        Ok(part)
    }

    /// The same nodes under another metric, whose points are in the order of the nodes. `scales` are those of this one.
    pub(super) fn renewed(
        &self,
        common: Common<'_>,
        scales: &[f64],
        mut metric: AnyMetric,
        control: &mut Control<'_>,
    ) -> Result<Part> {
        let clock = Instant::now();
        let shape = match (&self.shape, &self.metric) {
            (Shape::Metric, AnyMetric::Euclidean(_)) => Shape::Euclidean(try_copy(scales, "the scales")?),
            (Shape::Metric | Shape::Earlier, _) => Shape::Earlier,
            (Shape::Euclidean(scales), _) => Shape::Euclidean(scales.clone()),
        };
        let points = points_of(&metric);
        let frame = HilbertFrame::new(scaled_view(points))?;
        let curve = curve_keys(&frame, points, common.threads)?;
        let along: Vec<u32> = try_collect(curve.iter().map(|&(_, position)| Ok(position)), "the order")?;
        check_covariance(common, &mut metric, &along)?;
        let seconds_order = clock.elapsed().as_secs_f64();
        let clock = Instant::now();
        let mut part =
            Part::over(common, metric, self.tree.nodes()?, shape, self.ids.clone(), (frame, curve), control)?;
        (part.seconds_order, part.seconds_tree) = (seconds_order, clock.elapsed().as_secs_f64());
        Ok(part)
    }

    /// What is searched with, over nodes without balls, whose order the points of `metric` are in.
    fn over(
        common: Common<'_>,
        metric: AnyMetric,
        mut tree: CoverTree,
        shape: Shape,
        ids: Ids,
        (frame, curve): (HilbertFrame, Vec<(u128, u32)>),
        control: &mut Control<'_>,
    ) -> Result<Part> {
        let Common { options, preparation, threads } = common;
        control.phase(0.6, 0.7);
        let (balls, mut evaluations) = with_metric!(&metric, m => node_balls(m, &tree, threads, control)?);
        tree.balls = balls;
        control.phase(0.7, 1.0);
        let all = try_collect((0..tree.len() as u32).map(Ok), "the index")?;
        let source = IndexSource::default();
        let index = source.index(&metric, &options.covariance, preparation.inducing(), all, threads, control)?;
        evaluations += index.evaluations;
        control.step(1.0)?;
        Ok(Part {
            blocks: with_metric!(&metric, m => Blocks::new(m.points(), &tree)?),
            index,
            source,
            largest_weight: with_metric!(&metric, m => largest_weight(m)),
            least: least_keys(&tree, &tree.ids)?,
            metric,
            form: tree.shape()?,
            tree,
            shape,
            frame,
            curve,
            ids,
            numbers: Vec::new(),
            removed: 0,
            evaluations,
            seconds_order: 0.0,
            seconds_tree: 0.0,
        })
    }

    pub(super) fn points(&self) -> &Points {
        points_of(&self.metric)
    }

    /// Whether bounds hold, so that something else than brute force is exact.
    pub(super) fn is_proper(&self) -> bool {
        with_metric!(&self.metric, m => m.is_metric())
    }

    /// Number of points that were not removed.
    pub(super) fn live(&self) -> usize {
        self.tree.len() - self.removed
    }

    /// Number of each position, or [`REMOVED`].
    pub(super) fn numbers(&self) -> &[u32] {
        if self.numbers.is_empty() { &self.tree.ids } else { &self.numbers }
    }

    /// Makes `numbers` an array of its own, to mark what is removed.
    pub(super) fn keep_numbers(&mut self) -> Result<()> {
        if self.numbers.is_empty() {
            self.numbers = try_copy(&self.tree.ids, "removal")?;
        }
        Ok(())
    }

    /// The id of the point at a position.
    pub(super) fn id(&self, position: u32) -> u32 {
        self.ids.of(self.tree.ids[position as usize])
    }

    /// The position of the point with an id, if it is here.
    pub(super) fn position(&self, id: u32) -> Option<u32> {
        let number = self.ids.below(id);
        if number as usize >= self.ids.len() || self.ids.of(number) != id {
            return None;
        }
        let position = self.tree.positions[number as usize];
        (self.numbers()[position as usize] == number).then_some(position)
    }

    /// Position of the point at or after `x` (scaled) along the Hilbert curve.
    pub(super) fn near_on_curve(&self, x: &[f64]) -> u32 {
        let key = self.frame.key(x);
        let next = self.curve.partition_point(|&(stored, _)| stored < key).min(self.tree.len() - 1);
        self.curve[next].1
    }

    /// Home and position of a point: queries are grouped by it.
    pub(super) fn place(&self, index: &Index, position: u32) -> (u32, u32) {
        let home = match index.home(position) {
            Some(home) => home,
            None if index.is_empty() => self.blocks.of_position(position as usize) as u32,
            // The index is over a prefix that it is not in.
            None => 0,
        };
        (home, position)
    }

    /// An index over some points.
    pub(super) fn prefix_index(
        &self,
        common: Common<'_>,
        positions: &[u32],
        control: &mut Control<'_>,
    ) -> Result<Index> {
        let (covariance, inducing) = (&common.options.covariance, common.preparation.inducing());
        let prefix = self.source.prefix(&self.index, &self.metric, inducing, positions, common.threads, control)?;
        if let Some(index) = prefix {
            return Ok(index);
        }
        let positions = try_copy(positions, "the index")?;
        self.source.index(&self.metric, covariance, inducing, positions, common.threads, control)
    }

    /// What a search runs over. `metric` is the part's own.
    pub(super) fn space<'a, M: Metric>(
        &'a self,
        common: Common<'a>,
        metric: &'a M,
        index: &'a Index,
        keys: Keys<'a>,
        exclude_self: bool,
        certificates: Certificates,
    ) -> Space<'a, M> {
        Space {
            metric,
            tree: &self.tree,
            blocks: &self.blocks,
            cells: IndexSource::cells(if index.starts.is_some() { &self.index } else { index }, &self.metric),
            panels: IndexSource::bound(index, &self.metric, &common.options.covariance),
            starts: index.starts.as_deref(),
            largest_weight: self.largest_weight,
            keys,
            exclude_self,
            certificates,
        }
    }

    /// Checks every invariant by its definition; O(n^2) evaluations.
    pub(super) fn validate(&self, common: Common<'_>, control: &mut Control<'_>) -> Result<()> {
        let broken = |what: &str| Error::new(ErrorKind::Internal, format!("tree invariant violated: {what}"));
        self.tree.check_structure()?;
        if self.ids.len() != self.tree.len() || self.points().n != self.tree.len() {
            return Err(broken("ids, points and nodes are not of one number"));
        }
        let mut removed = 0;
        for (position, (&number, &own)) in self.numbers().iter().zip(&self.tree.ids).enumerate() {
            removed += usize::from(number == REMOVED);
            if number != own && number != REMOVED {
                return Err(broken("a point has a number that is not its own"));
            }
            let above = std::iter::successors(Some(position), |&i| self.tree.parent(i));
            if above.map(|i| self.least[i]).any(|least| least > number) {
                return Err(broken("the least number of a subtree is too large"));
            }
        }
        if removed != self.removed {
            return Err(broken("removed points are miscounted"));
        }
        control.phase(0.0, 0.5);
        match &self.shape {
            Shape::Metric => with_metric!(&self.metric, m => self.tree.check_nets(m, common.threads, control)?),
            Shape::Euclidean(scales) => {
                let points = self.points().coordinates_only(scales)?;
                let euclidean = Euclidean { simd: simd(common.options), points };
                self.tree.check_nets(&euclidean, common.threads, control)?;
            }
            Shape::Earlier => {}
        }
        control.phase(0.5, 1.0);
        with_metric!(&self.metric, m => {
            self.blocks.check(m.points())?;
            self.tree.check_balls(m, common.threads, control)
        })
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let words = self.least.len() + self.numbers.len();
        self.points().bytes()
            + self.tree.bytes()
            + self.blocks.bytes()
            + self.index.bytes()
            + self.source.bytes(&self.index)
            + self.ids.bytes()
            + size_of_val(&self.curve[..])
            + words * size_of::<u32>()
    }
}

/// Checks what the caller handed over: where a covariance or a factor is none, bounds do not hold. `along` are the
/// points along a curve.
fn check_covariance(common: Common<'_>, metric: &mut AnyMetric, along: &[u32]) -> Result<()> {
    let AnyMetric::Correlation(correlation) = metric else { return Ok(()) };
    let (given, custom) = (common.preparation.is_given(), correlation.points.custom);
    check_symmetry(correlation, along)?;
    if given || custom {
        correlation.proper = correlation.proper && is_covariance(correlation, along, given)?;
    }
    Ok(())
}

/// The kernels to run.
pub(super) fn simd(options: &Options) -> Simd {
    if options.portable_simd { Simd::Portable } else { Simd::detect() }
}

/// The points of a metric.
pub(super) fn points_of(metric: &AnyMetric) -> &Points {
    with_metric!(metric, m => m.points())
}

/// (key, place in `points`) of every point, along the curve.
fn curve_keys(frame: &HilbertFrame, points: &Points, threads: &Threads) -> Result<Vec<(u128, u32)>> {
    const RUN: usize = 4096;
    let what = "the order";
    let mut keys = try_vec(points.n, (0, 0), what)?;
    let tasks = try_collect(keys.chunks_mut(RUN).enumerate().map(Ok), what)?;
    threads.run(tasks, &mut Control::none(), Vec::new, |row, (task, keys)| {
        try_resize(row, points.d, 0.0, what)?;
        for (i, key) in (task * RUN..).zip(keys) {
            row.iter_mut().enumerate().for_each(|(j, x)| *x = points.coord(i, j));
            *key = (frame.key(row), i as u32);
        }
        Ok(())
    })?;
    keys.sort_unstable();
    Ok(keys)
}

/// The largest weight of a point.
pub(super) fn largest_weight<M: Metric>(metric: &M) -> f64 {
    metric.points().inverse_sds.iter().map(|&isd| metric.weight(isd)).fold(0.0, f64::max)
}

/// Scaled coordinates as an n x d view.
fn scaled_view(points: &Points) -> ArrayView2<'_, f64> {
    let shape = (points.n, points.d).strides((1, points.n));
    ArrayView2::from_shape(shape, &points.coords)
        .unwrap_or_else(|_| ArrayView2::from_shape((0, 0), &[]).expect("empty"))
}
