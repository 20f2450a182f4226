//! The tree, its figures, and distances of pairs.

use super::part::{Common, Part};
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result, try_with_capacity};
use crate::metric::{AnyMetric, Candidates, Metric, Preparation, QueryBlock, ScoreScratch};
use crate::options::Options;
use crate::parallel::Threads;
use crate::search::{InUse, Neighbor, Plan};
use crate::stats::{BuildSeconds, LengthscaleCheck, SearchStats, Shape, Stats};
use arc_swap::ArcSwap;
use ndarray::ArrayView1;

/// Exact nearest neighbours under the residual correlation distance (or the plain one, or the Euclidean one).
///
/// Built from coordinates and inducing points (or the caller's factor), then asked from any number of threads. Point i
/// of the build has id i; points that are inserted have the ids that follow; an id is never used again.
pub struct ResidualCoverTree {
    pub(super) options: Options,
    pub(super) threads: Threads,
    pub(super) preparation: Preparation,
    /// Their ids ascend from part to part.
    pub(super) parts: Vec<Part>,
    /// The id that the next point will have.
    pub(super) next_id: u32,
    pub(super) seconds: BuildSeconds,
    pub(super) lengthscale: LengthscaleCheck,
    /// No lock, for the sake of forked children: see [`Threads`].
    pub(super) last_search: ArcSwap<SearchStats>,
    pub(super) in_use: InUse,
}

/// The answer to a batch: for each query its neighbours, nearest first; ties by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbors {
    pub(super) found: Vec<Vec<Neighbor>>,
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

/// Where a stored point is: its part, and its position there.
pub(crate) type Spot = (u32, u32);

impl ResidualCoverTree {
    /// Number of points.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Part::live).sum()
    }

    /// Whether all points have been removed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The options it was built or last refitted with, also after loading.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The distance of each pair (i\[t\], j\[t\]) of stored points; O(m) a pair.
    pub fn distances(&self, i: ArrayView1<'_, i64>, j: ArrayView1<'_, i64>) -> Result<Vec<f64>> {
        let mut scratch = ScoreScratch::default();
        self.pairs(i, j, |block, a, (part, b)| {
            with_metric!(&self.parts[part as usize].metric, m => {
                let mut score = [0.0];
                self.push(block, part, a);
                m.scores(block, &block.all, &Candidates::Gather(&[b]), &mut scratch, &mut score)?;
                Ok(m.distance(score[0]) / self.preparation.unit())
            })
        })
    }

    /// The signed residual correlation of each pair of stored points; [`ErrorKind::Unsupported`] for the Euclidean
    /// metric.
    pub fn correlations(&self, i: ArrayView1<'_, i64>, j: ArrayView1<'_, i64>) -> Result<Vec<f64>> {
        let mut scratch = ScoreScratch::default();
        self.pairs(i, j, |block, a, (part, b)| match &self.parts[part as usize].metric {
            AnyMetric::Correlation(_) if a == (part, b) => Ok(1.0),
            AnyMetric::Correlation(correlation) => {
                self.push(block, part, a);
                let rho = correlation.signed_block(block, &Candidates::Gather(&[b]), &mut scratch)?;
                Ok(rho[0].clamp(-1.0, 1.0))
            }
            AnyMetric::Euclidean(_) => Err(euclidean("correlations")),
        })
    }

    /// The residual covariance k_ij - V_i.V_j of each pair of stored points, p_i of a point with itself; O(m) a pair.
    /// [`ErrorKind::Unsupported`] for the Euclidean metric.
    pub fn residual_covariances(&self, i: ArrayView1<'_, i64>, j: ArrayView1<'_, i64>) -> Result<Vec<f64>> {
        let mut scratch = ScoreScratch::default();
        self.pairs(i, j, |block, a, (part, b)| match &self.parts[part as usize].metric {
            AnyMetric::Correlation(correlation) if a == (part, b) => Ok(correlation.points.variances[b as usize]),
            AnyMetric::Correlation(correlation) => {
                self.push(block, part, a);
                Ok(correlation.residual_covariances(block, &Candidates::Gather(&[b]), &mut scratch)?[0])
            }
            AnyMetric::Euclidean(_) => Err(euclidean("residual_covariances")),
        })
    }

    /// Figures of the tree and of the last call that searched it.
    pub fn stats(&self) -> Stats {
        let nodes: Vec<_> = self.parts.iter().filter_map(|part| part.nodes.get()).collect();
        Stats {
            n: self.len(),
            m: self.preparation.m(),
            d: self.preparation.d(),
            parts: self.parts.len(),
            removed: self.parts.iter().map(|part| part.removed).sum(),
            nodes: nodes.iter().map(|nodes| nodes.len()).sum(),
            shape: nodes.iter().map(|nodes| nodes.shape).fold(Shape::default(), |a, b| Shape {
                levels: a.levels.max(b.levels),
                depth: a.depth.max(b.depth),
                root_fan_out: a.root_fan_out.max(b.root_fan_out),
                max_fan_out: a.max_fan_out.max(b.max_fan_out),
            }),
            plan: self.parts.first().map_or(Plan::Empty, |part| part.index.plan),
            leaves: self.parts.iter().map(|part| part.boxes.leaves()).sum(),
            memory_bytes: self.parts.iter().map(Part::bytes).sum::<usize>() + self.preparation.bytes(),
            build_evaluations: self.parts.iter().map(|part| part.evaluations).sum::<u64>()
                + nodes.iter().map(|nodes| nodes.evaluations).sum::<u64>(),
            seconds: self.seconds,
            brute_force_only: !self.is_proper(),
            lengthscale: self.lengthscale,
            last_search: **self.last_search.load(),
        }
    }

    /// Checks every invariant of the tree by its definition; O(n^2) evaluations. Nodes of the cover tree that are not there are made.
    ///
    /// Covering and separation are lengths of the metric that the nodes were arranged with: after a refit of a tree of
    /// pure construction that one is gone, and they are not checked.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] names the invariant that is broken; [`ErrorKind::Cancelled`].
    pub fn validate(&self, control: &mut Control<'_>) -> Result<()> {
        self.check_parts()?;
        let count = self.parts.len() as f64;
        for (t, part) in self.parts.iter().enumerate() {
            control.window(t as f64 / count, (t + 1) as f64 / count);
            part.validate(self.common(), control)?;
        }
        Ok(())
    }

    /// What the parts have in common.
    pub(super) fn common(&self) -> Common<'_> {
        Common { options: &self.options, preparation: &self.preparation, threads: &self.threads }
    }

    /// Whether bounds hold in all parts.
    pub(super) fn is_proper(&self) -> bool {
        self.parts.iter().all(Part::is_proper)
    }

    /// Adds a stored point to queries of part `part`.
    pub(super) fn push(&self, block: &mut QueryBlock, part: u32, (home, position): Spot) {
        let points = self.parts[home as usize].points();
        if home == part {
            block.push_stored(points, position as usize);
        } else {
            block.push_foreign(points, position as usize);
        }
    }

    /// Evaluates `f`, an empty block given, at each pair.
    fn pairs(
        &self,
        i: ArrayView1<'_, i64>,
        j: ArrayView1<'_, i64>,
        mut f: impl FnMut(&mut QueryBlock, Spot, Spot) -> Result<f64>,
    ) -> Result<Vec<f64>> {
        if i.len() != j.len() {
            return Err(Error::invalid(format!("i has {} ids but j has {}", i.len(), j.len())));
        }
        let mut block = QueryBlock::default();
        let mut out = try_with_capacity(i.len(), "distances")?;
        for (t, (&a, &b)) in i.iter().zip(j).enumerate() {
            block.clear();
            out.push(f(&mut block, self.spot("i", t, a)?, self.spot("j", t, b)?)?);
        }
        Ok(out)
    }

    /// Where the point with an id is; an error where none has it. `name[index]` is where the caller gave the id.
    pub(super) fn spot(&self, name: &str, index: usize, id: i64) -> Result<Spot> {
        let Some(valid) = u32::try_from(id).ok().filter(|&id| id < self.next_id) else {
            let last = i64::from(self.next_id) - 1;
            return Err(Error::invalid(format!("{name}[{index}] is {id}; ids go from 0 to {last}")));
        };
        // The last part that begins at or below the id.
        let part = self.parts.partition_point(|part| part.ids.of(0) <= valid);
        let found = part.checked_sub(1).and_then(|part| Some((part as u32, self.parts[part].position(valid)?)));
        found.ok_or_else(|| Error::invalid(format!("{name}[{index}] is {id}, a point that was removed")))
    }
}

/// The error for what a tree with the Euclidean metric has not.
pub(super) fn euclidean(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what}: this tree has the Euclidean metric"))
}
