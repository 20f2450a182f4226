//! Construction: the cover sets as nested nets, from the largest radius down, each greedy in the order of the points.
//!
//! A point becomes a node at the first level where no node is within that level's radius. Finding a node that covers
//! a point is cheap (the one that covered it before, or its neighbours along a Hilbert curve); that no node does is
//! proved once for each point, by a search of the tree as far as it is built, pruned by balls. Batches are checked against
//! the tree in parallel and then, in order, against each other, so the tree does not depend on threads. Of few coordinates
//! both are a look at some cubes of a grid, which takes less than threads take to begin: points enter one by one.

use super::NO_PARENT;
use super::grid::Grid;
use crate::control::Control;
use crate::error::{Result, try_collect, try_copy, try_push, try_vec, try_with_capacity};
use crate::metric::{Ball, Candidates, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use std::sync::atomic::{AtomicU64, Ordering};

/// Points that are checked against the tree before they are checked against each other.
const BATCH: usize = 512;
/// Points of a batch that are searched for together.
const GROUP: usize = 32;

/// Parents and levels by id; the root is its own start.
pub(crate) struct Net {
    pub(crate) root: u32,
    pub(crate) parents: Vec<u32>,
    pub(crate) levels: Vec<u8>,
    pub(crate) radii: Vec<f64>,
    /// Pairs evaluated.
    pub(crate) evaluations: u64,
}

/// The tree while it grows, by id.
struct Growing<'a, M> {
    metric: &'a M,
    root: u32,
    parents: Vec<u32>,
    levels: Vec<u8>,
    children: Vec<Vec<u32>>,
    balls: Vec<Ball>,
    /// The node that covers each point that is not yet a node; a node covers itself.
    cover: Vec<u32>,
    /// Score of each point with its cover.
    cover_scores: Vec<f64>,
    /// Nodes so far.
    count: usize,
    /// Those that the balls do not know of yet, ancestors first.
    beyond_balls: Vec<u32>,
    evaluations: AtomicU64,
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    queries: QueryBlock,
    score: ScoreScratch,
    scores: Vec<f64>,
}

/// What a search for a cover found: a node and the score with it.
type Cover = Option<(u32, f64)>;

/// Builds the nets over all points of `metric`, which enter in the order `order`; `along[h]` is the id at place h of a
/// Hilbert curve. O(n) evaluations a cover set that balls cannot prune, at most n^2 / 2 in all.
pub(crate) fn build_net<M: Metric>(
    metric: &M,
    order: &[u32],
    along: &[u32],
    threads: &Threads,
    control: &mut Control<'_>,
) -> Result<Net> {
    let n = order.len();
    let root = order[0];
    let mut places = try_vec(n, 0u32, "the tree")?;
    along.iter().enumerate().for_each(|(h, &id)| places[id as usize] = h as u32);
    let weight = |id: u32| metric.weight(metric.points().inverse_sds[id as usize]);

    let mut tree = Growing {
        metric,
        root,
        parents: try_vec(n, NO_PARENT, "the tree")?,
        levels: try_vec(n, u8::MAX, "the tree")?,
        children: try_vec(n, Vec::new(), "the tree")?,
        balls: try_collect((0..n as u32).map(|id| Ok(metric.point_ball(weight(id)))), "the tree")?,
        cover: try_vec(n, root, "the tree")?,
        cover_scores: try_vec(n, M::SELF_SCORE, "the tree")?,
        count: 1,
        beyond_balls: Vec::new(),
        evaluations: AtomicU64::new(0),
    };
    tree.levels[root as usize] = 0;
    tree.score_root(threads)?;
    let reach = tree.cover_scores.iter().copied().fold(M::SELF_SCORE, f64::min);
    let radii = metric.level_radii(reach);

    let mut pending = try_copy(&order[1..], "the tree")?;
    let mut loose: Vec<u32> = try_with_capacity(n, "the tree")?;
    for (level, &radius) in radii.iter().enumerate().skip(1) {
        let least = metric.score_at_length(radius);
        let all_equal = pending.iter().all(|&p| tree.cover_scores[p as usize] >= M::SELF_SCORE);
        if all_equal {
            break;
        }
        loose.clear();
        loose.extend(pending.iter().filter(|&&p| tree.cover_scores[p as usize] < least));
        let mut grid = tree.grid(least)?;
        for batch in loose.chunks(BATCH) {
            match &mut grid {
                Some(grid) => tree.grow_by_grid(grid, batch, level as u8, least)?,
                None => tree.grow_by_batch(batch, level as u8, least, along, &places, threads)?,
            }
            control.step(tree.count as f64 / n as f64)?;
        }
        pending.retain(|&p| tree.levels[p as usize] == u8::MAX);
    }
    let last = radii.len().min(usize::from(u8::MAX) - 1) as u8;
    for p in pending {
        tree.parents[p as usize] = tree.cover[p as usize];
        tree.levels[p as usize] = last;
    }
    let evaluations = tree.evaluations.into_inner();
    Ok(Net { root, parents: tree.parents, levels: tree.levels, radii, evaluations })
}

impl<M: Metric> Growing<'_, M> {
    /// Scores every point with the root, its first cover.
    fn score_root(&mut self, threads: &Threads) -> Result<()> {
        let (metric, root) = (self.metric, self.root);
        let tasks = try_collect(self.cover_scores.chunks_mut(4096).enumerate().map(Ok), "the tree")?;
        threads.run(tasks, &mut Control::none(), Scratch::default, |s, (t, out)| {
            s.queries.clear();
            s.queries.push_stored(metric.points(), root as usize);
            let range = t * 4096..t * 4096 + out.len();
            metric.scores(&s.queries, &s.queries.all, &Candidates::Range(range), &mut s.score, out)
        })?;
        self.evaluations.fetch_add(self.cover_scores.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Finds a cover for every point of `batch` (in the order of the points) or makes it a node of `level`.
    fn grow_by_batch(
        &mut self,
        batch: &[u32],
        level: u8,
        least: f64,
        along: &[u32],
        places: &[u32],
        threads: &Threads,
    ) -> Result<()> {
        self.grow_balls()?;
        let mut near: Vec<u32> = batch.to_vec();
        near.sort_unstable_by_key(|&p| places[p as usize]);
        let mut covers: Vec<Cover> = vec![None; near.len()];
        let tasks: Vec<_> = near.chunks(GROUP).zip(covers.chunks_mut(GROUP)).collect();
        let this = &*self;
        threads.run(tasks, &mut Control::none(), Scratch::default, |scratch, (points, covers)| {
            this.cover_by_neighbors(points, least, along, places, scratch, covers)?;
            this.cover_by_search(points, least, scratch, covers)
        })?;

        for (&p, cover) in near.iter().zip(&covers) {
            if let Some((node, score)) = *cover {
                self.cover[p as usize] = node;
                self.cover_scores[p as usize] = score;
            }
        }
        let uncovered: Vec<u32> = batch.iter().copied().filter(|&p| self.cover_scores[p as usize] < least).collect();
        self.settle(&uncovered, level, least, threads)
    }

    /// The nodes so far in a grid for the radius of a level, if that helps.
    fn grid(&self, least: f64) -> Result<Option<Grid>> {
        let points = self.metric.points();
        let mut grid = self.metric.radius(least).map(|radius| Grid::new(points, radius)).transpose()?.flatten();
        if let Some(grid) = &mut grid {
            let nodes = (0..).zip(&self.levels).filter(|&(_, &level)| level != u8::MAX);
            nodes.for_each(|(node, _)| grid.insert(points, node));
        }
        Ok(grid)
    }

    /// Finds a cover for every one of `points` by the grid, or makes it a node of `level`.
    fn grow_by_grid(&mut self, grid: &mut Grid, points: &[u32], level: u8, least: f64) -> Result<()> {
        let stored = self.metric.points();
        for &p in points {
            let (nearest, count) = grid.nearest(stored, p);
            *self.evaluations.get_mut() += count;
            match nearest.map(|(node, squared)| (node, -squared)).filter(|&(_, score)| score >= least) {
                Some((node, score)) => {
                    self.cover[p as usize] = node;
                    self.cover_scores[p as usize] = score;
                }
                None => {
                    grid.insert(stored, p);
                    self.add_node(p, level)?;
                }
            }
        }
        Ok(())
    }

    /// Tries the covers of each point's neighbours along the Hilbert curve.
    fn cover_by_neighbors(
        &self,
        points: &[u32],
        least: f64,
        along: &[u32],
        places: &[u32],
        scratch: &mut Scratch,
        covers: &mut [Cover],
    ) -> Result<()> {
        const REACH: usize = 3;
        let mut candidates: Vec<u32> = Vec::with_capacity(2 * REACH);
        for (&p, cover) in points.iter().zip(covers) {
            let place = places[p as usize] as usize;
            let window = place.saturating_sub(REACH)..(place + REACH + 1).min(along.len());
            candidates.clear();
            for &neighbor in &along[window] {
                let node = self.cover[neighbor as usize];
                if node != self.cover[p as usize] && !candidates.contains(&node) {
                    candidates.push(node);
                }
            }
            if candidates.is_empty() {
                continue;
            }
            scratch.queries.clear();
            scratch.queries.push_stored(self.metric.points(), p as usize);
            self.score(&scratch.queries, &scratch.queries.all, &candidates, &mut scratch.score, &mut scratch.scores)?;
            let best = (0..candidates.len()).max_by(|&a, &b| scratch.scores[a].total_cmp(&scratch.scores[b]));
            *cover = best.map(|i| (candidates[i], scratch.scores[i])).filter(|&(_, score)| score >= least);
        }
        Ok(())
    }

    /// Searches the tree for the points that have no cover yet, down from the root, each node's children against
    /// those points that its ball cannot exclude.
    fn cover_by_search(&self, points: &[u32], least: f64, scratch: &mut Scratch, covers: &mut [Cover]) -> Result<()> {
        let open: Vec<usize> = (0..points.len()).filter(|&i| covers[i].is_none()).collect();
        if open.is_empty() {
            return Ok(());
        }
        let stored = self.metric.points();
        scratch.queries.clear();
        open.iter().for_each(|&i| scratch.queries.push_stored(stored, points[i] as usize));
        let weights: Vec<f64> = scratch.queries.inverse_sds.iter().map(|&isd| self.metric.weight(isd)).collect();
        // Nodes whose children are to be looked at, each with the bit mask of the points it may cover.
        let mut frontier = vec![(self.root, u32::MAX >> (32 - open.len()))];
        let mut next = Vec::new();
        let mut found = 0u32;
        while !frontier.is_empty() {
            for &(node, mask) in &frontier {
                let mask = mask & !found;
                let children = &self.children[node as usize];
                if mask == 0 || children.is_empty() {
                    continue;
                }
                let members: Vec<u32> = (0..open.len() as u32).filter(|&i| mask >> i & 1 == 1).collect();
                self.score(&scratch.queries, &members, children, &mut scratch.score, &mut scratch.scores)?;
                for (c, &child) in children.iter().enumerate() {
                    let mut below = 0u32;
                    let has_children = !self.children[child as usize].is_empty();
                    let ball = self.balls[child as usize];
                    let least_score = self.metric.least_score(ball, least);
                    let may_hold = |weight: f64, score: f64| match least_score {
                        Some(least) => score >= least,
                        None => self.metric.bound(weight, score, ball) >= least,
                    };
                    for (row, &i) in members.iter().enumerate() {
                        let i = i as usize;
                        let score = scratch.scores[row * children.len() + c];
                        if score >= least {
                            let cover = &mut covers[open[i]];
                            if cover.is_none_or(|(_, best)| score > best) {
                                *cover = Some((child, score));
                            }
                            found |= 1 << i;
                        } else if has_children && may_hold(weights[i], score) {
                            below |= 1 << i;
                        }
                    }
                    if below & !found != 0 {
                        next.push((child, below));
                    }
                }
            }
            frontier.clear();
            std::mem::swap(&mut frontier, &mut next);
        }
        Ok(())
    }

    /// Makes nodes of those uncovered points, in order, that no earlier one of them covers.
    fn settle(&mut self, uncovered: &[u32], level: u8, least: f64, threads: &Threads) -> Result<()> {
        let count = uncovered.len();
        let mut pairs = try_vec(count * count, 0.0, "the tree")?;
        let tasks: Vec<_> = uncovered.chunks(GROUP).zip(pairs.chunks_mut(GROUP * count.max(1))).enumerate().collect();
        let (metric, evaluations) = (self.metric, &self.evaluations);
        threads.run(tasks, &mut Control::none(), Scratch::default, |s, (t, (points, out))| {
            s.queries.clear();
            points.iter().for_each(|&p| s.queries.push_stored(metric.points(), p as usize));
            // Only pairs with an earlier point are read.
            let earlier = &uncovered[..(t * GROUP + points.len()).min(count)];
            s.scores.resize(points.len() * earlier.len(), 0.0);
            metric.scores(&s.queries, &s.queries.all, &Candidates::Gather(earlier), &mut s.score, &mut s.scores)?;
            evaluations.fetch_add(s.scores.len() as u64, Ordering::Relaxed);
            for (row, scores) in out.chunks_exact_mut(count).zip(s.scores.chunks_exact(earlier.len())) {
                row[..earlier.len()].copy_from_slice(scores);
            }
            Ok(())
        })?;

        let mut nodes: Vec<usize> = Vec::new();
        for (i, &p) in uncovered.iter().enumerate() {
            let row = &pairs[i * count..(i + 1) * count];
            match nodes.iter().copied().find(|&earlier| row[earlier] >= least) {
                Some(earlier) => {
                    self.cover[p as usize] = uncovered[earlier];
                    self.cover_scores[p as usize] = row[earlier];
                }
                None => {
                    nodes.push(i);
                    self.add_node(p, level)?;
                }
            }
        }
        Ok(())
    }

    /// Makes `p` a node below its cover.
    fn add_node(&mut self, p: u32, level: u8) -> Result<()> {
        let parent = self.cover[p as usize];
        self.count += 1;
        self.parents[p as usize] = parent;
        self.levels[p as usize] = level;
        try_push(&mut self.children[parent as usize], p, "the tree")?;
        try_push(&mut self.beyond_balls, p, "the tree")?;
        self.cover[p as usize] = p;
        self.cover_scores[p as usize] = M::SELF_SCORE;
        Ok(())
    }

    /// Grows the balls of the ancestors of all nodes that these do not know of yet.
    fn grow_balls(&mut self) -> Result<()> {
        let isds = &self.metric.points().inverse_sds;
        let mut scratch = Scratch::default();
        for p in std::mem::take(&mut self.beyond_balls) {
            let above = |&a: &u32| Some(self.parents[a as usize]).filter(|&a| a != NO_PARENT);
            let ancestors: Vec<u32> = std::iter::successors(above(&p), above).collect();
            scratch.queries.clear();
            scratch.queries.push_stored(self.metric.points(), p as usize);
            self.score(&scratch.queries, &scratch.queries.all, &ancestors, &mut scratch.score, &mut scratch.scores)?;
            for (&ancestor, &score) in ancestors.iter().zip(&scratch.scores) {
                let ball = &mut self.balls[ancestor as usize];
                let (centre, weight) =
                    (self.metric.weight(isds[ancestor as usize]), self.metric.weight(isds[p as usize]));
                *ball = self.metric.grow(*ball, centre, weight, score);
            }
        }
        Ok(())
    }

    /// Scores of the queries `rows` with the points `nodes`, counted.
    fn score(
        &self,
        queries: &QueryBlock,
        rows: &[u32],
        nodes: &[u32],
        scratch: &mut ScoreScratch,
        scores: &mut Vec<f64>,
    ) -> Result<()> {
        scores.resize(rows.len() * nodes.len(), 0.0);
        self.evaluations.fetch_add(scores.len() as u64, Ordering::Relaxed);
        self.metric.scores(queries, rows, &Candidates::Gather(nodes), scratch, scores)
    }
}
