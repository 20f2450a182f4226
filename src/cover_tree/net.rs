//! Construction: the cover sets as nested nets, from the largest radius down, each greedy in a given order of the points.
//!
//! A point becomes a node at the first level where no node is within that level's radius. What is within a radius an index tells,
//! which is asked for whichever are fewer of the nodes so far and the points that these no longer cover; then for the new nodes of
//! a level, some at a time, which are first compared with each other. So a tree takes a few searches a point, and does not depend
//! on threads.

use crate::control::Control;
use crate::error::{Result, try_copy, try_push, try_vec, try_with_capacity};
use crate::metric::{Candidates, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;

/// Points that an index is asked about at a time, between two looks at `control`, and new nodes.
const CENTRES: usize = 1024;
const NEW_NODES: usize = 128;
/// New nodes that a point is first compared with: along a curve, those that it is next to.
const LAST: usize = 8;
/// Points are chosen again when one in so many is left.
const CHOSEN_AGAIN: usize = 2;

/// The parent of the root.
pub(crate) const NO_PARENT: u32 = u32::MAX;

/// Parents and levels by position.
pub(crate) struct Net {
    pub(crate) root: u32,
    pub(crate) parents: Vec<u32>,
    pub(crate) levels: Vec<u8>,
    pub(crate) radii: Vec<f64>,
    /// Pairs evaluated.
    pub(crate) evaluations: u64,
}

/// What tells which points score at least so much with others.
pub(crate) trait Reach {
    /// From now on these points are asked for.
    fn choose(&mut self, points: &[u32]) -> Result<()>;

    /// Calls `found` with each centre, each chosen point that scores at least so much with it, and the score. Returns how many pairs
    /// were evaluated.
    fn reach(&mut self, centres: &[u32], least: f64, found: &mut dyn FnMut(u32, u32, f64)) -> Result<u64>;
}

/// The tree while it grows, by position.
struct Growing<'a, M> {
    metric: &'a M,
    net: Net,
    /// The node that covers each point that is not yet a node; a node covers itself.
    cover: Vec<u32>,
    /// Score of each point with its cover.
    cover_scores: Vec<f64>,
    /// All nodes so far.
    nodes: Vec<u32>,
    queries: QueryBlock,
    scratch: ScoreScratch,
    scores: Vec<f64>,
}

/// Builds the nets over all points of `metric`, which enter in the order `order`, of positions.
pub(crate) fn build_net<M: Metric>(
    metric: &M,
    order: &[u32],
    index: &mut impl Reach,
    threads: &Threads,
    control: &mut Control<'_>,
) -> Result<Net> {
    let (what, n, root) = ("the tree", order.len(), order[0]);
    let net = Net {
        root,
        parents: try_vec(n, NO_PARENT, what)?,
        levels: try_vec(n, u8::MAX, what)?,
        radii: Vec::new(),
        evaluations: 0,
    };
    let mut tree = Growing {
        metric,
        net,
        cover: try_vec(n, root, what)?,
        cover_scores: try_vec(n, M::SELF_SCORE, what)?,
        nodes: try_with_capacity(n, what)?,
        queries: QueryBlock::default(),
        scratch: ScoreScratch::default(),
        scores: Vec::new(),
    };
    tree.net.levels[root as usize] = 0;
    tree.nodes.push(root);
    tree.score_root(threads)?;
    let farthest = tree.cover_scores.iter().copied().fold(M::SELF_SCORE, f64::min);
    tree.net.radii = metric.level_radii(farthest);

    let mut pending = try_copy(&order[1..], what)?;
    let (mut loose, mut fresh) = (try_with_capacity(n, what)?, try_with_capacity(NEW_NODES, what)?);
    for level in 1..tree.net.radii.len() {
        if pending.iter().all(|&p| tree.cover_scores[p as usize] >= M::SELF_SCORE) {
            break;
        }
        let least = metric.score_at_length(tree.net.radii[level]);
        loose.clear();
        loose.extend(pending.iter().copied().filter(|&p| tree.cover_scores[p as usize] < least));
        // The root covers no more than it did.
        if level > 1 {
            let from_nodes = tree.nodes.len() < loose.len();
            let (centres, others) = if from_nodes { (&tree.nodes, &loose) } else { (&loose, &tree.nodes) };
            index.choose(others)?;
            for centres in centres.chunks(CENTRES) {
                tree.net.evaluations += index.reach(centres, least, &mut |centre, other, score| {
                    let (node, point) = if from_nodes { (centre, other) } else { (other, centre) };
                    cover(&mut tree.cover, &mut tree.cover_scores, node, point, score);
                })?;
                control.step(tree.nodes.len() as f64 / n as f64)?;
            }
        }
        loose.retain(|&p| tree.cover_scores[p as usize] < least);
        index.choose(&loose)?;
        let (mut next, mut left) = (0, loose.len());
        while left > 0 {
            // What is covered by now need not be found again.
            if CHOSEN_AGAIN * left <= loose.len() {
                loose.drain(..next);
                loose.retain(|&p| tree.cover_scores[p as usize] < least);
                index.choose(&loose)?;
                next = 0;
            }
            fresh.clear();
            while next < loose.len() && fresh.len() < NEW_NODES {
                let point = loose[next];
                next += 1;
                if tree.cover_scores[point as usize] < least {
                    left -= 1;
                    if !tree.is_covered(point, &fresh, least)? {
                        tree.add_node(point, level as u8)?;
                        fresh.push(point);
                    }
                }
            }
            tree.net.evaluations += index.reach(&fresh, least, &mut |node, point, score| {
                left -= usize::from(tree.cover_scores[point as usize] < least);
                cover(&mut tree.cover, &mut tree.cover_scores, node, point, score);
            })?;
            control.step(tree.nodes.len() as f64 / n as f64)?;
        }
        pending.retain(|&p| tree.net.levels[p as usize] == u8::MAX);
    }
    let last = tree.net.radii.len().min(usize::from(u8::MAX) - 1) as u8;
    for p in pending {
        tree.net.parents[p as usize] = tree.cover[p as usize];
        tree.net.levels[p as usize] = last;
    }
    Ok(tree.net)
}

/// Notes that a node covers a point, if no nearer one does: of equals the first in memory.
fn cover(covers: &mut [u32], scores: &mut [f64], node: u32, point: u32, score: f64) {
    let (own, best) = (&mut covers[point as usize], &mut scores[point as usize]);
    if score > *best || (score == *best && node < *own) {
        (*own, *best) = (node, score);
    }
}

impl<M: Metric> Growing<'_, M> {
    /// Scores every point with the root, its first cover.
    fn score_root(&mut self, threads: &Threads) -> Result<()> {
        let (metric, root) = (self.metric, self.net.root);
        let tasks = self.cover_scores.chunks_mut(4096).enumerate().collect();
        let memory = || (QueryBlock::default(), ScoreScratch::default());
        threads.run(tasks, &mut Control::none(), memory, |(queries, scratch), (t, out)| {
            queries.clear();
            queries.push_stored(metric.points(), root as usize);
            let range = t * 4096..t * 4096 + out.len();
            metric.scores(queries, &queries.all, &Candidates::Range(range), scratch, out)
        })?;
        self.net.evaluations += self.cover_scores.len() as u64;
        Ok(())
    }

    /// Whether one of `nodes`, those of a level that no index was asked about, covers a point; then it is noted.
    fn is_covered(&mut self, point: u32, nodes: &[u32], least: f64) -> Result<bool> {
        let (others, last) = nodes.split_at(nodes.len().saturating_sub(LAST));
        for nodes in [last, others].into_iter().filter(|nodes| !nodes.is_empty()) {
            self.queries.clear();
            self.queries.push_stored(self.metric.points(), point as usize);
            self.scores.resize(nodes.len(), 0.0);
            let candidates = Candidates::Gather(nodes);
            self.metric.scores(&self.queries, &self.queries.all, &candidates, &mut self.scratch, &mut self.scores)?;
            self.net.evaluations += nodes.len() as u64;
            for (&node, &score) in nodes.iter().zip(&self.scores).filter(|&(_, &score)| score >= least) {
                cover(&mut self.cover, &mut self.cover_scores, node, point, score);
            }
            if self.cover_scores[point as usize] >= least {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes a point a node below its cover.
    fn add_node(&mut self, point: u32, level: u8) -> Result<()> {
        let p = point as usize;
        self.net.parents[p] = self.cover[p];
        self.net.levels[p] = level;
        (self.cover[p], self.cover_scores[p]) = (point, M::SELF_SCORE);
        try_push(&mut self.nodes, point, "the tree")
    }
}
