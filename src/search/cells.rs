//! Cells: all points in small boxes, each with pivots whose span holds nearly all of its members ([`super::cell`]), and
//! a table of the angles between the spans.
//!
//! The table is what lets a query skip most cells without evaluating anything: a query at angle d from the span of its
//! own cell can have a neighbour within angle t among the members of another cell only where
//! angle(own span, other span) - angle(other span, its farthest member) <= t + d, and the left side is in the table.
//! A span of a few points is much nearer to what surrounds them than any one point is: balls around points that
//! discard as much would be several times as many. Source for the table: Krauthgamer & Lee, *Navigating nets* (SODA
//! 2004), whose balls have one centre each.

use super::cell::{Cell, CellScratch, Margins};
use super::overlaps::Overlaps;
use super::spatial::{bounding_box, squared_gap};
use crate::control::Control;
use crate::error::{Result, try_collect, try_vec, try_with_capacity};
use crate::metric::{Correlation, Metric, Points, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::Simd;
use crate::simd::panel::LANES as PANEL;
use crate::simd::spans::{self, LANES};

/// Points of a cell, unless that makes the table too large.
const CELL: usize = PANEL;
/// Cells of the sample that tells how many points would have to be pivots.
const SAMPLE: usize = 32;
/// Cells around a cell that its queries start from.
pub(super) const NEAREST: usize = 64;
/// Cells whose rows of the table a task computes, and columns that it computes at a time.
const ROWS: usize = 32;
const COLUMNS: usize = 16;
/// Radians of a step of the table.
const STEP: f64 = std::f64::consts::FRAC_PI_2 / 255.0;
/// The cell of a point that is in none.
pub(super) const NO_CELL: u32 = u32::MAX;

/// The cells of some points of a tree.
pub(crate) struct Cells {
    /// Cell of each tree position, or [`NO_CELL`].
    pub(super) of: Vec<u32>,
    /// Angle between each tree position and the span of its cell, rounded up.
    pub(super) offsets: Vec<f32>,
    pub(super) cells: Vec<Place>,
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
    /// Tree positions of the pivots and of the other members.
    pub(super) pivots: &'a [u32],
    pub(super) others: &'a [u32],
    /// L^-1, row by row.
    pub(super) inverse: &'a [f64],
    /// w of the others, a padded row a coordinate, and abs(e).
    pub(super) coords: &'a [f32],
    pub(super) sines: &'a [f32],
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    rows: QueryBlock,
    columns: QueryBlock,
    order: Vec<u32>,
    score: ScoreScratch,
    products: Vec<f64>,
    turned: Vec<f64>,
    squares: Vec<f64>,
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

    /// Makes cells of runs of `leaf` points and computes the table: about pivots^2 / 2 + n times the mean number of pivots
    /// of a cell evaluations, also returned. Members have an angle of `sine` to the span of their cell at most. None where a
    /// sample of cells tells that more than the share `most_pivots` of the points would have to be pivots.
    pub(crate) fn new(
        metric: &Correlation,
        order: &[u32],
        leaf: usize,
        (sine, most_pivots): (f64, f64),
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<(Option<Self>, u64)> {
        let what = "the cells";
        let (n, points) = (order.len(), metric.points());
        let count = n.div_ceil(leaf);
        // A sample of the cells tells whether spans hold their members with few pivots.
        let (mut sample, mut evaluations) = (0, 0);
        for t in 0..SAMPLE.min(count) {
            let start = t * count / SAMPLE.min(count) * leaf;
            let cell = Cell::new(metric, &order[start..(start + leaf).min(n)], sine, &mut CellScratch::default())?;
            sample += cell.members.len();
            evaluations += cell.rank * cell.members.len();
        }
        if evaluations as f64 > most_pivots * (sample * leaf) as f64 {
            return Ok((None, evaluations as u64));
        }
        let mut built: Vec<Cell> = try_with_capacity(count, what)?;
        built.resize_with(count, Cell::default);
        let tasks = try_collect(order.chunks(leaf).zip(&mut built).map(Ok), what)?;
        threads.run(tasks, control, CellScratch::default, |s, (members, cell)| {
            *cell = Cell::new(metric, members, sine, s)?;
            Ok(())
        })?;
        evaluations += built.iter().map(|cell| cell.rank * cell.members.len()).sum::<usize>();
        let mut cells = Cells::pack(built, points, n)?;
        cells.look_around(threads)?;
        cells.measure(metric, threads, control)?;
        evaluations += cells.pivots * cells.pivots / 2;
        Ok((Some(cells), evaluations as u64))
    }

    /// Adds the overlaps; returns evaluations.
    pub(crate) fn overlap(
        &mut self,
        metric: &Correlation,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<u64> {
        let (overlaps, evaluations) = Overlaps::new(self, metric, threads, control)?;
        self.overlaps = overlaps;
        Ok(evaluations as u64)
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
            pivots: total(|cell| cell.rank),
            members: try_with_capacity(n, what)?,
            inverses: try_with_capacity(total(|cell| cell.inverse.len()), what)?,
            coords: try_with_capacity(total(|cell| cell.coords.len()), what)?,
            sines: try_with_capacity(total(|cell| cell.offsets.len()), what)?,
            boxes: try_with_capacity(2 * d * count, what)?,
            d,
            around: try_vec(count * NEAREST.min(count), 0, what)?,
            gaps: try_vec(count * count, 0, what)?,
            overlaps: Overlaps::default(),
        };
        for (c, cell) in built.into_iter().enumerate() {
            let (rank, count) = (cell.rank, cell.members.len());
            for (place, &i) in cell.members.iter().enumerate() {
                cells.of[i as usize] = c as u32;
                if place >= rank {
                    let angle = f64::from(cell.offsets[place - rank]).asin();
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

    /// The table of gaps, and each cell's nearest.
    fn measure(&mut self, metric: &Correlation, threads: &Threads, control: &mut Control<'_>) -> Result<()> {
        let count = self.cells.len();
        let mut gaps = std::mem::take(&mut self.gaps);
        let tasks = try_collect(gaps.chunks_mut(ROWS * count).enumerate().map(Ok), "the cells")?;
        threads.run(tasks, control, Scratch::default, |s, (task, gaps)| {
            // From the diagonal on.
            let first = task * ROWS;
            let rows = first..first + gaps.len() / count;
            self.gather(metric.points(), rows.clone(), &mut s.order, &mut s.rows);
            for start in (first..count).step_by(COLUMNS) {
                let columns = start..(start + COLUMNS).min(count);
                self.between(metric, rows.clone(), columns, s, |a, b, steps| gaps[(a - first) * count + b] = steps)?;
            }
            Ok(())
        })?;
        mirror(&mut gaps, count);
        for row in gaps.chunks_exact_mut(count) {
            for (gap, cell) in row.iter_mut().zip(&self.cells) {
                *gap = (f64::from(*gap) - cell.margins.sine.asin() / STEP).floor().max(0.0) as u8;
            }
        }
        self.gaps = gaps;
        Ok(())
    }

    /// Copies the pivots of some cells to `block`.
    fn gather(&self, points: &Points, cells: std::ops::Range<usize>, order: &mut Vec<u32>, block: &mut QueryBlock) {
        order.clear();
        block.clear();
        cells.for_each(|c| order.extend_from_slice(self.view(c).pivots));
        order.iter().for_each(|&i| block.push_stored(points, i as usize));
    }

    /// The angles between the spans of the cells `rows`, whose pivots are in `s`, and `columns`, in steps, rounded down.
    fn between(
        &self,
        metric: &Correlation,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
        s: &mut Scratch,
        mut found: impl FnMut(usize, usize, u8),
    ) -> Result<()> {
        self.gather(metric.points(), columns.clone(), &mut s.order, &mut s.columns);
        let (height, width) = (s.rows.len, s.columns.len);
        s.products.resize(height * width, 0.0);
        s.turned.resize(height * width, 0.0);
        metric.signed_products(&s.rows, &s.columns, &s.order, &mut s.score, &mut s.products)?;
        // L_a^-1 R_ab L_b^-T, along the rows and then, turned, along the columns.
        self.multiply_inverses(metric.simd, rows.clone(), width, &mut s.products);
        turn(&s.products, width, &mut s.turned);
        self.multiply_inverses(metric.simd, columns.clone(), height, &mut s.turned);
        s.squares.resize(height, 0.0);
        let mut block = &s.turned[..];
        for b in columns {
            let view = self.view(b);
            let (own, rest) = block.split_at(view.pivots.len() * height);
            block = rest;
            spans::squares(metric.simd, own, &mut s.squares);
            let mut squares = &s.squares[..];
            for a in rows.clone() {
                let other = self.view(a);
                let (own, rest) = squares.split_at(other.pivots.len());
                squares = rest;
                let norm = own.iter().sum::<f64>().sqrt();
                let cosine = other.margins.between(&view.margins, metric, norm).min(1.0);
                found(a, b, (cosine.acos() / STEP) as u8);
            }
        }
        Ok(())
    }

    /// Multiplies the rows of `width` values that belong to each of some cells by its L^-1.
    fn multiply_inverses(&self, simd: Simd, cells: std::ops::Range<usize>, width: usize, mut rows: &mut [f64]) {
        for c in cells {
            let view = self.view(c);
            let own = rows.split_off_mut(..view.pivots.len() * width).unwrap_or_default();
            spans::multiply_lower(simd, view.inverse, own, width);
        }
    }

    /// Number of cells.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Number of points of every cell but the last.
    pub(super) fn leaf(&self) -> usize {
        self.cells[0].count
    }

    /// Number of pivots of all cells.
    pub(crate) fn pivots(&self) -> usize {
        self.pivots
    }

    /// Cell `c`.
    pub(super) fn view(&self, c: usize) -> CellView<'_> {
        let cell = &self.cells[c];
        let members = &self.members[cell.start..cell.start + cell.count];
        let (pivots, others) = members.split_at(cell.rank);
        let padded = others.len().next_multiple_of(LANES);
        CellView {
            margins: cell.margins,
            pivots,
            others,
            inverse: &self.inverses[cell.inverse..cell.inverse + cell.rank * cell.rank],
            coords: &self.coords[cell.coords..cell.coords + cell.rank * padded],
            sines: &self.sines[cell.sines..cell.sines + padded],
        }
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
        let places = self.cells.len() * std::mem::size_of::<Place>();
        4 * (words + self.around.len())
            + 8 * (self.inverses.len() + self.boxes.len())
            + places
            + self.gaps.len()
            + self.overlaps.bytes()
    }
}

/// Writes the transpose of rows of `width` values, in blocks that stay in the cache.
fn turn(matrix: &[f64], width: usize, out: &mut [f64]) {
    const TILE: usize = 16;
    let height = matrix.len() / width;
    for top in (0..height).step_by(TILE) {
        for left in (0..width).step_by(TILE) {
            for j in left..(left + TILE).min(width) {
                for i in top..(top + TILE).min(height) {
                    out[j * height + i] = matrix[i * width + j];
                }
            }
        }
    }
}

/// Copies what is above the diagonal of a square matrix below it, in blocks that stay in the cache.
fn mirror(matrix: &mut [u8], count: usize) {
    const TILE: usize = 64;
    for top in (0..count).step_by(TILE) {
        for left in (0..=top).step_by(TILE) {
            for i in top..(top + TILE).min(count) {
                for j in left..(left + TILE).min(i) {
                    matrix[i * count + j] = matrix[j * count + i];
                }
            }
        }
    }
}
