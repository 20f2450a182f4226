//! Balls of the nodes under the metric that is searched: for a pure tree and a hybrid one alike, from the definition.

use super::CoverTree;
use crate::control::Control;
use crate::error::{Result, try_collect, try_vec};
use crate::metric::{Candidates, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;

/// Nodes of one task.
const NODES: usize = 1024;
/// Descendants scored at a time.
const CHUNK: usize = 1024;

impl CoverTree {
    /// Computes the ball of every node: each is scored with all its descendants, n times the mean depth evaluations in all.
    pub(crate) fn grow_balls<M: Metric>(
        &mut self,
        metric: &M,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<()> {
        let (n, tree) = (self.len(), &*self);
        let weight = |&i: &u32| Ok(metric.weight(metric.points().inverse_sds[i as usize]));
        let weights: Vec<f64> = try_collect(tree.positions.iter().map(weight), "the tree")?;
        let mut balls = try_vec(n, metric.point_ball(0.0), "the tree")?;
        let tasks = try_collect(balls.chunks_mut(NODES).enumerate().map(Ok), "the tree")?;
        #[derive(Default)]
        struct Scratch {
            query: QueryBlock,
            score: ScoreScratch,
            scores: Vec<f64>,
        }
        threads.run(tasks, control, Scratch::default, |scratch, (task, balls)| {
            for (offset, ball) in balls.iter_mut().enumerate() {
                let node = task * NODES + offset;
                *ball = metric.point_ball(weights[node]);
                let descendants = node + 1..tree.subtree(node).end;
                scratch.query.clear();
                scratch.query.push_stored(metric.points(), tree.positions[node] as usize);
                for start in descendants.clone().step_by(CHUNK) {
                    let range = start..(start + CHUNK).min(descendants.end);
                    scratch.scores.resize(range.len(), 0.0);
                    metric.scores(
                        &scratch.query,
                        &scratch.query.all,
                        &Candidates::Gather(&tree.positions[range]),
                        &mut scratch.score,
                        &mut scratch.scores,
                    )?;
                    for (&score, &weight) in scratch.scores.iter().zip(&weights[start..]) {
                        *ball = metric.grow(*ball, weights[node], weight, score);
                    }
                }
            }
            Ok(())
        })?;
        self.balls = balls;
        self.evaluations += (0..n).map(|node| (self.subtree(node).len() - 1) as u64).sum::<u64>();
        Ok(())
    }
}
