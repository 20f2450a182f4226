//! The table of angles between the spans of subspaces; and of pairs that are near in it the products of their bases.

use super::subspaces::{ROWS, STEP, Subspaces};
use crate::control::Control;
use crate::error::{Result, try_collect, try_grow, try_push, try_with_capacity};
use crate::metric::{Correlation, Points, QueryBlock, ScoreScratch};
use crate::parallel::Threads;
use crate::simd::{Simd, spans};
use std::ops::Range;

/// Columns of the table that a task computes at a time.
const COLUMNS: usize = 16;

/// What products are kept for: those with each subspace whose gap from it is below its entry in `listed`, as far
/// as there is room for so many bytes; of these those alone that the table is `marked` with, if it is.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a> {
    pub(super) listed: &'a [u16],
    pub(super) marked: bool,
    pub(super) room: usize,
}

/// Marks of an entry of the table: that its column is to be listed with its row, and the other way round.
pub(super) const LISTED: u8 = 1;
pub(super) const LISTS: u8 = 2;
/// More than any gap; and a gap of what is never listed.
pub(super) const FAR: u16 = 256;
const NEVER: u16 = u16::MAX;

/// The products of some pairs of spans, G of each rounded to integers.
#[derive(Default)]
pub(super) struct Pairs {
    pub(super) list: Vec<Pair>,
    /// Row by row, a row for each dimension of the span of a, pair by pair.
    pub(super) products: Vec<i8>,
}

/// A subspace and another one.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) a: u32,
    pub(super) b: u32,
    /// Where the products begin.
    pub(super) start: u32,
    /// The gaps seen from a and from b, in steps; or [`NEVER`], where one is not to be listed with the other.
    gaps: (u16, u16),
    /// The norm of G u is at most so many times that of the integers, and what rounding of all kinds can add for u of norm 1.
    pub(super) scale: f32,
    pub(super) error: f32,
}

impl Pair {
    /// With which of the two it is listed.
    pub(super) fn owns(&self, listed: &[u16]) -> impl Iterator<Item = u32> {
        let a = self.gaps.0 < listed[self.a as usize];
        let b = self.b != self.a && self.gaps.1 < listed[self.b as usize];
        a.then_some(self.a).into_iter().chain(b.then_some(self.b))
    }

    /// The one that is not `own`.
    pub(super) fn other(&self, own: u32) -> u32 {
        if self.a == own { self.b } else { self.a }
    }
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
    pair: Vec<f64>,
}

/// What is found of two spans: L_a^-1 R_ab L_b^-T, a value for each dimension of a in a row of `height` for each one of b.
struct Between<'a> {
    turned: &'a [f64],
    height: usize,
    from: usize,
    norm: f64,
}

impl Subspaces {
    /// Computes the table of gaps. Returns the products that are to be kept.
    pub(super) fn measure(
        &self,
        gaps: &mut [u8],
        kept: Option<Kept<'_>>,
        metric: &Correlation,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Vec<Pairs>> {
        let (what, count) = ("the subspaces", self.len());
        // What is left of an angle to a span, in steps, to the subspace's farthest member.
        let farthest =
            try_collect(self.subspaces.iter().map(|subspace| Ok(subspace.margins.sine.asin() / STEP)), what)?;
        let gap = |steps: u8, b: usize| (f64::from(steps) - farthest[b]).floor().max(0.0) as u8;
        let height = ROWS * count;
        let mut pairs: Vec<Pairs> = try_collect((0..gaps.len().div_ceil(height)).map(|_| Ok(Pairs::default())), what)?;
        let total = count * (count + 1) / 2;
        let tasks = try_collect(gaps.chunks_mut(height).zip(&mut pairs).enumerate().map(Ok), what)?;
        threads.run(tasks, control, Scratch::default, |s, (task, (gaps, pairs))| {
            let first = task * ROWS;
            let rows = first..first + gaps.len() / count;
            self.gather(&metric.points, rows.clone(), &mut s.order, &mut s.rows);
            let mut pair = std::mem::take(&mut s.pair);
            // From the diagonal on.
            for start in (first..count).step_by(COLUMNS) {
                let columns = start..(start + COLUMNS).min(count);
                self.between(metric, rows.clone(), columns, s, |a, b, between| {
                    let (own, other) = (&self.subspaces[a].margins, &self.subspaces[b].margins);
                    let cosine = own.between(other, metric, between.norm).min(1.0);
                    let steps = (cosine.acos() / STEP) as u8;
                    let mark = std::mem::replace(&mut gaps[(a - first) * count + b], steps);
                    let Some(kept) = kept.filter(|_| a <= b) else { return Ok(()) };
                    let seen = |to: usize, as_marked: u8| {
                        let listed = !kept.marked || mark & as_marked != 0;
                        if listed { u16::from(gap(steps, to)) } else { NEVER }
                    };
                    let gaps = (seen(b, LISTED), seen(a, LISTS));
                    let found = Pair { a: a as u32, b: b as u32, start: 0, gaps, scale: 0.0, error: 0.0 };
                    if found.owns(kept.listed).next().is_none() {
                        return Ok(());
                    }
                    pairs.add(
                        found,
                        (self.subspaces[a].rank, self.subspaces[b].rank),
                        &between,
                        own.reach(other, metric),
                        &mut pair,
                    )
                })?;
            }
            s.pair = pair;
            if let Some(kept) = kept {
                // Of a band as many as are its share of all pairs.
                let room = kept.room as f64 * (rows.len() * (count - first)) as f64 / total as f64;
                let rank = |subspace: u32| self.subspaces[subspace as usize].rank;
                pairs.limit(room as usize, |pair| rank(pair.a) * rank(pair.b))?;
                // Vectors that grow have room for twice as much.
                pairs.list.shrink_to_fit();
                pairs.products.shrink_to_fit();
            }
            Ok(())
        })?;
        mirror(gaps, count);
        for row in gaps.chunks_exact_mut(count) {
            row.iter_mut().enumerate().for_each(|(b, steps)| *steps = gap(*steps, b));
        }
        Ok(pairs)
    }

    /// Copies the pivots of some subspaces to `block`.
    fn gather(&self, points: &Points, subspaces: Range<usize>, order: &mut Vec<u32>, block: &mut QueryBlock) {
        order.clear();
        block.clear();
        subspaces.for_each(|c| order.extend_from_slice(self.view(c).pivots));
        order.iter().for_each(|&i| block.push_stored(points, i as usize));
    }

    /// Calls `found` for each pair of the spans `rows`, whose pivots are in `s`, and `columns`.
    fn between(
        &self,
        metric: &Correlation,
        rows: Range<usize>,
        columns: Range<usize>,
        s: &mut Scratch,
        mut found: impl FnMut(usize, usize, Between<'_>) -> Result<()>,
    ) -> Result<()> {
        self.gather(&metric.points, columns.clone(), &mut s.order, &mut s.columns);
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
            let turned = block.split_off(..self.subspaces[b].rank * height).unwrap_or_default();
            spans::squares(metric.simd, turned, &mut s.squares);
            let mut from = 0;
            for a in rows.clone() {
                let end = from + self.subspaces[a].rank;
                let norm = s.squares[from..end].iter().sum::<f64>().sqrt();
                found(a, b, Between { turned, height, from, norm })?;
                from = end;
            }
        }
        Ok(())
    }

    /// Multiplies the rows of `width` values that belong to each of some subspaces by its L^-1.
    fn multiply_inverses(&self, simd: Simd, subspaces: Range<usize>, width: usize, mut rows: &mut [f64]) {
        for c in subspaces {
            let view = self.view(c);
            let own = rows.split_off_mut(..view.pivots.len() * width).unwrap_or_default();
            spans::multiply_lower(simd, view.inverse, own, width);
        }
    }
}

impl Pairs {
    /// Adds a pair of such ranks; `reach` are the factor and slack of [`super::subspace::Margins::reach`].
    fn add(
        &mut self,
        pair: Pair,
        (rank_a, rank_b): (usize, usize),
        between: &Between<'_>,
        (factor, slack): (f64, f64),
        values: &mut Vec<f64>,
    ) -> Result<()> {
        let what = "the subspaces";
        values.clear();
        for i in 0..rank_a {
            values.extend(between.turned[between.from + i..].iter().step_by(between.height).take(rank_b));
        }
        let most = values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let unit = most / f64::from(i8::MAX);
        let inverse = if unit > 0.0 { unit.recip() } else { 0.0 };
        let start = self.products.len() as u32;
        try_grow(&mut self.products, values.len(), what)?;
        let mut lost = 0.0;
        self.products.extend(values.iter().map(|&x| {
            // Rounded, by what cuts off.
            let value = (x * inverse + 128.5) as i32 - 128;
            lost += (x - f64::from(value) * unit).powi(2);
            value as i8
        }));
        let scale = ((factor * unit) as f32).next_up();
        let error = ((factor * (slack + lost.sqrt())) as f32).next_up();
        try_push(&mut self.list, Pair { start, scale, error, ..pair }, what)
    }

    /// Drops the pairs with the largest gaps, until the others take at most `room` bytes.
    fn limit(&mut self, room: usize, size: impl Fn(&Pair) -> usize) -> Result<()> {
        let gap = |pair: &Pair| pair.gaps.0.min(pair.gaps.1);
        let mut sizes = [0usize; 256];
        self.list.iter().for_each(|pair| sizes[usize::from(gap(pair).min(255))] += size(pair) + size_of::<Pair>());
        let mut all = 0usize;
        let fits = sizes.iter().take_while(|&&size| {
            all += size;
            all <= room
        });
        let fits = fits.count();
        if fits < sizes.len() {
            let mut products = try_with_capacity(self.products.len(), "the subspaces")?;
            self.list.retain_mut(|pair| {
                let keep = usize::from(gap(pair)) < fits;
                if keep {
                    let start = pair.start as usize;
                    pair.start = products.len() as u32;
                    products.extend_from_slice(&self.products[start..start + size(pair)]);
                }
                keep
            });
            self.products = products;
        }
        Ok(())
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
