//! A query of a block that is searched for by panels.

use super::panels::Panels;
use super::shortlist::Shortlist;
use crate::metric::{Correlation, QueryBlock};
use crate::simd::panel::{QUERIES, Terms};
use crate::simd::region;

/// A unit of rounding of `f32`.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;
/// By how much a correlation in `f32` is off, its distance given.
const KERNEL_ERROR: f64 = 1e-6;
/// What rounding in `f64` can add to scores, per unit of weights, and without weights.
pub(super) const SLACK: f64 = 1e-10;
/// Coordinates beyond this many lengthscales from a panel are not compared with its own.
const FAR: f64 = 1e15;
/// The norm of what a query leaves out of its row for regions, as a share of that row's.
const REST: f64 = 0.03;
/// At least the norm of a vector of the middles, or halves, of a region's run over the standard deviation: no larger than
/// the root of the number of points, of which each V over the standard deviation has norm 1 at most.
const REGION_NORM: f64 = 24.0;

/// A query in `f32`, and what has been found of it.
#[derive(Default)]
pub(super) struct PanelQuery {
    /// Whether it is at an inducing point; its weight is 0 then.
    pub(super) at_inducing: bool,
    weight: f64,
    pub(super) true_weight: f64,
    /// At least the norm of its row, and the square of it.
    norm: f64,
    square: f32,
    /// For regions: the columns of V where its row is not small, the row there, and the norm of the rest.
    columns: Vec<u32>,
    values: Vec<f32>,
    rest: f32,
    pub(super) list: Shortlist,
    /// Whether too many panels are open to it.
    pub(super) waits: bool,
    /// Panels that have been looked at first.
    pub(super) seeds: Vec<u32>,
}

impl PanelQuery {
    /// Takes query `q` of a block, whose row goes to that column of `columns`; `row` is memory of m values.
    pub(super) fn load(
        &mut self,
        panels: &Panels,
        metric: &Correlation,
        queries: &QueryBlock,
        q: usize,
        row: &mut [f32],
        columns: &mut [[f32; QUERIES]],
    ) {
        let isd = queries.inverse_sds[q];
        let at = panels.inducing.of_query(metric, queries, q);
        self.at_inducing = at.is_some();
        self.true_weight = metric.sd * isd;
        self.weight = if at.is_some() { 0.0 } else { self.true_weight };
        panels.inducing.write(at, &queries.factor[q * metric.points.width..], isd, row);
        columns.iter_mut().zip(&*row).for_each(|(column, &value)| column[q] = value);
        let square: f64 = row.iter().map(|&value| f64::from(value).powi(2)).sum();
        self.norm = square.sqrt() * (1.0 + 1e-6);
        self.square = (square * (1.0 + 1e-6)) as f32;
        self.list.clear();
        self.waits = false;
        self.seeds.clear();
    }

    /// Chooses the columns where its `row` is not small.
    pub(super) fn shorten(&mut self, row: &[f32]) {
        // What is left out is small even if it is all of one size; or as small with fewer entries left in.
        let most = (REST * self.norm).powi(2) as f32;
        let cuts = [16.0, 4.0, 1.0].map(|factor| factor * most / row.len() as f32);
        let rests = cuts.map(|cut| (cut, square_within(row, cut)));
        let (cut, rest) = rests.into_iter().find(|(_, rest)| *rest <= most).unwrap_or((0.0, 0.0));
        self.rest = rest.sqrt() * (1.0 + 1e-4);
        self.columns.clear();
        self.values.clear();
        for (j, &value) in row.iter().enumerate().filter(|(_, value)| *value * *value > cut) {
            self.columns.push(j as u32);
            self.values.push(value);
        }
    }

    /// Its part in a panel of `columns` columns around `middle`; `coords` are memory for its own coordinates, `x`, there.
    pub(super) fn in_panel(
        &self,
        number: u32,
        x: &[f64],
        (columns, middle, radius): (usize, &[f64], f32),
        coords: &mut [f32],
    ) -> Terms {
        let far = offsets(x, middle, coords);
        let error = if far { f32::INFINITY } else { self.error((columns + 12) as f64, x.len(), radius) };
        Terms { number, weight: self.weight as f32, square: self.square, error, least: self.list.least }
    }

    /// Its part in a region around `centre`, as in a panel.
    pub(super) fn in_region<'a>(
        &'a self,
        x: &[f64],
        (centre, radius): (&[f64], f32),
        coords: &'a mut [f32],
    ) -> region::Terms<'a> {
        let far = offsets(x, centre, coords);
        let terms = REGION_NORM * (self.columns.len() + 12) as f64;
        region::Terms {
            columns: &self.columns,
            values: &self.values,
            rest: self.rest,
            coords,
            weight: self.weight as f32,
            norm: self.norm as f32,
            error: if far { f32::INFINITY } else { self.error(terms, x.len(), radius) },
        }
    }

    /// What rounding can add to a bound, for a point of norm 1 that is within `radius` of where coordinates are taken from:
    /// of products of so many terms, of coordinates, of the kernel, and of scores in `f64`.
    fn error(&self, terms: f64, d: usize, radius: f32) -> f32 {
        let kernel = KERNEL_ERROR + UNIT * (2.0 * f64::from(radius) + (d + 12) as f64);
        ((terms * UNIT * self.norm + kernel * self.weight + SLACK * self.true_weight) as f32).next_up()
    }

    /// Columns that regions are looked at with.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
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
