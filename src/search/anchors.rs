//! Anchors: the nodes of one level of the tree, each with the points that are nearest to it, and a table of the gaps
//! between them. A navigating net of one level.
//!
//! The table is what lets a query skip most of the points without evaluating anything: a query at angle d from its
//! own anchor can have a neighbour within angle t among the members of another anchor only where
//! angle(own anchor, other anchor) - radius of the other <= t + d, and the left side is in the table.
//! Balls that wide apart exist only when they are small, so anchors are taken from a fine level: the upper levels of
//! a tree over residual correlations discard nothing. Source for the idea: Krauthgamer & Lee, *Navigating nets*
//! (SODA 2004).

use crate::control::Control;
use crate::error::{Result, try_vec, try_with_capacity};
use crate::metric::{Ball, Candidates, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::tree::CoverTree;

/// Anchors at most: the table has the square of this many bytes.
const MOST: usize = 6000;
/// Points of an anchor, about.
const MEMBERS: usize = 12;
/// Nearest anchors of an anchor that its points choose from, and that new points start from.
const CHOICES: usize = 16;
/// Rows of the table that a task computes.
const ROWS: usize = 16;

/// The anchors of a tree.
#[derive(Default)]
pub(crate) struct Anchors {
    /// Position of each anchor.
    pub(crate) positions: Vec<u32>,
    /// The ball of each anchor's members.
    pub(crate) balls: Vec<Ball>,
    /// Anchor of each position.
    pub(crate) of: Vec<u32>,
    /// Angle between each position and its anchor, rounded up.
    pub(crate) offsets: Vec<f32>,
    /// Members of anchor a are `members[starts[a]..starts[a + 1]]`, tree positions, ascending.
    members: Vec<u32>,
    starts: Vec<u32>,
    /// The nearest anchors of each anchor, itself first, CHOICES of them.
    nearest: Vec<u32>,
    /// Row a has for each anchor b angle(a, b) - radius of b, in steps, rounded down.
    gaps: Vec<u8>,
    /// Radians of a step.
    step: f64,
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    queries: QueryBlock,
    score: ScoreScratch,
    scores: Vec<f64>,
    order: Vec<u32>,
}

impl Anchors {
    /// Chooses anchors and computes the table: anchors^2 + 16 n evaluations, also returned. The points of `metric` are
    /// in the order of the tree.
    pub(crate) fn new<M: Metric>(
        metric: &M,
        tree: &CoverTree,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<(Self, u64)> {
        let what = "the anchors";
        let n = tree.len();
        let level = anchor_level(tree);
        let positions: Vec<u32> = (0..n as u32).filter(|&i| tree.levels[i as usize] <= level).collect();
        let count = positions.len();
        let choices = CHOICES.min(count);
        let mut anchors = Anchors {
            balls: try_vec(count, metric.point_ball(0.0), what)?,
            of: try_vec(n, 0, what)?,
            offsets: try_vec(n, 0.0, what)?,
            members: try_with_capacity(n, what)?,
            starts: try_vec(count + 1, 0, what)?,
            nearest: try_vec(count * choices, 0, what)?,
            gaps: try_vec(count * count, 0, what)?,
            step: metric.length(0.0) / f64::from(u8::MAX),
            positions,
        };
        anchors.measure(metric, choices, threads, control)?;
        anchors.assign(metric, tree, level, choices, threads)?;
        anchors.enclose(metric);
        Ok((anchors, (count * count + n * choices) as u64))
    }

    /// Angles between all anchors, in steps, and each one's nearest.
    fn measure<M: Metric>(
        &mut self,
        metric: &M,
        choices: usize,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<()> {
        let (count, points, step) = (self.positions.len(), metric.points(), self.step);
        let positions = &self.positions;
        let weights: Vec<f64> = positions.iter().map(|&i| metric.weight(points.inverse_sds[i as usize])).collect();
        let parts = self.gaps.chunks_mut(ROWS * count).zip(self.nearest.chunks_mut(ROWS * choices));
        let tasks: Vec<_> = parts.enumerate().collect();
        threads.run(tasks, control, Scratch::default, |s, (task, (gaps, nearest))| {
            let first = task * ROWS;
            let rows = first..first + gaps.len() / count;
            s.queries.clear();
            positions[rows.clone()].iter().for_each(|&i| s.queries.push_stored(points, i as usize));
            s.scores.resize(rows.len() * count, 0.0);
            metric.scores(&s.queries, &s.queries.all, &Candidates::Gather(positions), &mut s.score, &mut s.scores)?;
            let scores = s.scores.chunks_exact(count);
            for (((a, scores), gaps), nearest) in
                rows.zip(scores).zip(gaps.chunks_exact_mut(count)).zip(nearest.chunks_exact_mut(choices))
            {
                for (b, (gap, &score)) in gaps.iter_mut().zip(scores).enumerate() {
                    *gap = (metric.length(score + metric.slack(weights[a], weights[b])) / step) as u8;
                }
                s.order.clear();
                s.order.extend(0..count as u32);
                let by_score = |&b: &u32, &c: &u32| {
                    scores[c as usize].total_cmp(&scores[b as usize]).then((b != a as u32).cmp(&(c != a as u32)))
                };
                if choices < count {
                    s.order.select_nth_unstable_by(choices - 1, by_score);
                }
                s.order[..choices].sort_unstable_by(by_score);
                nearest.copy_from_slice(&s.order[..choices]);
            }
            Ok(())
        })
    }

    /// Gives every point to the nearest of the anchors around its ancestor.
    fn assign<M: Metric>(
        &mut self,
        metric: &M,
        tree: &CoverTree,
        level: u8,
        choices: usize,
        threads: &Threads,
    ) -> Result<()> {
        // The ancestor that is an anchor comes before its descendants.
        let mut number = 0;
        for i in 0..tree.len() {
            if tree.levels[i] <= level {
                self.of[i] = number;
                number += 1;
            } else {
                self.of[i] = self.of[tree.parents[i] as usize];
            }
        }
        const TASK: usize = 512;
        let (points, positions, nearest) = (metric.points(), &self.positions, &self.nearest);
        let tasks: Vec<_> = self.of.chunks_mut(TASK).zip(self.offsets.chunks_mut(TASK)).enumerate().collect();
        threads.run(tasks, &mut Control::none(), Scratch::default, |s, (task, (of, offsets))| {
            for (i, (of, offset)) in (task * TASK..).zip(of.iter_mut().zip(offsets)) {
                let around = *of as usize * choices;
                let around = &nearest[around..around + choices];
                s.order.clear();
                s.order.extend(around.iter().map(|&b| positions[b as usize]));
                s.queries.clear();
                s.queries.push_stored(points, i);
                s.scores.resize(choices, 0.0);
                metric.scores(
                    &s.queries,
                    &s.queries.all,
                    &Candidates::Gather(&s.order),
                    &mut s.score,
                    &mut s.scores,
                )?;
                let best = (0..choices).rev().max_by(|&a, &b| s.scores[a].total_cmp(&s.scores[b])).unwrap_or(0);
                *of = around[best];
                let anchor = s.order[best] as usize;
                if anchor != i {
                    let weight = |i: usize| metric.weight(points.inverse_sds[i]);
                    let slack = metric.slack(weight(i), weight(anchor));
                    *offset = (metric.length(s.scores[best] - slack) as f32).next_up();
                }
            }
            Ok(())
        })
    }

    /// Member lists and balls, and gaps from angles.
    fn enclose<M: Metric>(&mut self, metric: &M) {
        let points = metric.points();
        let weight = |i: usize| metric.weight(points.inverse_sds[i]);
        let count = self.positions.len();
        self.of.iter().for_each(|&of| self.starts[of as usize + 1] += 1);
        for a in 0..count {
            self.starts[a + 1] += self.starts[a];
        }
        let mut fill = self.starts.clone();
        self.members.resize(self.of.len(), 0);
        for (ball, &i) in self.balls.iter_mut().zip(&self.positions) {
            *ball = metric.point_ball(weight(i as usize));
        }
        for (i, &of) in self.of.iter().enumerate() {
            self.members[fill[of as usize] as usize] = i as u32;
            fill[of as usize] += 1;
            let anchor = self.positions[of as usize] as usize;
            if i != anchor {
                let score = metric.score_at_length(f64::from(self.offsets[i]));
                let ball = &mut self.balls[of as usize];
                *ball = metric.grow(*ball, weight(anchor), weight(i), score);
            }
        }
        let radii: Vec<f64> = self.balls.iter().map(|ball| metric.length(ball.reach) / self.step).collect();
        for row in self.gaps.chunks_exact_mut(count) {
            for (gap, &radius) in row.iter_mut().zip(&radii) {
                *gap = (f64::from(*gap) - radius) as u8;
            }
        }
    }

    /// Number of anchors.
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Members of anchor `a`.
    pub(crate) fn members(&self, a: usize) -> &[u32] {
        &self.members[self.starts[a] as usize..self.starts[a + 1] as usize]
    }

    /// The nearest anchors of anchor `a`, itself first.
    pub(crate) fn nearest(&self, a: usize) -> &[u32] {
        let choices = CHOICES.min(self.len());
        &self.nearest[a * choices..(a + 1) * choices]
    }

    /// Adds to `found` the anchors that may have a member within `angle` of a point at `offset` from anchor `own`.
    pub(crate) fn near(&self, own: usize, offset: f64, angle: f64, found: &mut Vec<u32>) {
        let count = self.len();
        let most = ((angle + offset) / self.step + 1.0).min(f64::from(u8::MAX)) as u8;
        let gaps = &self.gaps[own * count..(own + 1) * count];
        found.extend(gaps.iter().enumerate().filter(|&(_, &gap)| gap <= most).map(|(b, _)| b as u32));
    }

    /// All anchors, those with the smallest gaps from anchor `a` first.
    pub(crate) fn by_gap(&self, a: usize) -> Vec<u32> {
        let gaps = &self.gaps[a * self.len()..(a + 1) * self.len()];
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_by_key(|&b| gaps[b as usize]);
        order
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.positions.len() + self.of.len() + self.offsets.len() + self.members.len() + self.nearest.len();
        4 * (words + self.starts.len()) + self.balls.len() * std::mem::size_of::<Ball>() + self.gaps.len()
    }
}

/// The level whose number of nodes is closest, by ratio, to one a dozen points, within the limit of the table.
fn anchor_level(tree: &CoverTree) -> u8 {
    let mut sizes = vec![0usize; 256];
    tree.levels.iter().for_each(|&level| sizes[usize::from(level)] += 1);
    let wanted = (tree.len() / MEMBERS).clamp(1, MOST) as f64;
    let mut total = 0;
    let mut best = (f64::INFINITY, 0);
    for (level, size) in sizes.into_iter().enumerate() {
        total += size;
        let off = (total as f64 / wanted).ln().abs();
        if off < best.0 && total <= MOST.max(1) {
            best = (off, level as u8);
        }
    }
    best.1
}
