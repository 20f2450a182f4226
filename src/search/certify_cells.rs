//! The certificate by cells: which points can be among the nearest of a group's queries, without the angle.

use super::cells::Cells;
use super::collect::Collector;
use super::space::{Group, Scratch, Space};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::metric::{Metric, QueryBlock};
use crate::simd::Simd;
use crate::simd::dots::{Dense, Gathered, dots};
use crate::simd::squared::add_squared_differences;

/// Cells and the kernel they bound.
pub(crate) struct CellBound<'a> {
    pub(crate) cells: &'a Cells,
    pub(crate) kernel: &'a Kernel,
    pub(crate) simd: Simd,
}

/// Clusters that are evaluated before bounds are looked at.
const SEED_CLUSTERS: usize = 2;

/// The queries of a group that cells decide for.
struct Rows<'a> {
    /// Their numbers in the group.
    numbers: &'a [u32],
    /// a_q = L^-T V_q, row by row.
    a: Vec<f64>,
    /// abs(a_q)
    magnitudes: Vec<f64>,
    /// What rounding can change of a score.
    slacks: Vec<f64>,
}

/// Evaluates, for the queries `numbers`, every point that the cells cannot exclude; `seeds` (ascending positions) have
/// been evaluated.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    numbers: &[u32],
    group: &mut Group<C>,
    seeds: &[u32],
    scratch: &mut Scratch,
) -> Result<()> {
    let cells = bound.cells;
    let (m, width) = (space.metric.points().m, space.metric.points().width);
    let count = cells.clusters();
    let mut rows = Rows { numbers, a: vec![0.0; numbers.len() * width], magnitudes: Vec::new(), slacks: Vec::new() };
    let mut products = vec![0.0; numbers.len() * m];
    dots(bound.simd, Gathered { data: &queries.factor, width, index: numbers }, cells.inverse(), &mut products);
    for (row, products) in rows.a.chunks_exact_mut(width).zip(products.chunks_exact(m)) {
        row[..m].copy_from_slice(products);
    }
    rows.magnitudes.extend(rows.a.iter().map(|a| a.abs()));
    rows.slacks.extend(
        numbers
            .iter()
            .map(|&q| space.metric.slack(space.metric.weight(queries.inverse_sds[q as usize]), space.largest_weight)),
    );

    // The points nearest in space hold nearly all of the answer.
    let d = space.metric.points().d;
    let mut nearby: Vec<(f64, u32)> = Vec::with_capacity(count);
    for g in 0..count {
        let gap = |&q: &u32| cells.squared_gap(g, &queries.coords[q as usize * d..(q as usize + 1) * d]);
        nearby.push((numbers.iter().map(gap).fold(f64::INFINITY, f64::min), g as u32));
    }
    nearby.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut seeds = seeds.to_vec();
    let mut first: Vec<u32> = Vec::new();
    for &(_, g) in nearby.iter().take(SEED_CLUSTERS) {
        first.extend_from_slice(&cells.members[cells.cluster_range(g as usize)]);
    }
    first.sort_unstable();
    first.retain(|position| seeds.binary_search(position).is_err());
    space.evaluate_some(group, numbers, queries, first.iter().copied(), scratch)?;
    seeds.extend(first);
    seeds.sort_unstable();

    // Clusters by one product each.
    let mut sums = vec![0.0; numbers.len() * count];
    let magnitudes = Dense { data: &rows.magnitudes, width, len: numbers.len() };
    dots(bound.simd, magnitudes, cells.caps(), &mut sums);
    scratch.counters.distance_evaluations += (numbers.len() * (m + count)) as u64;
    let mut near = vec![0.0; count];
    // (cluster, row) pairs that are left.
    let mut open: Vec<(u32, u32)> = Vec::new();
    for (row, &q) in numbers.iter().enumerate() {
        let x = &queries.coords[q as usize * d..(q as usize + 1) * d];
        near.iter_mut().enumerate().for_each(|(g, near)| *near = cells.squared_gap(g, x));
        bound.kernel.covariances_in_place(bound.simd, &mut near);
        let threshold = group.collectors[q as usize].threshold() - rows.slacks[row];
        let isd = queries.inverse_sds[q as usize] * (1.0 + 1e-12);
        let before = open.len();
        let sums = &sums[row * count..(row + 1) * count];
        open.extend((0..count).filter_map(|g| {
            let bound = (near[g] + sums[g]) * isd * cells.largest_inverse_sd(g);
            (bound >= threshold).then_some((g as u32, row as u32))
        }));
        scratch.counters.nodes_visited += count as u64;
        scratch.counters.pruned_by_cell += (count - (open.len() - before)) as u64;
    }
    open.sort_unstable();
    for run in open.chunk_by(|a, b| a.0 == b.0) {
        search_cluster(space, bound, queries, &rows, run, group, &seeds, scratch)?;
    }
    Ok(())
}

/// Evaluates what the models of a cluster's cells leave to the queries of `run`, (cluster, row) pairs.
#[allow(clippy::too_many_arguments)]
fn search_cluster<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    rows: &Rows<'_>,
    run: &[(u32, u32)],
    group: &mut Group<C>,
    seeds: &[u32],
    scratch: &mut Scratch,
) -> Result<()> {
    let CellBound { cells, kernel, simd } = *bound;
    let (d, width) = (space.metric.points().d, space.metric.points().width);
    let inside = cells.cells_of(run[0].0 as usize);
    let per_cell = d + 2;
    let models = cells.models(inside.clone());
    let chosen: Vec<u32> = run.iter().map(|&(_, row)| row).collect();
    let mut products = vec![0.0; run.len() * models.len];
    dots(simd, Gathered { data: &rows.a, width, index: &chosen }, models, &mut products);
    let remainders_of: Vec<u32> = (0..inside.len()).map(|c| (c * per_cell + d + 1) as u32).collect();
    let mut remainders = vec![0.0; run.len() * inside.len()];
    let magnitudes = Gathered { data: &rows.magnitudes, width, index: &chosen };
    dots(simd, magnitudes, Gathered { data: models.data, width, index: &remainders_of }, &mut remainders);
    scratch.counters.distance_evaluations += (run.len() * inside.len() * per_cell) as u64;
    scratch.counters.nodes_visited += (run.len() * inside.len()) as u64;

    // What is left of each cell to each query, by the box first, then point by point.
    let mut left = LeftPoints::default();
    let mut nearest = vec![0.0; inside.len()];
    let mut open: Vec<(u32, u32)> = Vec::new();
    for (i, &row) in chosen.iter().enumerate() {
        let q = rows.numbers[row as usize] as usize;
        let x = &queries.coords[q * d..(q + 1) * d];
        let threshold = group.collectors[q].threshold() - rows.slacks[row as usize];
        let isd = queries.inverse_sds[q] * (1.0 + 1e-12);
        for (near, c) in nearest.iter_mut().zip(inside.clone()) {
            let sides = x.iter().zip(cells.centre(c)).zip(cells.half(c));
            *near = sides.map(|((x, centre), half)| ((x - centre).abs() - half).max(0.0).powi(2)).sum();
        }
        kernel.covariances_in_place(simd, &mut nearest);
        for (offset, c) in inside.clone().enumerate() {
            let slopes = &products[i * models.len + offset * per_cell..][..d + 1];
            let spread: f64 = slopes[1..].iter().zip(cells.half(c)).map(|(slope, half)| slope.abs() * half).sum();
            let (lowest, highest) = (slopes[0] - spread, slopes[0] + spread);
            let most = (nearest[offset] - lowest).max(highest) + remainders[i * inside.len() + offset];
            if most * isd * cells.cell_inverse_sd(c) >= threshold {
                open.push((offset as u32, i as u32));
            }
        }
    }
    scratch.counters.pruned_by_cell += (run.len() * inside.len() - open.len()) as u64;
    open.sort_unstable();
    for pairs in open.chunk_by(|a, b| a.0 == b.0) {
        let offset = pairs[0].0 as usize;
        let c = inside.start + offset;
        left.clear();
        for &(_, i) in pairs {
            let i = i as usize;
            let row = chosen[i] as usize;
            let q = rows.numbers[row];
            let query = Reduced {
                x: &queries.coords[q as usize * d..(q as usize + 1) * d],
                slopes: &products[i * models.len + offset * per_cell..][..d + 1],
                remainder: remainders[i * inside.len() + offset],
                inverse_sd: queries.inverse_sds[q as usize] * (1.0 + 1e-12),
                threshold: group.collectors[q as usize].threshold() - rows.slacks[row],
            };
            left.collect(bound, c, q, &query);
        }
        left.members.sort_unstable();
        left.members.dedup();
        left.members.retain(|position| seeds.binary_search(position).is_err());
        space.evaluate_some(group, &left.queries, queries, left.members.iter().copied(), scratch)?;
    }
    Ok(())
}

/// A query in the terms of one cell's model.
struct Reduced<'a> {
    x: &'a [f64],
    /// a_q B
    slopes: &'a [f64],
    /// |a_q|.e
    remainder: f64,
    inverse_sd: f64,
    threshold: f64,
}

/// The members of a cell that some query may still find, and those queries.
#[derive(Default)]
struct LeftPoints {
    queries: Vec<u32>,
    members: Vec<u32>,
    covariances: Vec<f64>,
    fitted: Vec<f64>,
}

impl LeftPoints {
    fn clear(&mut self) {
        self.queries.clear();
        self.members.clear();
    }

    /// Adds what the model of cell `c` leaves to query number `q`.
    fn collect(&mut self, bound: &CellBound<'_>, c: usize, q: u32, query: &Reduced<'_>) {
        let CellBound { cells, kernel, simd } = *bound;
        let range = cells.range(c);
        self.covariances.clear();
        self.covariances.resize(range.len(), 0.0);
        self.fitted.clear();
        self.fitted.resize(range.len(), query.slopes[0]);
        for (j, &x) in query.x.iter().enumerate() {
            let (column, centre, slope) = (cells.column(c, j), cells.centre(c)[j], query.slopes[j + 1]);
            add_squared_differences(simd, x, column, &mut self.covariances);
            self.fitted.iter_mut().zip(column).for_each(|(f, x)| *f += slope * (x - centre));
        }
        kernel.covariances_in_place(simd, &mut self.covariances);
        let before = self.members.len();
        let values = self.covariances.iter().zip(&self.fitted).zip(&cells.inverse_sds[range.clone()]);
        for (((k, f), own), &position) in values.zip(&cells.members[range]) {
            if ((k - f).abs() + query.remainder) * query.inverse_sd * own >= query.threshold {
                self.members.push(position);
            }
        }
        if self.members.len() > before {
            self.queries.push(q);
        }
    }
}
