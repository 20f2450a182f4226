//! The tree as its users see it: built once, then asked.

/// Runs `$body` with `$metric` bound to the tree's metric, whichever it is.
macro_rules! with_metric {
    ($any:expr, $metric:ident => $body:expr) => {
        match $any {
            AnyMetric::Correlation($metric) => $body,
            AnyMetric::Euclidean($metric) => $body,
        }
    };
}

mod build;
#[cfg(test)]
mod certificate_tests;
mod search;

use build::shape_metric;

use crate::control::Control;
use crate::error::{Error, ErrorKind, Result, try_with_capacity};
use crate::metric::{AnyMetric, Candidates, Metric, Preparation, QueryBlock, ScoreScratch};
use crate::options::Options;
use crate::ordering::hilbert::HilbertFrame;
use crate::parallel::Threads;
use crate::search::{Blocks, Certificates, Index, IndexSource, Neighbor};
use crate::simd::Simd;
use crate::stats::{BuildSeconds, SearchStats, Stats};
use crate::tree::CoverTree;
use arc_swap::ArcSwap;
use ndarray::ArrayView1;

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
    index: Index,
    /// What indices over prefixes are built from.
    source: IndexSource,
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
    /// No lock, for the sake of forked children: see [`Threads`].
    last_search: ArcSwap<SearchStats>,
    certificates: Certificates,
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

impl ResidualCoverTree {
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
                + self.tree.bytes()
                + self.blocks.bytes()
                + self.index.bytes()
                + self.preparation.bytes()
                + ids,
            build_evaluations: self.build_evaluations,
            seconds: self.seconds,
            brute_force_only: !self.proper,
            last_search: **self.last_search.load(),
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
