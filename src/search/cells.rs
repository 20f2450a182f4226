//! Cells: boxes of space with a few dozen points, and a bound of residual covariances over each that does not need the
//! angle. It holds where angles fail: rough kernels, and queries whose residual is nearly independent of everything.
//!
//! With a_q = L^-T V_q, the residual covariance is k(q, x) - a_q.k(Z, x), and k(Z, x) is a smooth function of x. Over
//! the points of a cell it is fitted by B (1, x - centre) with a remainder of at most e, element by element, so
//! |cov(q, x)| <= |k(q, x) - (a_q B).(1, x - centre)| + |a_q|.e
//! at the price of d + 2 products of length m for the whole cell. Cells are gathered in clusters, for which k(Z, x) is
//! bounded by its largest value: one product discards a cluster that is far away.

use crate::control::Control;
use crate::error::{Result, try_vec};
use crate::inducing::InducingPoints;
use crate::kernel::Kernel;
use crate::metric::Points;
use crate::parallel::Threads;
use crate::simd::dots::{Dense, Gathered, Rows, dots};
use crate::simd::{Simd, padded};
use faer::linalg::solvers::Solve;
use std::ops::Range;

/// Points of a cell, at most.
const CELL: usize = 32;
/// Points of a cluster, at most.
const CLUSTER: usize = 256;

/// The cells of a tree with inducing points and a stationary kernel.
pub(crate) struct Cells {
    d: usize,
    width: usize,
    /// Tree positions, cell by cell; cell c holds `members[starts[c]..starts[c + 1]]`.
    pub(crate) members: Vec<u32>,
    starts: Vec<u32>,
    /// Cluster g holds the cells `clusters[g]..clusters[g + 1]`.
    clusters: Vec<u32>,
    /// Coordinates of the members, dimension by dimension within each cell.
    coords: Vec<f64>,
    /// 1 / sqrt(p) of the members.
    pub(crate) inverse_sds: Vec<f64>,
    /// Centres of the cells' boxes, cells x d.
    centres: Vec<f64>,
    /// Half the sides of the cells' boxes, cells x d.
    halves: Vec<f64>,
    /// Largest 1 / sqrt(p) of each cell.
    cell_inverse_sds: Vec<f64>,
    /// Rows of B' (1 + d) and of e for each cell, `width` values each.
    models: Vec<f64>,
    /// Largest k(Z, x) of each cluster, `width` values.
    caps: Vec<f64>,
    /// Corners of each cluster's box, d lower then d upper ones.
    boxes: Vec<f64>,
    /// Largest 1 / sqrt(p) of each cluster.
    largest_inverse_sds: Vec<f64>,
    /// L^-T, row by row, `width` values each.
    inverse: Vec<f64>,
}

impl Cells {
    /// Cuts space into cells and fits their models; O(n m (d^2 + 1)).
    pub(crate) fn new(
        simd: Simd,
        kernel: &Kernel,
        points: &Points,
        inducing: &InducingPoints,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Self> {
        let what = "the cells";
        let (n, d, m) = (points.n, points.d, points.m);
        let width = padded(m);
        let mut members: Vec<u32> = (0..n as u32).collect();
        let (mut starts, mut clusters) = (vec![0u32], vec![0u32]);
        split(points, &mut members, 0..n, &mut starts, &mut clusters);
        if n <= CLUSTER {
            clusters.push(starts.len() as u32 - 1);
        }
        let count = starts.len() - 1;
        let groups = clusters.len() - 1;
        let mut cells = Cells {
            d,
            width,
            inverse_sds: members.iter().map(|&i| points.inverse_sds[i as usize]).collect(),
            members,
            starts,
            clusters,
            coords: try_vec(n * d, 0.0, what)?,
            centres: try_vec(count * d, 0.0, what)?,
            halves: try_vec(count * d, 0.0, what)?,
            cell_inverse_sds: try_vec(count, 0.0, what)?,
            models: try_vec(count * (d + 2) * width, 0.0, what)?,
            caps: try_vec(groups * width, 0.0, what)?,
            boxes: try_vec(groups * 2 * d, 0.0, what)?,
            largest_inverse_sds: try_vec(groups, 0.0, what)?,
            inverse: inducing.inverse_transposed(width)?,
        };
        for c in 0..count {
            let range = cells.range(c);
            cells.cell_inverse_sds[c] = cells.inverse_sds[range.clone()].iter().copied().fold(0.0, f64::max);
            for j in 0..d {
                let column = range.clone().map(|t| points.coord(cells.members[t] as usize, j));
                let at = range.start * d + j * range.len();
                let column: Vec<f64> = column.collect();
                let (low, high) = extent(column.iter().copied());
                cells.centres[c * d + j] = 0.5 * (low + high);
                cells.halves[c * d + j] = 0.5 * (high - low) * (1.0 + 1e-12);
                cells.coords[at..at + range.len()].copy_from_slice(&column);
            }
        }
        for g in 0..groups {
            let all = cells.cluster_range(g);
            for j in 0..d {
                let (low, high) = extent(all.clone().map(|t| points.coord(cells.members[t] as usize, j)));
                cells.boxes[2 * d * g + j] = low;
                cells.boxes[2 * d * g + d + j] = high;
            }
            cells.largest_inverse_sds[g] = cells.inverse_sds[all].iter().copied().fold(0.0, f64::max);
        }

        let mut models = std::mem::take(&mut cells.models);
        let this = &cells;
        let tasks: Vec<_> = models.chunks_mut((d + 2) * width.max(1)).enumerate().collect();
        threads.run(tasks, control, Vec::new, |covariances, (c, model)| {
            this.fit(simd, kernel, inducing, c, covariances, model);
            Ok(())
        })?;
        cells.models = models;
        let mut caps = std::mem::take(&mut cells.caps);
        for (g, cap) in caps.chunks_exact_mut(width.max(1)).enumerate() {
            let (lower, upper) = cells.boxes[2 * d * g..2 * d * (g + 1)].split_at(d);
            for (i, value) in cap[..m].iter_mut().enumerate() {
                *value = (0..d)
                    .map(|j| {
                        let x = inducing.coord(i, j);
                        (lower[j] - x).max(x - upper[j]).max(0.0).powi(2)
                    })
                    .sum();
            }
            kernel.covariances_in_place(simd, &mut cap[..m]);
        }
        cells.caps = caps;
        Ok(cells)
    }

    /// Fits the model of cell `c` by least squares, and measures its remainder at the members.
    fn fit(
        &self,
        simd: Simd,
        kernel: &Kernel,
        inducing: &InducingPoints,
        c: usize,
        covariances: &mut Vec<f64>,
        model: &mut [f64],
    ) {
        let (d, width) = (self.d, self.width);
        let (m, range) = (inducing.len(), self.range(c));
        let count = range.len();
        let basis = |t: usize, j: usize| {
            if j == 0 { 1.0 } else { self.coords[range.start * d + (j - 1) * count + t] - self.centres[c * d + j - 1] }
        };
        covariances.clear();
        for t in 0..count {
            let row: Vec<f64> = (0..d).map(|j| self.coords[range.start * d + j * count + t]).collect();
            let at = covariances.len();
            covariances.resize(at + m, 0.0);
            inducing.squared_distances(simd, &row, &mut covariances[at..]);
        }
        kernel.covariances_in_place(simd, covariances);
        // Normal equations, slightly regularised: few points, or points in a plane, leave some slopes free.
        let gram = faer::Mat::from_fn(d + 1, d + 1, |a, b| {
            let sum: f64 = (0..count).map(|t| basis(t, a) * basis(t, b)).sum();
            if a == b { sum * (1.0 + 1e-9) + 1e-300 } else { sum }
        });
        let right = faer::Mat::from_fn(d + 1, m, |a, i| (0..count).map(|t| basis(t, a) * covariances[t * m + i]).sum());
        let solution = gram.partial_piv_lu().solve(&right);
        for i in 0..m {
            let mut remainder = 0.0f64;
            for a in 0..=d {
                let value = solution[(a, i)];
                model[a * width + i] = if value.is_finite() { value } else { 0.0 };
            }
            for t in 0..count {
                let fitted: f64 = (0..=d).map(|a| model[a * width + i] * basis(t, a)).sum();
                remainder = remainder.max((covariances[t * m + i] - fitted).abs());
            }
            model[(d + 1) * width + i] = remainder * (1.0 + 1e-12) + 1e-15 * kernel.variance;
        }
    }

    /// Whether the models are good enough to discard much: for most of a sample of pairs of points and cells, what the
    /// remainder adds to the bound of abs(rho) stays well below the correlations that k-th neighbours have.
    pub(crate) fn are_useful(&self, simd: Simd, points: &Points) -> bool {
        const SAMPLE: usize = 48;
        const ALLOWANCE: f64 = 0.25;
        let (width, count) = (self.width, self.starts.len() - 1);
        let m = self.inverse.len() / width;
        let sampled = |t: usize, of: usize| (t * of / SAMPLE) as u32;
        let queries: Vec<u32> = (0..SAMPLE).map(|t| sampled(t, points.n)).collect();
        let chosen: Vec<u32> = (0..SAMPLE).map(|t| sampled(t, count)).collect();
        let rows: Vec<u32> = chosen.iter().map(|&c| c * (self.d as u32 + 2) + self.d as u32 + 1).collect();
        let mut products = vec![0.0; SAMPLE * m];
        dots(simd, Gathered { data: &points.factor, width, index: &queries }, self.inverse(), &mut products);
        let mut a = vec![0.0; SAMPLE * width];
        for (row, products) in a.chunks_exact_mut(width).zip(products.chunks_exact(m)) {
            row.iter_mut().zip(products).for_each(|(a, product)| *a = product.abs());
        }
        let mut remainders = vec![0.0; SAMPLE * SAMPLE];
        let magnitudes = Dense { data: &a, width, len: SAMPLE };
        dots(simd, magnitudes, Gathered { data: &self.models, width, index: &rows }, &mut remainders);
        let small = remainders.iter().enumerate().filter(|&(i, &remainder)| {
            let (q, c) = (queries[i / SAMPLE] as usize, chosen[i % SAMPLE] as usize);
            remainder * points.inverse_sds[q] * self.inverse_sds[self.range(c).start] < ALLOWANCE
        });
        3 * small.count() > 2 * SAMPLE * SAMPLE
    }

    /// Number of clusters.
    pub(crate) fn clusters(&self) -> usize {
        self.clusters.len() - 1
    }

    /// Cells of cluster `g`.
    pub(crate) fn cells_of(&self, g: usize) -> Range<usize> {
        self.clusters[g] as usize..self.clusters[g + 1] as usize
    }

    /// Members of cell `c`, as a range of [`Cells::members`].
    pub(crate) fn range(&self, c: usize) -> Range<usize> {
        self.starts[c] as usize..self.starts[c + 1] as usize
    }

    /// Members of cluster `g`.
    pub(crate) fn cluster_range(&self, g: usize) -> Range<usize> {
        let cells = self.cells_of(g);
        self.starts[cells.start] as usize..self.starts[cells.end] as usize
    }

    /// Coordinate `j` of the members of cell `c`.
    pub(crate) fn column(&self, c: usize, j: usize) -> &[f64] {
        let range = self.range(c);
        let at = range.start * self.d + j * range.len();
        &self.coords[at..at + range.len()]
    }

    /// Centre of cell `c`.
    pub(crate) fn centre(&self, c: usize) -> &[f64] {
        &self.centres[c * self.d..(c + 1) * self.d]
    }

    /// Half the sides of the box of cell `c`.
    pub(crate) fn half(&self, c: usize) -> &[f64] {
        &self.halves[c * self.d..(c + 1) * self.d]
    }

    /// Largest 1 / sqrt(p) of cell `c`.
    pub(crate) fn cell_inverse_sd(&self, c: usize) -> f64 {
        self.cell_inverse_sds[c]
    }

    /// Models of consecutive cells: for each 1 + d rows of B' and one of e.
    pub(crate) fn models(&self, cells: Range<usize>) -> Dense<'_> {
        let per_cell = self.d + 2;
        let data = &self.models[cells.start * per_cell * self.width..cells.end * per_cell * self.width];
        Dense { data, width: self.width, len: cells.len() * per_cell }
    }

    /// Largest k(Z, x) of each cluster.
    pub(crate) fn caps(&self) -> impl Rows<f64> {
        Dense { data: &self.caps, width: self.width, len: self.clusters() }
    }

    /// Rows of L^-T.
    pub(crate) fn inverse(&self) -> impl Rows<f64> {
        Dense { data: &self.inverse, width: self.width, len: self.inverse.len() / self.width }
    }

    /// Largest 1 / sqrt(p) of cluster `g`.
    pub(crate) fn largest_inverse_sd(&self, g: usize) -> f64 {
        self.largest_inverse_sds[g]
    }

    /// Squared distance of `x` from the box of cluster `g`.
    pub(crate) fn squared_gap(&self, g: usize, x: &[f64]) -> f64 {
        let (lower, upper) = self.boxes[2 * self.d * g..2 * self.d * (g + 1)].split_at(self.d);
        x.iter().zip(lower).zip(upper).map(|((x, low), high)| (low - x).max(x - high).max(0.0).powi(2)).sum()
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.members.len() + self.starts.len() + self.clusters.len();
        let values = self.coords.len()
            + self.inverse_sds.len()
            + 2 * self.centres.len()
            + self.cell_inverse_sds.len()
            + self.models.len()
            + self.caps.len()
            + self.boxes.len()
            + self.inverse.len();
        4 * words + 8 * values
    }
}

/// Halves `range` of `members` along the longest side of its box until it is a cell. A part that is the first of its
/// ancestors to have at most [`CLUSTER`] points is a cluster.
fn split(points: &Points, members: &mut [u32], range: Range<usize>, starts: &mut Vec<u32>, clusters: &mut Vec<u32>) {
    if range.len() <= CELL {
        starts.push(range.end as u32);
    } else {
        let part = &mut members[range.clone()];
        let side = |j: usize| {
            let (low, high) = extent(part.iter().map(|&i| points.coord(i as usize, j)));
            high - low
        };
        let axis = (0..points.d).max_by(|&a, &b| side(a).total_cmp(&side(b))).unwrap_or(0);
        let middle = part.len() / 2;
        part.select_nth_unstable_by(middle, |&a, &b| {
            points.coord(a as usize, axis).total_cmp(&points.coord(b as usize, axis)).then(a.cmp(&b))
        });
        for half in [range.start..range.start + middle, range.start + middle..range.end] {
            let ends_cluster = range.len() > CLUSTER && half.len() <= CLUSTER;
            split(points, members, half, starts, clusters);
            if ends_cluster {
                clusters.push(starts.len() as u32 - 1);
            }
        }
    }
}

fn extent(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
}
