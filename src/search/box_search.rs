//! Search of metrics that are a function of Euclidean distance (that distance itself, and plain correlation of a
//! stationary kernel): a group of nearby queries against the leaves of the layout. The leaves around home tell what neighbours must
//! reach; then those whose boxes may reach it are looked at, the nearest first, until none can matter.

use super::collector::Collector;
use super::context::{Group, Scratch, Space};
use crate::error::Result;
use crate::layout::aabb::bounding_box;
use crate::metric::{Candidates, Metric, QueryBlock};
use std::ops::Range;

/// Leaves that a query starts from, at most: those of a run of the layout.
const MOST_FIRST: usize = 8;

/// Searches for all queries of the group together.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<()> {
    let started = search_at_home(space, queries, group, scratch)?;
    let order = leaves_by_distance(space, queries, group, scratch)?;
    let d = space.metric.points().d;
    let mut rows = Vec::new();
    for (done, &(gap, leaf)) in order.iter().enumerate() {
        if space.metric.separation_bound(gap) < loosest(group) {
            scratch.counters.pruned_by_cell += (order.len() - done) as u64;
            break;
        }
        rows.clear();
        rows.extend((0..queries.len as u32).filter(|&q| {
            let own = q as usize;
            let x = &queries.coords[own * d..(own + 1) * d];
            let gap = || space.boxes.squared_gap(0, leaf as usize, x, x);
            (leaf ^ group.homes[own]) >= started[own]
                && space.metric.separation_bound(gap()) >= group.collectors[own].threshold()
        }));
        look(space, queries, group, &rows, leaf as usize, scratch)?;
    }
    Ok(())
}

/// Looks at home, and at the leaves around it until there are enough points that each query may find: those of whose numbers the
/// exclusive or with that of home is below what is returned, one a query.
fn search_at_home<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let mut started = vec![0; queries.len];
    let homes = group.homes.clone();
    for run in queries.all.chunk_by(|&a, &b| homes[a as usize] == homes[b as usize]) {
        let home = group.homes[run[0] as usize];
        let wanted = run.iter().map(|&q| group.collectors[q as usize].wanted()).max().unwrap_or(0);
        let limit = run.iter().map(|&q| group.limits[q as usize]).min().unwrap_or(0);
        let (mut met, mut first) = (0, 0);
        while first < MOST_FIRST as u32 && (first == 0 || met < wanted) {
            let leaf = (home ^ first) as usize;
            if leaf < space.boxes.leaves() {
                met += space.boxes.members(leaf).filter(|&i| space.keys.of[i] < limit).count();
                look(space, queries, group, run, leaf, scratch)?;
            }
            first += 1;
        }
        run.iter().for_each(|&q| started[q as usize] = first);
    }
    Ok(started)
}

/// Scores some queries with the points of a leaf that they may find.
fn look<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    rows: &[u32],
    leaf: usize,
    scratch: &mut Scratch,
) -> Result<()> {
    let members: Range<usize> = space.boxes.members(leaf);
    let limit = rows.iter().map(|&q| group.limits[q as usize]).max().unwrap_or(0);
    if members.clone().all(|i| space.keys.of[i] < limit) {
        let memory = (&mut scratch.score, &mut scratch.scores, &mut scratch.counters);
        return space.evaluate(group, rows, queries, &Candidates::Range(members), memory);
    }
    space.evaluate_some(group, rows, queries, members.map(|i| i as u32), scratch)
}

/// What the neighbours of some query of the group may reach.
fn loosest<C: Collector>(group: &Group<C>) -> f64 {
    group.collectors.iter().map(|c| c.threshold()).fold(f64::INFINITY, f64::min)
}

/// Leaves that may have a neighbour of some query, nearest to the group's box first, with squared distances.
fn leaves_by_distance<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<(f64, u32)>> {
    let (boxes, d) = (space.boxes, space.metric.points().d);
    let corners = bounding_box(d, 0..queries.len, |q, j| queries.coords[q * d + j]);
    let (lower, upper) = corners.split_at(d);
    let limit = group.largest_limit();
    let (loosest, counters) = (loosest(group), &mut scratch.counters);
    counters.nodes_visited += boxes.leaves() as u64;
    let gap = |level: usize, b: usize| boxes.squared_gap(level, b, lower, upper);
    let open = |level: usize, b: usize| {
        if space.least.is_some_and(|least| !least.below(level, b, limit)) {
            counters.pruned_by_id += boxes.leaves_in(level, b) as u64;
            return false;
        }
        let open = space.metric.separation_bound(gap(level, b)) >= loosest;
        counters.pruned_by_cell += if open { 0 } else { boxes.leaves_in(level, b) as u64 };
        open
    };
    let mut order = Vec::new();
    boxes.descend(open, |leaf| order.push((gap(0, leaf), leaf as u32)));
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    Ok(order)
}
