//! Overlaps: products of the span of each cell with the spans nearest to it in angle.
//!
//! The table of angles bounds the product of any two unit vectors in two spans. Of one query more is known: it is v + e, v
//! in the span of its own cell, whose coordinates there are u, and abs(e) is small. With G the products of the orthonormal
//! bases of both spans its part in the other span is at most abs(G u) + abs(e) long, mostly far less than what the table
//! says, and G is in 8 bits. So a query looks at few more cells than if its products with all pivots were known.

use super::cells::{Cells, NO_CELL};
use crate::control::Control;
use crate::error::{Result, checked_area, try_collect, try_resize, try_vec, try_with_capacity};
use crate::metric::{Candidates, Correlation, Metric, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::Simd;
use crate::simd::overlap::{LANES, squares};

/// Products take this share of the bytes of V at most. With products of 384, 640 and all 1,024 cells the
/// benchmark's gold takes 1,136, 919 and 804 evaluations a query.
const SHARE: usize = 3;
/// Groups in which cells are sorted by rank, so that a group's are alike.
const BAND: usize = 4 * LANES;
/// Bytes of a listed cell but for its products.
const PER_CELL: f64 = 12.0;
/// Cells from which on it is worth while to look at overlaps.
pub(super) const FEW_CELLS: usize = 16;
/// What rounding in `f32` can add to a bound of cosines.
const ROUNDING: f64 = 1e-5;

/// The products of each cell.
#[derive(Default)]
pub(crate) struct Overlaps {
    /// Groups of each cell.
    pub(super) groups: usize,
    /// Rows of each group: the largest rank of its cells. And the least of their gaps in the table.
    pub(super) rows: Vec<u32>,
    pub(super) gaps: Vec<u8>,
    /// The cells of each group, [`NO_CELL`] where it is not full.
    pub(super) cells: Vec<u32>,
    /// The norm of G u is at most so many times that of the entries, which are integers.
    pub(super) scales: Vec<f32>,
    /// What rounding of all kinds can add, for u of norm 1.
    pub(super) errors: Vec<f32>,
    /// The products, group by group, a row of [`LANES`] for each dimension of the own span; and where they begin.
    pub(super) products: Vec<i8>,
    pub(super) places: Vec<usize>,
}

/// What a query is in the span of its own cell.
#[derive(Clone, Copy)]
pub(super) struct Inside<'a> {
    pub(super) own: usize,
    /// Its coordinates, and at least its distance from the span.
    pub(super) u: &'a [f32],
    pub(super) sine: f64,
    /// The angle to the span.
    pub(super) offset: f64,
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    queries: QueryBlock,
    score: ScoreScratch,
    scores: Vec<f64>,
    half: Vec<f64>,
    whole: Vec<f64>,
    pivots: Vec<u32>,
}

impl Overlaps {
    /// Computes the products of every cell of `cells`, whose table is there; also returns evaluations.
    pub(super) fn new(
        cells: &Cells,
        metric: &Correlation,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<(Self, usize)> {
        let what = "the cells";
        let count = cells.len();
        // As many as there is room for, the nearest in the table.
        let room = cells.members.len() * metric.points().width * std::mem::size_of::<f64>() / SHARE;
        let rank = cells.pivots() as f64 / count as f64;
        let most = (room as f64 / (count as f64 * (rank * rank + PER_CELL))) as usize;
        let most = most.min(count);
        let groups = most.div_ceil(LANES);
        let lanes = checked_area(count, groups * LANES, what)?;
        let mut overlaps = Overlaps {
            groups,
            rows: try_vec(count * groups, 0, what)?,
            gaps: try_vec(count * groups, 0, what)?,
            cells: try_vec(lanes, NO_CELL, what)?,
            scales: try_vec(lanes, 0.0, what)?,
            errors: try_vec(lanes, 0.0, what)?,
            ..Overlaps::default()
        };
        if groups == 0 {
            return Ok((overlaps, 0));
        }
        let lists = overlaps.cells.chunks_mut(groups * LANES);
        let parts = overlaps.rows.chunks_mut(groups).zip(overlaps.gaps.chunks_mut(groups));
        let tasks = try_collect(lists.zip(parts).enumerate().map(Ok), what)?;
        threads.run(tasks, control, Vec::new, |order, (own, (list, (rows, gaps)))| {
            choose(cells, own, most, order, list);
            for ((group, rows), gap) in list.chunks(LANES).zip(rows).zip(gaps) {
                let all = || group.iter().filter(|&&c| c != NO_CELL).map(|&c| c as usize);
                *rows = all().map(|c| cells.view(c).pivots.len()).max().unwrap_or(0) as u32;
                *gap = all().map(|c| cells.gaps(own)[c]).min().unwrap_or(u8::MAX);
            }
            Ok(())
        })?;
        let total = overlaps.place(cells)?;
        overlaps.products = try_vec(total, 0, what)?;
        let mut tasks = try_with_capacity(count, what)?;
        let mut products = &mut overlaps.products[..];
        let lanes = overlaps.scales.chunks_mut(groups * LANES).zip(overlaps.errors.chunks_mut(groups * LANES));
        for (own, (scales, errors)) in lanes.enumerate() {
            let ends = (own + 1) * groups;
            let end = overlaps.places.get(ends).copied().unwrap_or(total) - overlaps.places[own * groups];
            tasks.push((own, scales, errors, products.split_off_mut(..end).unwrap_or_default()));
        }
        let (lists, rows) = (&overlaps.cells, &overlaps.rows);
        threads.run(tasks, control, Scratch::default, |s, (own, scales, errors, mut products)| {
            let rank = cells.view(own).pivots.len();
            for g in 0..groups {
                let (lanes, group) = (g * LANES..(g + 1) * LANES, own * groups + g);
                let size = rows[group] as usize * rank * LANES;
                let products = products.split_off_mut(..size).unwrap_or_default();
                let list = &lists[group * LANES..(group + 1) * LANES];
                fill(cells, metric, own, list, (&mut scales[lanes.clone()], &mut errors[lanes], products), s)?;
            }
            Ok(())
        })?;
        let rank = |c: u32| cells.view(c as usize).pivots.len();
        let listed = |own: usize| overlaps.cells[own * groups * LANES..(own + 1) * groups * LANES].iter();
        let others = |own: usize| listed(own).filter(|&&c| c != NO_CELL).map(|&c| rank(c)).sum::<usize>();
        let evaluations = (0..count).map(|own| rank(own as u32) * others(own)).sum();
        Ok((overlaps, evaluations))
    }

    /// Finds where the groups' products begin; returns their number.
    pub(super) fn place(&mut self, cells: &Cells) -> Result<usize> {
        self.places = try_vec(self.rows.len(), 0, "the cells")?;
        let mut at = 0;
        for (group, (place, &rows)) in self.places.iter_mut().zip(&self.rows).enumerate() {
            *place = at;
            let size = (rows as usize).saturating_mul(cells.view(group / self.groups).pivots.len() * LANES);
            // Of a damaged file: then there are never so many.
            at = at.saturating_add(size);
        }
        Ok(at)
    }

    /// Adds to `excluded`, a bit for each cell, those in which no member is within `angle` of a query.
    pub(super) fn exclude(&self, simd: Simd, cells: &Cells, query: Inside<'_>, angle: f64, excluded: &mut [u64]) {
        let most = cells.steps(query.offset, angle);
        let norm = query.u.iter().map(|u| u * u).sum::<f32>().sqrt();
        let (sine, cosine) = angle.sin_cos();
        let (sine, cosine) = (sine as f32, (cosine - ROUNDING) as f32);
        let rest = (query.sine + ROUNDING) as f32;
        for group in query.own * self.groups..(query.own + 1) * self.groups {
            if self.gaps[group] > most {
                continue;
            }
            let end = self.places[group] + self.rows[group] as usize * query.u.len() * LANES;
            let squares = squares(simd, &self.products[self.places[group]..end], query.u);
            let own = group * LANES..(group + 1) * LANES;
            for (lane, &c) in self.cells[own.clone()].iter().enumerate().filter(|&(_, &c)| c != NO_CELL) {
                let at = own.start + lane;
                let longest = self.scales[at] * squares[lane].sqrt() + self.errors[at] * norm + rest;
                // Members are within an angle phi of the span: none is within `angle` where cos(angle + phi) is more.
                let margins = &cells.cells[c as usize].margins;
                let least = cosine * margins.cosine as f32 - sine * margins.sine as f32;
                if longest < least {
                    excluded[c as usize / 64] |= 1 << (c % 64);
                }
            }
        }
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let words = self.rows.len() + self.cells.len() + self.scales.len() + self.errors.len();
        4 * words + self.gaps.len() + self.products.len() + std::mem::size_of::<usize>() * self.places.len()
    }
}

/// Writes the cells whose products with `own` are held, the `most` nearest in the table; those of a band by rank.
fn choose(cells: &Cells, own: usize, most: usize, order: &mut Vec<u32>, list: &mut [u32]) {
    let gaps = cells.gaps(own);
    order.clear();
    order.extend(0..gaps.len() as u32);
    let nearer = |&c: &u32| (gaps[c as usize], c);
    if most < order.len() {
        order.select_nth_unstable_by_key(most, nearer);
        order.truncate(most);
    }
    order.sort_unstable_by_key(nearer);
    for band in order.chunks_mut(BAND) {
        band.sort_unstable_by_key(|&c| (cells.view(c as usize).pivots.len(), c));
    }
    list.iter_mut().zip(&*order).for_each(|(to, &c)| *to = c);
}

/// The products of cell `own` with those of a group: scales, errors and products of each.
fn fill(
    cells: &Cells,
    metric: &Correlation,
    own: usize,
    list: &[u32],
    (scales, errors, products): (&mut [f32], &mut [f32], &mut [i8]),
    s: &mut Scratch,
) -> Result<()> {
    let what = "the cells";
    let view = cells.view(own);
    let rank = view.pivots.len();
    s.queries.clear();
    view.pivots.iter().for_each(|&i| s.queries.push_stored(metric.points(), i as usize));
    s.pivots.clear();
    let group = || list.iter().filter(|&&c| c != NO_CELL).map(|&c| cells.view(c as usize));
    group().for_each(|other| s.pivots.extend_from_slice(other.pivots));
    let width = s.pivots.len();
    try_resize(&mut s.scores, rank * width, 0.0, what)?;
    metric.signed_scores(&s.queries, &s.queries.all, &Candidates::Gather(&s.pivots), &mut s.score, &mut s.scores)?;
    // Rows of the own orthonormal basis with the others' pivots.
    s.half.clear();
    try_resize(&mut s.half, rank * width, 0.0, what)?;
    for (j, out) in s.half.chunks_exact_mut(width).enumerate() {
        for (row, &factor) in s.scores.chunks_exact(width).zip(&view.inverse[j * rank..=j * rank + j]) {
            out.iter_mut().zip(row).for_each(|(out, x)| *out += factor * x);
        }
    }
    let mut start = 0;
    for (lane, other) in group().enumerate() {
        let ranks = other.pivots.len();
        s.whole.clear();
        for i in 0..ranks {
            let factors = &other.inverse[i * ranks..=i * ranks + i];
            for j in 0..rank {
                let row = &s.half[j * width + start..j * width + start + ranks];
                s.whole.push(factors.iter().zip(row).map(|(l, x)| l * x).sum());
            }
        }
        start += ranks;
        let most = s.whole.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let unit = most / f64::from(i8::MAX);
        let mut lost = 0.0;
        for (at, &x) in s.whole.iter().enumerate() {
            let value = if unit > 0.0 { (x / unit).round() } else { 0.0 };
            lost += (x - value * unit).powi(2);
            products[at * LANES + lane] = value as i8;
        }
        let (factor, slack) = view.margins.reach(&other.margins, metric);
        scales[lane] = ((factor * unit) as f32).next_up();
        errors[lane] = ((factor * (slack + lost.sqrt())) as f32).next_up();
    }
    Ok(())
}
