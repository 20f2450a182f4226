//! Every allowed pair, in blocks: the oracle's fast sibling, and the choice where nothing can be pruned.

use super::collector::Collector;
use super::context::{Group, Scratch, Space};
use crate::error::Result;
use crate::metric::{Candidates, Metric, QueryBlock};

/// Points evaluated at a time: their rows of V stay in the second-level cache while a group passes over them.
const CHUNK: usize = 256;

/// Scores some queries of the group with every point that one of them may find, or with part `part` of `parts` of these.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    (queries, rows): (&QueryBlock, &[u32]),
    group: &mut Group<C>,
    (part, parts): (usize, usize),
    scratch: &mut Scratch,
) -> Result<()> {
    let n = space.numbers.len();
    let limit = group.largest_limit() as usize;
    let end = |part: usize| n.min(limit) * part / parts;
    for start in (end(part)..end(part + 1)).step_by(CHUNK) {
        let range = start..(start + CHUNK).min(end(part + 1));
        // All points: as they lie. A prefix of the keys: gathered.
        let candidates =
            if limit >= n { Candidates::Range(range) } else { Candidates::Gather(&space.keys.positions[range]) };
        let memory = (&mut scratch.score, &mut scratch.scores, &mut scratch.counters);
        space.evaluate(group, rows, queries, &candidates, memory)?;
    }
    Ok(())
}
