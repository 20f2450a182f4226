//! Search of residual correlations by angles: the queries of one anchor against the members of anchors.
//!
//! The members of the nearest anchors are evaluated first: they hold nearly all of the answer, and make the thresholds
//! tight. What is left is a certificate that no other point is nearer: for most anchors by the table of gaps, at no
//! evaluation; for the rest by the angle between query and anchor, and what that says of each member.

use super::collect::Collector;
use super::space::{Group, Scratch, Space};
use crate::error::Result;
use crate::metric::{Candidates, Metric, NEW, QueryBlock};

/// Allowed points that are met before bounds are looked at, as a multiple of the number wanted.
const SEED_FACTOR: f64 = 1.6;
/// A query to which the table leaves more than this share of the anchors waits, to be scored with all anchors together
/// with others like it.
const MOST_NEAR: f64 = 0.3;
/// Anchors that waiting queries are scored with at a time: their rows of V stay in the second-level cache.
const CHUNK: usize = 128;

/// Searches for the queries of the group. Returns those for which angles do not discard enough.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let mut homes: Vec<(u32, f64, u32)> = Vec::with_capacity(queries.len);
    for q in 0..queries.len {
        let (home, offset) = home(space, queries, group, q, scratch)?;
        homes.push((home as u32, offset, q as u32));
    }
    homes.sort_unstable_by_key(|&(home, _, q)| (home, q));
    let mut others = Vec::new();
    for run in homes.chunk_by(|a, b| a.0 == b.0) {
        search_home(space, queries, group, run, &mut others, scratch)?;
    }
    others.sort_unstable();
    Ok(others)
}

/// Searches for the queries of one anchor, (anchor, angle to it, number in the group) each.
fn search_home<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    run: &[(u32, f64, u32)],
    others: &mut Vec<u32>,
    scratch: &mut Scratch,
) -> Result<()> {
    let (metric, anchors) = (space.metric, space.anchors);
    let home = run[0].0 as usize;
    let mut rows: Vec<u32> = run.iter().map(|&(_, _, q)| q).collect();
    let seeds = evaluate_seeds(space, queries, group, home, &rows, scratch)?;

    // Anchors that the table leaves to each query.
    let mut near: Vec<u32> = Vec::new();
    let most = (MOST_NEAR * anchors.len() as f64) as usize;
    rows.clear();
    for &(_, offset, q) in run {
        let weight = metric.weight(queries.inverse_sds[q as usize]);
        let threshold = group.collectors[q as usize].threshold() - metric.slack(weight, space.largest_weight);
        let before = near.len();
        anchors.near(home, offset, metric.length(threshold), &mut near);
        scratch.counters.nodes_visited += anchors.len() as u64;
        scratch.counters.pruned_by_ball += (anchors.len() - (near.len() - before)) as u64;
        if near.len() - before <= most {
            rows.push(q);
        } else {
            near.truncate(before);
            others.push(q);
        }
    }
    near.sort_unstable();
    near.dedup();
    near.retain(|a| !seeds.contains(a));
    if near.is_empty() {
        return Ok(());
    }
    certify(space, queries, group, &rows, &near, &[], scratch)
}

/// Searches for queries to which the table leaves too much: all anchors, in blocks.
pub(crate) fn search_all<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<()> {
    let anchors: Vec<u32> = (0..space.anchors.len() as u32).collect();
    // (anchor, query) pairs whose members have been evaluated.
    let mut done: Vec<(u32, u32)> = Vec::new();
    for q in 0..queries.len as u32 {
        let (home, _) = home(space, queries, group, q as usize, scratch)?;
        done.extend(evaluate_seeds(space, queries, group, home, &[q], scratch)?.into_iter().map(|a| (a, q)));
    }
    done.sort_unstable();
    for near in anchors.chunks(CHUNK) {
        let count = done.partition_point(|&(a, _)| a <= near[near.len() - 1]);
        certify(space, queries, group, &queries.all, near, &done[..count], scratch)?;
        done.drain(..count);
    }
    Ok(())
}

/// Evaluates for the queries `rows` what the angles to the anchors `near` (ascending) cannot exclude of their members,
/// but for the pairs (anchor, row) that are `done`.
#[allow(clippy::too_many_arguments)]
fn certify<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    rows: &[u32],
    near: &[u32],
    done: &[(u32, u32)],
    scratch: &mut Scratch,
) -> Result<()> {
    let (metric, anchors) = (space.metric, space.anchors);
    let centres: Vec<u32> = near.iter().map(|&a| anchors.positions[a as usize]).collect();
    let mut scores = vec![0.0; rows.len() * near.len()];
    metric.scores(queries, rows, &Candidates::Gather(&centres), &mut scratch.score, &mut scores)?;
    scratch.counters.distance_evaluations += scores.len() as u64;
    for &(a, row) in done {
        if let Ok(c) = near.binary_search(&a) {
            scores[row as usize * near.len() + c] = f64::NAN;
        }
    }
    let mut left = Vec::new();
    for (&q, scores) in rows.iter().zip(scores.chunks_exact(near.len())) {
        let q = q as usize;
        for (&centre, &score) in centres.iter().zip(scores) {
            space.offer(group, q, centre as usize, score);
        }
        let threshold = group.collectors[q].threshold();
        let weight = metric.weight(queries.inverse_sds[q]);
        left.clear();
        for (&a, &score) in near.iter().zip(scores) {
            let ball = anchors.balls[a as usize];
            if score.is_nan() || metric.bound(weight, score, ball) < threshold {
                scratch.counters.pruned_by_ball += 1;
                continue;
            }
            let slack = metric.slack(weight, ball.weight);
            let members = &anchors.members(a as usize)[1..];
            let (cosines, sines) = anchors.rings(a as usize);
            // A member at angle o from the anchor is within the threshold only where cos(theta - o) reaches it.
            let cosine = (score + slack).min(1.0);
            let sine = ((1.0 - cosine) * (1.0 + cosine)).sqrt();
            let reach = |c: f64, s: f64| cosine >= c || cosine * c + sine * s + slack + 1e-12 >= threshold;
            let rings = cosines[1..].iter().zip(&sines[1..]);
            left.extend(members.iter().zip(rings).filter(|&(_, (&c, &s))| reach(c, s)).map(|(&i, _)| i));
        }
        space.evaluate_some(group, &[q as u32], queries, left.iter().copied(), scratch)?;
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

/// Evaluates the queries `rows` with the members of the anchors nearest to `home` until enough allowed points have been
/// met; returns these anchors.
fn evaluate_seeds<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    home: usize,
    rows: &[u32],
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let anchors = space.anchors;
    let wanted = rows.iter().map(|&q| group.collectors[q as usize].wanted()).max().unwrap_or(0);
    let wanted = (wanted as f64 * SEED_FACTOR) as usize;
    let least_limit = rows.iter().map(|&q| group.limits[q as usize]).min().unwrap_or(0);
    let mut order = anchors.nearest(home).to_vec();
    let (mut points, mut met, mut used) = (Vec::new(), 0, 0);
    while met < wanted && used < anchors.len() {
        if used == order.len() {
            let more = anchors.by_gap(home, (4 * used).min(anchors.len()));
            let seen = order.len();
            order.extend(
                more.into_iter()
                    .filter(|a| !anchors.nearest(home).contains(a))
                    .skip(seen - anchors.nearest(home).len()),
            );
            if order.len() == seen {
                break;
            }
        }
        let members = anchors.members(order[used] as usize);
        met += members.iter().filter(|&&i| space.keys.of[i as usize] < least_limit).count();
        points.extend_from_slice(members);
        used += 1;
    }
    order.truncate(used);
    space.evaluate_some(group, rows, queries, points.iter().copied(), scratch)?;
    Ok(order)
}
