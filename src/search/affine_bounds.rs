//! Affine bounds: sixteen runs of points side by side, with what bounds the residual correlations of a query with each run.
//!
//! In the box of a run V is nearly an affine function of the coordinates: what is left of each column is bounded, and
//! [`crate::simd::affine`] bounds the correlation less this function.

use crate::error::{Result, checked_area, try_resize, try_vec, try_with_capacity};
use crate::layout::aabb::at_distance;
use crate::metric::Points;
use crate::simd::affine::{AffineBound, LANES, SLOPES, set_bits};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

/// By how much columns that a region leaves out may raise the bounds of typical points.
const TAIL: f64 = 0.01;
/// What is added to the squares of coordinates that a function is fitted to, as a share of their number: points need not
/// differ in every dimension.
const RIDGE: f64 = 1e-6;

/// The regions of some runs; the last one may have less than [`LANES`].
#[derive(Default)]
pub(crate) struct AffineBounds {
    pub(super) d: usize,
    /// Columns of V that are bounded: all or none.
    pub(super) m: usize,
    /// Middles of the regions' boxes, d each, and half their diagonals.
    pub(super) centres: Vec<f64>,
    pub(super) radii: Vec<f32>,
    /// See [`AffineBound`].
    pub(super) columns: Vec<u64>,
    pub(super) rows: Vec<f32>,
    pub(super) sizes: Vec<f32>,
    pub(super) tails: Vec<f32>,
    pub(super) lower: Vec<f32>,
    pub(super) upper: Vec<f32>,
    pub(super) weights: Vec<f32>,
    pub(super) norms: Vec<f32>,
    /// Where each region's rows begin, and the last one's end.
    pub(super) starts: Vec<usize>,
}

/// One region, while it is made.
pub(super) struct Part<'a> {
    centre: &'a mut [f64],
    radius: &'a mut f32,
    columns: &'a mut [u64],
    sizes: &'a mut [f32],
    tails: &'a mut [f32],
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
    /// Rows of all columns, of the runs so far.
    rows: Vec<f32>,
    energies: Vec<(f32, u32)>,
}

/// The norm of V over the standard deviation that may lie beyond the columns of a region, from the median weight.
pub(super) fn most_beyond(median: f64) -> f64 {
    TAIL / (median * median)
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
    /// Begins with a region.
    pub(super) fn begin(&mut self, m: usize, d: usize) -> Result<()> {
        self.rows.clear();
        try_resize(&mut self.rows, checked_area(m, (2 + slopes(d)) * LANES, "the regions")?, 0.0, "the regions")
    }

    /// Begins with a run.
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

    /// Keeps, of a run, slopes and the middles and halves of the ranges that are left.
    fn hold(&mut self, lane: usize, slopes: usize) {
        let Fit { ranges, slopes: all, rows, .. } = self;
        let columns = rows.chunks_exact_mut((2 + slopes) * LANES);
        for ((&(least, most), b), column) in ranges.iter().zip(&*all).zip(columns).filter(|((r, _), _)| r.0 <= r.1) {
            let middle = (0.5 * (least + most)) as f32;
            // What rounding in `f64` did to the ends of the range.
            let rounding = 1e-14 * (least.abs().max(most.abs()) + b.iter().map(|b| b.abs()).sum::<f64>());
            let half = (most - f64::from(middle)).max(f64::from(middle) - least) + rounding;
            let values = [middle, (half as f32).next_up()].into_iter().chain(b.iter().map(|&b| b as f32));
            column.chunks_exact_mut(LANES).zip(values).for_each(|(row, value)| row[lane] = value);
        }
    }

    /// Takes in that column `j` is at most `spread` from `value`, from which the function of the slopes was taken off.
    fn include(&mut self, j: usize, value: f64, spread: f64) {
        let range = &mut self.ranges[j];
        *range = (range.0.min(value - spread), range.1.max(value + spread));
    }
}

/// Middle and half of a side of a lane's box, corners given.
fn side(lower: &[f32], upper: &[f32], lane: usize, k: usize) -> (f64, f64) {
    let (lower, upper) = (f64::from(lower[k * LANES + lane]), f64::from(upper[k * LANES + lane]));
    (0.5 * (lower + upper), 0.5 * (upper - lower))
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
            let left =
                fit.slopes.iter().zip(points.factor_row(i as usize)).map(|(slopes, v)| v * unit - along(slopes, &y));
            for (range, left) in fit.ranges.iter_mut().zip(left) {
                *range = (range.0.min(left), range.1.max(left));
            }
        }
        fit.hold(lane, b);
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
        side(self.lower, self.upper, lane, k)
    }

    /// Keeps the columns that hold nearly all of what was fitted, so that a norm of `tail` at most is beyond them, in addition to
    /// what was before. Returns their rows.
    pub(super) fn keep(&mut self, tail: f64, fit: &mut Fit) -> Result<Vec<f32>> {
        let size = (2 + slopes(self.centre.len())) * LANES;
        let largest = |column: &[f32], lane: usize| column.chunks_exact(LANES).map(|row| row[lane].abs()).sum::<f32>();
        fit.energies.clear();
        for (j, column) in fit.rows.chunks_exact(size).enumerate() {
            let energy = (0..LANES).map(|lane| largest(column, lane).powi(2)).fold(0.0, f32::max);
            fit.energies.push((energy, j as u32));
        }
        fit.energies.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut beyond = [0.0f64; LANES];
        let mut count = fit.energies.len();
        while count > 0 {
            let column = &fit.rows[fit.energies[count - 1].1 as usize * size..][..size];
            let more: [f64; LANES] =
                std::array::from_fn(|lane| beyond[lane] + f64::from(largest(column, lane)).powi(2));
            if more.iter().any(|&more| more > tail * tail) {
                break;
            }
            beyond = more;
            count -= 1;
        }
        let rounded = |norm: f64| ((norm * (1.0 + 1e-6)) as f32).next_up();
        self.tails.iter_mut().zip(beyond).for_each(|(to, beyond)| *to = rounded(f64::from(*to) + beyond.sqrt()));
        fit.energies[..count].iter().for_each(|&(_, j)| self.columns[j as usize / 64] |= 1 << (j % 64));
        let mut rows = try_with_capacity(count * size, "the regions")?;
        set_bits(self.columns).for_each(|j| rows.extend_from_slice(&fit.rows[j * size..(j + 1) * size]));
        for lane in 0..LANES {
            let square =
                |row: usize| rows.iter().skip(row * LANES + lane).step_by(size).map(|&x| f64::from(x).powi(2)).sum();
            self.sizes[lane] = rounded((0..size / LANES).map(|row| f64::sqrt(square(row))).sum());
        }
        Ok(rows)
    }

    fn enclose(&mut self, lane: usize, corners: &[f64]) {
        let d = self.centre.len();
        for j in 0..d {
            self.lower[j * LANES + lane] = ((corners[j] - self.centre[j]) as f32).next_down();
            self.upper[j * LANES + lane] = ((corners[d + j] - self.centre[j]) as f32).next_up();
        }
    }

    /// Makes the runs of `region`, around `centre`, so many, the run of a lane.
    fn gather(
        &mut self,
        lane: usize,
        (region, m): (AffineBound<'_>, usize),
        centre: &[f64],
        runs: usize,
        fit: &mut Fit,
    ) -> Result<()> {
        self.weights[lane] = region.weights.iter().copied().fold(0.0, f32::max);
        self.norms[lane] = region.norms.iter().copied().fold(0.0, f32::max);
        self.tails[lane] = region.tails.iter().copied().fold(0.0, f32::max);
        let (d, b) = (self.centre.len(), region.slopes);
        let rows = (2 + b) * LANES;
        fit.clear(m)?;
        let all: Vec<usize> = (0..runs).filter(|&run| region.weights[run] > 0.0).collect();
        let side = |run: usize, k: usize| side(region.lower, region.upper, run, k);
        fit.places.extend(all.iter().map(|&run| self.inside(lane, |k| centre[k] + side(run, k).0)));
        let mut shares = vec![[0.0; SLOPES]; all.len()];
        for (shares, &run) in shares.iter_mut().zip(&all) {
            (0..slopes(d)).for_each(|k| shares[k] = side(run, k).1 / self.side(lane, k).1);
        }
        let value = |column: &[f32], row: usize, run: usize| f64::from(column[row * LANES + run]);
        let factors = factors(&fit.places, b);
        let columns = || set_bits(region.columns).zip(region.rows.chunks_exact(rows));
        for (j, column) in columns() {
            let slopes = &mut fit.slopes[j];
            for (factor, &run) in factors.iter().zip(&all) {
                let middle = value(column, 0, run);
                slopes.iter_mut().zip(factor).for_each(|(slope, factor)| *slope += factor * middle);
            }
        }
        fit.round();
        for (j, column) in columns() {
            let slopes = fit.slopes[j];
            for (t, &run) in all.iter().enumerate() {
                let change = |k: usize| (value(column, 2 + k, run) - slopes[k] * shares[t][k]).abs();
                let spread = value(column, 1, run) + (0..b).map(change).sum::<f64>();
                fit.include(j, value(column, 0, run) - along(&slopes, &fit.places[t]), spread);
            }
        }
        fit.hold(lane, b);
        Ok(())
    }
}

impl AffineBounds {
    /// Room for regions of so many runs.
    pub(super) fn empty(runs: usize, d: usize, m: usize) -> Result<AffineBounds> {
        let what = "the regions";
        let count = runs.div_ceil(LANES);
        let floats = |each: usize| try_vec(checked_area(count, each * LANES, what)?, 0.0f32, what);
        Ok(AffineBounds {
            d,
            m,
            centres: try_vec(checked_area(count, d, what)?, 0.0, what)?,
            radii: try_vec(count, 0.0, what)?,
            columns: try_vec(checked_area(count, m.div_ceil(64), what)?, 0, what)?,
            rows: Vec::new(),
            sizes: floats(1)?,
            tails: floats(1)?,
            lower: floats(d)?,
            upper: floats(d)?,
            weights: floats(1)?,
            norms: floats(1)?,
            starts: Vec::new(),
        })
    }

    /// Each region, to be filled.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = Part<'_>> {
        let (d, words) = (self.d, self.m.div_ceil(64));
        (self.centres.chunks_exact_mut(d).zip(&mut self.radii))
            .zip(pieces(&mut self.columns, words).zip(self.sizes.chunks_exact_mut(LANES)))
            .zip(self.lower.chunks_exact_mut(d * LANES).zip(self.upper.chunks_exact_mut(d * LANES)))
            .zip(self.weights.chunks_exact_mut(LANES).zip(self.norms.chunks_exact_mut(LANES)))
            .zip(self.tails.chunks_exact_mut(LANES))
            .map(|(((((centre, radius), (columns, sizes)), (lower, upper)), (weights, norms)), tails)| Part {
                centre,
                radius,
                columns,
                sizes,
                tails,
                lower,
                upper,
                weights,
                norms,
            })
    }

    /// Makes each region of `finer`, which has so many `runs`, a run.
    pub(super) fn gather(&mut self, finer: &AffineBounds, runs: usize, tail: f64) -> Result<()> {
        let (d, m) = (self.d, self.m);
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
        let mut rows = try_with_capacity(self.len(), "the regions")?;
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
            fit.begin(m, d)?;
            for (lane, g) in own.enumerate() {
                part.enclose(lane, &corners(g));
                part.gather(lane, (finer.region(g), m), finer.around(g).0, lanes(g), &mut fit)?;
            }
            rows.push(part.keep(tail, &mut fit)?);
        }
        self.pack(rows)
    }

    /// Lays the rows of all regions side by side.
    pub(super) fn pack(&mut self, rows: Vec<Vec<f32>>) -> Result<()> {
        self.find_starts()?;
        self.rows = try_with_capacity(rows.iter().map(Vec::len).sum(), "the regions")?;
        rows.into_iter().for_each(|rows| self.rows.extend_from_slice(&rows));
        Ok(())
    }

    /// A bit for each column of region `g`.
    pub(super) fn words(&self, g: usize) -> &[u64] {
        let words = self.m.div_ceil(64);
        &self.columns[g * words..(g + 1) * words]
    }

    /// Finds where the rows of each region begin, from its columns.
    pub(super) fn find_starts(&mut self) -> Result<()> {
        let size = (2 + slopes(self.d)) * LANES;
        self.starts = try_vec(self.len() + 1, 0, "the regions")?;
        for g in 0..self.len() {
            let columns: u32 = self.words(g).iter().map(|word| word.count_ones()).sum();
            self.starts[g + 1] = self.starts[g] + columns as usize * size;
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
    pub(super) fn region(&self, g: usize) -> AffineBound<'_> {
        let corners = self.d * LANES;
        AffineBound {
            columns: self.words(g),
            rows: &self.rows[self.starts[g]..self.starts[g + 1]],
            slopes: slopes(self.d),
            tails: &self.tails.as_chunks().0[g],
            sizes: &self.sizes.as_chunks().0[g],
            lower: &self.lower[g * corners..(g + 1) * corners],
            upper: &self.upper[g * corners..(g + 1) * corners],
            weights: &self.weights.as_chunks().0[g],
            norms: &self.norms.as_chunks().0[g],
        }
    }

    /// Adds the runs of region `g` that are below `end`, with squared distances of their boxes from `x`: see [`at_distance`].
    pub(super) fn gaps(&self, g: usize, x: &[f64], end: usize, out: &mut Vec<u64>) {
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
        out.extend((first..end.min(first + LANES)).map(|run| at_distance(sums[run - first], run as u32)));
    }

    /// The middle of region `g`, and at least the distance of its points from it.
    pub(super) fn around(&self, g: usize) -> (&[f64], f32) {
        (&self.centres[g * self.d..(g + 1) * self.d], self.radii[g])
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.column_bytes() + size_of_val(&self.starts[..])
    }
}

/// Pieces of `each` values, empty ones in the end.
fn pieces<T>(mut all: &mut [T], each: usize) -> impl Iterator<Item = &mut [T]> {
    std::iter::from_fn(move || Some(all.split_off_mut(..each).unwrap_or_default()))
}
