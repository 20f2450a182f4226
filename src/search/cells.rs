//! Cells: all points in small boxes, each with pivots whose span holds nearly all of its members ([`super::cell`]), and
//! a table of the angles between the spans.
//!
//! The table is what lets a query skip most cells without evaluating anything: a query at angle d from the span of its
//! own cell can have a neighbour within angle t among the members of another cell only where
//! angle(own span, other span) - angle(other span, its farthest member) <= t + d, and the left side is in the table.
//! A span of a few points is much nearer to what surrounds them than any one point is: balls around points that
//! discard as much would be several times as many. Source for the table: Krauthgamer & Lee, *Navigating nets* (SODA
//! 2004), whose balls have one centre each.

use super::at_inducing::AtInducing;
use super::cell::{Cell, CellScratch, Margins};
use super::overlaps::{self, Overlaps};
use crate::layout::aabb::{at_distance, bounding_box, squared_gap};
use super::table::{self, Kept, STEP};
use crate::control::Control;
use crate::error::{Result, try_collect, try_vec, try_with_capacity};
use crate::metric::{Correlation, Metric, Points};
use crate::parallel::Threads;
use crate::simd::panel::LANES as PANEL;
use crate::simd::spans::LANES;
use std::ops::Range;

/// Points of a cell at least.
const CELL: usize = PANEL;
/// Cells of the sample that tells how many points would have to be pivots.
const SAMPLE: usize = 32;
/// Cells around a cell that its queries start from.
pub(super) const NEAREST: usize = 64;
/// Of these, cells that overlaps are computed with where there are panels.
const LISTED_AROUND: usize = 32;
/// Cells whose rows of the table a task computes.
pub(super) const ROWS: usize = 32;
/// The cell of a point that is in none.
pub(super) const NO_CELL: u32 = u32::MAX;

/// What overlaps are computed of.
#[derive(Clone, Copy)]
pub(crate) enum Listing<'a> {
    Nothing,
    /// Cells and those nearest to them in space.
    Around,
    /// Cells and those where points are near to theirs; told which points are at inducing points.
    Near(&'a dyn Fn(u32) -> bool),
}

/// The cells of some points of a tree.
pub(crate) struct Cells {
    /// Cell of each tree position, or [`NO_CELL`].
    pub(super) of: Vec<u32>,
    /// Angle between each tree position and the span of its cell, rounded up.
    pub(super) offsets: Vec<f32>,
    pub(super) cells: Vec<Place>,
    /// What is known of points at inducing points, where overlaps are those of near cells.
    pub(super) at_inducing: AtInducing,
    /// Number of pivots of all cells.
    pub(super) pivots: usize,
    /// Tree positions of members, L^-1, w and abs(e), cell by cell.
    pub(super) members: Vec<u32>,
    pub(super) inverses: Vec<f64>,
    pub(super) coords: Vec<f32>,
    pub(super) sines: Vec<f32>,
    /// The box of each cell: its least and its largest coordinates.
    pub(super) boxes: Vec<f64>,
    /// Dimension of the points.
    pub(super) d: usize,
    /// The cells nearest to each cell in space, at most [`NEAREST`].
    pub(super) around: Vec<u32>,
    /// The products of each cell's span with the nearest ones.
    pub(super) overlaps: Overlaps,
    /// Row a has for each cell b angle(a, b) - angle of b's farthest member, in steps, rounded down.
    pub(super) gaps: Vec<u8>,
}

/// Where a cell's parts lie.
pub(super) struct Place {
    pub(super) rank: usize,
    pub(super) start: usize,
    pub(super) count: usize,
    pub(super) inverse: usize,
    pub(super) coords: usize,
    pub(super) sines: usize,
    pub(super) margins: Margins,
}

/// A cell, to be searched.
pub(super) struct CellView<'a> {
    pub(super) margins: Margins,
    /// Tree positions of all members, and of the pivots, which come first.
    pub(super) members: &'a [u32],
    pub(super) pivots: &'a [u32],
    /// L^-1, row by row.
    pub(super) inverse: &'a [f64],
    /// w of all members, pivots first, a padded row a coordinate, and abs(e).
    pub(super) coords: &'a [f32],
    pub(super) sines: &'a [f32],
}

impl Cells {
    /// Points of each cell of `n` points with rows of V of `width` values: so many that the table is no larger than V.
    pub(crate) fn leaf_of(n: usize, width: usize) -> usize {
        let most = ((n * width.max(16)) as f64).sqrt() as usize;
        let mut leaf = CELL;
        while n.div_ceil(leaf) > most {
            leaf *= 2;
        }
        leaf
    }

    /// The share of the points that would have to be pivots in cells of runs of `leaf` of them, by a sample of the cells; and
    /// evaluations.
    pub(crate) fn share_of_pivots(
        metric: &Correlation,
        order: &[u32],
        leaf: usize,
        sine: f64,
        threads: &Threads,
    ) -> Result<(f64, usize)> {
        let count = order.len().div_ceil(leaf);
        let mut sample = [(0, 0); SAMPLE];
        let tasks = try_collect(sample.iter_mut().take(count).enumerate().map(Ok), "the cells")?;
        threads.run(tasks, &mut Control::none(), CellScratch::default, |s, (t, (pivots, members))| {
            let start = t * count / SAMPLE.min(count) * leaf;
            let sampled = &order[start..(start + leaf).min(order.len())];
            (*pivots, *members) = (s.choose(metric, sampled, sine)?, sampled.len());
            Ok(())
        })?;
        let sum = |of: fn(&(usize, usize)) -> usize| sample.iter().map(of).sum::<usize>();
        Ok((sum(|cell| cell.0) as f64 / sum(|cell| cell.1) as f64, sum(|cell| cell.0 * cell.1)))
    }

    /// Makes cells of runs of `leaf` points and computes the table: about pivots^2 / 2 + n times the mean number of pivots
    /// of a cell evaluations, also returned. Members have an angle of `sine` to the span of their cell at most.
    pub(crate) fn new(
        metric: &Correlation,
        order: &[u32],
        leaf: usize,
        sine: f64,
        overlaps: Listing<'_>,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<(Self, u64)> {
        let what = "the cells";
        let (n, points) = (order.len(), metric.points());
        let count = n.div_ceil(leaf);
        let mut built: Vec<Cell> = try_with_capacity(count, what)?;
        built.resize_with(count, Cell::default);
        let tasks = try_collect(order.chunks(leaf).zip(&mut built).map(Ok), what)?;
        threads.run(tasks, control, CellScratch::default, |s, (members, cell)| {
            *cell = Cell::new(metric, members, sine, s)?;
            Ok(())
        })?;
        let mut evaluations = built.iter().map(|cell| cell.rank * cell.members.len()).sum::<usize>();
        let mut cells = Cells::pack(built, points, n)?;
        cells.look_around(threads)?;
        evaluations += cells.pivots * cells.pivots / 2;
        match overlaps {
            Listing::Nothing => cells.measure_gaps(metric, threads, control)?,
            Listing::Around => cells.list_around(metric, threads, control)?,
            Listing::Near(at_inducing) => evaluations += cells.list_near(metric, at_inducing, threads, control)?,
        }
        Ok((cells, evaluations as u64))
    }

    /// Computes the table.
    fn measure_gaps(&mut self, metric: &Correlation, threads: &Threads, control: &mut Control<'_>) -> Result<()> {
        let mut gaps = try_vec(self.len() * self.len(), 0, "the cells")?;
        self.measure(&mut gaps, None, metric, threads, control)?;
        self.gaps = gaps;
        Ok(())
    }

    /// Computes the table, and overlaps of each cell with those nearest to it in space.
    fn list_around(&mut self, metric: &Correlation, threads: &Threads, control: &mut Control<'_>) -> Result<()> {
        let (what, count) = ("the cells", self.len());
        let mut gaps = try_vec(count * count, 0, what)?;
        for a in 0..count {
            for b in self.around(a).iter().take(LISTED_AROUND).map(|&b| b as usize) {
                gaps[a * count + b] |= table::LISTED;
                gaps[b * count + a] |= table::LISTS;
            }
        }
        let listed = try_vec(count, table::FAR, what)?;
        self.list(gaps, &listed, true, metric, threads, control)
    }

    /// Computes the table, overlaps of each cell with those where its points may have near ones, and what is known of the points at
    /// inducing points. Returns the evaluations that this takes beside those of the table.
    fn list_near(
        &mut self,
        metric: &Correlation,
        at_inducing: &dyn Fn(u32) -> bool,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<usize> {
        let gaps = try_vec(self.len() * self.len(), 0, "the cells")?;
        let (listed, sampled) = overlaps::listed(self, metric, threads, control)?;
        self.list(gaps, &listed, false, metric, threads, control)?;
        self.at_inducing = AtInducing::new(self, at_inducing, metric, threads, control)?;
        Ok(sampled + self.at_inducing.positions.len() * self.members.len())
    }

    /// Computes the table, and the overlaps of which `gaps` has marks, if they are `marked`, and that are below `listed`.
    fn list(
        &mut self,
        mut gaps: Vec<u8>,
        listed: &[u16],
        marked: bool,
        metric: &Correlation,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<()> {
        let kept = Kept { listed, marked, room: overlaps::room(self.members.len(), metric.points.width) };
        let pairs = self.measure(&mut gaps, Some(kept), metric, threads, control)?;
        self.overlaps = Overlaps::of_pairs(self, &pairs, listed, threads, control)?;
        self.gaps = gaps;
        Ok(())
    }

    /// Lays the cells' parts side by side. `n` is the number of members.
    fn pack(built: Vec<Cell>, points: &Points, n: usize) -> Result<Cells> {
        let what = "the cells";
        let total = |size: fn(&Cell) -> usize| built.iter().map(size).sum::<usize>();
        let (count, d) = (built.len(), points.d);
        let mut cells = Cells {
            of: try_vec(points.n, NO_CELL, what)?,
            offsets: try_vec(points.n, 0.0, what)?,
            cells: try_with_capacity(count, what)?,
            at_inducing: AtInducing::default(),
            pivots: total(|cell| cell.rank),
            members: try_with_capacity(n, what)?,
            inverses: try_with_capacity(total(|cell| cell.inverse.len()), what)?,
            coords: try_with_capacity(total(|cell| cell.coords.len()), what)?,
            sines: try_with_capacity(total(|cell| cell.offsets.len()), what)?,
            boxes: try_with_capacity(2 * d * count, what)?,
            d,
            around: try_vec(count * NEAREST.min(count), 0, what)?,
            gaps: Vec::new(),
            overlaps: Overlaps::default(),
        };
        for (c, cell) in built.into_iter().enumerate() {
            let (rank, count) = (cell.rank, cell.members.len());
            for (place, &i) in cell.members.iter().enumerate() {
                cells.of[i as usize] = c as u32;
                if place >= rank {
                    let angle = f64::from(cell.offsets[place]).asin();
                    cells.offsets[i as usize] = (angle as f32).next_up();
                }
            }
            let corners = bounding_box(d, cell.members.iter(), |&i, j| points.coord(i as usize, j));
            cells.boxes.extend(corners);
            cells.cells.push(Place {
                rank,
                start: cells.members.len(),
                count,
                inverse: cells.inverses.len(),
                coords: cells.coords.len(),
                sines: cells.sines.len(),
                margins: cell.margins,
            });
            cells.members.extend_from_slice(&cell.members);
            cells.inverses.extend_from_slice(&cell.inverse);
            cells.coords.extend_from_slice(&cell.coords);
            cells.sines.extend_from_slice(&cell.offsets);
        }
        Ok(cells)
    }

    /// Number of cells.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell of a stored point, if there are overlaps with that: its coordinates in the span in `u`, and at least the sine of the
    /// angle to that, which is the distance from what has these coordinates.
    pub(super) fn stored(&self, position: u32, u: &mut Vec<f32>) -> Option<(u32, f64)> {
        if self.overlaps.is_empty() {
            return None;
        }
        u.clear();
        let own = self.of(position)?;
        let view = self.view(own as usize);
        let t = view.members.iter().position(|&i| i == position)?;
        u.extend(view.coords.iter().skip(t).step_by(view.sines.len()));
        Some((own, f64::from(view.sines[t])))
    }

    /// The cell of the first of a panel's members.
    pub(super) fn of_panel(&self, members: &[u32]) -> u32 {
        self.of(members[0]).unwrap_or(0)
    }

    /// Number of pivots of all cells.
    pub(crate) fn pivots(&self) -> usize {
        self.pivots
    }

    /// Cell `c`.
    pub(super) fn view(&self, c: usize) -> CellView<'_> {
        let cell = &self.cells[c];
        let members = &self.members[self.run(c)];
        let padded = members.len().next_multiple_of(LANES);
        CellView {
            margins: cell.margins,
            members,
            pivots: &members[..cell.rank],
            inverse: &self.inverses[cell.inverse..cell.inverse + cell.rank * cell.rank],
            coords: &self.coords[cell.coords..cell.coords + cell.rank * padded],
            sines: &self.sines[cell.sines..cell.sines + padded],
        }
    }

    /// Where the points of cell `c` are among those of all cells, one cell after the other.
    pub(super) fn run(&self, c: usize) -> Range<usize> {
        let cell = &self.cells[c];
        cell.start..cell.start + cell.count
    }

    /// Cell of a tree position, if it is in one.
    pub(crate) fn of(&self, position: u32) -> Option<u32> {
        self.of.get(position as usize).copied().filter(|&cell| cell != NO_CELL)
    }

    /// Angle between a tree position and the span of its cell, rounded up.
    pub(super) fn offset(&self, position: u32) -> f64 {
        f64::from(self.offsets[position as usize])
    }

    /// Finds the cells around each cell.
    fn look_around(&mut self, threads: &Threads) -> Result<()> {
        let count = self.len();
        let mut around = std::mem::take(&mut self.around);
        let choices = NEAREST.min(count);
        let all: Vec<u32> = (0..count as u32).collect();
        let tasks = try_collect(around.chunks_mut(ROWS * choices).enumerate().map(Ok), "the cells")?;
        threads.run(tasks, &mut Control::none(), Vec::new, |order, (task, around)| {
            for (row, around) in around.chunks_exact_mut(choices).enumerate() {
                self.by_distance(self.corners(task * ROWS + row), &all, order);
                around.iter_mut().zip(&*order).for_each(|(to, &(_, b))| *to = b);
            }
            Ok(())
        })?;
        self.around = around;
        Ok(())
    }

    /// Those [`NEAREST`] of `cells` that are nearest to a box in space, nearest first, with squared distances.
    pub(super) fn by_distance(&self, corners: &[f64], cells: &[u32], order: &mut Vec<(f64, u32)>) {
        let (lower, upper) = corners.split_at(self.d);
        order.clear();
        order.extend(cells.iter().map(|&b| (squared_gap(self.corners(b as usize), lower, upper), b)));
        let nearer = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if NEAREST < order.len() {
            order.select_nth_unstable_by(NEAREST, nearer);
            order.truncate(NEAREST);
        }
        order.sort_unstable_by(nearer);
    }

    /// Writes the `most` of the cells around `own` that are nearest to `x`, which is in its box: see [`at_distance`].
    pub(super) fn nearest(&self, own: usize, x: &[f64], most: usize, out: &mut Vec<u64>) {
        out.clear();
        let at = |&c: &u32| at_distance(squared_gap(self.corners(c as usize), x, x) as f32, c);
        out.extend(self.around(own).iter().take(2 * most).map(at));
        out.sort_unstable();
        out.truncate(most);
    }

    /// The box of cell `a`.
    fn corners(&self, a: usize) -> &[f64] {
        &self.boxes[2 * self.d * a..2 * self.d * (a + 1)]
    }

    /// The cells around cell `a`.
    pub(super) fn around(&self, a: usize) -> &[u32] {
        let choices = NEAREST.min(self.len());
        &self.around[a * choices..(a + 1) * choices]
    }

    /// The row of the table of cell `own`.
    pub(super) fn gaps(&self, own: usize) -> &[u8] {
        &self.gaps[own * self.len()..(own + 1) * self.len()]
    }

    /// The largest gap to a cell that may have a member within `angle` of a point at `offset` from the span of another.
    pub(super) fn steps(&self, offset: f64, angle: f64) -> u8 {
        ((angle + offset) / STEP + 1.0).min(f64::from(u8::MAX)) as u8
    }

    /// Adds to `found` the cells that may have a member within `angle` of a point at `offset` from the span of `own`.
    pub(super) fn near(&self, own: usize, offset: f64, angle: f64, found: &mut Vec<u32>) {
        let most = self.steps(offset, angle);
        for (chunk, gaps) in self.gaps(own).chunks(64).enumerate() {
            if gaps.iter().fold(false, |any, &gap| any | (gap <= most)) {
                let near = gaps.iter().enumerate().filter(|&(_, &gap)| gap <= most);
                found.extend(near.map(|(b, _)| (chunk * 64 + b) as u32));
            }
        }
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.of.len() + self.offsets.len() + self.members.len() + self.coords.len() + self.sines.len();
        let places = self.cells.len() * std::mem::size_of::<Place>() + self.at_inducing.bytes();
        4 * (words + self.around.len())
            + 8 * (self.inverses.len() + self.boxes.len())
            + places
            + self.gaps.len()
            + self.overlaps.bytes()
    }
}
