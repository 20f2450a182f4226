//! The certificate by cells: which points can be among a query's nearest, without the angle.

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

/// Evaluates, for query `q`, every point that the cells cannot exclude; `seeds` (ascending positions) are done.
pub(crate) fn search<M: Metric, C: Collector>(
    space: &Space<'_, M>,
    bound: &CellBound<'_>,
    queries: &QueryBlock,
    q: usize,
    group: &mut Group<C>,
    seeds: &[u32],
    scratch: &mut Scratch,
) -> Result<()> {
    let CellBound { cells, kernel, simd } = *bound;
    let (d, width) = (space.metric.points().d, space.metric.points().width);
    let x = &queries.coords[q * d..(q + 1) * d];
    let isd = queries.inverse_sds[q];
    let weight = space.metric.weight(isd);
    let slack = space.metric.slack(weight, space.largest_weight);
    let limit = group.limits[q];

    // a_q, padded, and its absolute values.
    let m = space.metric.points().m;
    let mut a = vec![0.0; width];
    let factor = Dense { data: &queries.factor[q * width..(q + 1) * width], width, len: 1 };
    dots(simd, factor, cells.inverse(), &mut a[..m]);
    let magnitude: Vec<f64> = a.iter().map(|a| a.abs()).collect();
    let a = Dense { data: &a, width, len: 1 };
    let magnitude = Dense { data: &magnitude, width, len: 1 };

    // Clusters by one product each, nearest first.
    let count = cells.clusters();
    let mut sums = vec![0.0; count];
    dots(simd, magnitude, cells.caps(), &mut sums);
    let gaps: Vec<f64> = (0..count).map(|g| cells.squared_gap(g, x)).collect();
    let mut near = gaps.clone();
    kernel.covariances_in_place(simd, &mut near);
    let mut open: Vec<u32> = (0..count as u32).collect();
    let threshold = group.collectors[q].threshold();
    open.retain(|&g| {
        let g = g as usize;
        (near[g] + sums[g]) * isd * cells.largest_inverse_sd(g) * (1.0 + 1e-12) + slack >= threshold
    });
    open.sort_unstable_by(|&g, &h| gaps[g as usize].total_cmp(&gaps[h as usize]));
    scratch.counters.distance_evaluations += (m + count) as u64;
    scratch.counters.nodes_visited += count as u64;
    scratch.counters.pruned_by_cell += (count - open.len()) as u64;

    let mut index: Vec<u32> = Vec::new();
    let mut products: Vec<f64> = Vec::new();
    let mut remainders: Vec<f64> = Vec::new();
    let mut covariances: Vec<f64> = Vec::new();
    let mut fitted: Vec<f64> = Vec::new();
    let mut kept: Vec<u32> = Vec::new();
    for g in open {
        let threshold = group.collectors[q].threshold() - slack;
        let inside = cells.cells_of(g as usize);
        let rows = d as u32 + 2;
        index.clear();
        index.extend(inside.clone().flat_map(|c| (0..=d as u32).map(move |r| c as u32 * rows + r)));
        products.resize(index.len(), 0.0);
        dots(simd, a, Gathered { data: cells.models(), width, index: &index }, &mut products);
        index.clear();
        index.extend(inside.clone().map(|c| c as u32 * rows + rows - 1));
        remainders.resize(index.len(), 0.0);
        dots(simd, magnitude, Gathered { data: cells.models(), width, index: &index }, &mut remainders);
        scratch.counters.distance_evaluations += (products.len() + remainders.len()) as u64;
        scratch.counters.nodes_visited += inside.len() as u64;
        kept.clear();
        for ((c, slopes), &remainder) in inside.zip(products.chunks_exact(d + 1)).zip(&remainders) {
            let before = kept.len();
            let range = cells.range(c);
            covariances.clear();
            covariances.resize(range.len(), 0.0);
            fitted.clear();
            fitted.resize(range.len(), slopes[0]);
            for j in 0..d {
                let (column, centre, slope) = (cells.column(c, j), cells.centre(c)[j], slopes[j + 1]);
                add_squared_differences(simd, x[j], column, &mut covariances);
                fitted.iter_mut().zip(column).for_each(|(f, x)| *f += slope * (x - centre));
            }
            kernel.covariances_in_place(simd, &mut covariances);
            let points = range.clone().zip(covariances.iter().zip(&fitted));
            for (t, (k, f)) in points {
                let bound = ((k - f).abs() + remainder) * isd * cells.inverse_sds[t];
                if bound >= threshold {
                    kept.push(cells.members[t]);
                }
            }
            scratch.counters.pruned_by_cell += u64::from(kept.len() == before);
        }
        kept.retain(|i| space.keys.of[*i as usize] < limit && seeds.binary_search(i).is_err());
        space.evaluate_some(group, &[q as u32], queries, kept.iter().copied(), scratch)?;
    }
    Ok(())
}
