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
/// been evaluated. Queries that the clusters leave more than half of the points to are returned unfinished.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    numbers: &[u32],
    group: &mut Group<C>,
    seeds: &[u32],
    scratch: &mut Scratch,
) -> Result<Vec<u32>> {
    let cells = bound.cells;
    let (m, width) = (space.metric.points().m, space.metric.points().width);
    let count = cells.clusters();
    let mut rows = Rows {
        numbers,
        a: vec![0.0; numbers.len() * width],
        magnitudes: Vec::new(),
        slacks: Vec::new(),
    };
    let mut products = vec![0.0; numbers.len() * m];
    dots(bound.simd, Gathered { data: &queries.factor, width, index: numbers }, cells.inverse(), &mut products);
    for (row, products) in rows.a.chunks_exact_mut(width).zip(products.chunks_exact(m)) {
        row[..m].copy_from_slice(products);
    }
    rows.magnitudes.extend(rows.a.iter().map(|a| a.abs()));
    rows.slacks.extend(numbers.iter().map(|&q| {
        space.metric.slack(space.metric.weight(queries.inverse_sds[q as usize]), space.largest_weight)
    }));

    // Clusters by one product each.
    let mut sums = vec![0.0; numbers.len() * count];
    let magnitudes = Dense { data: &rows.magnitudes, width, len: numbers.len() };
    dots(bound.simd, magnitudes, cells.caps(), &mut sums);
    scratch.counters.distance_evaluations += (numbers.len() * (m + count)) as u64;
    let d = space.metric.points().d;
    let mut near = vec![0.0; count];
    // (cluster, row) pairs that are left.
    let mut open: Vec<(u32, u32)> = Vec::new();
    let mut unfinished = Vec::new();
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
        if 2 * (open.len() - before) > count {
            open.truncate(before);
            unfinished.push(q);
        }
    }
    open.sort_unstable();
    for run in open.chunk_by(|a, b| a.0 == b.0) {
        search_cluster(space, bound, queries, &rows, run, group, seeds, scratch)?;
    }
    Ok(unfinished)
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

    let (mut covariances, mut fitted) = (Vec::new(), Vec::new());
    let (mut kept, mut members): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    for (offset, c) in inside.clone().enumerate() {
        let range = cells.range(c);
        kept.clear();
        members.clear();
        for (i, &row) in chosen.iter().enumerate() {
            let q = rows.numbers[row as usize];
            let threshold = group.collectors[q as usize].threshold() - rows.slacks[row as usize];
            let slopes = &products[i * models.len + offset * per_cell..][..per_cell];
            let remainder = remainders[i * inside.len() + offset];
            covariances.clear();
            covariances.resize(range.len(), 0.0);
            fitted.clear();
            fitted.resize(range.len(), slopes[0]);
            for j in 0..d {
                let (column, centre, slope) = (cells.column(c, j), cells.centre(c)[j], slopes[j + 1]);
                add_squared_differences(simd, queries.coords[q as usize * d + j], column, &mut covariances);
                fitted.iter_mut().zip(column).for_each(|(f, x)| *f += slope * (x - centre));
            }
            kernel.covariances_in_place(simd, &mut covariances);
            let isd = queries.inverse_sds[q as usize] * (1.0 + 1e-12);
            let before = members.len();
            let values = covariances.iter().zip(&fitted).zip(&cells.inverse_sds[range.clone()]);
            for (((k, f), own), &position) in values.zip(&cells.members[range.clone()]) {
                if ((k - f).abs() + remainder) * isd * own >= threshold {
                    members.push(position);
                }
            }
            if members.len() > before {
                kept.push(q);
            } else {
                scratch.counters.pruned_by_cell += 1;
            }
        }
        members.sort_unstable();
        members.dedup();
        members.retain(|position| seeds.binary_search(position).is_err());
        space.evaluate_some(group, &kept, queries, members.iter().copied(), scratch)?;
    }
    Ok(())
}
