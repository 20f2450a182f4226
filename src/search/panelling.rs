//! Search by panels: blocks of queries against panels of points in `f32`, with the error carried; what the bounds cannot
//! exclude is scored in `f64`, hardly more than is wanted.

use super::certificate::{self, CellBound, score_pivots};
use super::collect::Collector;
use super::panels::Panels;
use super::space::{Group, Scratch, Space};
use crate::error::{Result, try_resize};
use crate::kernel::Kernel;
use crate::metric::{Correlation, Metric, NEW, QueryBlock};
use crate::simd::panel::{self, Bounds, LANES, QUERIES};
use crate::simd::region;

/// Panels, and the metric and kernel they were made with.
#[derive(Clone, Copy)]
pub(crate) struct PanelBound<'a> {
    pub(crate) panels: &'a Panels,
    pub(crate) metric: &'a Correlation,
    pub(crate) kernel: &'a Kernel,
}

/// A unit of rounding of `f32`.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;
/// By how much a correlation in `f32` is off, its distance given.
const KERNEL_ERROR: f64 = 1e-6;
/// What rounding in `f64` adds to scores, per unit of weights, and without weights.
const SLACK: f64 = 1e-10;
/// Coordinates beyond this many lengthscales from a panel are not compared with its own.
const FAR: f64 = 1e15;
/// Panels that are looked at before the others that regions leave to a query.
const PROMISING: usize = 16;
/// The norm of what a query leaves out of its row for regions, as a share of that row's.
const REST: f64 = 0.03;
/// A query whose bounds leave this share of the points is not searched for with panels.
const MOST_LEFT: usize = 4;

/// A point that may be a neighbour.
#[derive(Clone, Copy)]
struct Candidate {
    upper: f32,
    lower: f32,
    position: u32,
}

/// A query in `f32`.
#[derive(Default)]
struct Row {
    /// Number in the group.
    q: u32,
    /// Whether it is at an inducing point; its weight is 0 then.
    at_inducing: bool,
    weight: f64,
    true_weight: f64,
    norm: f64,
    square: f32,
    /// Columns of V where its row is not small, and the row there; the norm of the rest. For regions.
    columns: Vec<u32>,
    values: Vec<f32>,
    rest: f32,
    /// No point of a smaller upper bound is a neighbour.
    least: f32,
    candidates: Vec<Candidate>,
    /// Candidates that were there when `least` was last raised.
    settled: usize,
    /// Panels that were looked at first.
    seeds: Vec<u32>,
    /// Panels that regions leave to it, with their bounds.
    opened: Vec<(f32, u32)>,
}

impl Row {
    /// Chooses the columns where the row `whole` is not small.
    fn shorten(&mut self, whole: &[f32]) {
        // What is left out is small even if it is all of one size; or as small with fewer entries left in.
        let most = (REST * self.norm).powi(2) as f32;
        let cuts = [16.0, 4.0, 1.0].map(|factor| factor * most / whole.len() as f32);
        let (cut, rest) = cuts
            .map(|cut| (cut, square_within(whole, cut)))
            .into_iter()
            .find(|(_, rest)| *rest <= most)
            .unwrap_or((cuts[2], most));
        self.rest = rest.sqrt() * (1.0 + 1e-4);
        let large = || whole.iter().enumerate().filter(|(_, v)| *v * *v > cut);
        self.columns.clear();
        self.columns.extend(large().map(|(j, _)| j as u32));
        self.values.clear();
        self.values.extend(large().map(|(_, v)| v));
    }
}

/// The sum of those squares of values that are at most `cut`.
fn square_within(values: &[f32], cut: f32) -> f32 {
    const STREAMS: usize = 16;
    let within = |value: &f32| if value * value <= cut { value * value } else { 0.0 };
    let mut sums = [0.0f32; STREAMS];
    let (blocks, rest) = values.as_chunks::<STREAMS>();
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, value)| *sum += within(value));
    }
    sums.iter().sum::<f32>() + rest.iter().map(within).sum::<f32>()
}

/// Memory of one thread.
#[derive(Default)]
pub(crate) struct Memory {
    rows: Vec<Row>,
    /// The queries' rows of V over sqrt(p), column by column; the last one is 0.
    columns: Vec<[f32; QUERIES]>,
    /// A row.
    whole: Vec<f32>,
    /// A bit for each query that a run of points may matter to.
    coarse: Vec<u32>,
    open: Vec<u32>,
    // Of one panel.
    numbers: Vec<u32>,
    coords: Vec<f32>,
    terms: Vec<panel::Terms>,
    bounds: Vec<Bounds>,
    lowers: Vec<f32>,
}

/// Searches for the queries of the group; returns those that panels tell too little of.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &PanelBound<'_>,
    queries: &QueryBlock,
    group: &mut Group<C>,
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let mut memory = std::mem::take(&mut scratch.panels);
    let found = Panelling { space, bound, queries, products: 0 }.run(group, &mut memory, scratch);
    scratch.panels = memory;
    found
}

/// A block of queries that is searched for.
struct Panelling<'a, 's, M> {
    space: &'a Space<'s, M>,
    bound: &'a PanelBound<'s>,
    queries: &'a QueryBlock,
    /// Multiply-adds spent on bounds.
    products: u64,
}

impl<M: Metric> Panelling<'_, '_, M> {
    fn run<C: Collector>(
        mut self,
        group: &mut Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<Vec<u32>> {
        let panels = self.bound.panels;
        let mut clock = Lap::new();
        let count = self.queries.len;
        memory.rows.resize_with(count.max(memory.rows.len()), Row::default);
        self.load(memory)?;
        clock.lap(0);
        for r in 0..count {
            self.at_inducing(group, &memory.rows[r], scratch)?;
        }
        clock.lap(1);
        for r in 0..count {
            self.seed(r, group, memory)?;
        }
        clock.lap(2);
        memory.open.clear();
        try_resize(&mut memory.open, panels.len(), 0, "the search")?;
        match self.space.cells {
            Some(cells) if self.space.certificates.table => {
                for r in 0..count {
                    self.near(&cells, r, group, memory, scratch)?;
                }
            }
            _ => {
                clock.lap(6);
                self.survey(memory)?;
                for r in 0..count {
                    for &(_, p) in &memory.rows[r].opened {
                        memory.open[p as usize] |= 1 << r;
                    }
                }
            }
        }
        for r in 0..count {
            for &p in &memory.rows[r].seeds {
                memory.open[p as usize] &= !(1 << r);
            }
        }
        clock.lap(3);
        let open = std::mem::take(&mut memory.open);
        for (p, &mask) in open.iter().enumerate().filter(|&(_, &mask)| mask != 0) {
            memory.numbers.clear();
            memory.numbers.extend((0..count as u32).filter(|r| mask >> r & 1 == 1));
            self.look(p, group, memory);
        }
        clock.lap(4);
        memory.open = open;
        let mut others = Vec::new();
        for r in 0..count {
            self.finish(r, group, memory, &mut others, scratch)?;
        }
        clock.lap(4);
        scratch.counters.distance_evaluations += self.products.div_ceil(panels.regions.m as u64);
        Ok(others)
    }

    /// Fills `memory.rows` with the queries.
    fn load(&self, memory: &mut Memory) -> Result<()> {
        let PanelBound { panels, metric, .. } = *self.bound;
        let (m, width) = (metric.points.m, metric.points.width);
        let (whole, columns) = (&mut memory.whole, &mut memory.columns);
        try_resize(whole, m, 0.0, "the search")?;
        columns.clear();
        try_resize(columns, m + 1, [0.0; QUERIES], "the search")?;
        let shorten = self.space.cells.is_none();
        for (q, row) in memory.rows.iter_mut().take(self.queries.len).enumerate() {
            let isd = self.queries.inverse_sds[q];
            row.q = q as u32;
            row.true_weight = metric.weight(isd);
            row.weight = row.true_weight;
            match panels.inducing.of_query(metric, self.queries, q) {
                Some(z) => {
                    (row.at_inducing, row.weight) = (true, 0.0);
                    panels.inducing.write(z, isd, whole);
                }
                None => {
                    row.at_inducing = false;
                    let v = &self.queries.factor[q * width..q * width + m];
                    whole.iter_mut().zip(v).for_each(|(to, v)| *to = (v * isd) as f32);
                }
            }
            let square: f64 = whole.iter().map(|&value| f64::from(value).powi(2)).sum();
            row.norm = square.sqrt() * (1.0 + 1e-6);
            row.square = (square * (1.0 + 1e-6)) as f32;
            columns.iter_mut().zip(&*whole).for_each(|(column, &value)| column[q] = value);
            if shorten {
                row.shorten(whole);
            }
            row.least = f32::NEG_INFINITY;
            row.candidates.clear();
            row.settled = 0;
            row.seeds.clear();
            row.opened.clear();
        }
        Ok(())
    }

    /// Scores a query with itself and, if it is at an inducing point, with the points at all of these.
    fn at_inducing<C: Collector>(&self, group: &mut Group<C>, row: &Row, scratch: &mut Scratch) -> Result<()> {
        let q = row.q;
        let own = group.positions[q as usize];
        self.space.evaluate_some(group, &[q], self.queries, Some(own).into_iter().filter(|&i| i != NEW), scratch)?;
        if row.at_inducing {
            let others = self.bound.panels.inducing.at.iter().map(|&(_, position)| position).filter(|&i| i != own);
            self.space.evaluate_some(group, &[q], self.queries, others, scratch)?;
        }
        Ok(())
    }

    /// The panels nearest to a query in space, and what may be found in them.
    fn seed<C: Collector>(&mut self, r: usize, group: &Group<C>, memory: &mut Memory) -> Result<()> {
        let panels = self.bound.panels;
        let wanted = group.collectors[memory.rows[r].q as usize].wanted();
        self.raise(r, group, memory);
        if wanted == 0 {
            return Ok(());
        }
        let most = (3 * wanted + 2 * LANES).div_ceil(LANES).min(panels.len());
        let limit = group.limits[memory.rows[r].q as usize];
        let x = &self.queries.coords[r * panels.d..(r + 1) * panels.d];
        let mut nearest: Vec<(f32, u32)> = Vec::with_capacity(128);
        lap(6);
        panels.nearest(x, most + 12, &mut nearest);
        lap(7);
        memory.numbers.clear();
        memory.numbers.push(r as u32);
        let mut met = 0;
        for &(_, p) in &nearest {
            let allowed = |&&i: &&u32| i != NEW && self.space.keys.of[i as usize] < limit;
            met += panels.members(p as usize).iter().filter(allowed).count();
            memory.rows[r].seeds.push(p);
            self.look(p as usize, group, memory);
            if met >= 3 * wanted + LANES {
                break;
            }
        }
        lap(5);
        self.raise(r, group, memory);
        lap(6);
        Ok(())
    }

    /// Opens the panels of cells that the table of angles leaves to a query.
    fn near<C: Collector>(
        &self,
        cells: &CellBound<'_>,
        r: usize,
        group: &Group<C>,
        memory: &mut Memory,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let panels = self.bound.panels;
        let row = &memory.rows[r];
        let position = group.positions[r];
        let (own, offset) = match cells.cells.of(position) {
            Some(own) => (own, cells.cells.offset(position)),
            None => {
                let home = panels.members(group.homes[r] as usize)[0];
                let own = cells.cells.of(home).unwrap_or(0);
                let view = cells.cells.view(own as usize);
                let mut scores = std::mem::take(&mut scratch.angles);
                score_pivots(cells, self.queries, &[row.q], view.pivots, &mut scores, scratch)?;
                let signed = std::mem::take(&mut scores.signed);
                let offset = certificate::span(cells, self.queries, row.q, &view, &signed, &mut scores).sine.asin();
                scores.signed = signed;
                scratch.angles = scores;
                (own, offset)
            }
        };
        let slack = self.bound.metric.slack(row.true_weight, self.space.largest_weight);
        let angle = self.bound.metric.length(f64::from(row.least) - slack);
        let mut near = std::mem::take(&mut scratch.frontier);
        near.clear();
        cells.cells.near(own as usize, offset, angle, &mut near);
        scratch.counters.nodes_visited += cells.cells.len() as u64;
        scratch.counters.pruned_by_ball += (cells.cells.len() - near.len()) as u64;
        near.iter().for_each(|&c| panels.of_cell(c).for_each(|p| memory.open[p] |= 1 << r));
        scratch.frontier = near;
        Ok(())
    }

    /// Opens the panels that the bounds of regions leave to each query.
    fn survey(&mut self, memory: &mut Memory) -> Result<()> {
        let PanelBound { panels, kernel, metric } = *self.bound;
        let (count, d) = (self.queries.len, panels.d);
        if !self.space.certificates.panels {
            memory.open.fill(u32::MAX >> (32 - count));
            return Ok(());
        }
        memory.coarse.clear();
        try_resize(&mut memory.coarse, panels.regions.len(), 0, "the search")?;
        let shape = kernel.shape();
        memory.coords.resize(d, 0.0);
        for (level, runs) in [(&panels.coarse, panels.regions.len()), (&panels.regions, panels.len())] {
            for g in 0..level.len() {
                let wanted = if std::ptr::eq(level, &panels.coarse) { u32::MAX } else { memory.coarse[g] };
                if wanted == 0 {
                    continue;
                }
                let region = level.region(g);
                let centre = &level.centres[g * d..(g + 1) * d];
                for r in (0..count).filter(|r| wanted >> r & 1 == 1) {
                    let row = &memory.rows[r];
                    let far = offsets(&self.queries.coords[r * d..(r + 1) * d], centre, &mut memory.coords);
                    let terms = region::Terms {
                        columns: &row.columns,
                        values: &row.values,
                        rest: row.rest,
                        coords: &memory.coords,
                        weight: row.weight as f32,
                        norm: row.norm as f32,
                        error: if far { f32::INFINITY } else { error(row, row.columns.len(), d, level.radii[g]) },
                    };
                    let bounds = region::bounds(metric.simd, shape, region, terms);
                    self.products += (2 * region::LANES * row.columns.len()) as u64;
                    let first = g * region::LANES;
                    let lanes = region::LANES.min(runs - first);
                    let reached = |bound: f32, least: f32| if bound < least { 0 } else { 1u32 };
                    if std::ptr::eq(level, &panels.coarse) {
                        for (open, bound) in memory.coarse[first..first + lanes].iter_mut().zip(bounds) {
                            *open |= reached(bound, row.least) << r;
                        }
                    } else {
                        let row = &mut memory.rows[r];
                        let mut mask = (0..lanes).fold(0, |mask, lane| mask | reached(bounds[lane], row.least) << lane);
                        while mask != 0 {
                            let lane = mask.trailing_zeros() as usize;
                            mask &= mask - 1;
                            row.opened.push((bounds[lane], (first + lane) as u32));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at the most promising panels that regions leave to a query, and opens those of the others that still matter.
    fn promising<C: Collector>(&mut self, r: usize, group: &Group<C>, memory: &mut Memory) {
        let mut opened = std::mem::take(&mut memory.rows[r].opened);
        let seeds = std::mem::take(&mut memory.rows[r].seeds);
        opened.retain(|(_, p)| !seeds.contains(p));
        let better = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        let first = opened.len().min(PROMISING);
        if first < opened.len() {
            opened.select_nth_unstable_by(first, better);
        }
        memory.numbers.clear();
        memory.numbers.push(r as u32);
        opened[..first].iter().for_each(|&(_, p)| self.look(p as usize, group, memory));
        self.raise(r, group, memory);
        let least = memory.rows[r].least;
        for &(_, p) in opened[first..].iter().filter(|&&(bound, _)| bound.is_nan() || bound >= least) {
            memory.open[p as usize] |= 1 << r;
        }
        LAPS[6].fetch_add(1000000 * opened.len() as u64, std::sync::atomic::Ordering::Relaxed);
        LAPS[7].fetch_add(
            1000000
                * (first + opened[first..].iter().filter(|&&(bound, _)| bound.is_nan() || bound >= least).count())
                    as u64,
            std::sync::atomic::Ordering::Relaxed,
        );
        memory.rows[r].opened = opened;
        memory.rows[r].seeds = seeds;
    }

    /// Bounds the points of a panel for the queries `memory.numbers`.
    fn look<C: Collector>(&mut self, p: usize, group: &Group<C>, memory: &mut Memory) {
        let PanelBound { panels, kernel, metric } = *self.bound;
        let (d, panel) = (panels.d, panels.panel(p));
        let count = memory.numbers.len();
        memory.coords.resize(count * d, 0.0);
        memory.terms.clear();
        let middle = &panels.middles[p * d..(p + 1) * d];
        for (&r, coords) in memory.numbers.iter().zip(memory.coords.chunks_exact_mut(d)) {
            let row = &memory.rows[r as usize];
            let far = offsets(&self.queries.coords[r as usize * d..(r as usize + 1) * d], middle, coords);
            memory.terms.push(panel::Terms {
                number: r,
                weight: row.weight as f32,
                square: row.square,
                error: if far { f32::INFINITY } else { error(row, panel.columns.len(), d, panels.radii[p]) },
                least: if self.space.certificates.points { row.least } else { f32::NEG_INFINITY },
            });
        }
        memory.bounds.resize(count.max(memory.bounds.len()), Bounds::NONE);
        let out = &mut memory.bounds[..count];
        panel::bounds(metric.simd, kernel.shape(), panel, &memory.columns, &memory.coords, &memory.terms, out);
        self.products += (count * panel.columns.len() * LANES) as u64;
        let members = panels.members(p);
        for (bounds, &r) in out.iter().zip(&memory.numbers) {
            let row = &mut memory.rows[r as usize];
            let (limit, own) = (group.limits[row.q as usize], group.positions[row.q as usize]);
            let mut lanes = bounds.reaches;
            while lanes != 0 {
                let lane = lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                let position = members[lane];
                // Both at inducing points: scored already.
                let scored = position == own || (row.at_inducing && panel.weights[lane] == 0.0);
                if position != NEW && !scored && self.space.keys.of[position as usize] < limit {
                    let upper = bounds.upper[lane];
                    row.candidates.push(Candidate { upper, lower: upper - bounds.twice[lane], position });
                }
            }
        }
        for t in 0..count {
            let r = memory.numbers[t] as usize;
            let wanted = group.collectors[memory.rows[r].q as usize].wanted();
            if wanted > 0 && memory.rows[r].candidates.len() > 2 * memory.rows[r].settled + 2 * wanted + 64 {
                self.raise(r, group, memory);
            }
        }
    }

    /// Raises what a query's neighbours must reach, from what is known of the candidates, and drops those that do not.
    fn raise<C: Collector>(&self, r: usize, group: &Group<C>, memory: &mut Memory) {
        let row = &mut memory.rows[r];
        let collector = &group.collectors[row.q as usize];
        let wanted = collector.wanted();
        let mut least = collector.threshold();
        if wanted > 0 && row.candidates.len() >= wanted {
            memory.lowers.clear();
            memory
                .lowers
                .extend(row.candidates.iter().map(|c| if c.lower.is_nan() { f32::NEG_INFINITY } else { c.lower }));
            let (_, lower, _) = memory.lowers.select_nth_unstable_by(wanted - 1, |a, b| b.total_cmp(a));
            least = least.max(f64::from(*lower));
        }
        row.least = ((least - 2.0 * SLACK) as f32).next_down();
        if self.space.certificates.points {
            let least = row.least;
            #[allow(clippy::neg_cmp_op_on_partial_ord)]
            row.candidates.retain(|candidate| !(candidate.upper < least));
        }
        row.settled = row.candidates.len();
    }

    /// Scores what the bounds leave to a query.
    fn finish<C: Collector>(
        &self,
        r: usize,
        group: &mut Group<C>,
        memory: &mut Memory,
        others: &mut Vec<u32>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        self.raise(r, group, memory);
        let row = &memory.rows[r];
        let panels = self.bound.panels;
        if row.candidates.len() > panels.positions.len() / MOST_LEFT {
            others.push(row.q);
            return Ok(());
        }
        let positions = row.candidates.iter().map(|candidate| candidate.position);
        self.space.evaluate_some(group, &[row.q], self.queries, positions, scratch)
    }
}

/// Writes the offsets of `x` from a middle; whether one is too large for `f32`.
fn offsets(x: &[f64], middle: &[f64], out: &mut [f32]) -> bool {
    let mut far = false;
    for ((out, x), middle) in out.iter_mut().zip(x).zip(middle) {
        let offset = x - middle;
        far |= !(offset.abs() <= FAR);
        *out = offset.clamp(-FAR, FAR) as f32;
    }
    far
}

/// What rounding can add to the bound of a query, for a point of norm 1 whose distance from a middle is at most `radius`:
/// of products of so many columns, of coordinates, of the kernel, and of scores in `f64`.
fn error(row: &Row, columns: usize, d: usize, radius: f32) -> f32 {
    let products = (columns + 12) as f64 * UNIT * row.norm;
    let kernel = KERNEL_ERROR + UNIT * (2.0 * f64::from(radius) + (d + 12) as f64);
    ((products + kernel * row.weight + SLACK * row.true_weight) as f32).next_up()
}

thread_local! { static LAST: std::cell::Cell<Option<std::time::Instant>> = const { std::cell::Cell::new(None) }; }
fn lap(i: usize) {
    let now = std::time::Instant::now();
    if let Some(last) = LAST.get() {
        LAPS[i].fetch_add((now - last).as_nanos() as u64, std::sync::atomic::Ordering::Relaxed);
    }
    LAST.set(Some(now));
}
pub static LAPS: [std::sync::atomic::AtomicU64; 8] = [const { std::sync::atomic::AtomicU64::new(0) }; 8];
struct Lap(std::time::Instant);
impl Lap {
    fn new() -> Lap {
        Lap(std::time::Instant::now())
    }
    fn lap(&mut self, i: usize) {
        let now = std::time::Instant::now();
        LAST.set(Some(now));
        LAPS[i].fetch_add((now - self.0).as_nanos() as u64, std::sync::atomic::Ordering::Relaxed);
        self.0 = now;
    }
}
#[unsafe(no_mangle)]
pub fn rct_laps() {
    for l in &LAPS {
        eprint!("{:.1} ", l.load(std::sync::atomic::Ordering::Relaxed) as f64 / 1e3 / 1024.0 / 21.0);
    }
    eprintln!();
}
