//! Points at inducing points, of which the table of angles tells little: what is left of them there has hardly anything in
//! common with what is around. For each of them it is known how much the members of each cell score with it at most.

use super::cells::Cells;
use super::collect::Collector;
use super::panel_query::{PanelQuery, Rows};
use super::panels::Panels;
use super::space::{Group, Scratch, Space};
use crate::layout::aabb::keep_least;
use crate::control::Control;
use crate::error::{Result, try_collect, try_push, try_resize, try_vec, try_with_capacity};
use crate::kernel::Kernel;
use crate::metric::{Correlation, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::panel::{self, Bounds, QUERIES};

/// Levels of an octave of scores.
const OCTAVE: i64 = 24;
/// Stored points for each inducing point, at most: there may be any number of duplicates.
const EACH: usize = 2;
/// Cells whose members' scores a task computes.
const CELLS: usize = 16;
/// Cells that a query is scored with before what it needs is known anew.
const STEP: usize = 4;
/// A query that was scored with one in so many cells is given up where one in so many is open.
const MANY: usize = 16;
const MOST_OPEN: usize = 4;

/// Stored points at inducing points.
#[derive(Default)]
pub(crate) struct AtInducing {
    /// Their tree positions, in ascending order.
    pub(super) positions: Vec<u32>,
    /// For each cell, or panel, the level of its members' scores with each of them.
    pub(super) levels: Vec<u8>,
    /// For each of them the level of each, where panels do not bound these.
    pub(super) pairs: Vec<u8>,
}

/// Memory of one thread.
#[derive(Default)]
struct Memory {
    members: QueryBlock,
    score: ScoreScratch,
    products: Vec<f64>,
}

/// The level of a score, which scores below it have or a larger one: its logarithm but for sign, a straight line from octave to
/// octave. 0 of what is no number, or negative.
fn level(score: f64) -> u8 {
    const BITS: u32 = 12;
    let octaves = (score.to_bits() >> (f64::MANTISSA_DIGITS - 1 - BITS)) as i64;
    ((((1023 << BITS) - octaves) * OCTAVE) >> BITS).clamp(0, 255) as u8
}

/// The largest level of what may have a score of `least` or more.
pub(super) fn most_level(least: f64) -> u8 {
    if least > 0.0 { level(least) } else { u8::MAX }
}

impl AtInducing {
    /// Scores members of cells that are at inducing points, at most [`EACH`] for each of these, with all points: so many
    /// evaluations.
    pub(super) fn new(
        cells: &Cells,
        at_inducing: &dyn Fn(u32) -> bool,
        metric: &Correlation,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<AtInducing> {
        let (what, points) = ("the cells", metric.points());
        let mut positions = Vec::new();
        for &i in cells.members.iter().filter(|&&i| at_inducing(i)).take(EACH * points.m) {
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
                try_resize(&mut s.products, count * members.len(), 0.0, what)?;
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
        Ok(AtInducing { positions, levels, pairs: Vec::new() })
    }

    /// Bounds the scores of the points of all panels with those that are at inducing points, from their few columns. Nothing is
    /// known where these are more than [`EACH`] for each inducing point.
    pub(super) fn of_panels(
        panels: &Panels,
        metric: &Correlation,
        kernel: &Kernel,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<AtInducing> {
        let what = "the panels";
        let at = &panels.inducing.at;
        let mut positions = try_with_capacity(at.len(), what)?;
        positions.extend(at.iter().map(|&(_, i)| i).filter(|&i| panels.of(i).is_some()));
        if positions.len() > EACH * metric.points.m {
            return Ok(AtInducing::default());
        }
        positions.sort_unstable();
        let count = positions.len();
        let mut levels = try_vec(count * panels.len(), 0, what)?;
        let blocks = try_collect(positions.chunks(QUERIES).map(|chunk| Block::new(panels, metric, chunk)), what)?;
        let tasks = try_collect(levels.chunks_mut((CELLS * count).max(1)).enumerate().map(Ok), what)?;
        let memory = || (Vec::new(), Vec::new(), [Bounds::NONE; QUERIES]);
        threads.run(tasks, control, memory, |(terms, coords, bounds), (task, levels)| {
            for (t, levels) in levels.chunks_exact_mut(count).enumerate() {
                let p = task * CELLS + t;
                let panel = panels.panel(p);
                for (block, levels) in blocks.iter().zip(levels.chunks_mut(QUERIES)) {
                    let bounds = &mut bounds[..levels.len()];
                    block.bound(panels, (metric, kernel), p, (&mut *terms, &mut *coords), bounds);
                    for (level_of, bounds) in levels.iter_mut().zip(bounds) {
                        // In the order of positive numbers. Those at inducing points themselves are scored apart.
                        let bits = |upper: f32, weight: f32| if weight > 0.0 { upper.to_bits() } else { 0 };
                        let uppers = bounds.upper.iter().zip(panel.weights);
                        let most = uppers.fold(0, |most, (&upper, &weight)| bits(upper, weight).max(most));
                        *level_of = level(f64::from(f32::from_bits(most)));
                    }
                }
            }
            Ok(())
        })?;
        let pairs = measure_pairs(metric, &positions, blocks.iter().map(|block| &block.points))?;
        Ok(AtInducing { positions, levels, pairs })
    }

    /// The place of a stored point among these.
    pub(super) fn place(&self, position: u32) -> Option<usize> {
        self.positions.binary_search(&position).ok()
    }

    /// The levels of the cells for the point at a place.
    pub(super) fn levels(&self, place: usize) -> impl Iterator<Item = u8> {
        self.levels.iter().skip(place).step_by(self.positions.len()).copied()
    }

    /// Writes the `most` cells, or panels, of the least levels for the point at a place, with these as the first half of a number.
    pub(super) fn best(&self, place: usize, most: usize, out: &mut Vec<u64>) {
        out.clear();
        out.extend(self.levels(place).zip(0..).map(|(level, c)| u64::from(level) << 32 | c));
        keep_least(out, most);
        out.sort_unstable();
    }

    /// Those of these points that may score so much with the one at a place.
    pub(super) fn others(&self, place: usize, least: f64) -> impl Iterator<Item = u32> {
        let (count, most) = (self.positions.len(), most_level(least));
        let levels = &self.pairs[place * count..(place + 1) * count];
        self.positions.iter().zip(levels).filter(move |&(_, &level)| level <= most).map(|(&i, _)| i)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        4 * self.positions.len() + self.levels.len() + self.pairs.len()
    }
}

/// The levels of points, block by block, with all of them.
fn measure_pairs<'a>(
    metric: &Correlation,
    positions: &[u32],
    blocks: impl Iterator<Item = &'a QueryBlock>,
) -> Result<Vec<u8>> {
    let mut pairs = try_with_capacity(positions.len() * positions.len(), "the panels")?;
    let mut s = Memory::default();
    positions.iter().for_each(|&i| s.members.push_stored(metric.points(), i as usize));
    let weights = |points: &QueryBlock| points.inverse_sds.iter().map(|&isd| metric.weight(isd)).fold(0.0, f64::max);
    let heaviest = weights(&s.members);
    for block in blocks {
        try_resize(&mut s.products, block.len * positions.len(), 0.0, "the panels")?;
        metric.signed_products(block, &s.members, positions, &mut s.score, &mut s.products)?;
        let slack = metric.slack(weights(block), heaviest);
        pairs.extend(s.products.iter().map(|score| level(score.abs() + slack)));
    }
    Ok(pairs)
}

/// Some of these points as queries of panels.
struct Block {
    points: QueryBlock,
    queries: Vec<PanelQuery>,
    rows: Rows,
}

impl Block {
    fn new(panels: &Panels, metric: &Correlation, positions: &[u32]) -> Result<Block> {
        let mut block = Block { points: QueryBlock::default(), queries: Vec::new(), rows: Rows::default() };
        positions.iter().for_each(|&i| block.points.push_stored(metric.points(), i as usize));
        block.points.check()?;
        block.rows.clear(metric.points.m)?;
        for q in 0..positions.len() {
            let mut query = PanelQuery::default();
            query.load(panels, metric, &block.points, q, false, &mut block.rows);
            block.queries.push(query);
        }
        block.rows.turn(positions.len());
        Ok(block)
    }

    /// Bounds the points of panel `p` for all queries.
    fn bound(
        &self,
        panels: &Panels,
        (metric, kernel): (&Correlation, &Kernel),
        p: usize,
        (terms, coords): (&mut Vec<panel::Terms>, &mut Vec<f32>),
        bounds: &mut [Bounds],
    ) {
        let (d, view, (middle, radius)) = (panels.d, panels.panel(p), panels.around(p));
        terms.clear();
        coords.resize(d * self.queries.len(), 0.0);
        for ((q, query), coords) in self.queries.iter().enumerate().zip(coords.chunks_exact_mut(d)) {
            let x = &self.points.coords[q * d..(q + 1) * d];
            terms.push(query.in_panel(q as u32, x, (view.columns.len(), middle, radius), coords));
        }
        let squares = panel::squares(metric.simd, view, &self.rows.columns);
        let queries = panel::Queries { rows: &self.rows.columns, squares: Some(&squares), terms, coords, origins: &[] };
        panel::bounds(metric.simd, kernel.shape(), view, queries, bounds);
    }
}

/// Searches for query `q`, which is the point at a place of these: scores it with the members of those cells that may have
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
    order.extend(cells.at_inducing.levels(place).zip(0..));
    order.sort_unstable();
    let slack = metric.slack(metric.weight(queries.inverse_sds[q as usize]), space.largest_weight);
    let mut done = 0;
    loop {
        let least = group.collectors[q as usize].threshold() - slack;
        let most = if space.certificates.table { most_level(least) } else { u8::MAX };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scores_enough_has_no_more_than_the_largest_level() {
        let scores: Vec<f64> = (0..4000).map(|t| 1.1 * 0.997f64.powi(t)).chain([0.0, f64::MIN_POSITIVE]).collect();
        assert!(scores.windows(2).all(|pair| level(pair[0]) <= level(pair[1])));
        assert!(scores.iter().all(|&score| level(score) <= most_level(score)));
        assert_eq!([1.0, 0.5, 0.25, 1e-9, f64::NAN, f64::INFINITY, -0.1].map(level), [0, 24, 48, 255, 0, 0, 0]);
        assert_eq!([0.0, -1.0, f64::NEG_INFINITY, f64::NAN].map(most_level), [255; 4]);
    }
}
