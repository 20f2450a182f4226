//! A part of a tree: points that were laid out together, with an index of their own.
//!
//! A tree that was only built is one part. Points that are inserted come in further parts, see [`super::grow`]; points
//! that are removed stay in theirs, under a number that no query may find, until it is laid out anew.

use super::nodes_on_demand::NodesOnDemand;
use crate::control::Control;
use crate::cover_tree::CoverTree;
use crate::error::{Error, ErrorKind, Result, try_copy};
use crate::layout::{Boxes, LEAF, Layout, LeastKeys};
use crate::metric::{AnyMetric, Metric, Points, Preparation, check_symmetry, is_covariance};
use crate::options::Options;
use crate::parallel::Threads;
use crate::search::{InUse, Index, IndexSource, Keys, Nodes, Space, Twins};
use crate::simd::Simd;
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

    /// Whether each id is its number.
    pub(super) fn are_numbers(&self) -> bool {
        matches!(self, Ids::Range(0, _))
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

/// Points that were laid out together.
pub(super) struct Part {
    pub(super) metric: AnyMetric,
    pub(super) layout: Layout,
    pub(super) boxes: Boxes,
    /// The least number in each box, for metrics that are searched by boxes.
    pub(super) least: Option<LeastKeys>,
    pub(super) index: Index,
    /// Which points are at one place, where many are: the index has the first.
    pub(super) twins: Option<Twins>,
    /// What indices over prefixes are built from.
    pub(super) source: IndexSource,
    /// The cover tree, once it has been asked for.
    pub(super) nodes: NodesOnDemand,
    pub(super) largest_weight: f64,
    pub(super) ids: Ids,
    /// Number of each position, [`REMOVED`] where it was; empty as long as none was.
    pub(super) numbers: Vec<u32>,
    pub(super) removed: usize,
    /// Pairs evaluated for the index.
    pub(super) evaluations: u64,
    pub(super) seconds_tree: f64,
}

impl Part {
    /// Makes what is searched over points that are laid out. Nodes are made now if the options name a traversal of theirs; `kept` are
    /// those of the same points in an earlier layout, and the scales that the Euclidean metric had then.
    pub(super) fn new(
        common: Common<'_>,
        mut metric: AnyMetric,
        layout: Layout,
        ids: Ids,
        kept: Option<(&CoverTree, &[f64])>,
        control: &mut Control<'_>,
    ) -> Result<Part> {
        let clock = Instant::now();
        check_covariance(common, &mut metric, &layout)?;
        let makes_nodes = kept.is_some() || common.options.traversal.needs_nodes();
        control.phase(0.0, if makes_nodes { 0.5 } else { 1.0 });
        let source = IndexSource::default();
        let (covariance, inducing) = (&common.options.covariance, common.preparation.inducing());
        let (boxes, twins) = Part::boxes(&metric, &layout, common.preparation.is_given())?;
        let firsts = twins.as_ref().map(Twins::firsts);
        let index = source.index(&metric, covariance, inducing, firsts, common.threads, control)?;
        let (evaluations, numbers) = (index.evaluations, Vec::new());
        let mut part = Part::with(metric, layout, (boxes, twins), (index, source), ids, numbers)?;
        part.evaluations = evaluations;
        if makes_nodes {
            control.phase(0.5, 1.0);
            let nodes = match kept {
                Some((nodes, scales)) => part.moved_nodes(common, nodes, scales, control)?,
                None => part.make_nodes(common, control)?,
            };
            part.nodes = NodesOnDemand::with(nodes);
        }
        control.step(1.0)?;
        part.seconds_tree = clock.elapsed().as_secs_f64();
        Ok(part)
    }

    /// The boxes of leaves, and which points are at one place where these are not searched themselves.
    pub(super) fn boxes(metric: &AnyMetric, layout: &Layout, given: bool) -> Result<(Boxes, Option<Twins>)> {
        let points = metric.points();
        if with_metric!(metric, m => m.is_spatial()) {
            return Ok((Boxes::searched(&points.coords, points.n, points.d)?, None));
        }
        let boxes = Boxes::new(points)?;
        let twins = Twins::new(points, &boxes, &layout.numbers, given)?;
        Ok((boxes, twins))
    }

    /// With what follows from the rest.
    pub(super) fn with(
        metric: AnyMetric,
        layout: Layout,
        (boxes, twins): (Boxes, Option<Twins>),
        (index, source): (Index, IndexSource),
        ids: Ids,
        numbers: Vec<u32>,
    ) -> Result<Part> {
        let by_boxes = with_metric!(&metric, m => m.is_spatial());
        Ok(Part {
            least: by_boxes.then(|| boxes.least_keys(&layout.numbers)).transpose()?,
            largest_weight: with_metric!(&metric, m => largest_weight(m)),
            removed: numbers.iter().filter(|&&number| number == REMOVED).count(),
            metric,
            layout,
            boxes,
            twins,
            index,
            source,
            nodes: NodesOnDemand::default(),
            ids,
            numbers,
            evaluations: 0,
            seconds_tree: 0.0,
        })
    }

    pub(super) fn points(&self) -> &Points {
        self.metric.points()
    }

    /// Whether bounds hold, so that something else than brute force is exact.
    pub(super) fn is_proper(&self) -> bool {
        with_metric!(&self.metric, m => m.is_metric())
    }

    /// Number of points, those that were removed included.
    pub(super) fn len(&self) -> usize {
        self.layout.len()
    }

    /// Number of points that were not removed.
    pub(super) fn live(&self) -> usize {
        self.len() - self.removed
    }

    /// Number of each position, or [`REMOVED`].
    pub(super) fn numbers(&self) -> &[u32] {
        if self.numbers.is_empty() { &self.layout.numbers } else { &self.numbers }
    }

    /// Number and position of each point that was not removed, by number.
    pub(super) fn live_points(&self) -> impl Iterator<Item = (u32, u32)> {
        let live = |&(_, position): &(u32, u32)| self.numbers()[position as usize] != REMOVED;
        (0..).zip(self.layout.positions.iter().copied()).filter(live)
    }

    /// Makes `numbers` an array of its own, to mark what is removed.
    pub(super) fn keep_numbers(&mut self) -> Result<()> {
        if self.numbers.is_empty() {
            self.numbers = try_copy(&self.layout.numbers, "removal")?;
        }
        Ok(())
    }

    /// The id of the point at a position.
    pub(super) fn id(&self, position: u32) -> u32 {
        self.ids.of(self.layout.numbers[position as usize])
    }

    /// The position of the point with an id, if it is here.
    pub(super) fn position(&self, id: u32) -> Option<u32> {
        let number = self.ids.below(id);
        if number as usize >= self.ids.len() || self.ids.of(number) != id {
            return None;
        }
        let position = self.layout.positions[number as usize];
        (self.numbers()[position as usize] == number).then_some(position)
    }

    /// Home and position of a point: queries are grouped by it.
    pub(super) fn place(&self, index: &Index, position: u32) -> (u32, u32) {
        let position = self.twins.as_ref().map_or(position, |twins| twins.first(position));
        let home = match index.home(position) {
            Some(home) => home,
            None if index.is_empty() => position / LEAF as u32,
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
        let firsts = self.twins.as_ref().map(|twins| twins.firsts_of(positions)).transpose()?;
        let positions = firsts.as_deref().unwrap_or(positions);
        let prefix = self.source.prefix(&self.index, &self.metric, inducing, positions, common.threads, control)?;
        match prefix {
            Some(index) => Ok(index),
            None => self.source.index(&self.metric, covariance, inducing, Some(positions), common.threads, control),
        }
    }

    /// What a search runs over. `metric` is the part's own.
    pub(super) fn space<'a, M: Metric>(
        &'a self,
        common: Common<'a>,
        metric: &'a M,
        index: &'a Index,
        keys: Keys<'a>,
        nodes: Option<Nodes<'a>>,
    ) -> Space<'a, M> {
        Space {
            metric,
            numbers: &self.layout.numbers,
            boxes: &self.boxes,
            layout: &self.layout,
            least: None,
            least_numbers: self.least.as_ref(),
            prefix: None,
            twins: self.twins.as_ref(),
            positions: Some(&self.layout.positions),
            nodes,
            subspaces: IndexSource::subspaces(if index.starts.is_some() { &self.index } else { index }, &self.metric),
            leaves: IndexSource::bound(index, &self.metric, &common.options.covariance),
            starts: index.starts.as_deref(),
            largest_weight: self.largest_weight,
            keys,
            exclude_self: false,
            in_use: InUse::ALL,
        }
    }

    /// Checks every invariant by its definition; O(n^2) evaluations.
    pub(super) fn validate(&self, common: Common<'_>, control: &mut Control<'_>) -> Result<()> {
        let broken = |what: &str| Error::new(ErrorKind::Internal, format!("tree invariant violated: {what}"));
        if self.ids.len() != self.len() || self.points().n != self.len() {
            return Err(broken("ids and points are not of one number"));
        }
        let mut removed = 0;
        for (position, (&number, &own)) in self.numbers().iter().zip(&self.layout.numbers).enumerate() {
            removed += usize::from(number == REMOVED);
            if (number != own && number != REMOVED) || self.layout.positions[own as usize] as usize != position {
                return Err(broken("a point has a number that is not its own"));
            }
        }
        if removed != self.removed {
            return Err(broken("removed points are miscounted"));
        }
        self.boxes.check(self.points())?;
        self.validate_nodes(common, control)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.points().bytes()
            + self.layout.bytes()
            + self.boxes.bytes()
            + self.least.as_ref().map_or(0, LeastKeys::bytes)
            + self.twins.as_ref().map_or(0, Twins::bytes)
            + self.index.bytes()
            + self.source.bytes(&self.index)
            + self.nodes.get().map_or(0, |nodes| nodes.bytes())
            + self.ids.bytes()
            + size_of_val(&self.numbers[..])
    }
}

/// Checks what the caller handed over: where a covariance or a factor is none, bounds do not hold.
fn check_covariance(common: Common<'_>, metric: &mut AnyMetric, layout: &Layout) -> Result<()> {
    let AnyMetric::Correlation(correlation) = metric else { return Ok(()) };
    let (given, custom) = (common.preparation.is_given(), correlation.points.custom);
    check_symmetry(correlation, &layout.numbers)?;
    if given || custom {
        correlation.proper = correlation.proper && is_covariance(correlation, given)?;
    }
    Ok(())
}

/// The kernels to run.
pub(super) fn simd(options: &Options) -> Simd {
    if options.portable_simd { Simd::Portable } else { Simd::detect() }
}

/// The largest weight of a point.
pub(super) fn largest_weight<M: Metric>(metric: &M) -> f64 {
    metric.points().inverse_sds.iter().map(|&isd| metric.weight(isd)).fold(0.0, f64::max)
}
