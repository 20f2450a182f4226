//! Best-first traversal: one query at a time, the node with the best bound next. Source: Hjaltason & Samet, *Distance
//! browsing in spatial databases* (ACM TODS 1999).

use super::collector::Collector;
use super::context::{Group, Nodes, Scratch, Space};
use crate::error::Result;
use crate::metric::{Candidates, Metric, QueryBlock};
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A node whose children are still to be looked at; the largest bound is first.
struct Open {
    bound: f64,
    node: u32,
}

impl PartialEq for Open {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Open {}

impl Ord for Open {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bound.total_cmp(&other.bound).then(other.node.cmp(&self.node))
    }
}

impl PartialOrd for Open {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

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
        let mut heap = BinaryHeap::new();
        scratch.frontier.clear();
        scratch.frontier.push(0);
        loop {
            // Score the candidates (the root, then children of the best node), and open those that may hold more.
            scratch.candidates.clear();
            scratch.candidates.extend(scratch.frontier.iter().map(|&node| tree.positions[node as usize]));
            let candidates = Candidates::Gather(&scratch.candidates);
            let parts = (&mut scratch.score, &mut scratch.scores, &mut scratch.counters);
            space.evaluate(group, &[q as u32], queries, &candidates, parts)?;
            let threshold = group.collectors[q].threshold();
            for (&node, &score) in scratch.frontier.iter().zip(&scratch.scores) {
                if tree.is_leaf(node as usize) {
                    continue;
                }
                scratch.counters.nodes_visited += 1;
                let bound = metric.bound(weight, score, tree.balls[node as usize]);
                if bound >= threshold {
                    heap.push(Open { bound, node });
                } else {
                    scratch.counters.pruned_by_ball += 1;
                }
            }
            let Some(best) = heap.pop() else { break };
            if best.bound < group.collectors[q].threshold() {
                scratch.counters.pruned_by_ball += 1 + heap.len() as u64;
                break;
            }
            let limit = group.limits[q];
            scratch.frontier.clear();
            for child in tree.children(best.node as usize) {
                if least[child] < limit {
                    scratch.frontier.push(child as u32);
                } else {
                    scratch.counters.pruned_by_id += 1;
                }
            }
        }
    }
    Ok(())
}
