//! Level-synchronous traversal: one query at a time, all open nodes of a depth together, so that their children are
//! scored in one go.

use super::collector::Collector;
use super::context::{Group, Nodes, Scratch, Space};
use crate::error::Result;
use crate::metric::{Candidates, Metric, QueryBlock};

/// Searches for each query of the group on its own.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<()> {
    let Some(Nodes { tree, least }) = space.nodes else { return Ok(()) };
    let metric = space.metric;
    for q in 0..queries.len {
        let weight = metric.weight(queries.inverse_sds[q]);
        let limit = group.limits[q];
        scratch.frontier.clear();
        scratch.frontier.push(0);
        while !scratch.frontier.is_empty() {
            scratch.candidates.clear();
            scratch.candidates.extend(scratch.frontier.iter().map(|&node| tree.positions[node as usize]));
            let candidates = Candidates::Gather(&scratch.candidates);
            let parts = (&mut scratch.score, &mut scratch.scores, &mut scratch.counters);
            space.evaluate(group, &[q as u32], queries, &candidates, parts)?;
            let threshold = group.collectors[q].threshold();
            scratch.next.clear();
            for (&node, &score) in scratch.frontier.iter().zip(&scratch.scores) {
                let node = node as usize;
                if tree.is_leaf(node) {
                    continue;
                }
                scratch.counters.nodes_visited += 1;
                if metric.bound(weight, score, tree.balls[node]) < threshold {
                    scratch.counters.pruned_by_ball += 1;
                    continue;
                }
                for child in tree.children(node) {
                    if least[child] < limit {
                        scratch.next.push(child as u32);
                    } else {
                        scratch.counters.pruned_by_id += 1;
                    }
                }
            }
            std::mem::swap(&mut scratch.frontier, &mut scratch.next);
        }
    }
    Ok(())
}
