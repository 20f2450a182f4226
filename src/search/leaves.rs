//! Leaves: points near each other with the few columns of V that matter there, in `f32`.
//!
//! Entry j of V_x is the covariance of x and inducing point j given the earlier ones, over its standard deviation. What
//! is given screens off what lies behind it: only inducing points near x, and few far ones, have an entry of any size.
//! So a few dozen columns hold nearly all of the rows of a leaf of neighbours, the norm of the rest is known of each
//! point, and a product with a query is known up to that norm times the query's beyond the same columns. (The screening
//! effect: Stein, *The screening effect in kriging*, Annals of Statistics 2002; Schaefer, Katzfuss & Owhadi, *Sparse
//! Cholesky factorization by Kullback-Leibler minimization*, 2021.)

use super::affine_bounds::{AffineBounds, Fit, Part, most_beyond};
use super::coincident::Coincident;
use super::whitened_rows::WhitenedRows;
use crate::control::Control;
use crate::error::{Result, checked_area, try_grow, try_resize, try_vec, try_with_capacity};
use crate::kernel::Kernel;
use crate::layout::aabb::{at_distance, bounding_box, keep_least, squared_distance};
use crate::metric::{Correlation, Metric, NEW, Points};
use crate::parallel::Threads;
use crate::simd::affine::LANES as REGION;
use crate::simd::leaf::{COLUMNS, LANES, Leaf};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// At most this norm of a point's row lies beyond the columns of its leaf, if it is no outlier; and at most this share of
/// the reciprocal of the median weight, where weights are large. Shorter tails make sharper bounds of more columns: with a
/// share of 0.15, 0.08 and 0.04 the benchmark's square-512 leaves 25, 11 and 6 of 1,024 queries to brute force, and takes
/// 31, 27 and 27 microseconds a query; the more columns take memory.
const TAIL: f64 = 0.05;
const TAIL_SHARE: f64 = 0.6;
/// Points of more than so many times the median weight are outliers: they may have long tails.
const OUTLIER: f64 = 30.0;
/// Leaves are not used where they would hold more than this share of V.
const MOST_COLUMNS: f64 = 0.7;
/// Or where a point is farther than this from the middle of its leaf, in lengthscales.
const LARGEST_RADIUS: f64 = 1e6;
/// Leaves of the sample that tells how many columns there would be.
const SAMPLE: usize = 32;
/// Regions around a point in which the leaves nearest to it are looked for.
const AROUND: usize = 8;
/// An error that is a share of norms covers what rounding in `f64` adds, which is this share of weights.
const WEIGHT_SHARE: f64 = 1e-4;

/// The leaves of some points of a tree.
#[derive(Default)]
pub(crate) struct Leaves {
    pub(crate) inducing: Arc<WhitenedRows>,
    pub(super) d: usize,
    /// Tree positions, [`LANES`] a leaf; [`NEW`] where a leaf is not full.
    pub(super) positions: Vec<u32>,
    /// Leaf of each tree position, or [`NEW`].
    pub(super) of: Vec<u32>,
    /// Where each leaf's columns begin, and the last one's end.
    pub(super) starts: Vec<u32>,
    /// Columns of V; m where there is none.
    pub(super) columns: Vec<u32>,
    pub(super) values: Vec<f32>,
    /// Middles of the leaves' boxes, d a leaf, in `f64`; and the largest distance of a point from it.
    pub(super) middles: Vec<f64>,
    pub(super) radii: Vec<f32>,
    /// Coordinates less those of the middle.
    pub(super) coords: Vec<f32>,
    pub(super) weights: Vec<f32>,
    pub(super) tails: Vec<f32>,
    pub(super) norms: Vec<f32>,
    /// What is known of points at inducing points, where there are subspaces.
    pub(super) coincident: Coincident,
    /// Runs of one leaf, and of a region's leaves.
    pub(super) regions: AffineBounds,
    pub(super) coarse: AffineBounds,
    /// Such that bound residual correlations, where these do not, once queries from elsewhere have asked for them.
    pub(super) made: ArcSwapOption<Affine>,
}

/// Affine bounds of runs of one leaf, and of a region's leaves.
pub(super) struct Affine {
    fine: AffineBounds,
    coarse: AffineBounds,
}

/// Leaves, and the metric and kernel they were made with.
#[derive(Clone, Copy)]
pub(crate) struct LeafBound<'a> {
    pub(crate) leaves: &'a Leaves,
    pub(crate) metric: &'a Correlation,
    pub(crate) kernel: &'a Kernel,
}

/// A leaf's numbers of dimensions and columns, its radius, and the largest norms of its points' rows and of what is beyond its
/// columns.
#[derive(Clone, Copy)]
pub(super) struct Largest {
    pub(super) d: usize,
    pub(super) columns: usize,
    pub(super) radius: f32,
    pub(super) norm: f32,
    pub(super) tail: f32,
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    row: Vec<f32>,
    /// The members' rows, column by column.
    values: Vec<[f32; LANES]>,
    energies: Vec<(f32, u32)>,
    /// Members that are not at inducing points.
    plain: Vec<u32>,
    fit: Fit,
    /// Norms of the members' rows beyond the columns that were chosen, rounded up.
    tails: [f32; LANES],
}

impl Scratch {
    /// Adds the members' values in these columns.
    fn add_values(&self, columns: &[u32], values: &mut Vec<f32>) -> Result<()> {
        try_grow(values, columns.len() * LANES, "the leaves")?;
        // Column m is 0.
        let none = [0.0; LANES];
        columns.iter().for_each(|&j| values.extend_from_slice(self.values.get(j as usize).unwrap_or(&none)));
        Ok(())
    }
}

impl Leaves {
    /// Leaves of the points at `positions`, runs of [`LANES`] of them; O(n m). Regions bound residual correlations if `bounded`,
    /// and else only distances. None where a sample of the leaves tells that too many columns matter.
    pub(crate) fn new(
        inducing: Arc<WhitenedRows>,
        metric: &Correlation,
        mut positions: Vec<u32>,
        bounded: bool,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Option<Self>> {
        let what = "the leaves";
        let points = &metric.points;
        let (n, d, m) = (points.n, points.d, points.m);
        let full = positions.len().next_multiple_of(LANES);
        try_resize(&mut positions, full, NEW, what)?;
        let count = positions.len() / LANES;
        let at = inducing.of_stored()?;
        let maker = Maker { metric, inducing: &inducing, at: &at };
        if !maker.fits(&positions)? {
            return Ok(None);
        }
        let mut leaves = Leaves {
            d,
            of: try_vec(n, NEW, what)?,
            starts: try_with_capacity(count + 1, what)?,
            columns: Vec::new(),
            values: Vec::new(),
            middles: try_vec(checked_area(count, d, what)?, 0.0, what)?,
            radii: try_vec(count, 0.0, what)?,
            coords: try_vec(checked_area(count, d * LANES, what)?, 0.0, what)?,
            weights: try_vec(count * LANES, 0.0, what)?,
            tails: try_vec(count * LANES, 0.0, what)?,
            norms: try_vec(count * LANES, 0.0, what)?,
            regions: AffineBounds::empty(count, d, if bounded { m } else { 0 })?,
            coarse: AffineBounds::empty(count.div_ceil(REGION), d, if bounded { m } else { 0 })?,
            made: ArcSwapOption::empty(),
            coincident: Coincident::default(),
            positions,
            inducing: inducing.clone(),
        };
        // The columns and values of each region's leaves, whose numbers are known after this.
        let mut columns: Vec<Vec<u32>> = try_vec(count, Vec::new(), what)?;
        let mut values: Vec<Vec<f32>> = try_vec(count.div_ceil(REGION), Vec::new(), what)?;
        let mut rows: Vec<Vec<f32>> = try_vec(count.div_ceil(REGION), Vec::new(), what)?;
        let tail = most_beyond(inducing.median);
        let tasks = (leaves.positions.chunks(LANES * REGION).zip(columns.chunks_mut(REGION).zip(&mut values)))
            .zip(leaves.middles.chunks_mut(d * REGION).zip(leaves.radii.chunks_mut(REGION)))
            .zip(leaves.coords.chunks_mut(d * LANES * REGION).zip(leaves.weights.chunks_mut(LANES * REGION)))
            .zip(leaves.tails.chunks_mut(LANES * REGION).zip(leaves.norms.chunks_mut(LANES * REGION)))
            .zip(leaves.regions.parts().zip(&mut rows));
        let mut all = try_with_capacity(count.div_ceil(REGION), what)?;
        all.extend(tasks);
        threads.run(all, control, Scratch::default, |s, task| {
            let (
                ((((members, (columns, values)), (middles, radii)), (coords, weights)), (tails, norms)),
                (mut region, rows),
            ) = task;
            region.place(&box_of(points, members));
            if bounded {
                s.fit.begin(m, d)?;
            }
            for (t, members) in members.chunks_exact(LANES).enumerate() {
                let own = t * LANES..(t + 1) * LANES;
                columns[t] = maker.columns(members, s)?;
                s.add_values(&columns[t], values)?;
                let coords = &mut coords[t * d * LANES..(t + 1) * d * LANES];
                let corners = box_of(points, members);
                radii[t] = maker.place(members, &corners, &mut middles[t * d..(t + 1) * d], coords);
                tails[own.clone()].copy_from_slice(&s.tails);
                maker.weigh(members, &s.values, &mut weights[own.clone()], &mut norms[own.clone()]);
                region.fill(t, &corners, &weights[own.clone()], &norms[own]);
                if bounded {
                    maker.fit(t, members, &mut region, s)?;
                }
            }
            if bounded {
                *rows = region.keep(tail, &mut s.fit)?;
            }
            Ok(())
        })?;
        if leaves.radii.iter().any(|&radius| radius.is_nan() || f64::from(radius) > LARGEST_RADIUS) {
            return Ok(None);
        }
        let total = columns.iter().map(Vec::len).sum();
        leaves.columns = try_with_capacity(total, what)?;
        for columns in columns {
            leaves.starts.push(leaves.columns.len() as u32);
            leaves.columns.extend_from_slice(&columns);
        }
        leaves.starts.push(total as u32);
        leaves.values = try_vec(checked_area(total, LANES, what)?, 0.0, what)?;
        let mut left = &mut leaves.values[..];
        let mut all = try_with_capacity(values.len(), what)?;
        all.extend(values.into_iter().map(|values| (left.split_off_mut(..values.len()).unwrap_or_default(), values)));
        threads.run(
            all,
            control,
            || (),
            |(), (to, values)| {
                to.copy_from_slice(&values);
                Ok(())
            },
        )?;
        for (place, &i) in leaves.positions.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            leaves.of[i as usize] = (place / LANES) as u32;
        }
        leaves.regions.pack(rows)?;
        leaves.coarse.gather(&leaves.regions, count, tail)?;
        Ok(Some(leaves))
    }

    /// The affine bounds that were made since, if there are such.
    pub(super) fn made(&self) -> Option<Arc<Affine>> {
        self.made.load_full()
    }

    /// The bounds of residual correlations by regions, and by coarse ones: its own, or those that were made.
    pub(super) fn affine<'a>(&'a self, made: Option<&'a Affine>) -> Option<(&'a AffineBounds, &'a AffineBounds)> {
        match self.regions.bounds_columns() {
            true => Some((&self.regions, &self.coarse)),
            false => made.map(|made| (&made.fine, &made.coarse)),
        }
    }

    /// Makes affine bounds of residual correlations, if there are none; O(n m). Who comes second does it in vain.
    pub(super) fn make_affine(&self, metric: &Correlation, threads: &Threads) -> Result<()> {
        if self.affine(self.made().as_deref()).is_some() {
            return Ok(());
        }
        let (what, points, count) = ("the leaves", &metric.points, self.len());
        let (d, m) = (points.d, points.m);
        let maker = Maker { metric, inducing: &self.inducing, at: &self.inducing.of_stored()? };
        let mut fine = AffineBounds::empty(count, d, m)?;
        let mut coarse = AffineBounds::empty(count.div_ceil(REGION), d, m)?;
        let mut rows: Vec<Vec<f32>> = try_vec(count.div_ceil(REGION), Vec::new(), what)?;
        let tail = most_beyond(self.inducing.median);
        let tasks = fine.parts().zip(&mut rows).enumerate().collect();
        threads.run(tasks, &mut Control::none(), Scratch::default, |s, (g, (mut region, rows))| {
            let own = g * REGION..count.min((g + 1) * REGION);
            region.place(&box_of(points, &self.positions[own.start * LANES..own.end * LANES]));
            s.fit.begin(m, d)?;
            for (t, p) in own.enumerate() {
                let (members, leaf) = (self.members(p), self.leaf(p));
                region.fill(t, &box_of(points, members), leaf.weights, leaf.norms);
                maker.fit(t, members, &mut region, s)?;
            }
            *rows = region.keep(tail, &mut s.fit)?;
            Ok(())
        })?;
        fine.pack(rows)?;
        coarse.gather(&fine, count, tail)?;
        self.made.store(Some(Arc::new(Affine { fine, coarse })));
        Ok(())
    }

    /// Whether few columns matter in leaves of the points at `positions`, runs of [`LANES`] of them, by a sample.
    pub(crate) fn fit(inducing: &WhitenedRows, metric: &Correlation, positions: &[u32]) -> Result<bool> {
        Maker { metric, inducing, at: &inducing.of_stored()? }.fits(positions)
    }

    /// Whether points lie as they do in the layout.
    pub(super) fn follow_layout(&self) -> bool {
        (0..).zip(&self.positions).all(|(i, &position)| position == i || position == NEW)
    }

    /// Number of leaves.
    pub(crate) fn len(&self) -> usize {
        self.radii.len()
    }

    /// Leaf of a tree position, if it is in one.
    pub(crate) fn of(&self, position: u32) -> Option<u32> {
        self.of.get(position as usize).copied().filter(|&leaf| leaf != NEW)
    }

    /// Tree positions in leaf `p`, and [`NEW`] in what is left of it.
    pub(super) fn members(&self, p: usize) -> &[u32] {
        &self.positions[p * LANES..(p + 1) * LANES]
    }

    /// The columns of leaf `p`.
    fn columns(&self, p: usize) -> &[u32] {
        &self.columns[self.starts[p] as usize..self.starts[p + 1] as usize]
    }

    /// Leaf `p`.
    pub(super) fn leaf(&self, p: usize) -> Leaf<'_> {
        let (start, end) = (self.starts[p] as usize * LANES, self.starts[p + 1] as usize * LANES);
        Leaf {
            columns: self.columns(p),
            values: &self.values[start..end],
            coords: &self.coords[p * self.d * LANES..(p + 1) * self.d * LANES],
            weights: &self.weights.as_chunks().0[p],
            tails: &self.tails.as_chunks().0[p],
            norms: &self.norms.as_chunks().0[p],
        }
    }

    /// The middle of leaf `p`, and at least the distance of its points from it.
    pub(super) fn around(&self, p: usize) -> (&[f64], f32) {
        (&self.middles[p * self.d..(p + 1) * self.d], self.radii[p])
    }

    /// What norms tell of leaf `p`.
    pub(super) fn largest(&self, p: usize) -> Largest {
        let leaf = self.leaf(p);
        let most = |values: &[f32; LANES]| values.iter().fold(0.0f32, |most, &value| most.max(value));
        let (norm, tail) = (most(leaf.norms), most(leaf.tails));
        Largest { d: self.d, columns: leaf.columns.len(), radius: self.radii[p], norm, tail }
    }

    /// Writes leaves whose boxes are near `x`, the nearest first, about the `most` nearest: see [`at_distance`].
    pub(super) fn nearest(&self, x: &[f64], most: usize, out: &mut Vec<u64>) {
        let mut regions = Vec::with_capacity(self.coarse.len() * REGION);
        (0..self.coarse.len()).for_each(|g| self.coarse.gaps(g, x, self.regions.len(), &mut regions));
        keep_least(&mut regions, AROUND);
        out.clear();
        regions.iter().for_each(|&g| self.regions.gaps(g as u32 as usize, x, self.len(), out));
        keep_least(out, most);
        out.sort_unstable();
    }

    /// Writes the `most` of some leaves whose middles are nearest to `x`, nearest first.
    pub(super) fn nearest_of(&self, x: &[f64], leaves: impl Iterator<Item = usize>, most: usize, out: &mut Vec<u64>) {
        out.clear();
        out.extend(leaves.map(|p| at_distance(squared_distance(x, self.around(p).0) as f32, p as u32)));
        out.sort_unstable();
        out.truncate(most);
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.column_bytes()
            + size_of_val(&self.of[..])
            + self.inducing.bytes()
            + self.coincident.column_bytes()
            + self.regions.bytes()
            + self.coarse.bytes()
            + self.made().map_or(0, |made| made.fine.bytes() + made.coarse.bytes())
    }
}

/// The box of a leaf's points.
fn box_of(points: &Points, members: &[u32]) -> Vec<f64> {
    bounding_box(points.d, members.iter().filter(|&&i| i != NEW), |&i, j| points.coord(i as usize, j))
}

/// What leaves are made of.
struct Maker<'a> {
    metric: &'a Correlation,
    inducing: &'a WhitenedRows,
    /// The inducing point where a tree position is.
    at: &'a [u32],
}

impl Maker<'_> {
    /// Whether leaves of these points would not hold too large a share of V, by a sample.
    fn fits(&self, positions: &[u32]) -> Result<bool> {
        let (mut s, mut columns, mut count) = (Scratch::default(), 0, 0);
        for members in positions.chunks_exact(LANES).step_by((positions.len() / LANES).div_ceil(SAMPLE)) {
            columns += self.columns(members, &mut s)?.len();
            count += 1;
        }
        Ok(columns as f64 <= MOST_COLUMNS * (count * self.metric.points.m) as f64)
    }

    /// The columns that hold nearly all of the members' rows. Leaves these and tails in `s`.
    fn columns(&self, members: &[u32], s: &mut Scratch) -> Result<Vec<u32>> {
        let points = &self.metric.points;
        let (m, median) = (points.m, self.inducing.median);
        try_resize(&mut s.row, m, 0.0, "the leaves")?;
        s.values.clear();
        try_resize(&mut s.values, m, [0.0; LANES], "the leaves")?;
        let mut typical = [0.0f32; LANES];
        for (lane, &i) in members.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            points.check_row(i as usize)?;
            self.write(i, &mut s.row);
            s.values.iter_mut().zip(&s.row).for_each(|(values, value)| values[lane] = *value);
            if self.metric.weight(points.inverse_sds[i as usize]) <= OUTLIER * median {
                typical[lane] = 1.0;
            }
        }
        s.energies.clear();
        for (j, values) in s.values.iter().enumerate() {
            let energy = values.iter().zip(&typical).fold(0.0f32, |most, (value, on)| most.max(value * value * on));
            s.energies.push((energy, j as u32));
        }
        s.energies.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        // From the last column on, until the tail of a typical point would be too long.
        let most = TAIL.min(TAIL_SHARE / median).powi(2) as f32;
        let mut tails = [0.0f32; LANES];
        let mut count = m;
        while count > 0 {
            let mut longer = tails;
            let values = &s.values[s.energies[count - 1].1 as usize];
            longer.iter_mut().zip(values).for_each(|(tail, value)| *tail += value * value);
            let longest = longer.iter().zip(&typical).fold(0.0f32, |most, (tail, on)| most.max(tail * on));
            // Whole numbers of columns, but all that there are.
            if longest > most && (count % COLUMNS == 0 || count == m) {
                break;
            }
            tails = longer;
            count -= 1;
        }
        // A sum of m squares is off by less than m units of rounding.
        let rounding = 1.0 + (m + 16) as f32 * f32::EPSILON;
        s.tails = tails.map(|tail| (tail * rounding).sqrt().next_up());
        let mut columns = try_with_capacity(count.next_multiple_of(COLUMNS), "the leaves")?;
        columns.extend(s.energies[..count].iter().map(|&(_, j)| j));
        columns.sort_unstable();
        // Column m is 0.
        columns.resize(count.next_multiple_of(COLUMNS), m as u32);
        Ok(columns)
    }

    /// The inducing point where a tree position is, if it is at one.
    fn inducing_at(&self, i: u32) -> Option<u32> {
        self.at.get(i as usize).copied().filter(|&z| z != NEW)
    }

    /// Fits run `t` of a region to the members of a leaf that are not at inducing points.
    fn fit(&self, t: usize, members: &[u32], region: &mut Part<'_>, s: &mut Scratch) -> Result<()> {
        s.plain.clear();
        s.plain.extend(members.iter().filter(|&&i| i != NEW && self.inducing_at(i).is_none()));
        region.fit(t, &self.metric.points, &s.plain, self.metric.sd.recip(), &mut s.fit)
    }

    /// Row W of the point at a position.
    fn write(&self, i: u32, row: &mut [f32]) {
        let (points, i) = (&self.metric.points, i as usize);
        self.inducing.write(self.inducing_at(i as u32), points.factor_row(i), points.inverse_sds[i], row);
    }

    /// Middle and coordinates of a leaf whose box has these corners; returns the radius, rounded up.
    fn place(&self, members: &[u32], corners: &[f64], middle: &mut [f64], coords: &mut [f32]) -> f32 {
        let points = &self.metric.points;
        for (j, middle) in middle.iter_mut().enumerate() {
            *middle = 0.5 * corners[j] + 0.5 * corners[points.d + j];
        }
        let mut radius = 0.0f64;
        for (lane, &i) in members.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            let mut square = 0.0;
            for (j, middle) in middle.iter().enumerate() {
                let offset = points.coord(i as usize, j) - middle;
                square += offset * offset;
                coords[j * LANES + lane] = offset as f32;
            }
            radius = radius.max(square.sqrt());
        }
        ((radius * (1.0 + 1e-6)) as f32).next_up()
    }

    /// Weights and norms of a leaf's points, from their rows, column by column.
    fn weigh(&self, members: &[u32], values: &[[f32; LANES]], weights: &mut [f32], norms: &mut [f32]) {
        let mut sums = [0.0f32; LANES];
        for values in values {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value * value);
        }
        let rounding = 1.0 + (values.len() + 16) as f32 * f32::EPSILON;
        for (lane, &i) in members.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            let weight = self.metric.weight(self.metric.points.inverse_sds[i as usize]);
            weights[lane] = if self.inducing_at(i).is_some() { 0.0 } else { weight as f32 };
            let norm = (sums[lane] * rounding).sqrt().max(weights[lane]).max((WEIGHT_SHARE * weight) as f32);
            norms[lane] = norm.next_up();
        }
    }
}
