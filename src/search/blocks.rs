//! Blocks: consecutive positions of the tree, a few dozen points that are evaluated together.

use crate::control::Control;
use crate::error::{Error, ErrorKind, Result, try_vec};
use crate::metric::{Ball, Candidates, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::tree::CoverTree;
use std::ops::Range;

/// Points of a block, at most.
const BLOCK: usize = 64;

/// The blocks of a tree: every position is in exactly one, and small subtrees are not cut.
#[derive(Default)]
pub(crate) struct Blocks {
    /// Block b holds the positions `starts[b]..starts[b + 1]`.
    pub(crate) starts: Vec<u32>,
    /// Position of the point at the centre of each ball: the one with the smallest ball.
    pub(crate) centres: Vec<u32>,
    /// The ball of each block under the metric.
    pub(crate) balls: Vec<Ball>,
    /// Corners of each block's bounding box in scaled coordinates, d lower then d upper ones.
    pub(crate) boxes: Vec<f64>,
}

impl Blocks {
    /// Cuts a tree into blocks and computes their balls and boxes: n times the block size evaluations, which are also
    /// returned. The points of `metric` are in the order of the tree.
    pub(crate) fn new<M: Metric>(
        metric: &M,
        tree: &CoverTree,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<(Self, u64)> {
        let starts = cut(tree);
        let count = starts.len() - 1;
        let points = metric.points();
        let d = points.d;
        let mut blocks = Blocks {
            starts,
            centres: try_vec(count, 0, "blocks")?,
            balls: try_vec(count, metric.point_ball(0.0), "blocks")?,
            boxes: try_vec(count * 2 * d, 0.0, "blocks")?,
        };
        let parts = blocks.centres.iter_mut().zip(&mut blocks.balls).zip(blocks.boxes.chunks_exact_mut(2 * d));
        let tasks: Vec<_> = parts.zip(blocks.starts.windows(2)).collect();
        let scratch = || (QueryBlock::default(), ScoreScratch::default(), Vec::new());
        threads.run(tasks, control, scratch, |(queries, scratch, scores), (((centre, ball), corners), ends)| {
            let range = ends[0] as usize..ends[1] as usize;
            for j in 0..d {
                let column = &points.coords[j * points.n..(j + 1) * points.n][range.clone()];
                corners[j] = column.iter().copied().fold(f64::INFINITY, f64::min);
                corners[d + j] = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            }
            queries.clear();
            range.clone().for_each(|i| queries.push_stored(points, i));
            scores.resize(range.len() * range.len(), 0.0);
            metric.scores(queries, &Candidates::Range(range.clone()), scratch, scores)?;
            let weight = |i: usize| metric.weight(points.inverse_sds[range.start + i]);
            let farthest = |i: &usize| {
                let row = &scores[i * range.len()..(i + 1) * range.len()];
                row.iter().copied().fold(f64::INFINITY, f64::min)
            };
            let best = (0..range.len()).max_by(|a, b| farthest(a).total_cmp(&farthest(b))).unwrap_or(0);
            *centre = (range.start + best) as u32;
            *ball = metric.point_ball(weight(best));
            for (i, &score) in scores[best * range.len()..(best + 1) * range.len()].iter().enumerate() {
                if i != best {
                    *ball = metric.grow(*ball, weight(best), weight(i), score);
                }
            }
            Ok(())
        })?;
        let evaluations = (0..count).map(|b| (blocks.range(b).len() as u64).pow(2)).sum();
        Ok((blocks, evaluations))
    }

    /// Number of blocks.
    pub(crate) fn len(&self) -> usize {
        self.centres.len()
    }

    /// Positions of block `b`.
    pub(crate) fn range(&self, b: usize) -> Range<usize> {
        self.starts[b] as usize..self.starts[b + 1] as usize
    }

    /// Squared distance between the box of block `b` and the box with corners `lower` and `upper`.
    pub(crate) fn squared_gap(&self, b: usize, lower: &[f64], upper: &[f64]) -> f64 {
        let d = lower.len();
        let (own_lower, own_upper) = self.boxes[2 * d * b..2 * d * (b + 1)].split_at(d);
        let mut sum = 0.0;
        for j in 0..d {
            let gap = (lower[j] - own_upper[j]).max(own_lower[j] - upper[j]).max(0.0);
            sum += gap * gap;
        }
        sum
    }

    /// Checks by definition that the blocks are a partition and that balls and boxes hold their points.
    pub(crate) fn check<M: Metric>(&self, metric: &M) -> Result<()> {
        let broken = |b: usize, what: &str| Error::new(ErrorKind::Internal, format!("block {b}: {what}"));
        let points = metric.points();
        if self.starts.first() != Some(&0) || self.starts.last() != Some(&(points.n as u32)) {
            return Err(broken(0, "blocks do not hold all points"));
        }
        let (mut queries, mut scratch, mut scores) = (QueryBlock::default(), ScoreScratch::default(), Vec::new());
        for b in 0..self.len() {
            if self.starts[b] >= self.starts[b + 1] || !self.range(b).contains(&(self.centres[b] as usize)) {
                return Err(broken(b, "is empty or has its centre elsewhere"));
            }
            let range = self.range(b);
            let centre = self.centres[b] as usize;
            queries.clear();
            queries.push_stored(points, centre);
            scores.resize(range.len(), 0.0);
            metric.scores(&queries, &Candidates::Range(range.clone()), &mut scratch, &mut scores)?;
            let weight = |i: usize| metric.weight(points.inverse_sds[i]);
            for (i, &score) in range.zip(&scores) {
                let ball = self.balls[b];
                if i != centre && metric.grow(ball, weight(centre), weight(i), score) != ball {
                    return Err(broken(b, "its ball leaves out a point"));
                }
                let point: Vec<f64> = (0..points.d).map(|j| points.coord(i, j)).collect();
                if self.squared_gap(b, &point, &point) > 0.0 {
                    return Err(broken(b, "its box leaves out a point"));
                }
            }
        }
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        (self.starts.len() + self.centres.len()) * 4
            + self.balls.len() * std::mem::size_of::<Ball>()
            + self.boxes.len() * 8
    }
}

/// Ends of runs of whole small subtrees (and single inner nodes) of at most [`BLOCK`] points.
fn cut(tree: &CoverTree) -> Vec<u32> {
    let mut starts = vec![0u32];
    let mut node = 0;
    let mut start = 0;
    while node < tree.len() {
        let size = tree.subtree(node).len();
        let unit = if size <= BLOCK { size } else { 1 };
        if node + unit - start > BLOCK {
            starts.push(node as u32);
            start = node;
        }
        node += unit;
    }
    starts.push(tree.len() as u32);
    starts
}
