//! Every invariant of a tree, checked by its definition.

use super::CoverTree;
use super::net::NO_PARENT;
use crate::control::Control;
use crate::error::{Error, ErrorKind, Result, number, try_collect, try_vec};
use crate::metric::{Ball, Candidates, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;

/// Points of one task.
const BLOCK: usize = 64;

/// A violated invariant.
fn broken(message: String) -> Error {
    Error::new(ErrorKind::Internal, format!("tree invariant violated: {message}"))
}

impl CoverTree {
    /// Preorder and nesting; O(n).
    pub(crate) fn check_structure(&self) -> Result<()> {
        let n = self.len();
        if n > 0 && (self.parents[0] != NO_PARENT || self.levels[0] != 0 || self.ends[0] as usize != n) {
            return Err(broken("the first node is not a root over all points".into()));
        }
        for node in 1..n {
            let parent = self.parents[node] as usize;
            let nested = parent < node
                && self.subtree(parent).contains(&node)
                && self.ends[node] > node as u32
                && self.ends[node] <= self.ends[parent]
                && self.levels[parent] < self.levels[node]
                && usize::from(self.levels[node]) <= self.radii.len();
            if !nested {
                return Err(broken(format!(
                    "nesting of point {} below point {}",
                    self.numbers[node], self.numbers[parent]
                )));
            }
        }
        for node in 0..n {
            let mut next = node + 1;
            for child in self.children(node) {
                if child != next || self.parents[child] as usize != node {
                    return Err(broken(format!("children of point {}", self.numbers[node])));
                }
                next = self.ends[child] as usize;
            }
        }
        if self.radii.windows(2).any(|pair| pair[1] > pair[0]) {
            return Err(broken("radii of levels do not decrease".into()));
        }
        Ok(())
    }

    /// Covering and separation under `shape`, the metric the tree was shaped with; every pair, O(n^2) evaluations.
    pub(crate) fn check_nets<M: Metric>(&self, shape: &M, threads: &Threads, control: &mut Control<'_>) -> Result<()> {
        let thresholds: Vec<f64> = self.radii.iter().map(|&r| shape.score_at_length(r)).collect();
        self.for_all_pairs(shape, threads, control, |i, j, score| {
            let (first, second) = (usize::from(self.levels[i]), usize::from(self.levels[j]));
            if self.parents[i] as usize == j && second < first && score < thresholds[first - 1] {
                return Err(broken(format!(
                    "covering: point {} is {} from its parent {}, more than {}",
                    self.numbers[i],
                    number(shape.length(score)),
                    self.numbers[j],
                    number(self.radii[first - 1])
                )));
            }
            let level = first.max(second);
            if i != j && level < thresholds.len() && score >= thresholds[level] {
                return Err(broken(format!(
                    "separation: points {} and {} of level {level} are {} apart, not more than {}",
                    self.numbers[i],
                    self.numbers[j],
                    number(shape.length(score)),
                    number(self.radii[level])
                )));
            }
            Ok(())
        })
    }

    /// Every node's ball holds its subtree under `metric`, the metric that is searched.
    pub(crate) fn check_balls<M: Metric>(
        &self,
        metric: &M,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<()> {
        if self.balls.len() != self.len() {
            return Err(broken("a ball is missing".into()));
        }
        let weight = |&i: &u32| Ok(metric.weight(metric.points().inverse_sds[i as usize]));
        let weights: Vec<f64> = try_collect(self.positions.iter().map(weight), "validation")?;
        self.for_all_pairs(metric, threads, control, |i, j, score| {
            let ball = self.balls[i];
            let grown: Ball = metric.grow(ball, weights[i], weights[j], score);
            if self.subtree(i).contains(&j) && i != j && grown != ball {
                let (centre, point) = (self.numbers[i], self.numbers[j]);
                return Err(broken(format!("radius of point {centre} leaves out its descendant {point}")));
            }
            Ok(())
        })
    }

    /// Calls `check(i, j, score)` for every pair of nodes.
    fn for_all_pairs<M: Metric>(
        &self,
        metric: &M,
        threads: &Threads,
        control: &mut Control<'_>,
        check: impl Fn(usize, usize, f64) -> Result<()> + Sync,
    ) -> Result<()> {
        let n = self.len();
        let tasks: Vec<usize> = try_collect((0..n).step_by(BLOCK).map(Ok), "validation")?;
        let scratch = || (QueryBlock::default(), ScoreScratch::default(), Vec::new());
        threads.run(tasks, control, scratch, |(queries, scratch, scores), start| {
            let rows = start..(start + BLOCK).min(n);
            queries.clear();
            rows.clone().for_each(|i| queries.push_stored(metric.points(), self.positions[i] as usize));
            for first in (0..n).step_by(4 * BLOCK) {
                let columns = first..(first + 4 * BLOCK).min(n);
                scores.clear();
                scores.extend_from_slice(&try_vec(rows.len() * columns.len(), 0.0, "validation")?);
                let candidates = Candidates::Gather(&self.positions[columns.clone()]);
                metric.scores(queries, &queries.all, &candidates, scratch, scores)?;
                for (i, row) in rows.clone().zip(scores.chunks_exact(columns.len())) {
                    for (j, &score) in columns.clone().zip(row) {
                        check(i, j, score)?;
                    }
                }
            }
            Ok(())
        })
    }
}
