//! How cells are made: runs of points, the pivots of each, the table of angles between their spans, and overlaps.

use super::at_inducing::AtInducing;
use super::cell::{Cell, CellScratch, NO_CELL};
use super::cells::{Cells, NEAREST, Place, ROWS};
use super::overlaps::Overlaps;
use super::overlaps_build::{listed, room};
use super::table::{self, Kept};
use crate::control::Control;
use crate::error::{Result, try_collect, try_vec, try_with_capacity};
use crate::layout::aabb::bounding_box;
use crate::metric::{Correlation, Metric, Points};
use crate::parallel::Threads;
use crate::simd::panel::LANES as PANEL;

/// Points of a cell at least.
const CELL: usize = PANEL;
/// Cells of the sample that tells how many points would have to be pivots.
const SAMPLE: usize = 32;
/// Of these, cells that overlaps are computed with where there are panels.
const LISTED_AROUND: usize = 32;

/// What overlaps are computed of.
#[derive(Clone, Copy)]
pub(crate) enum Listing<'a> {
    Nothing,
    /// Cells and those nearest to them in space.
    Around,
    /// Cells and those where points are near to theirs; told which points are at inducing points.
    Near(&'a dyn Fn(u32) -> bool),
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
        let (listed, sampled) = listed(self, metric, threads, control)?;
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
        let kept = Kept { listed, marked, room: room(self.members.len(), metric.points.width) };
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
}
