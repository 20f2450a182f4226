//! How the cover tree of a part is made, when a traversal or a check first asks for it.

use super::part::{Common, Part, REMOVED, simd};
use crate::control::Control;
use crate::cover_tree::{CoverTree, Net, Reach, ShapedBy, build_net};
use crate::error::{Result, try_collect, try_reserve, try_vec};
use crate::layout::{Boxes, LeastKeys};
use crate::metric::{AnyMetric, Euclidean, Metric, Points, QueryBlock};
use crate::options::{Construction, Traversal, TreeOrder};
use crate::ordering::hilbert::hilbert_order;
use crate::search::{Batch, Index, Keys, Reaching, Space, run_batch};
use std::sync::Arc;

impl Part {
    /// Makes the nodes as the options say.
    pub(super) fn make_nodes(&self, common: Common<'_>, control: &mut Control<'_>) -> Result<CoverTree> {
        let points = self.points();
        let order = match common.options.order {
            TreeOrder::Natural => &self.layout.positions,
            TreeOrder::Hilbert => &hilbert_order(points.scaled_view(), &self.layout.numbers)?,
        };
        let shaped_by = match &self.metric {
            AnyMetric::Correlation(correlation)
                if common.options.construction == Construction::Hybrid || !correlation.proper =>
            {
                ShapedBy::Euclidean(common.preparation.shape_scales(points)?)
            }
            _ => ShapedBy::Metric,
        };
        let net = match &shaped_by {
            ShapedBy::Euclidean(scales) => {
                let metric = Euclidean { simd: simd(common.options), points: points.coordinates_only(scales)? };
                let Points { coords, n, d, .. } = &metric.points;
                let (boxes, none) = (Boxes::searched(coords, *n, *d)?, Index::default());
                self.net(common, &metric, (&boxes, &none), order, control)?
            }
            _ => with_metric!(&self.metric, m => self.net(common, m, (&self.boxes, &self.index), order, control)?),
        };
        let mut nodes = CoverTree::pack(net, &self.layout, shaped_by)?;
        with_metric!(&self.metric, metric => nodes.grow_balls(metric, common.threads, control)?);
        Ok(nodes)
    }

    /// The nodes of the same points in another layout, and under another metric: the Euclidean one had these scales.
    pub(super) fn moved_nodes(
        &self,
        common: Common<'_>,
        nodes: &CoverTree,
        scales: &[f64],
        control: &mut Control<'_>,
    ) -> Result<CoverTree> {
        let shaped_by = match (&nodes.shaped_by, &self.metric) {
            (ShapedBy::Metric, AnyMetric::Euclidean(_)) => ShapedBy::Euclidean(scales.to_vec()),
            (ShapedBy::Metric | ShapedBy::Earlier, _) => ShapedBy::Earlier,
            (ShapedBy::Euclidean(scales), _) => ShapedBy::Euclidean(scales.clone()),
        };
        let mut nodes = nodes.moved(&self.layout, shaped_by)?;
        with_metric!(&self.metric, metric => nodes.grow_balls(metric, common.threads, control)?);
        Ok(nodes)
    }

    /// The nodes for a traversal that needs them, made if need be.
    pub(super) fn nodes_for(
        &self,
        traversal: Traversal,
        common: Common<'_>,
        control: &mut Control<'_>,
    ) -> Result<Option<Arc<CoverTree>>> {
        match traversal.needs_nodes() && self.is_proper() {
            true => {
                // The search goes on from where this has got to.
                control.phase(0.0, 0.5);
                self.nodes.get_or_make(|| self.make_nodes(common, control))
            }
            false => Ok(None),
        }
    }

    /// Checks the invariants of the nodes, made if need be.
    pub(super) fn validate_nodes(&self, common: Common<'_>, control: &mut Control<'_>) -> Result<()> {
        control.phase(0.0, 0.3);
        let nodes = match self.nodes.get_or_make(|| self.make_nodes(common, control))? {
            Some(nodes) => nodes,
            None => Arc::new(self.make_nodes(common, control)?),
        };
        nodes.check_structure()?;
        control.phase(0.3, 0.6);
        match &nodes.shaped_by {
            ShapedBy::Metric => with_metric!(&self.metric, m => nodes.check_nets(m, common.threads, control)?),
            ShapedBy::Euclidean(scales) => {
                let metric = Euclidean { simd: simd(common.options), points: self.points().coordinates_only(scales)? };
                nodes.check_nets(&metric, common.threads, control)?;
            }
            ShapedBy::Earlier => {}
        }
        control.phase(0.6, 1.0);
        with_metric!(&self.metric, m => nodes.check_balls(m, common.threads, control))
    }

    /// The nets under a metric, which is searched with these boxes and this index.
    fn net<M: Metric>(
        &self,
        common: Common<'_>,
        metric: &M,
        (boxes, index): (&Boxes, &Index),
        order: &[u32],
        control: &mut Control<'_>,
    ) -> Result<Net> {
        let (what, n) = ("the tree", self.len());
        let all = try_collect((0..n as u32).map(Ok), what)?;
        let keys = try_vec(n, REMOVED, what)?;
        let by_leaf = metric.is_spatial() || index.follows_layout();
        let (chosen, least) = (Vec::new(), None);
        let mut search = RadiusSearch { part: self, common, metric, boxes, index, by_leaf, all, keys, chosen, least };
        build_net(metric, order, &mut search, common.threads, control)
    }
}

/// Radius searches over some of a part's points, for the nets.
struct RadiusSearch<'a, M> {
    part: &'a Part,
    common: Common<'a>,
    metric: &'a M,
    boxes: &'a Boxes,
    index: &'a Index,
    /// Whether the leaves that are searched are those of the layout.
    by_leaf: bool,
    all: Vec<u32>,
    /// The place of each position among those that are chosen.
    keys: Vec<u32>,
    chosen: Vec<u32>,
    least: Option<LeastKeys>,
}

impl<M: Metric> Reach for RadiusSearch<'_, M> {
    fn choose(&mut self, points: &[u32]) -> Result<()> {
        self.chosen.iter().for_each(|&i| self.keys[i as usize] = REMOVED);
        self.chosen.clear();
        try_reserve(&mut self.chosen, points.len(), "the tree")?;
        self.chosen.extend_from_slice(points);
        (0..).zip(points).for_each(|(key, &i)| self.keys[i as usize] = key);
        self.least = self.by_leaf.then(|| self.boxes.least_keys(&self.keys)).transpose()?;
        Ok(())
    }

    fn reach(&mut self, centres: &[u32], least: f64, found: &mut dyn FnMut(u32, u32, f64)) -> Result<u64> {
        let (what, metric, part) = ("the tree", self.metric, self.part);
        let keys = Keys { of: &self.keys, positions: &self.chosen };
        let space = Space {
            numbers: &self.all,
            boxes: self.boxes,
            least: self.least.as_ref(),
            least_numbers: None,
            positions: None,
            twins: if metric.is_spatial() { None } else { part.twins.as_ref() },
            ..part.space(self.common, metric, self.index, keys, None)
        };
        let batch = Batch {
            limits: &try_vec(centres.len(), self.chosen.len() as u32, what)?,
            places: &try_collect(centres.iter().map(|&i| Ok(part.place(self.index, i))), what)?,
            traversal: Traversal::Automatic,
        };
        let load = |some: &[u32], block: &mut QueryBlock| {
            some.iter().for_each(|&c| block.push_stored(metric.points(), centres[c as usize] as usize));
            Ok(())
        };
        let (collector, kept) = (|_| Reaching::new(least), Reaching::into_kept);
        let (threads, control) = (self.common.threads, &mut Control::none());
        let (reached, counters) = run_batch(&space, &batch, load, collector, kept, threads, control)?;
        for (&centre, reached) in centres.iter().zip(reached) {
            reached.iter().filter(|other| other.id != centre).for_each(|other| found(centre, other.id, other.distance));
        }
        Ok(counters.distance_evaluations)
    }
}
