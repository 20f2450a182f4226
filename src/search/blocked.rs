//! Blocked search: a group of nearby queries against blocks of nearby points.
//!
//! The blocks nearest in space are evaluated first: they hold nearly all of the answer, and make the thresholds
//! tight. What is left is a certificate that no other block can hold a nearer point: the spatial bound where the
//! metric is a function of distance, and the ball of each block (an angle, for correlations).

use super::collect::Collector;
use super::space::{Group, Scratch, Space};
use crate::error::Result;
use crate::metric::{Candidates, Metric, QueryBlock};

/// Blocks whose centres are scored together.
const CHUNK: usize = 256;
/// Points met before bounds are looked at, as a multiple of the number wanted.
const SEED_FACTOR: usize = 4;

/// Searches for all queries of the group together.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<()> {
    let order = blocks_by_distance(space, queries, group);
    scratch.counters.pruned_by_id += (space.blocks.len() - order.len()) as u64;
    scratch.counters.nodes_visited += space.blocks.len() as u64;
    let all: Vec<u32> = (0..queries.len as u32).collect();
    let weights: Vec<f64> = queries.inverse_sds.iter().map(|&isd| space.metric.weight(isd)).collect();

    // Seeds: the nearest blocks, until every query has met enough points that it may find.
    let wanted = group.collectors.iter().map(|c| c.wanted()).max().unwrap_or(0).saturating_mul(SEED_FACTOR);
    let least_limit = group.limits.iter().copied().min().unwrap_or(0);
    let largest_limit = group.limits.iter().copied().max().unwrap_or(0);
    let mut met = 0;
    let mut next = 0;
    while next < order.len() && met < wanted {
        let range = space.blocks.range(order[next].1 as usize);
        met += range.clone().filter(|&i| space.keys.of[i] < least_limit).count();
        evaluate_block(space, group, &all, queries, order[next].1, largest_limit, scratch)?;
        next += 1;
    }

    let mut centres = Vec::with_capacity(CHUNK);
    let mut centre_scores = Vec::new();
    let mut start = next;
    while start < order.len() {
        // Blocks are sorted by distance: where the spatial bound excludes one for all queries, it excludes the rest.
        let loosest = group.collectors.iter().map(|c| c.threshold()).fold(f64::INFINITY, f64::min);
        if space.metric.separation_bound(order[start].0) < loosest {
            scratch.counters.pruned_by_cell += (order.len() - start) as u64;
            break;
        }
        let chunk = &order[start..(start + CHUNK).min(order.len())];
        start += chunk.len();
        centres.clear();
        centres.extend(chunk.iter().map(|&(_, b)| space.blocks.centres[b as usize]));
        centre_scores.resize(queries.len * chunk.len(), 0.0);
        space.metric.scores(queries, &Candidates::Gather(&centres), &mut scratch.score, &mut centre_scores)?;
        scratch.counters.distance_evaluations += centre_scores.len() as u64;
        for (c, &(_, block)) in chunk.iter().enumerate() {
            let ball = space.blocks.balls[block as usize];
            let mut rows = std::mem::take(&mut scratch.rows);
            rows.clear();
            rows.extend(all.iter().copied().filter(|&q| {
                let q = q as usize;
                let score = centre_scores[q * chunk.len() + c];
                space.metric.bound(weights[q], score, ball) >= group.collectors[q].threshold()
            }));
            if rows.is_empty() {
                scratch.counters.pruned_by_ball += 1;
            } else if rows.len() == all.len() {
                evaluate_block(space, group, &all, queries, block, largest_limit, scratch)?;
            } else {
                let mut active = std::mem::take(&mut scratch.active);
                active.clear();
                rows.iter().for_each(|&q| active.push_from(queries, q as usize));
                let limit = rows.iter().map(|&q| group.limits[q as usize]).max().unwrap_or(0);
                evaluate_block(space, group, &rows, &active, block, limit, scratch)?;
                scratch.active = active;
            }
            scratch.rows = rows;
        }
    }
    Ok(())
}

/// Blocks that hold a point some query may find, nearest to the group's box first, with squared distances.
fn blocks_by_distance<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &Group<C>,
) -> Vec<(f64, u32)> {
    let d = space.metric.points().d;
    let mut lower = vec![f64::INFINITY; d];
    let mut upper = vec![f64::NEG_INFINITY; d];
    for row in queries.coords.chunks_exact(d) {
        for j in 0..d {
            lower[j] = lower[j].min(row[j]);
            upper[j] = upper[j].max(row[j]);
        }
    }
    let limit = group.limits.iter().copied().max().unwrap_or(0);
    let allowed = |b: &u32| space.blocks.range(*b as usize).any(|i| space.keys.of[i] < limit);
    let mut order: Vec<(f64, u32)> = (0..space.blocks.len() as u32)
        .filter(allowed)
        .map(|b| (space.blocks.squared_gap(b as usize, &lower, &upper), b))
        .collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order
}

/// Scores queries with the points of a block that one of them may find.
fn evaluate_block<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    group: &mut Group<C>,
    rows: &[u32],
    queries: &QueryBlock,
    block: u32,
    limit: u32,
    scratch: &mut Scratch,
) -> Result<()> {
    let range = space.blocks.range(block as usize);
    let candidates = if limit as usize >= space.tree.len() {
        Candidates::Range(range)
    } else {
        scratch.candidates.clear();
        scratch.candidates.extend(range.filter(|&i| space.keys.of[i] < limit).map(|i| i as u32));
        Candidates::Gather(&scratch.candidates)
    };
    let parts = (&mut scratch.score, &mut scratch.scores, &mut scratch.counters);
    space.evaluate(group, rows, queries, &candidates, parts)
}
