//! Regions: sixteen runs of points side by side, with what bounds the residual correlations of a query with each run.
//!
//! Of x in a run, k(q, x) lies between the values at the farthest and the nearest corner of its box, and entry j of V_x
//! in an interval: rho_qx is at most w_x (w_q k_near - W_q.middle + abs(W_q).half), and as much below 0.

use crate::error::{Result, checked_area, try_vec};
use crate::simd::region::{LANES, Region};

/// The regions of some runs; the last one may have less than [`LANES`].
pub(crate) struct Regions {
    pub(super) d: usize,
    /// Columns of V that are bounded: all or none.
    pub(super) m: usize,
    /// Middles of the regions' boxes, d each, and half their diagonals.
    pub(super) centres: Vec<f64>,
    pub(super) radii: Vec<f32>,
    /// See [`Region`].
    pub(super) middles: Vec<f32>,
    pub(super) halves: Vec<f32>,
    pub(super) lower: Vec<f32>,
    pub(super) upper: Vec<f32>,
    pub(super) weights: Vec<f32>,
    pub(super) norms: Vec<f32>,
}

/// One region, while it is made.
pub(super) struct Part<'a> {
    centre: &'a mut [f64],
    radius: &'a mut f32,
    middles: &'a mut [f32],
    halves: &'a mut [f32],
    lower: &'a mut [f32],
    upper: &'a mut [f32],
    weights: &'a mut [f32],
    norms: &'a mut [f32],
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

    /// The run of a lane: the corners of its box, the range of V over the standard deviation in each column, and the points'
    /// weights, which are 0 at inducing points, and norms.
    pub(super) fn fill(&mut self, lane: usize, corners: &[f64], ranges: &[(f32, f32)], weights: &[f32], norms: &[f32]) {
        self.enclose(lane, corners);
        for (j, &(least, most)) in ranges.iter().enumerate().filter(|(_, range)| range.0 <= range.1) {
            self.span(lane, j, least, most);
        }
        for (&weight, &norm) in weights.iter().zip(norms) {
            let to = if weight == 0.0 { &mut self.norms[lane] } else { &mut self.weights[lane] };
            *to = to.max(if weight == 0.0 { norm } else { weight.next_up() });
        }
    }

    fn enclose(&mut self, lane: usize, corners: &[f64]) {
        let d = self.centre.len();
        for j in 0..d {
            self.lower[j * LANES + lane] = ((corners[j] - self.centre[j]) as f32).next_down();
            self.upper[j * LANES + lane] = ((corners[d + j] - self.centre[j]) as f32).next_up();
        }
    }

    fn span(&mut self, lane: usize, j: usize, least: f32, most: f32) {
        let middle = 0.5 * (least + most);
        self.middles[j * LANES + lane] = middle;
        // Of the values that are rounded here, and of this difference.
        let rounding = 2.0 * f32::EPSILON * least.abs().max(most.abs());
        self.halves[j * LANES + lane] = (most - middle).max(middle - least) + rounding;
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
            middles: floats(m)?,
            halves: floats(m)?,
            lower: floats(d)?,
            upper: floats(d)?,
            weights: floats(1)?,
            norms: floats(1)?,
        })
    }

    /// Each region, to be filled.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = Part<'_>> {
        let (d, m) = (self.d, self.m);
        (self.centres.chunks_exact_mut(d).zip(&mut self.radii))
            .zip(pieces(&mut self.middles, m * LANES).zip(pieces(&mut self.halves, m * LANES)))
            .zip(self.lower.chunks_exact_mut(d * LANES).zip(self.upper.chunks_exact_mut(d * LANES)))
            .zip(self.weights.chunks_exact_mut(LANES).zip(self.norms.chunks_exact_mut(LANES)))
            .map(|((((centre, radius), (middles, halves)), (lower, upper)), (weights, norms))| Part {
                centre,
                radius,
                middles,
                halves,
                lower,
                upper,
                weights,
                norms,
            })
    }

    /// Makes each region of `finer`, which has so many `runs`, a run.
    pub(super) fn gather(&mut self, finer: &Regions, runs: usize) {
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
                let region = finer.region(g);
                part.enclose(lane, &corners(g));
                for j in 0..m {
                    let own = j * LANES..j * LANES + lanes(g);
                    let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
                    for (middle, half) in region.middles[own.clone()].iter().zip(&region.halves[own]) {
                        (least, most) = (least.min(middle - half), most.max(middle + half));
                    }
                    part.span(lane, j, least, most);
                }
                part.weights[lane] = region.weights.iter().copied().fold(0.0, f32::max);
                part.norms[lane] = region.norms.iter().copied().fold(0.0, f32::max);
            }
        }
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
        let (rows, corners) = (self.m * LANES, self.d * LANES);
        Region {
            middles: &self.middles[g * rows..(g + 1) * rows],
            halves: &self.halves[g * rows..(g + 1) * rows],
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
        let floats = self.middles.len() + self.halves.len() + self.lower.len() + self.upper.len();
        4 * (floats + self.weights.len() + self.norms.len() + self.radii.len()) + 8 * self.centres.len()
    }
}

/// Pieces of `each` values, empty ones in the end.
fn pieces<T>(mut all: &mut [T], each: usize) -> impl Iterator<Item = &mut [T]> {
    std::iter::from_fn(move || Some(all.split_off_mut(..each).unwrap_or_default()))
}
