//! Regions: sixteen runs of points side by side, with what bounds the residual correlations of a query with each run.
//!
//! Of x in a run, k(q, x) lies between the values at the farthest and the nearest corner of its box, and entry j of V_x
//! in an interval: rho_qx is at most w_x (w_q k_near - W_q.middle + abs(W_q).half), and as much below 0.

use super::spatial::bounding_box;
use crate::control::Control;
use crate::error::{Result, checked_area, try_vec, try_with_capacity};
use crate::metric::{Correlation, NEW};
use crate::parallel::Threads;
use crate::simd::region::{LANES, Region};

/// The regions of some runs; the last one may have less than [`LANES`].
#[derive(Default)]
pub(crate) struct Regions {
    pub(super) d: usize,
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

impl Regions {
    /// The regions of runs of `run` of the points at `positions`, with their weights (0 at inducing points) and norms in
    /// panels; O(n m).
    pub(super) fn new(
        metric: &Correlation,
        run: usize,
        positions: &[u32],
        (own_weights, own_norms): (&[f32], &[f32]),
        threads: &Threads,
    ) -> Result<Regions> {
        let what = "the regions";
        let points = &metric.points;
        let (d, m) = (points.d, points.m);
        let count = positions.len().div_ceil(run * LANES);
        let mut regions = Regions {
            d,
            m,
            centres: try_vec(count * d, 0.0, what)?,
            radii: try_vec(count, 0.0, what)?,
            middles: try_vec(checked_area(count, m * LANES, what)?, 0.0, what)?,
            halves: try_vec(checked_area(count, m * LANES, what)?, 0.0, what)?,
            lower: try_vec(checked_area(count, d * LANES, what)?, 0.0, what)?,
            upper: try_vec(checked_area(count, d * LANES, what)?, 0.0, what)?,
            weights: try_vec(count * LANES, 0.0, what)?,
            norms: try_vec(count * LANES, 0.0, what)?,
        };
        let tasks = (positions.chunks(LANES * run).enumerate())
            .zip(regions.centres.chunks_exact_mut(d).zip(&mut regions.radii))
            .zip(regions.middles.chunks_exact_mut(m * LANES).zip(regions.halves.chunks_exact_mut(m * LANES)))
            .zip(regions.lower.chunks_exact_mut(d * LANES).zip(regions.upper.chunks_exact_mut(d * LANES)))
            .zip(regions.weights.chunks_exact_mut(LANES).zip(regions.norms.chunks_exact_mut(LANES)));
        let mut all = try_with_capacity(count, what)?;
        all.extend(tasks);
        threads.run(all, &mut Control::none(), Vec::new, |range, task| {
            let (((((task, members), (centre, radius)), (middles, halves)), (lower, upper)), (weights, norms)) = task;
            let own = members.iter().filter(|&&i| i != NEW);
            let corners = bounding_box(d, own, |&i, j| points.coord(i as usize, j));
            for (j, centre) in centre.iter_mut().enumerate() {
                *centre = 0.5 * corners[j] + 0.5 * corners[d + j];
                *radius += ((corners[d + j] - corners[j]) as f32).powi(2);
            }
            *radius = (0.5 * radius.sqrt()).next_up();
            let unit = metric.sd.recip();
            for (lane, members) in members.chunks(run).enumerate() {
                let own = || members.iter().filter(|&&i| i != NEW);
                let corners = bounding_box(d, own(), |&i, j| points.coord(i as usize, j));
                for j in 0..d {
                    lower[j * LANES + lane] = ((corners[j] - centre[j]) as f32).next_down();
                    upper[j * LANES + lane] = ((corners[d + j] - centre[j]) as f32).next_up();
                }
                range.clear();
                range.resize(m, (f64::INFINITY, f64::NEG_INFINITY));
                for (place, &i) in members.iter().enumerate().filter(|&(_, &i)| i != NEW) {
                    let place = (task * LANES + lane) * run + place;
                    if own_weights[place] == 0.0 {
                        norms[lane] = norms[lane].max(own_norms[place]);
                        continue;
                    }
                    weights[lane] = weights[lane].max(own_weights[place].next_up());
                    for (range, &v) in range.iter_mut().zip(points.factor_row(i as usize)) {
                        *range = (range.0.min(v), range.1.max(v));
                    }
                }
                for (j, &(least, most)) in range.iter().enumerate().filter(|(_, range)| range.0 <= range.1) {
                    let middle = (0.5 * (least + most) * unit) as f32;
                    let most = (most * unit - f64::from(middle)).max(f64::from(middle) - least * unit);
                    middles[j * LANES + lane] = middle;
                    halves[j * LANES + lane] = (most as f32).next_up();
                }
            }
            Ok(())
        })?;
        Ok(regions)
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

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        let floats = self.middles.len() + self.halves.len() + self.lower.len() + self.upper.len();
        4 * (floats + self.weights.len() + self.norms.len() + self.radii.len()) + 8 * self.centres.len()
    }
}
