//! Search of metrics that are a function of Euclidean distance (that distance itself, and plain correlation of a
//! stationary kernel): a group of nearby queries against blocks of points, nearest box first, until none can matter.

use super::collect::Collector;
use super::space::{Group, Scratch, Space};
use super::spatial::bounding_box;
use crate::error::Result;
use crate::metric::{Metric, QueryBlock};

/// Searches for all queries of the group together.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<()> {
    let order = blocks_by_distance(space, queries, group);
    scratch.counters.nodes_visited += space.blocks.len() as u64;
    scratch.counters.pruned_by_id += (space.blocks.len() - order.len()) as u64;
    let d = space.metric.points().d;
    let mut rows = Vec::new();
    for (done, &(gap, block)) in order.iter().enumerate() {
        let loosest = group.collectors.iter().map(|c| c.threshold()).fold(f64::INFINITY, f64::min);
        if space.metric.separation_bound(gap) < loosest {
            scratch.counters.pruned_by_cell += (order.len() - done) as u64;
            break;
        }
        rows.clear();
        rows.extend((0..queries.len as u32).filter(|&q| {
            let x = &queries.coords[q as usize * d..(q as usize + 1) * d];
            let gap = space.blocks.squared_gap(block as usize, x, x);
            space.metric.separation_bound(gap) >= group.collectors[q as usize].threshold()
        }));
        let points = space.blocks.range(block as usize).map(|i| i as u32);
        space.evaluate_some(group, &rows, queries, points, scratch)?;
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
    let corners = bounding_box(d, 0..queries.len, |q, j| queries.coords[q * d + j]);
    let (lower, upper) = corners.split_at(d);
    let n = space.tree.len();
    let limit = group.limits.iter().copied().max().unwrap_or(0);
    let allowed = |b: &u32| limit as usize >= n || space.blocks.range(*b as usize).any(|i| space.keys.of[i] < limit);
    let mut order: Vec<(f64, u32)> = (0..space.blocks.len() as u32)
        .filter(allowed)
        .map(|b| (space.blocks.squared_gap(b as usize, lower, upper), b))
        .collect();
    let by_distance = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    order.sort_unstable_by(by_distance);
    order
}
