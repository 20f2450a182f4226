//! Regions: sixteen runs of points side by side, with what bounds the residual correlations of a query with each run.
//!
//! In the box of a run V is nearly an affine function of the coordinates: what is left of each column is bounded, and
//! [`crate::simd::region`] bounds the correlation less this function.

use crate::error::{Result, checked_area, try_resize, try_vec};
use crate::metric::Points;
use crate::simd::region::{LANES, Region, SLOPES};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// What is added to the squares of coordinates that a function is fitted to, as a share of their number: points need not
/// differ in every dimension.
const RIDGE: f64 = 1e-6;

/// The regions of some runs; the last one may have less than [`LANES`].
pub(crate) struct Regions {
    pub(super) d: usize,
    /// Columns of V that are bounded: all or none.
    pub(super) m: usize,
    /// Middles of the regions' boxes, d each, and half their diagonals.
    pub(super) centres: Vec<f64>,
    pub(super) radii: Vec<f32>,
    /// See [`Region`].
    pub(super) columns: Vec<f32>,
    pub(super) sizes: Vec<f32>,
    pub(super) lower: Vec<f32>,
    pub(super) upper: Vec<f32>,
    pub(super) weights: Vec<f32>,
    pub(super) norms: Vec<f32>,
}

/// One region, while it is made.
pub(super) struct Part<'a> {
    centre: &'a mut [f64],
    radius: &'a mut f32,
    columns: &'a mut [f32],
    sizes: &'a mut [f32],
    lower: &'a mut [f32],
    upper: &'a mut [f32],
    weights: &'a mut [f32],
    norms: &'a mut [f32],
}

/// Memory for affine functions of some points or runs, for all columns.
#[derive(Default)]
pub(super) struct Fit {
    /// Where each is in the box, in halves of its sides from the middle.
    places: Vec<[f64; SLOPES]>,
    slopes: Vec<[f64; SLOPES]>,
    /// What is left of V: the least and the largest.
    ranges: Vec<(f64, f64)>,
}

/// Slopes of functions of `d` coordinates.
pub(super) fn slopes(d: usize) -> usize {
    if d <= SLOPES { d } else { 0 }
}

/// For values at some places the factors whose sums with them are the slopes of an affine function near them.
fn factors(places: &[[f64; SLOPES]], slopes: usize) -> Vec<[f64; SLOPES]> {
    let count = places.len();
    let mut factors = vec![[0.0; SLOPES]; count];
    if slopes == 0 {
        return factors;
    }
    let mean: [f64; SLOPES] = std::array::from_fn(|b| places.iter().map(|y| y[b]).sum::<f64>() / count as f64);
    let centred = Mat::from_fn(slopes, count, |b, i| places[i][b] - mean[b]);
    let mut squares = &centred * centred.transpose();
    (0..slopes).for_each(|b| squares[(b, b)] += RIDGE * count as f64);
    if let Ok(squares) = squares.llt(Side::Lower) {
        let solved = squares.solve(&centred);
        factors.iter_mut().enumerate().for_each(|(i, factor)| (0..slopes).for_each(|b| factor[b] = solved[(b, i)]));
    }
    factors
}

impl Fit {
    /// Forgets all; for `m` columns.
    fn clear(&mut self, m: usize) -> Result<()> {
        let what = "the regions";
        self.places.clear();
        self.slopes.clear();
        try_resize(&mut self.slopes, m, [0.0; SLOPES], what)?;
        self.ranges.clear();
        try_resize(&mut self.ranges, m, (f64::INFINITY, f64::NEG_INFINITY), what)
    }

    /// Rounds slopes to what will be held.
    fn round(&mut self) {
        self.slopes.iter_mut().flatten().for_each(|slope| *slope = f64::from(*slope as f32));
    }

    /// Takes in that column `j` is at most `spread` from `value`, from which the function of the slopes was taken off.
    fn include(&mut self, j: usize, value: f64, spread: f64) {
        let range = &mut self.ranges[j];
        *range = (range.0.min(value - spread), range.1.max(value + spread));
    }
}

/// The product of slopes and a place.
fn along(slopes: &[f64; SLOPES], y: &[f64; SLOPES]) -> f64 {
    slopes.iter().zip(y).map(|(slope, y)| slope * y).sum()
}

impl Part<'_> {
    /// Where the region is whose box has these corners.
    pub(super) fn place(&mut self, corners: &[f64]) {
        let (lower, upper) = corners.split_at(self.centre.len());
        let mut square = 0.0;
        for ((centre, lower), upper) in self.centre.iter_mut().zip(lower).zip(upper) {
            *centre = 0.5 * lower + 0.5 * upper;
            square += (upper - lower).powi(2);
        }
        *self.radius = ((0.5 * square.sqrt() * (1.0 + 1e-6)) as f32).next_up();
    }

    /// The run of a lane, in a box of these corners: weights, which are 0 at inducing points, and norms of all points.
    pub(super) fn fill(&mut self, lane: usize, corners: &[f64], weights: &[f32], norms: &[f32]) {
        self.enclose(lane, corners);
        for (&weight, &norm) in weights.iter().zip(norms) {
            let to = if weight == 0.0 { &mut self.norms[lane] } else { &mut self.weights[lane] };
            *to = to.max(if weight == 0.0 { norm } else { weight.next_up() });
        }
    }

    /// V over the standard deviation, times which is `unit` 1, of a run's `members`, those that are not at inducing points.
    pub(super) fn fit(
        &mut self,
        lane: usize,
        points: &Points,
        members: &[u32],
        unit: f64,
        fit: &mut Fit,
    ) -> Result<()> {
        let b = slopes(points.d);
        fit.clear(points.m)?;
        let place = |&i: &u32| self.inside(lane, |k| points.coord(i as usize, k));
        fit.places.extend(members.iter().map(place));
        for (factor, &i) in factors(&fit.places, b).iter().zip(members) {
            let factor = factor.map(|factor| factor * unit);
            for (slopes, v) in fit.slopes.iter_mut().zip(points.factor_row(i as usize)) {
                slopes.iter_mut().zip(factor).for_each(|(slope, factor)| *slope += factor * v);
            }
        }
        fit.round();
        for (t, &i) in members.iter().enumerate() {
            let y = fit.places[t];
            let left = fit.slopes.iter().zip(points.factor_row(i as usize)).map(|(slopes, v)| v * unit - along(slopes, &y));
            for (range, left) in fit.ranges.iter_mut().zip(left) {
                *range = (range.0.min(left), range.1.max(left));
            }
        }
        self.hold(lane, b, fit);
        Ok(())
    }

    /// Where a point, its coordinates given, is in the box of a lane, in halves of its sides from the middle.
    fn inside(&self, lane: usize, x: impl Fn(usize) -> f64) -> [f64; SLOPES] {
        let mut y = [0.0; SLOPES];
        let d = self.centre.len();
        for (k, y) in y.iter_mut().enumerate().take(slopes(d)) {
            let (middle, half) = self.side(lane, k);
            *y = ((x(k) - self.centre[k] - middle) / half).clamp(-1.0, 1.0);
        }
        y
    }

    /// Middle and half of a side of a lane's box.
    fn side(&self, lane: usize, k: usize) -> (f64, f64) {
        let (lower, upper) = (f64::from(self.lower[k * LANES + lane]), f64::from(self.upper[k * LANES + lane]));
        (0.5 * (lower + upper), 0.5 * (upper - lower))
    }

    /// Keeps slopes, and the middles and halves of the ranges that are left.
    fn hold(&mut self, lane: usize, slopes: usize, fit: &Fit) {
        let rows = 2 + slopes;
        let mut squares = [0.0f64; 2 + SLOPES];
        for (j, (&(least, most), b)) in fit.ranges.iter().zip(&fit.slopes).enumerate().filter(|(_, (r, _))| r.0 <= r.1) {
            let middle = (0.5 * (least + most)) as f32;
            // What rounding in `f64` did to the ends of the range.
            let rounding = 1e-14 * (least.abs().max(most.abs()) + b.iter().map(|b| b.abs()).sum::<f64>());
            let half = (most - f64::from(middle)).max(f64::from(middle) - least) + rounding;
            let column = &mut self.columns[j * rows * LANES..(j + 1) * rows * LANES];
            let values = [middle, (half as f32).next_up()].into_iter().chain(b.iter().map(|&b| b as f32));
            for ((row, value), square) in column.chunks_exact_mut(LANES).zip(values).zip(&mut squares) {
                row[lane] = value;
                *square += f64::from(value).powi(2);
            }
        }
        let size: f64 = squares.iter().map(|square| square.sqrt()).sum();
        self.sizes[lane] = ((size * (1.0 + 1e-6)) as f32).next_up();
    }

    fn enclose(&mut self, lane: usize, corners: &[f64]) {
        let d = self.centre.len();
        for j in 0..d {
            self.lower[j * LANES + lane] = ((corners[j] - self.centre[j]) as f32).next_down();
            self.upper[j * LANES + lane] = ((corners[d + j] - self.centre[j]) as f32).next_up();
        }
    }

    /// Makes the runs of `region`, around `centre`, so many, the run of a lane.
    fn gather(&mut self, lane: usize, region: Region<'_>, centre: &[f64], runs: usize, fit: &mut Fit) -> Result<()> {
        self.weights[lane] = region.weights.iter().copied().fold(0.0, f32::max);
        self.norms[lane] = region.norms.iter().copied().fold(0.0, f32::max);
        let (d, b) = (self.centre.len(), region.slopes);
        let rows = (2 + b) * LANES;
        fit.clear(region.columns.len() / rows)?;
        let all: Vec<usize> = (0..runs).filter(|&run| region.weights[run] > 0.0).collect();
        let side = |run: usize, k: usize| {
            let (lower, upper) = (f64::from(region.lower[k * LANES + run]), f64::from(region.upper[k * LANES + run]));
            (0.5 * (lower + upper), 0.5 * (upper - lower))
        };
        fit.places.extend(all.iter().map(|&run| self.inside(lane, |k| centre[k] + side(run, k).0)));
        let mut shares = vec![[0.0; SLOPES]; all.len()];
        for (shares, &run) in shares.iter_mut().zip(&all) {
            (0..slopes(d)).for_each(|k| shares[k] = side(run, k).1 / self.side(lane, k).1);
        }
        let value = |column: &[f32], row: usize, run: usize| f64::from(column[row * LANES + run]);
        let factors = factors(&fit.places, b);
        for (slopes, column) in fit.slopes.iter_mut().zip(region.columns.chunks_exact(rows)) {
            for (factor, &run) in factors.iter().zip(&all) {
                let middle = value(column, 0, run);
                slopes.iter_mut().zip(factor).for_each(|(slope, factor)| *slope += factor * middle);
            }
        }
        fit.round();
        for (j, column) in region.columns.chunks_exact(rows).enumerate() {
            let slopes = fit.slopes[j];
            for (t, &run) in all.iter().enumerate() {
                let change = |k: usize| (value(column, 2 + k, run) - slopes[k] * shares[t][k]).abs();
                let spread = value(column, 1, run) + (0..b).map(change).sum::<f64>();
                fit.include(j, value(column, 0, run) - along(&slopes, &fit.places[t]), spread);
            }
        }
        self.hold(lane, b, fit);
        Ok(())
    }
}

impl Regions {
    /// Room for regions of so many runs.
    pub(super) fn empty(runs: usize, d: usize, m: usize) -> Result<Regions> {
        let what = "the regions";
        let count = runs.div_ceil(LANES);
        let floats = |each: usize| try_vec(checked_area(count, each * LANES, what)?, 0.0f32, what);
        Ok(Regions {
            d,
            m,
            centres: try_vec(checked_area(count, d, what)?, 0.0, what)?,
            radii: try_vec(count, 0.0, what)?,
            columns: floats((2 + slopes(d)) * m)?,
            sizes: floats(1)?,
            lower: floats(d)?,
            upper: floats(d)?,
            weights: floats(1)?,
            norms: floats(1)?,
        })
    }

    /// Each region, to be filled.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = Part<'_>> {
        let (d, rows) = (self.d, (2 + slopes(self.d)) * self.m);
        (self.centres.chunks_exact_mut(d).zip(&mut self.radii))
            .zip(pieces(&mut self.columns, rows * LANES).zip(self.sizes.chunks_exact_mut(LANES)))
            .zip(self.lower.chunks_exact_mut(d * LANES).zip(self.upper.chunks_exact_mut(d * LANES)))
            .zip(self.weights.chunks_exact_mut(LANES).zip(self.norms.chunks_exact_mut(LANES)))
            .map(|((((centre, radius), (columns, sizes)), (lower, upper)), (weights, norms))| Part {
                centre,
                radius,
                columns,
                sizes,
                lower,
                upper,
                weights,
                norms,
            })
    }

    /// Makes each region of `finer`, which has so many `runs`, a run.
    pub(super) fn gather(&mut self, finer: &Regions, runs: usize) -> Result<()> {
        let d = self.d;
        let lanes = |g: usize| LANES.min(runs - g * LANES);
        let corners = |g: usize| {
            let (region, (centre, _)) = (finer.region(g), finer.around(g));
            let mut corners = vec![0.0; 2 * d];
            for (j, centre) in centre.iter().enumerate() {
                let lane = |values: &[f32], lane: usize| f64::from(values[j * LANES + lane]);
                let all = 0..lanes(g);
                corners[j] = centre + all.clone().map(|l| lane(region.lower, l)).fold(f64::INFINITY, f64::min);
                corners[d + j] = centre + all.map(|l| lane(region.upper, l)).fold(f64::NEG_INFINITY, f64::max);
            }
            corners
        };
        let mut fit = Fit::default();
        for (task, mut part) in self.parts().enumerate() {
            let own = task * LANES..finer.len().min((task + 1) * LANES);
            let all = own.clone().map(corners).reduce(|mut all, one| {
                for j in 0..d {
                    all[j] = all[j].min(one[j]);
                    all[d + j] = all[d + j].max(one[d + j]);
                }
                all
            });
            part.place(&all.unwrap_or_default());
            for (lane, g) in own.enumerate() {
                part.enclose(lane, &corners(g));
                part.gather(lane, finer.region(g), finer.around(g).0, lanes(g), &mut fit)?;
            }
        }
        Ok(())
    }

    /// Whether the columns of V are bounded, so that residual correlations are.
    pub(super) fn bounds_columns(&self) -> bool {
        self.m > 0
    }

    /// Number of regions.
    pub(super) fn len(&self) -> usize {
        self.radii.len()
    }

    /// Region `g`.
    pub(super) fn region(&self, g: usize) -> Region<'_> {
        let (rows, corners) = ((2 + slopes(self.d)) * self.m * LANES, self.d * LANES);
        Region {
            columns: &self.columns[g * rows..(g + 1) * rows],
            slopes: slopes(self.d),
            sizes: &self.sizes.as_chunks().0[g],
            lower: &self.lower[g * corners..(g + 1) * corners],
            upper: &self.upper[g * corners..(g + 1) * corners],
            weights: &self.weights.as_chunks().0[g],
            norms: &self.norms.as_chunks().0[g],
        }
    }

    /// Adds the runs of region `g` that are below `end`, with squared distances of their boxes from `x`.
    pub(super) fn gaps(&self, g: usize, x: &[f64], end: usize, out: &mut Vec<(f32, u32)>) {
        let region = self.region(g);
        let mut sums = [0.0f32; LANES];
        let boxes = region.lower.chunks_exact(LANES).zip(region.upper.chunks_exact(LANES));
        for ((x, centre), (lower, upper)) in x.iter().zip(&self.centres[g * self.d..]).zip(boxes) {
            let x = (x - centre) as f32;
            for lane in 0..LANES {
                let gap = (lower[lane] - x).max(x - upper[lane]).max(0.0);
                sums[lane] += gap * gap;
            }
        }
        let first = g * LANES;
        out.extend((first..end.min(first + LANES)).map(|run| (sums[run - first], run as u32)));
    }

    /// The middle of region `g`, and at least the distance of its points from it.
    pub(super) fn around(&self, g: usize) -> (&[f64], f32) {
        (&self.centres[g * self.d..(g + 1) * self.d], self.radii[g])
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let floats = self.columns.len() + self.sizes.len() + self.lower.len() + self.upper.len();
        4 * (floats + self.weights.len() + self.norms.len() + self.radii.len()) + 8 * self.centres.len()
    }
}

/// Pieces of `each` values, empty ones in the end.
fn pieces<T>(mut all: &mut [T], each: usize) -> impl Iterator<Item = &mut [T]> {
    std::iter::from_fn(move || Some(all.split_off_mut(..each).unwrap_or_default()))
}
