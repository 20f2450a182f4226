//! Search for a point at an inducing point, of which it is known how much the members of each subspace score with it.

use super::coincident::most_level;
use super::collector::Collector;
use super::context::{Group, Scratch, Space};
use super::subspaces::Subspaces;
use crate::error::{Result, try_with_capacity};
use crate::metric::{Correlation, Metric, QueryBlock};

/// Subspaces that a query is scored with before what it needs is known anew.
const STEP: usize = 4;
/// A query that was scored with one in so many subspaces is given up where one in so many is open.
const MANY: usize = 16;
const MOST_OPEN: usize = 4;

/// Searches for query `q`, which is the point at a place of these: scores it with the members of those subspaces that may have
/// neighbours, the largest scores first. Whether they were few enough.
pub(super) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    (subspaces, metric): (&Subspaces, &Correlation),
    (q, place): (u32, usize),
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<bool> {
    let count = subspaces.len();
    let mut order: Vec<(u8, u32)> = try_with_capacity(count, "the search")?;
    order.extend(subspaces.coincident.levels(place).zip(0..));
    order.sort_unstable();
    let slack = metric.slack(metric.weight(queries.inverse_sds[q as usize]), space.largest_weight);
    let mut done = 0;
    loop {
        let least = group.collectors[q as usize].threshold() - slack;
        let most = if space.in_use.table() { most_level(least) } else { u8::MAX };
        let open = order[done..].partition_point(|&(level, _)| level <= most);
        if open == 0 {
            return Ok(true);
        }
        if done > count / MANY && open > count / MOST_OPEN {
            return Ok(false);
        }
        let now = &order[done..done + open.min(STEP)];
        let points = now.iter().flat_map(|&(_, c)| subspaces.view(c as usize).members).copied();
        space.evaluate_some(group, &[q], queries, points, scratch)?;
        done += now.len();
    }
}
