//! How the levels of points at inducing points are found.

use super::coincident::{Coincident, level};
use super::leaf_query::{LeafQuery, Rows};
use super::leaves::Leaves;
use super::subspaces::Subspaces;
use crate::control::Control;
use crate::error::{Result, try_collect, try_push, try_resize, try_vec, try_with_capacity};
use crate::kernel::Kernel;
use crate::metric::{Correlation, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::leaf::{self, Bounds, QUERIES};

/// Stored points for each inducing point, at most: there may be any number of duplicates.
const EACH: usize = 2;
/// Subspaces whose members' scores a task computes.
const CELLS: usize = 16;

/// Memory of one thread.
#[derive(Default)]
struct Memory {
    members: QueryBlock,
    score: ScoreScratch,
    products: Vec<f64>,
}

impl Coincident {
    /// Scores members of subspaces that are at inducing points, at most [`EACH`] for each of these, with all points: so many
    /// evaluations.
    pub(super) fn new(
        subspaces: &Subspaces,
        coincident: &dyn Fn(u32) -> bool,
        metric: &Correlation,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Coincident> {
        let (what, points) = ("the subspaces", metric.points());
        let mut positions = Vec::new();
        for &i in subspaces.members.iter().filter(|&&i| coincident(i)).take(EACH * points.m) {
            try_push(&mut positions, i, what)?;
        }
        positions.sort_unstable();
        let count = positions.len();
        let mut levels = try_vec(count * subspaces.len(), 0, what)?;
        let mut queries = QueryBlock::default();
        positions.iter().for_each(|&i| queries.push_stored(points, i as usize));
        let weight = |i: u32| metric.weight(points.inverse_sds[i as usize]);
        let tasks = try_collect(levels.chunks_mut((CELLS * count).max(1)).enumerate().map(Ok), what)?;
        threads.run(tasks, control, Memory::default, |s, (task, levels)| {
            for (t, levels) in levels.chunks_exact_mut(count).enumerate() {
                let members = subspaces.view(task * CELLS + t).members;
                s.members.clear();
                members.iter().for_each(|&i| s.members.push_stored(points, i as usize));
                try_resize(&mut s.products, count * members.len(), 0.0, what)?;
                metric.signed_products(&queries, &s.members, members, &mut s.score, &mut s.products)?;
                let heaviest = members.iter().map(|&i| weight(i)).fold(0.0, f64::max);
                let rows = positions.iter().zip(s.products.chunks_exact(members.len()));
                for (level_of, (&i, scores)) in levels.iter_mut().zip(rows) {
                    let most = scores.iter().fold(0.0f64, |most, score| most.max(score.abs()));
                    *level_of = level(most + metric.slack(weight(i), heaviest));
                }
            }
            Ok(())
        })?;
        Ok(Coincident { positions, levels, pairs: Vec::new() })
    }

    /// Bounds the scores of the points of all leaves with those that are at inducing points, from their few columns. Nothing is
    /// known where these are more than [`EACH`] for each inducing point.
    pub(super) fn of_leaves(
        leaves: &Leaves,
        metric: &Correlation,
        kernel: &Kernel,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Coincident> {
        let what = "the leaves";
        let at = &leaves.inducing.at;
        let mut positions = try_with_capacity(at.len(), what)?;
        positions.extend(at.iter().map(|&(_, i)| i).filter(|&i| leaves.of(i).is_some()));
        if positions.len() > EACH * metric.points.m {
            return Ok(Coincident::default());
        }
        positions.sort_unstable();
        let count = positions.len();
        let mut levels = try_vec(count * leaves.len(), 0, what)?;
        let blocks = try_collect(positions.chunks(QUERIES).map(|chunk| Block::new(leaves, metric, chunk)), what)?;
        let tasks = try_collect(levels.chunks_mut((CELLS * count).max(1)).enumerate().map(Ok), what)?;
        let memory = || (Vec::new(), Vec::new(), [Bounds::NONE; QUERIES]);
        threads.run(tasks, control, memory, |(terms, coords, bounds), (task, levels)| {
            for (t, levels) in levels.chunks_exact_mut(count).enumerate() {
                let p = task * CELLS + t;
                let leaf = leaves.leaf(p);
                for (block, levels) in blocks.iter().zip(levels.chunks_mut(QUERIES)) {
                    let bounds = &mut bounds[..levels.len()];
                    block.bound(leaves, (metric, kernel), p, (&mut *terms, &mut *coords), bounds);
                    for (level_of, bounds) in levels.iter_mut().zip(bounds) {
                        // In the order of positive numbers. Those at inducing points themselves are scored apart.
                        let bits = |upper: f32, weight: f32| if weight > 0.0 { upper.to_bits() } else { 0 };
                        let uppers = bounds.upper.iter().zip(leaf.weights);
                        let most = uppers.fold(0, |most, (&upper, &weight)| bits(upper, weight).max(most));
                        *level_of = level(f64::from(f32::from_bits(most)));
                    }
                }
            }
            Ok(())
        })?;
        let pairs = measure_pairs(metric, &positions, blocks.iter().map(|block| &block.points))?;
        Ok(Coincident { positions, levels, pairs })
    }
}

/// The levels of points, block by block, with all of them.
fn measure_pairs<'a>(
    metric: &Correlation,
    positions: &[u32],
    blocks: impl Iterator<Item = &'a QueryBlock>,
) -> Result<Vec<u8>> {
    let mut pairs = try_with_capacity(positions.len() * positions.len(), "the leaves")?;
    let mut s = Memory::default();
    positions.iter().for_each(|&i| s.members.push_stored(metric.points(), i as usize));
    let weights = |points: &QueryBlock| points.inverse_sds.iter().map(|&isd| metric.weight(isd)).fold(0.0, f64::max);
    let heaviest = weights(&s.members);
    for block in blocks {
        try_resize(&mut s.products, block.len * positions.len(), 0.0, "the leaves")?;
        metric.signed_products(block, &s.members, positions, &mut s.score, &mut s.products)?;
        let slack = metric.slack(weights(block), heaviest);
        pairs.extend(s.products.iter().map(|score| level(score.abs() + slack)));
    }
    Ok(pairs)
}

/// Some of these points as queries of leaves.
struct Block {
    points: QueryBlock,
    queries: Vec<LeafQuery>,
    rows: Rows,
}

impl Block {
    fn new(leaves: &Leaves, metric: &Correlation, positions: &[u32]) -> Result<Block> {
        let mut block = Block { points: QueryBlock::default(), queries: Vec::new(), rows: Rows::default() };
        positions.iter().for_each(|&i| block.points.push_stored(metric.points(), i as usize));
        block.points.check()?;
        block.rows.clear(metric.points.m)?;
        for q in 0..positions.len() {
            let mut query = LeafQuery::default();
            query.load(leaves, metric, &block.points, q, false, &mut block.rows);
            block.queries.push(query);
        }
        block.rows.turn(positions.len());
        Ok(block)
    }

    /// Bounds the points of leaf `p` for all queries.
    fn bound(
        &self,
        leaves: &Leaves,
        (metric, kernel): (&Correlation, &Kernel),
        p: usize,
        (terms, coords): (&mut Vec<leaf::Terms>, &mut Vec<f32>),
        bounds: &mut [Bounds],
    ) {
        let (d, view, (middle, radius)) = (leaves.d, leaves.leaf(p), leaves.around(p));
        terms.clear();
        coords.resize(d * self.queries.len(), 0.0);
        for ((q, query), coords) in self.queries.iter().enumerate().zip(coords.chunks_exact_mut(d)) {
            let x = &self.points.coords[q * d..(q + 1) * d];
            terms.push(query.in_leaf(q as u32, x, (view.columns.len(), middle, radius), coords));
        }
        let squares = leaf::squares(metric.simd, view, &self.rows.columns);
        let queries = leaf::Queries { rows: &self.rows.columns, squares: Some(&squares), terms, coords, origins: &[] };
        leaf::bounds(metric.simd, kernel.shape(), view, queries, bounds);
    }
}
