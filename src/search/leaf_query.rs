//! A query of a block that is searched for by leaves.

use super::candidates::Shortlist;
use super::leaves::{Largest, Leaves};
use super::recentring::Origins;
use super::whitened_rows::write_scaled;
use crate::error::{Result, try_resize};
use crate::metric::{Correlation, Metric, QueryBlock};
use crate::simd::covariance::Shape;
use crate::simd::leaf::{self, LANES, QUERIES, Relative, Terms};
use crate::simd::{affine, rows};

/// A unit of rounding of `f32`.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;
/// By how much a correlation in `f32` is off, its distance given.
const KERNEL_ERROR: f64 = 1e-6;
/// What rounding in `f64` can add to scores, per unit of weights, and without weights.
pub(super) const SLACK: f64 = 1e-10;
/// Coordinates beyond this many lengthscales from a leaf are not compared with its own.
const FAR: f64 = 1e15;
/// The norm of what a query leaves out of its row for regions, as a share of that row's.
const REST: f64 = 0.03;
/// A query whose row is longer than this is taken relative to origins.
const LONG: f64 = 6.0;

/// A query in `f32`, and what has been found of it.
#[derive(Default)]
pub(super) struct LeafQuery {
    /// Whether it is at an inducing point; its weight is 0 then.
    pub(super) coincident: bool,
    weight: f64,
    pub(super) true_weight: f64,
    /// At least the norm of its row.
    norm: f64,
    /// For leaves: what it is taken relative to, by places in the block; and at least the norm of what is left of its row, the
    /// square of that, and the sum of its weights.
    pub(super) relative: Relative,
    left: f64,
    square: f32,
    weights: f64,
    /// For regions: a bit for each column of V where its row is not small, their number, the row, and the norm of the rest.
    columns: Vec<u64>,
    width: usize,
    row: Vec<f32>,
    rest: f32,
    pub(super) list: Shortlist,
    /// Whether too many leaves are open to it.
    pub(super) waits: bool,
    /// The leaf nearest to it, where that has been looked for.
    pub(super) nearest: Option<u32>,
}

/// What is left of the rows of a block's queries, of V over sqrt(p).
#[derive(Default)]
pub(super) struct Rows {
    /// Row by row, and column by column with a column of zeros.
    rows: Vec<f32>,
    pub(super) columns: Vec<[f32; QUERIES]>,
    /// Inducing points that queries are taken relative to.
    pub(super) origins: Vec<u32>,
    v: Vec<f64>,
    distances: Vec<f64>,
}

impl Rows {
    /// Forgets all, and makes room for rows of `m` values.
    pub(super) fn clear(&mut self, m: usize) -> Result<()> {
        self.origins.clear();
        try_resize(&mut self.rows, m * QUERIES, 0.0, "the search")?;
        try_resize(&mut self.distances, m, 0.0, "the search")?;
        try_resize(&mut self.columns, m + 1, [0.0; QUERIES], "the search")
    }

    /// Turns rows, of which there are so many, into columns, in blocks that stay in the cache.
    pub(super) fn turn(&mut self, count: usize) {
        const TILE: usize = 16;
        let m = self.columns.len() - 1;
        for left in (0..m).step_by(TILE) {
            for q in 0..count {
                let row = &self.rows[q * m..(q + 1) * m];
                let end = m.min(left + TILE);
                self.columns[left..end].iter_mut().zip(&row[left..end]).for_each(|(column, &value)| column[q] = value);
            }
        }
        self.columns[m] = [0.0; QUERIES];
    }
}

impl LeafQuery {
    /// Takes query `q` of a block, for regions too if `regions`; what is left of its row, and its origins, go to `block`.
    pub(super) fn load(
        &mut self,
        leaves: &Leaves,
        metric: &Correlation,
        queries: &QueryBlock,
        q: usize,
        regions: bool,
        block: &mut Rows,
    ) {
        let (d, m, isd) = (leaves.d, metric.points.m, queries.inverse_sds[q]);
        let row = &mut block.rows[q * m..(q + 1) * m];
        let v = &queries.factor[q * metric.points.width..(q + 1) * metric.points.width];
        let at = leaves.inducing.of_query(metric, queries, q);
        self.coincident = at.is_some();
        self.true_weight = metric.sd * isd;
        self.weight = if at.is_some() { 0.0 } else { self.true_weight };
        leaves.inducing.write(at, v, isd, row);
        let mut square = rows::square(metric.simd, row);
        self.norm = square.sqrt() * (1.0 + 1e-6);
        if regions {
            self.shorten(row);
        }
        (self.relative, self.weights) = (Relative::default(), self.weight);
        if let Some(origins) = leaves.inducing.origins.as_ref().filter(|_| at.is_none() && self.norm > LONG) {
            block.v.clear();
            block.v.extend_from_slice(v);
            let x = &queries.coords[q * d..(q + 1) * d];
            let near = origins.relate(metric.simd, x, &mut block.v, &mut block.distances);
            write_scaled(&block.v, isd, row);
            square = rows::square(metric.simd, row);
            self.relate(near, &mut block.origins);
        }
        self.left = square.sqrt() * (1.0 + 1e-6);
        self.square = (square * (1.0 + 1e-6)) as f32;
        self.list.clear();
        self.waits = false;
        self.nearest = None;
    }

    /// Remembers what it is taken relative to: inducing points and their coefficients. `origins` are those of the block.
    fn relate(&mut self, near: impl Iterator<Item = (u32, f64)>, origins: &mut Vec<u32>) {
        for (t, (z, coefficient)) in near.enumerate() {
            let place = origins.iter().position(|&other| other == z).unwrap_or_else(|| {
                origins.push(z);
                origins.len() - 1
            });
            self.relative.count += 1;
            self.relative.places[t] = place as u32;
            self.relative.factors[t] = (coefficient * self.weight) as f32;
            self.weights += coefficient.abs() * self.weight;
        }
    }

    /// Chooses the columns where its `row` is not small.
    fn shorten(&mut self, row: &[f32]) {
        // What is left out is small even if it is all of one size; or as small with fewer entries left in.
        let most = (REST * self.norm).powi(2) as f32;
        let cuts = [16.0, 4.0, 1.0].map(|factor| factor * most / row.len() as f32);
        let rests = cuts.map(|cut| (cut, square_within(row, cut)));
        let (cut, rest) = rests.into_iter().find(|(_, rest)| *rest <= most).unwrap_or((0.0, 0.0));
        self.rest = rest.sqrt() * (1.0 + 1e-4);
        self.columns.clear();
        self.columns.extend(row.chunks(64).map(|values| {
            let bits = values.iter().enumerate().map(|(j, value)| u64::from(*value * *value > cut) << j);
            bits.fold(0, |all, bit| all | bit)
        }));
        self.width = self.columns.iter().map(|word| word.count_ones() as usize).sum();
        self.row.clear();
        self.row.extend_from_slice(row);
    }

    /// Its part in a leaf of `columns` columns around `middle`; `coords` are memory for its own coordinates, `x`, there.
    pub(super) fn in_leaf(
        &self,
        number: u32,
        x: &[f64],
        (columns, middle, radius): (usize, &[f64], f32),
        coords: &mut [f32],
    ) -> Terms {
        let far = offsets(x, middle, coords);
        let terms = (columns + 12) as f64;
        let error = if far { f32::INFINITY } else { self.error(terms * self.left, self.weights, x.len(), radius) };
        let (weight, least, relative) = (self.weight as f32, self.list.least, self.relative);
        Terms { number, weight, square: self.square, error, least, relative }
    }

    /// Whether norms tell that no point of a leaf reaches what it needs, as they may where it has nothing but its row: at an
    /// inducing point, whose row is long near that alone. `within` is the square of that in the leaf's columns.
    pub(super) fn is_beyond(&self, within: f32, leaf: Largest) -> bool {
        if !self.coincident {
            return false;
        }
        let rounding = (leaf.columns + 16) as f32 * f32::EPSILON;
        let beyond = (self.square - within * (1.0 - rounding)).max(0.0).sqrt();
        let error = self.error((leaf.columns + 12) as f64 * self.left, self.weights, leaf.d, leaf.radius);
        let most = (within.sqrt() + error) * leaf.norm + beyond * leaf.tail;
        most * (1.0 + rounding) < self.list.least
    }

    /// Its part in a region around `centre`, as in a leaf.
    pub(super) fn in_region<'a>(
        &'a self,
        x: &[f64],
        (centre, radius): (&[f64], f32),
        coords: &'a mut [f32],
    ) -> affine::Terms<'a> {
        let far = offsets(x, centre, coords);
        // Corners, and places along slopes, are off by some units of rounding of coordinates; see `crate::simd::affine`.
        let places = UNIT * (16.0 * x.len() as f64 * (f64::from(radius) + 1.0) + 64.0);
        let error = self.error(0.0, self.weight, x.len(), radius) + (places * self.weight) as f32;
        affine::Terms {
            columns: &self.columns,
            row: &self.row,
            rest: self.rest,
            coords,
            weight: self.weight as f32,
            norm: self.norm as f32,
            error: if far { f32::INFINITY } else { error.next_up() },
            least: self.list.least,
            product_error: (UNIT * (self.width + 24) as f64 * self.norm) as f32,
        }
    }

    /// What rounding can add to a bound, for a point of norm 1 that is within `radius` of where coordinates are taken from:
    /// of products of so many terms times the norm of the row, of coordinates and of the kernel with these weights, and of scores
    /// in `f64`.
    fn error(&self, terms: f64, weights: f64, d: usize, radius: f32) -> f32 {
        let kernel = KERNEL_ERROR + UNIT * (2.0 * f64::from(radius) + (d + 12) as f64);
        ((terms * UNIT + kernel * weights + SLACK * self.true_weight.max(weights)) as f32).next_up()
    }
}

impl Origins {
    /// The correlations of origin `z` with the points of leaf `p`, times the weights of these; `coords` are memory.
    pub(super) fn weighted(
        &self,
        leaves: &Leaves,
        metric: &Correlation,
        shape: Shape,
        (z, p): (u32, usize),
        coords: &mut [f32],
    ) -> [f32; LANES] {
        if offsets(self.coords(z), leaves.around(p).0, coords) {
            return [f32::NAN; LANES];
        }
        let leaf = leaves.leaf(p);
        let mut weighted = leaf::weighted(metric.simd, shape, leaf, coords);
        if !leaf.weights.contains(&0.0) {
            return weighted;
        }
        // At the origin itself nothing is left but the nugget.
        for i in leaves.inducing.stored_at(z).filter(|&i| leaves.of(i) == Some(p as u32)) {
            if let Some(lane) = leaves.members(p).iter().position(|&other| other == i) {
                weighted[lane] = (-self.nugget * metric.weight(metric.points.inverse_sds[i as usize])) as f32;
            }
        }
        weighted
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

/// Writes the offsets of `x` from a middle; whether one is too large for `f32`.
fn offsets(x: &[f64], middle: &[f64], out: &mut [f32]) -> bool {
    let mut far = false;
    for ((out, x), middle) in out.iter_mut().zip(x).zip(middle) {
        let offset = x - middle;
        far |= offset.is_nan() || offset.abs() > FAR;
        *out = offset.clamp(-FAR, FAR) as f32;
    }
    far
}
