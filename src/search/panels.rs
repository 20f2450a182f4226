//! Panels: points near each other with the few columns of V that matter there, in `f32`.
//!
//! Entry j of V_x is the covariance of x and inducing point j given the earlier ones, over its standard deviation. What
//! is given screens off what lies behind it: only inducing points near x, and few far ones, have an entry of any size.
//! So a few dozen columns hold nearly all of the rows of a panel of neighbours, the norm of the rest is known of each
//! point, and a product with a query is known up to that norm times the query's beyond the same columns. (The screening
//! effect: Stein, *The screening effect in kriging*, Annals of Statistics 2002; Schaefer, Katzfuss & Owhadi, *Sparse
//! Cholesky factorization by Kullback-Leibler minimization*, 2021.)

use super::inducing_rows::InducingRows;
use super::regions::Regions;
use super::spatial::{bounding_box, kd_order};
use crate::control::Control;
use crate::error::{Result, checked_area, try_resize, try_vec, try_with_capacity};
use crate::metric::{Correlation, Metric, NEW};
use crate::parallel::Threads;
use crate::simd::panel::{COLUMNS, LANES, Panel};
use crate::simd::region::LANES as REGION;
use std::sync::Arc;

/// At most this norm of a point's row lies beyond the columns of its panel, if it is no outlier; and less where rows are
/// long, in so many parts of their typical norm's reciprocal. Shorter tails make sharper bounds of more products: TAILS
const TAIL: f64 = 0.05;
const TAIL_SHARE: f64 = 0.2;
/// Points of more than so many times the median weight are outliers: they may have long tails.
const OUTLIER: f64 = 30.0;
/// Panels are not used where they would hold more than this share of V.
const MOST_COLUMNS: f64 = 0.5;
/// Or where a point is farther than this from the middle of its panel, in lengthscales.
const LARGEST_RADIUS: f64 = 1e6;
/// Panels of the sample that tells how many columns there would be.
const SAMPLE: usize = 32;
/// Regions around a point in which the panels nearest to it are looked for.
const AROUND: usize = 12;
/// An error that is a share of norms covers what rounding in `f64` adds, which is this share of weights.
const WEIGHT_SHARE: f64 = 1e-4;

/// The panels of some points of a tree.
pub(crate) struct Panels {
    pub(super) inducing: Arc<InducingRows>,
    pub(super) d: usize,
    /// Panels of a run.
    pub(super) per_run: usize,
    /// Tree positions, [`LANES`] a panel; [`NEW`] where a panel is not full.
    pub(super) positions: Vec<u32>,
    /// Panel of each tree position, or [`NEW`].
    pub(super) of: Vec<u32>,
    /// Where each panel's columns begin, and the last one's end.
    pub(super) starts: Vec<u32>,
    /// Columns of V; m where there is none.
    pub(super) columns: Vec<u32>,
    pub(super) values: Vec<f32>,
    /// Middles of the panels' boxes, d a panel, in `f64`; and the largest distance of a point from it.
    pub(super) middles: Vec<f64>,
    pub(super) radii: Vec<f32>,
    /// Coordinates less those of the middle.
    pub(super) coords: Vec<f32>,
    pub(super) weights: Vec<f32>,
    pub(super) tails: Vec<f32>,
    pub(super) norms: Vec<f32>,
    /// Runs of one panel, and of a region's panels.
    pub(super) regions: Regions,
    pub(super) coarse: Regions,
}

/// A panel while it is made.
#[derive(Default)]
struct Made {
    columns: Vec<u32>,
    values: Vec<f32>,
}

/// What a panel has of each point.
struct Lanes<'a> {
    weights: &'a mut [f32],
    tails: &'a mut [f32],
    norms: &'a mut [f32],
}

/// Memory of one thread.
#[derive(Default)]
struct Scratch {
    rows: Vec<f32>,
    energies: Vec<(f32, u32)>,
    left: Vec<f64>,
}

impl Panels {
    /// Panels of the points at `order`, which are cut into runs of `run` and these into panels; O(n m). None where a
    /// sample of the panels tells that too many columns matter.
    pub(crate) fn new(
        inducing: Arc<InducingRows>,
        metric: &Correlation,
        order: &[u32],
        run: usize,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Option<Self>> {
        let what = "the panels";
        let points = &metric.points;
        let (n, d, m) = (points.n, points.d, points.m);
        let mut positions: Vec<u32> = try_with_capacity(order.len() + LANES * order.len().div_ceil(run), what)?;
        for run in order.chunks(run) {
            let start = positions.len();
            positions.extend_from_slice(run);
            kd_order(&points.coords, points.n, &mut positions[start..], LANES);
            let end = positions.len().next_multiple_of(LANES);
            try_resize(&mut positions, end, NEW, what)?;
        }
        let count = positions.len() / LANES;
        let at = inducing.of_stored()?;
        let maker = Maker { metric, inducing: &inducing, at: &at };
        let mut sample = Scratch::default();
        let mut total = 0;
        let spread = count.div_ceil(SAMPLE);
        for panel in positions.chunks_exact(LANES).step_by(spread) {
            total += maker.columns(panel, &mut sample)?.len();
        }
        if total as f64 > MOST_COLUMNS * (m * count.div_ceil(spread)) as f64 {
            return Ok(None);
        }
        let mut made: Vec<Made> = try_with_capacity(count, what)?;
        made.resize_with(count, Made::default);
        let mut panels = Panels {
            d,
            per_run: run.div_ceil(LANES),
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
            regions: Regions::default(),
            coarse: Regions::default(),
            positions,
            inducing: inducing.clone(),
        };
        let tasks = (panels.positions.chunks_exact(LANES).zip(&mut made))
            .zip(panels.middles.chunks_exact_mut(d).zip(&mut panels.radii))
            .zip(panels.coords.chunks_exact_mut(d * LANES).zip(panels.weights.chunks_exact_mut(LANES)))
            .zip(panels.tails.chunks_exact_mut(LANES).zip(panels.norms.chunks_exact_mut(LANES)));
        let mut all = try_with_capacity(count, what)?;
        all.extend(tasks);
        threads.run(all, control, Scratch::default, |s, task| {
            let (((members, made), (middle, radius)), (coords, weights)) = task.0;
            let (tails, norms) = task.1;
            made.columns = maker.columns(members, s)?;
            *radius = maker.place(members, middle, coords);
            maker.fill(members, &s.rows, made, Lanes { weights, tails, norms })
        })?;
        if panels.radii.iter().any(|&radius| !(f64::from(radius) <= LARGEST_RADIUS)) {
            return Ok(None);
        }
        let total = made.iter().map(|panel| panel.columns.len()).sum();
        panels.columns = try_with_capacity(total, what)?;
        panels.values = try_with_capacity(total * LANES, what)?;
        for panel in made {
            panels.starts.push(panels.columns.len() as u32);
            panels.columns.extend_from_slice(&panel.columns);
            panels.values.extend_from_slice(&panel.values);
        }
        panels.starts.push(panels.columns.len() as u32);
        for (place, &i) in panels.positions.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            panels.of[i as usize] = (place / LANES) as u32;
        }
        let own = (&panels.weights[..], &panels.norms[..]);
        panels.regions = Regions::new(metric, LANES, &panels.positions, own, threads)?;
        panels.coarse = Regions::new(metric, LANES * REGION, &panels.positions, own, threads)?;
        Ok(Some(panels))
    }

    /// Number of panels.
    pub(crate) fn len(&self) -> usize {
        self.radii.len()
    }

    /// Panel of a tree position, if it is in one.
    pub(crate) fn of(&self, position: u32) -> Option<u32> {
        self.of.get(position as usize).copied().filter(|&panel| panel != NEW)
    }

    /// Tree positions in panel `p`, and [`NEW`] in what is left of it.
    pub(super) fn members(&self, p: usize) -> &[u32] {
        &self.positions[p * LANES..(p + 1) * LANES]
    }

    /// The columns of panel `p`.
    fn columns(&self, p: usize) -> &[u32] {
        &self.columns[self.starts[p] as usize..self.starts[p + 1] as usize]
    }

    /// Panel `p`.
    pub(super) fn panel(&self, p: usize) -> Panel<'_> {
        let (start, end) = (self.starts[p] as usize * LANES, self.starts[p + 1] as usize * LANES);
        Panel {
            columns: self.columns(p),
            values: &self.values[start..end],
            coords: &self.coords[p * self.d * LANES..(p + 1) * self.d * LANES],
            weights: &self.weights.as_chunks().0[p],
            tails: &self.tails.as_chunks().0[p],
            norms: &self.norms.as_chunks().0[p],
        }
    }

    /// Panels of cell `c`, where runs are cells.
    pub(super) fn of_cell(&self, c: u32) -> std::ops::Range<usize> {
        let start = c as usize * self.per_run;
        start..(start + self.per_run).min(self.len())
    }

    /// Writes panels whose boxes are near `x`, the nearest first, with squared distances: about the `most` nearest.
    pub(super) fn nearest(&self, x: &[f64], most: usize, out: &mut Vec<(f32, u32)>) {
        let mut regions = Vec::with_capacity(self.coarse.len() * REGION);
        (0..self.coarse.len()).for_each(|g| self.coarse.gaps(g, x, self.regions.len(), &mut regions));
        keep_least(&mut regions, AROUND);
        out.clear();
        regions.iter().for_each(|&(_, g)| self.regions.gaps(g as usize, x, self.len(), out));
        keep_least(out, most);
        out.sort_unstable_by(nearer);
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let floats = self.coords.len() + 3 * self.weights.len() + self.values.len();
        let words = self.positions.len() + self.of.len() + self.starts.len() + self.columns.len() + self.radii.len();
        4 * (floats + words)
            + 8 * (self.middles.len() + self.inducing.rows.len())
            + self.regions.bytes()
            + self.coarse.bytes()
    }
}

fn nearer(a: &(f32, u32), b: &(f32, u32)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// Keeps the `most` least.
fn keep_least(all: &mut Vec<(f32, u32)>, most: usize) {
    if most > 0 && most < all.len() {
        all.select_nth_unstable_by(most - 1, nearer);
        all.truncate(most);
    }
}

/// What panels are made of.
struct Maker<'a> {
    metric: &'a Correlation,
    inducing: &'a InducingRows,
    /// The inducing point where a tree position is.
    at: &'a [u32],
}

impl Maker<'_> {
    /// The columns that hold nearly all of the members' rows, which are left in `s.rows`.
    fn columns(&self, members: &[u32], s: &mut Scratch) -> Result<Vec<u32>> {
        let points = &self.metric.points;
        let (m, most) = (points.m, OUTLIER * self.inducing.median);
        let most_tail = TAIL.min(TAIL_SHARE / self.inducing.median);
        s.rows.clear();
        try_resize(&mut s.rows, LANES * m, 0.0, "the panels")?;
        s.energies.clear();
        s.energies.extend((0..m as u32).map(|j| (0.0, j)));
        s.left.clear();
        let mut typical = Vec::with_capacity(LANES);
        for (lane, &i) in members.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            let row = &mut s.rows[lane * m..(lane + 1) * m];
            self.write(i, row);
            if self.metric.weight(points.inverse_sds[i as usize]) <= most {
                typical.push(lane);
                for (energy, &value) in s.energies.iter_mut().zip(&*row) {
                    energy.0 = energy.0.max(value * value);
                }
            }
        }
        s.energies.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        // From the last column on, until a point's tail would be too long.
        s.left.resize(LANES, 0.0);
        let mut count = m;
        while count > 0 {
            let j = s.energies[count - 1].1 as usize;
            let mut longest = 0.0f64;
            for &lane in &typical {
                s.left[lane] += f64::from(s.rows[lane * m + j]).powi(2);
                longest = longest.max(s.left[lane]);
            }
            if longest > most_tail * most_tail {
                break;
            }
            count -= 1;
        }
        let count = count.next_multiple_of(COLUMNS).min(m);
        let mut columns = try_with_capacity(count.next_multiple_of(COLUMNS), "the panels")?;
        columns.extend(s.energies[..count].iter().map(|&(_, j)| j));
        columns.sort_unstable();
        Ok(columns)
    }

    /// Row W of the point at a position.
    fn write(&self, i: u32, row: &mut [f32]) {
        let points = &self.metric.points;
        let isd = points.inverse_sds[i as usize];
        match self.at.get(i as usize) {
            Some(&z) if z != NEW => self.inducing.write(z, isd, row),
            _ => row.iter_mut().zip(points.factor_row(i as usize)).for_each(|(to, v)| *to = (v * isd) as f32),
        }
    }

    /// Middle and coordinates of a panel; returns the radius, rounded up.
    fn place(&self, members: &[u32], middle: &mut [f64], coords: &mut [f32]) -> f32 {
        let points = &self.metric.points;
        let own = || members.iter().filter(|&&i| i != NEW);
        let corners = bounding_box(points.d, own(), |&i, j| points.coord(i as usize, j));
        let mut radius = 0.0f64;
        for (j, middle) in middle.iter_mut().enumerate() {
            *middle = 0.5 * corners[j] + 0.5 * corners[points.d + j];
        }
        for (lane, &i) in members.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            let mut square = 0.0;
            for (j, middle) in middle.iter().enumerate() {
                let offset = points.coord(i as usize, j) - middle;
                square += offset * offset;
                coords[j * LANES + lane] = offset as f32;
            }
            radius = radius.max(square.sqrt());
        }
        (radius * (1.0 + 1e-6)) as f32
    }

    /// The values of a panel whose members' `rows` and columns are known.
    fn fill(&self, members: &[u32], rows: &[f32], made: &mut Made, lanes: Lanes<'_>) -> Result<()> {
        let m = self.metric.points.m;
        // Columns come in whole numbers of some; column m is 0.
        let padded = made.columns.len().next_multiple_of(COLUMNS);
        made.values = try_vec(padded * LANES, 0.0, "the panels")?;
        for (lane, &i) in members.iter().enumerate().filter(|&(_, &i)| i != NEW) {
            let row = &rows[lane * m..(lane + 1) * m];
            let isd = self.metric.points.inverse_sds[i as usize];
            let weight = self.metric.weight(isd);
            let inducing = self.at.get(i as usize).is_some_and(|&z| z != NEW);
            let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
            let whole = square(&mut row.iter().copied());
            let mut beyond = whole;
            for (t, &j) in made.columns.iter().enumerate() {
                let value = row[j as usize];
                made.values[t * LANES + lane] = value;
                beyond -= f64::from(value).powi(2);
            }
            // Rounding of the sums, and of the row's entries to f32.
            lanes.tails[lane] = ((beyond.max(0.0) + 1e-13 * whole).sqrt() * (1.0 + 1e-6)) as f32;
            lanes.weights[lane] = if inducing { 0.0 } else { weight as f32 };
            let norm = (whole.sqrt() * (1.0 + 1e-6)).max(f64::from(lanes.weights[lane])).max(WEIGHT_SHARE * weight);
            lanes.norms[lane] = (norm as f32).next_up();
        }
        while made.columns.len() < padded {
            made.columns.push(m as u32);
        }
        Ok(())
    }
}
