//! Anchors: one point of each small box of space, each with the points that are nearest to it, and a table of the gaps
//! between them. A navigating net of one level.
//!
//! The table is what lets a query skip most of the points without evaluating anything: a query at angle d from its
//! own anchor can have a neighbour within angle t among the members of another anchor only where
//! angle(own anchor, other anchor) - radius of the other <= t + d, and the left side is in the table.
//! Balls that wide apart exist only when they are small, so anchors are many: the upper levels of a tree over residual
//! correlations discard nothing. Source for the idea: Krauthgamer & Lee, *Navigating nets* (SODA 2004).

use super::spatial::kd_order;
use crate::control::Control;
use crate::error::{Result, try_vec, try_with_capacity};
use crate::metric::{Ball, Candidates, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;

/// Points of a box in which anchors are chosen, unless that would make more boxes than half of the anchors.
const BOX: usize = 32;
/// Points of a box at most.
const LARGEST_BOX: usize = 256;
/// Nearest anchors of an anchor that its points choose from, and that new points start from.
const CHOICES: usize = 16;
/// Anchors whose rows of the table a task computes.
const ROWS: usize = 32;
/// Columns of the table that are computed at a time.
const COLUMNS: usize = 512;
/// No ball is asked to be smaller than this angle (radians).
const LEAST_RADIUS: f64 = 0.1;
/// The anchor of a point that is in none.
pub(crate) const NO_ANCHOR: u32 = u32::MAX;

/// The anchors of some points of a tree.
#[derive(Default)]
pub(crate) struct Anchors {
    /// Tree position of each anchor.
    pub(crate) positions: Vec<u32>,
    /// The ball of each anchor's members.
    pub(crate) balls: Vec<Ball>,
    /// Anchor of each tree position, or [`NO_ANCHOR`].
    pub(crate) of: Vec<u32>,
    /// Angle between each tree position and its anchor, rounded up.
    pub(crate) offsets: Vec<f32>,
    /// Members of anchor a, itself first, are `members[starts[a]..starts[a + 1]]`, tree positions.
    members: Vec<u32>,
    starts: Vec<u32>,
    /// Cosine and sine of the angle between each member and its anchor, the angle rounded up.
    cosines: Vec<f64>,
    sines: Vec<f64>,
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
    /// Chooses anchors of the given points and computes the table, which takes at most half the memory of V:
    /// anchors^2 / 2 + 48 n evaluations (more in larger boxes), also returned.
    pub(crate) fn new<M: Metric>(
        metric: &M,
        mut order: Vec<u32>,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<(Self, u64)> {
        let what = "the anchors";
        let (n, points) = (order.len(), metric.points());
        let most = ((n * points.width.max(16)) as f64 * 4.0).sqrt() as usize;
        let mut leaf = BOX;
        while 2 * n.div_ceil(leaf) > most && leaf < LARGEST_BOX.min(n) {
            leaf *= 2;
        }
        kd_order(&points.coords, points.n, &mut order, leaf);
        let (positions, mut of, radius) = choose(metric, &order, leaf, most, threads, control)?;
        let mut evaluations = (n * leaf) as u64;
        if !tell_apart(metric, &positions, radius, &order)? {
            return Ok((Anchors::default(), evaluations));
        }
        let count = positions.len();
        let choices = CHOICES.min(count);
        let mut anchors = Anchors {
            balls: try_vec(count, metric.point_ball(0.0), what)?,
            of: try_vec(points.n, NO_ANCHOR, what)?,
            offsets: try_vec(points.n, 0.0, what)?,
            members: try_with_capacity(n, what)?,
            starts: try_vec(count + 1, 0, what)?,
            cosines: try_vec(n, 1.0, what)?,
            sines: try_vec(n, 0.0, what)?,
            nearest: try_vec(count * choices, 0, what)?,
            gaps: try_vec(count * count, 0, what)?,
            step: metric.length(0.0) / f64::from(u8::MAX),
            positions,
        };
        anchors.measure(metric, choices, threads, control)?;
        anchors.assign(metric, &order, &mut of, choices, threads)?;
        anchors.enclose(metric, &order);
        evaluations += (count * count / 2 + n * choices) as u64;
        Ok((anchors, evaluations))
    }

    /// Angles between all anchors, in steps, and each one's nearest.
    fn measure<M: Metric>(
        &mut self,
        metric: &M,
        choices: usize,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<()> {
        let (count, points) = (self.positions.len(), metric.points());
        let positions = &self.positions;
        let weights: Vec<f64> = positions.iter().map(|&i| metric.weight(points.inverse_sds[i as usize])).collect();
        let steps = Steps::new(|score| (metric.length(score) / self.step) as u8);
        // From the diagonal on.
        let tasks: Vec<_> = self.gaps.chunks_mut(ROWS * count).enumerate().collect();
        threads.run(tasks, control, Scratch::default, |s, (task, gaps)| {
            let first = task * ROWS;
            let rows = first..first + gaps.len() / count;
            s.queries.clear();
            positions[rows.clone()].iter().for_each(|&i| s.queries.push_stored(points, i as usize));
            for start in (first..count).step_by(COLUMNS) {
                let columns = start..(start + COLUMNS).min(count);
                s.scores.resize(rows.len() * columns.len(), 0.0);
                let others = Candidates::Gather(&positions[columns.clone()]);
                metric.scores(&s.queries, &s.queries.all, &others, &mut s.score, &mut s.scores)?;
                for (row, scores) in s.scores.chunks_exact(columns.len()).enumerate() {
                    let weight = weights[first + row];
                    let gaps = &mut gaps[row * count + start..][..columns.len()];
                    for ((gap, &score), &other) in gaps.iter_mut().zip(scores).zip(&weights[columns.clone()]) {
                        *gap = steps.of(score + metric.slack(weight, other));
                    }
                }
            }
            Ok(())
        })?;
        mirror(&mut self.gaps, count);
        let rows = self.nearest.chunks_mut(ROWS * choices).zip(self.gaps.chunks(ROWS * count));
        threads.run(rows.collect(), &mut Control::none(), Vec::new, |order, (nearest, gaps)| {
            for (nearest, gaps) in nearest.chunks_exact_mut(choices).zip(gaps.chunks_exact(count)) {
                order.clear();
                smallest(gaps, choices, order);
                nearest.copy_from_slice(&order[..choices]);
            }
            Ok(())
        })?;
        // Itself first, before its duplicates.
        for (a, nearest) in self.nearest.chunks_exact_mut(choices).enumerate() {
            match nearest.iter().position(|&b| b == a as u32) {
                Some(place) => nearest[..=place].rotate_right(1),
                None => nearest[0] = a as u32,
            }
        }
        Ok(())
    }

    /// Gives every point to the nearest of the anchors around the one that it has in its box.
    fn assign<M: Metric>(
        &mut self,
        metric: &M,
        order: &[u32],
        of: &mut [u32],
        choices: usize,
        threads: &Threads,
    ) -> Result<()> {
        let (points, positions, nearest) = (metric.points(), &self.positions, &self.nearest);
        let weight = |i: u32| metric.weight(points.inverse_sds[i as usize]);
        let mut offsets = try_vec(order.len(), 0.0f32, "the anchors")?;
        let parts = order.chunks(8 * BOX).zip(of.chunks_mut(8 * BOX)).zip(offsets.chunks_mut(8 * BOX));
        threads.run(parts.collect(), &mut Control::none(), Scratch::default, |s, ((order, of), offsets)| {
            for ((&i, of), offset) in order.iter().zip(of).zip(offsets) {
                if positions[*of as usize] == i {
                    // An anchor is its own member, whatever else is at distance 0.
                    continue;
                }
                let around = &nearest[*of as usize * choices..(*of as usize + 1) * choices];
                s.order.clear();
                s.order.extend(around.iter().map(|&b| positions[b as usize]));
                s.queries.clear();
                s.queries.push_stored(points, i as usize);
                s.scores.resize(choices, 0.0);
                let centres = Candidates::Gather(&s.order);
                metric.scores(&s.queries, &s.queries.all, &centres, &mut s.score, &mut s.scores)?;
                let best = (0..choices).rev().max_by(|&a, &b| s.scores[a].total_cmp(&s.scores[b])).unwrap_or(0);
                *of = around[best];
                let slack = metric.slack(weight(i), weight(s.order[best]));
                *offset = (metric.length(s.scores[best] - slack) as f32).next_up();
            }
            Ok(())
        })?;
        for ((&i, &of), offset) in order.iter().zip(&*of).zip(offsets) {
            self.of[i as usize] = of;
            self.offsets[i as usize] = offset;
        }
        Ok(())
    }

    /// Member lists and balls, and gaps from angles.
    fn enclose<M: Metric>(&mut self, metric: &M, order: &[u32]) {
        let points = metric.points();
        let weight = |i: usize| metric.weight(points.inverse_sds[i]);
        let count = self.positions.len();
        order.iter().for_each(|&i| self.starts[self.of[i as usize] as usize + 1] += 1);
        for a in 0..count {
            self.starts[a + 1] += self.starts[a];
        }
        // The anchor itself comes first.
        let mut fill = self.starts.clone();
        self.members.resize(order.len(), 0);
        for (a, &i) in self.positions.iter().enumerate() {
            self.members[fill[a] as usize] = i;
            fill[a] += 1;
            self.balls[a] = metric.point_ball(weight(i as usize));
        }
        for &i in order {
            let of = self.of[i as usize] as usize;
            let anchor = self.positions[of];
            if i != anchor {
                let offset = f64::from(self.offsets[i as usize]);
                let place = fill[of] as usize;
                self.members[place] = i;
                (self.cosines[place], self.sines[place]) = (offset.cos(), offset.sin());
                fill[of] += 1;
                let score = metric.score_at_length(offset);
                self.balls[of] = metric.grow(self.balls[of], weight(anchor as usize), weight(i as usize), score);
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

    /// Members of anchor `a`, itself first.
    pub(crate) fn members(&self, a: usize) -> &[u32] {
        &self.members[self.starts[a] as usize..self.starts[a + 1] as usize]
    }

    /// Cosines and sines of the angles between anchor `a` and its members.
    pub(crate) fn rings(&self, a: usize) -> (&[f64], &[f64]) {
        let range = self.starts[a] as usize..self.starts[a + 1] as usize;
        (&self.cosines[range.clone()], &self.sines[range])
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
        for (chunk, gaps) in self.gaps[own * count..(own + 1) * count].chunks(64).enumerate() {
            if gaps.iter().fold(false, |any, &gap| any | (gap <= most)) {
                let near = gaps.iter().enumerate().filter(|&(_, &gap)| gap <= most);
                found.extend(near.map(|(b, _)| (chunk * 64 + b) as u32));
            }
        }
    }

    /// The `count` anchors with the smallest gaps from anchor `a`, ascending.
    pub(crate) fn by_gap(&self, a: usize, count: usize) -> Vec<u32> {
        let mut order = Vec::new();
        smallest(&self.gaps[a * self.len()..(a + 1) * self.len()], count, &mut order);
        order
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.positions.len() + self.of.len() + self.offsets.len() + self.members.len() + self.nearest.len();
        let floats = 2 * self.cosines.len();
        let balls = self.balls.len() * std::mem::size_of::<Ball>();
        4 * (words + self.starts.len()) + 8 * floats + balls + self.gaps.len()
    }
}

/// Anchors of each box of `leaf` points of `order`: farthest-first, until every point is within a radius that is the
/// same for all boxes and gives at most about `most` anchors. Returns their positions, for each point of `order` the
/// number of the anchor of its box that is nearest, and the radius. Source: Gonzalez, *Clustering to minimize the maximum
/// intercluster distance* (Theoretical Computer Science, 1985).
fn choose<M: Metric>(
    metric: &M,
    order: &[u32],
    leaf: usize,
    most: usize,
    threads: &Threads,
    control: &mut Control<'_>,
) -> Result<(Vec<u32>, Vec<u32>, f64)> {
    let what = "the anchors";
    let points = metric.points();
    // For each box the order in which its points become anchors, the radius before each does (infinite for the first),
    // and the scores of all pairs, which are kept in single precision: they only choose.
    let mut ranks = try_vec(order.len(), 0u8, what)?;
    let mut radii = try_vec(order.len(), f32::INFINITY, what)?;
    let mut pairs = try_vec(order.len() * leaf, 0.0f32, what)?;
    let parts = order.chunks(leaf).zip(ranks.chunks_mut(leaf)).zip(radii.chunks_mut(leaf));
    let parts: Vec<_> = parts.zip(pairs.chunks_mut(leaf * leaf)).collect();
    threads.run(parts, control, Scratch::default, |s, (((members, ranks), radii), pairs)| {
        let count = members.len();
        s.queries.clear();
        members.iter().for_each(|&i| s.queries.push_stored(points, i as usize));
        s.scores.resize(count * count, 0.0);
        let all = Candidates::Gather(members);
        metric.scores(&s.queries, &s.queries.all, &all, &mut s.score, &mut s.scores)?;
        pairs.iter_mut().zip(&s.scores).for_each(|(pair, &score)| *pair = score as f32);
        let row = |i: usize| &pairs[i * count..(i + 1) * count];
        // The first is the point whose farthest is nearest.
        let farthest = |i: usize| row(i).iter().copied().fold(f32::INFINITY, f32::min);
        let mut next = (0..count).max_by(|&a, &b| farthest(a).total_cmp(&farthest(b))).unwrap_or(0);
        let mut covered = vec![f32::NEG_INFINITY; count];
        for (rank, radius) in ranks.iter_mut().zip(radii) {
            *radius = metric.length(f64::from(covered[next])) as f32;
            if covered[next] == f32::NEG_INFINITY {
                *radius = f32::INFINITY;
            }
            *rank = next as u8;
            covered.iter_mut().zip(row(next)).for_each(|(cover, &score)| *cover = cover.max(score));
            covered[next] = f32::INFINITY;
            next = (0..count).min_by(|&a, &b| covered[a].total_cmp(&covered[b])).unwrap_or(0);
        }
        Ok(())
    })?;
    let mut sorted: Vec<f32> = radii.clone();
    let least = if most < sorted.len() {
        *sorted.select_nth_unstable_by(most.max(1) - 1, |a, b| b.total_cmp(a)).1
    } else {
        0.0
    };
    let least = least.max(LEAST_RADIUS as f32);
    let mut positions = try_with_capacity(most.min(order.len()) + order.len() / leaf + 1, what)?;
    let mut of = try_vec(order.len(), 0, what)?;
    for (t, (members, of)) in order.chunks(leaf).zip(of.chunks_mut(leaf)).enumerate() {
        let (first, count) = (t * leaf, members.len());
        let taken = radii[first..first + count].iter().take_while(|&&radius| radius >= least).count().max(1);
        let chosen = &ranks[first..first + taken];
        let pairs = &pairs[first * leaf..][..count * count];
        for (i, of) in of.iter_mut().enumerate() {
            let score = |&a: &usize| pairs[i * count + usize::from(chosen[a])];
            let own = (0..taken).find(|&a| usize::from(chosen[a]) == i);
            let nearest = own.or_else(|| (0..taken).max_by(|a, b| score(a).total_cmp(&score(b)))).unwrap_or(0);
            *of = (positions.len() + nearest) as u32;
        }
        positions.extend(chosen.iter().map(|&i| members[usize::from(i)]));
    }
    Ok((positions, of, f64::from(least)))
}

/// Whether, for most points of a sample, few of the balls of a radius reach as far as the fifty nearest points or so do.
fn tell_apart<M: Metric>(metric: &M, positions: &[u32], radius: f64, order: &[u32]) -> Result<bool> {
    const SAMPLE: usize = 24;
    const NEAREST: usize = 50;
    const SHARE: f64 = 0.25;
    let (points, count) = (metric.points(), positions.len());
    let mut s = Scratch::default();
    for t in 0..SAMPLE {
        s.queries.push_stored(points, order[t * order.len() / SAMPLE] as usize);
    }
    s.scores.resize(SAMPLE * count, 0.0);
    metric.scores(&s.queries, &s.queries.all, &Candidates::Gather(positions), &mut s.score, &mut s.scores)?;
    let ball = Ball { reach: metric.score_at_length(radius), weight: 0.0 };
    let rank = (NEAREST * count / order.len()).min(count - 1);
    let few = s.scores.chunks_exact(count).filter(|scores| {
        let mut sorted = scores.to_vec();
        let threshold = *sorted.select_nth_unstable_by(rank, |a, b| b.total_cmp(a)).1;
        let open = scores.iter().filter(|&&score| metric.bound(0.0, score, ball) >= threshold).count();
        (open as f64) < SHARE * count as f64
    });
    Ok(2 * few.count() > SAMPLE)
}

/// Whole steps below a length, from a score in [0, 1]: a table instead of an arc cosine a pair.
struct Steps(Vec<u8>);

impl Steps {
    /// `exact(score)` is nonincreasing.
    fn new(exact: impl Fn(f64) -> u8) -> Self {
        const FINE: usize = 4096;
        Steps((0..=FINE + 1).map(|i| exact(((i + 1) as f64 / FINE as f64).min(1.0))).collect())
    }

    fn of(&self, score: f64) -> u8 {
        let last = self.0.len() - 1;
        self.0[((score * (last - 1) as f64) as usize).min(last)]
    }
}

/// Copies what is above the diagonal of a square matrix below it, in blocks that stay in the cache.
fn mirror(matrix: &mut [u8], count: usize) {
    const TILE: usize = 64;
    for top in (0..count).step_by(TILE) {
        for left in (0..=top).step_by(TILE) {
            for i in top..(top + TILE).min(count) {
                for j in left..(left + TILE).min(i) {
                    matrix[i * count + j] = matrix[j * count + i];
                }
            }
        }
    }
}

/// Adds to `order` the numbers of the `wanted` smallest values, ascending, ties by number.
fn smallest(values: &[u8], wanted: usize, order: &mut Vec<u32>) {
    let mut counts = [0u32; 256];
    values.iter().for_each(|&value| counts[usize::from(value)] += 1);
    let mut total = 0;
    let mut most = 0;
    for (value, &count) in counts.iter().enumerate() {
        total += count as usize;
        most = value as u8;
        if total >= wanted {
            break;
        }
    }
    order.extend((0..values.len() as u32).filter(|&i| values[i as usize] <= most));
    order.sort_by_key(|&i| (values[i as usize], i));
    order.truncate(wanted);
}
