//! Points at inducing points, where cells tell little: what is left of them there has hardly anything in common with what is
//! around. For each of them it is known how much the members of each cell score with it at most.

use super::cells::Cells;
use super::collect::Collector;
use super::space::{Group, Scratch, Space};
use crate::control::Control;
use crate::error::{Result, try_collect, try_push, try_vec, try_with_capacity};
use crate::metric::{Correlation, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;

/// Levels of an octave: members score at most 2^(-level / `OCTAVE`).
const OCTAVE: f64 = 24.0;
/// Cells whose members' scores a task computes.
const CELLS: usize = 16;
/// Cells that a query is scored with before what it needs is known anew.
const STEP: usize = 4;
/// A query that was scored with one in so many cells is given up where one in so many is open.
const MANY: usize = 16;
const MOST_OPEN: usize = 4;

/// The points of some cells that are at inducing points.
#[derive(Default)]
pub(super) struct Alone {
    /// Their tree positions, in ascending order.
    pub(super) positions: Vec<u32>,
    /// For each cell the level of its members' scores with each of them.
    pub(super) levels: Vec<u8>,
}

/// Memory of one thread.
#[derive(Default)]
struct Memory {
    members: QueryBlock,
    score: ScoreScratch,
    products: Vec<f64>,
}

/// The level of a score, which scores below it have or a larger one; 0 of what is no number.
fn level(score: f64) -> u8 {
    (-OCTAVE * score.log2()) as u8
}

impl Alone {
    /// Scores those members of all cells that are at inducing points, at most as many as there are cells, with all points:
    /// so many evaluations.
    pub(super) fn new(
        cells: &Cells,
        at_inducing: &dyn Fn(u32) -> bool,
        metric: &Correlation,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Alone> {
        let (what, points) = ("the cells", metric.points());
        let mut positions = Vec::new();
        for &i in cells.members.iter().filter(|&&i| at_inducing(i)).take(cells.len()) {
            try_push(&mut positions, i, what)?;
        }
        positions.sort_unstable();
        let count = positions.len();
        let mut levels = try_vec(count * cells.len(), 0, what)?;
        let mut queries = QueryBlock::default();
        positions.iter().for_each(|&i| queries.push_stored(points, i as usize));
        let weight = |i: u32| metric.weight(points.inverse_sds[i as usize]);
        let tasks = try_collect(levels.chunks_mut((CELLS * count).max(1)).enumerate().map(Ok), what)?;
        threads.run(tasks, control, Memory::default, |s, (task, levels)| {
            for (t, levels) in levels.chunks_exact_mut(count).enumerate() {
                let members = cells.view(task * CELLS + t).members;
                s.members.clear();
                members.iter().for_each(|&i| s.members.push_stored(points, i as usize));
                s.products.resize(count * members.len(), 0.0);
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
        Ok(Alone { positions, levels })
    }

    /// The place of a stored point among these.
    pub(super) fn place(&self, position: u32) -> Option<usize> {
        self.positions.binary_search(&position).ok()
    }

    /// The levels of the cells for the point at a place.
    pub(super) fn levels(&self, place: usize) -> impl Iterator<Item = u8> {
        self.levels.iter().skip(place).step_by(self.positions.len()).copied()
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        4 * self.positions.len() + self.levels.len()
    }
}

/// Searches for query `q`, which is the point alone at a place: scores it with the members of those cells that may have
/// neighbours, the largest scores first. Whether they were few enough.
pub(super) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    (cells, metric): (&Cells, &Correlation),
    (q, place): (u32, usize),
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<bool> {
    let count = cells.len();
    let mut order: Vec<(u8, u32)> = try_with_capacity(count, "the search")?;
    order.extend(cells.alone.levels(place).zip(0..));
    order.sort_unstable();
    let slack = metric.slack(metric.weight(queries.inverse_sds[q as usize]), space.largest_weight);
    let mut done = 0;
    loop {
        let least = group.collectors[q as usize].threshold() - slack;
        let most = if least > 0.0 && space.certificates.table { level(least) } else { u8::MAX };
        let open = order[done..].partition_point(|&(level, _)| level <= most);
        if open == 0 {
            return Ok(true);
        }
        if done > count / MANY && open > count / MOST_OPEN {
            return Ok(false);
        }
        let now = &order[done..done + open.min(STEP)];
        let points = now.iter().flat_map(|&(_, c)| cells.view(c as usize).members).copied();
        space.evaluate_some(group, &[q], queries, points, scratch)?;
        done += now.len();
    }
}
