//! Search of residual correlations: a group of queries near one anchor against the members of anchors.
//!
//! The members of the nearest anchors are evaluated first: they hold nearly all of the answer, and make the thresholds
//! tight. What is left is a certificate that no other point is nearer: for most anchors by the table of gaps, at no
//! evaluation, for the rest by the angle between query and anchor.

use super::certify_cells;
use super::collect::Collector;
use super::space::{Group, Scratch, Space};
use crate::error::Result;
use crate::metric::{Candidates, Metric, NEW, QueryBlock};

/// Allowed points that are met before bounds are looked at, as a multiple of the number wanted.
const SEED_FACTOR: usize = 2;
/// Angles are given up where they leave more than one in so many anchors, if there are cells, and if there are none.
const ANGLES_OR_CELLS: usize = 8;
const ANGLES_OR_ALL: usize = 2;
/// With fewer allowed points than this, scoring them all costs less than the products that bound all cells.
const CELLS_FROM: usize = 49_152;

/// Searches for all queries of the group together. Returns those for which neither angles nor cells discard enough:
/// brute force, with many queries together, is what remains for them.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let (metric, anchors) = (space.metric, space.anchors);
    let homes: Vec<(usize, f64)> =
        (0..queries.len).map(|q| home(space, queries, group, q, scratch)).collect::<Result<_>>()?;
    let (seeds, seed_points) = evaluate_seeds(space, queries, group, &homes, scratch)?;

    let share = if space.cell_bound.is_some() { ANGLES_OR_CELLS } else { ANGLES_OR_ALL };
    // Anchors that the table leaves to some query; where it leaves too many to one, cells decide for
    // that one, or brute force.
    let weights: Vec<f64> = queries.inverse_sds.iter().map(|&isd| metric.weight(isd)).collect();
    let mut near: Vec<u32> = Vec::new();
    let (mut rows, mut others): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    for (q, &(home, offset)) in homes.iter().enumerate() {
        let threshold = group.collectors[q].threshold() - metric.slack(weights[q], space.largest_weight);
        let before = near.len();
        anchors.near(home, offset, metric.length(threshold), &mut near);
        if near.len() - before <= anchors.len() / share {
            rows.push(q as u32);
        } else {
            near.truncate(before);
            others.push(q as u32);
        }
    }
    let allowed = group.limits.iter().max().map_or(0, |&limit| space.tree.len().min(limit as usize));
    if let Some(cells) = &space.cell_bound
        && !others.is_empty()
        && allowed >= CELLS_FROM
    {
        certify_cells::search(space, cells, queries, &others, group, &seed_points, scratch)?;
        others.clear();
    }
    near.sort_unstable();
    near.dedup();
    scratch.counters.nodes_visited += anchors.len() as u64;
    scratch.counters.pruned_by_ball += (anchors.len() - near.len()) as u64;
    near.retain(|a| seeds.binary_search(a).is_err());
    if !near.is_empty() {
        certify_by_anchors(space, queries, group, &rows, &near, scratch)?;
    }
    Ok(others)
}

/// Evaluates for `rows` the members of those anchors in `near` that their balls cannot exclude.
fn certify_by_anchors<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    rows: &[u32],
    near: &[u32],
    scratch: &mut Scratch,
) -> Result<()> {
    let (metric, anchors) = (space.metric, space.anchors);
    let weights: Vec<f64> = rows.iter().map(|&q| metric.weight(queries.inverse_sds[q as usize])).collect();
    let centres: Vec<u32> = near.iter().map(|&a| anchors.positions[a as usize]).collect();
    let mut scores = vec![0.0; rows.len() * near.len()];
    metric.scores(queries, rows, &Candidates::Gather(&centres), &mut scratch.score, &mut scores)?;
    scratch.counters.distance_evaluations += scores.len() as u64;
    let mut open = Vec::with_capacity(rows.len());
    for (c, &a) in near.iter().enumerate() {
        let ball = anchors.balls[a as usize];
        open.clear();
        open.extend(rows.iter().enumerate().filter_map(|(row, &q)| {
            let bound = metric.bound(weights[row], scores[row * near.len() + c], ball);
            (bound >= group.collectors[q as usize].threshold()).then_some(q)
        }));
        if open.is_empty() {
            scratch.counters.pruned_by_ball += 1;
        } else {
            space.evaluate_some(group, &open, queries, anchors.members(a as usize).iter().copied(), scratch)?;
        }
    }
    Ok(())
}

/// The anchor of a query and its angle to it, rounded up: known for stored points; for new ones the best of the anchors
/// around that of the stored point that is nearest along the Hilbert curve.
fn home<M: Metric, C>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &Group<C>,
    q: usize,
    scratch: &mut Scratch,
) -> Result<(usize, f64)> {
    let (metric, anchors) = (space.metric, space.anchors);
    if group.positions[q] != NEW {
        let position = group.positions[q] as usize;
        return Ok((anchors.of[position] as usize, f64::from(anchors.offsets[position])));
    }
    let weight = metric.weight(queries.inverse_sds[q]);
    let mut home = group.homes[q] as usize;
    let mut score = f64::NEG_INFINITY;
    loop {
        let around = anchors.nearest(home);
        let centres: Vec<u32> = around.iter().map(|&a| anchors.positions[a as usize]).collect();
        scratch.scores.resize(centres.len(), 0.0);
        metric.scores(queries, &[q as u32], &Candidates::Gather(&centres), &mut scratch.score, &mut scratch.scores)?;
        scratch.counters.distance_evaluations += centres.len() as u64;
        let best = (0..centres.len()).max_by(|&a, &b| scratch.scores[a].total_cmp(&scratch.scores[b])).unwrap_or(0);
        if scratch.scores[best] <= score {
            return Ok((home, metric.length(score - metric.slack(weight, space.largest_weight))));
        }
        score = scratch.scores[best];
        home = around[best] as usize;
    }
}

/// Evaluates all queries with the members of the nearest anchors until enough allowed points have been met; returns
/// the anchors and their members, both ascending.
fn evaluate_seeds<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    homes: &[(usize, f64)],
    scratch: &mut Scratch,
) -> Result<(Vec<u32>, Vec<u32>)> {
    let anchors = space.anchors;
    let wanted = group.collectors.iter().map(|c| c.wanted()).max().unwrap_or(0).saturating_mul(SEED_FACTOR);
    let least_limit = group.limits.iter().copied().min().unwrap_or(0);
    let mut order: Vec<u32> = homes.iter().map(|&(home, _)| home as u32).collect();
    order.dedup();
    let around = homes.iter().flat_map(|&(home, _)| anchors.nearest(home).iter().copied());
    let around: Vec<u32> = around.filter(|a| !order.contains(a)).collect();
    order.extend(around);
    let mut seeds: Vec<u32> = Vec::new();
    let mut met = 0;
    let mut points: Vec<u32> = Vec::new();
    let mut take = |a: u32, seeds: &mut Vec<u32>, points: &mut Vec<u32>| {
        if met < wanted && !seeds.contains(&a) {
            let members = anchors.members(a as usize);
            met += members.iter().filter(|&&i| space.keys.of[i as usize] < least_limit).count();
            points.extend_from_slice(members);
            seeds.push(a);
        }
        met < wanted
    };
    if order.iter().all(|&a| take(a, &mut seeds, &mut points)) {
        anchors.by_gap(homes[0].0).into_iter().all(|a| take(a, &mut seeds, &mut points));
    }
    space.evaluate_some(group, &queries.all, queries, points.iter().copied(), scratch)?;
    seeds.sort_unstable();
    points.sort_unstable();
    Ok((seeds, points))
}
