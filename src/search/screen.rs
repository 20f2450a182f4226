//! The screen: k(Z, x) of all points in 16-bit integers, with which residual covariances are bounded in a fraction of
//! the time that they take to compute, where angles tell nothing apart (rough kernels, residuals far from smooth).
//!
//! With a_q = L^-T V_q, the residual covariance of q and x is k(q, x) - a_q.k(Z, x). The entries of a_q fall off quickly
//! with the distance of their inducing point from q (screening), so a few dozen products tell it up to the sum of the
//! others; V has no such short sums. Points lie in panels of 16 neighbours in space, and for each panel the largest
//! k(Z, x) bounds all of it at once.

use super::spatial::kd_order;
use crate::control::Control;
use crate::error::{Result, checked_area, try_vec, try_with_capacity};
use crate::inducing::InducingPoints;
use crate::kernel::Kernel;
use crate::metric::{Correlation, NEW};
use crate::parallel::Threads;
use crate::simd::int16::{LANES, PAIR};
use std::sync::Arc;

/// k = variance is stored as this.
pub(crate) const FULL: f64 = 32_767.0;

/// What the screens over all points and over prefixes have in common.
pub(crate) struct ScreenBasis {
    /// L^-T, row by row, padded like V.
    pub(crate) inverse: Vec<f64>,
    /// Pairs of inducing points that lie near each other; the second is absent (m) in the last pair of an odd m.
    pub(crate) pairs: Vec<[u32; 2]>,
}

/// The screen over some points of a tree.
pub(crate) struct Screen {
    pub(crate) basis: Arc<ScreenBasis>,
    /// Tree positions, panel by panel; [`NEW`] where the last panel is not full.
    pub(crate) positions: Vec<u32>,
    /// Panels of points, see [`crate::simd::int16`].
    data: Vec<i16>,
    /// Panels whose lanes are panels: the largest k(Z, x) of each, rounded up.
    caps: Vec<i16>,
    /// Corners of each panel's box, d lower then d upper ones, scaled.
    boxes: Vec<f64>,
    /// The largest 1 / sqrt(p) of each panel.
    pub(crate) inverse_sds: Vec<f64>,
    d: usize,
}

impl ScreenBasis {
    /// O(m^3).
    pub(crate) fn new(metric: &Correlation, inducing: &InducingPoints) -> Result<Self> {
        let m = inducing.len();
        let mut order: Vec<u32> = (0..m as u32).collect();
        kd_order(inducing.coords(), m, &mut order, 2);
        let pairs = order.chunks(2).map(|pair| [pair[0], *pair.get(1).unwrap_or(&(m as u32))]).collect();
        Ok(ScreenBasis { inverse: inducing.inverse_transposed(metric.points.width)?, pairs })
    }
}

impl Screen {
    /// Evaluates k(Z, x) of the points at `positions`; O(n m).
    pub(crate) fn new(
        basis: Arc<ScreenBasis>,
        metric: &Correlation,
        kernel: &Kernel,
        inducing: &InducingPoints,
        mut positions: Vec<u32>,
        threads: &Threads,
        control: &mut Control<'_>,
    ) -> Result<Self> {
        let what = "the screen";
        let points = &metric.points;
        let (d, m) = (points.d, inducing.len());
        kd_order(&points.coords, points.n, &mut positions, LANES);
        let panels = positions.len().div_ceil(LANES);
        positions.resize(panels * LANES, NEW);
        let size = basis.pairs.len() * PAIR;
        let mut data = try_vec(checked_area(panels, size, "screen")?, 0i16, what)?;
        let mut boxes = try_vec(checked_area(panels, 2 * d, "screen")?, 0.0, what)?;
        let mut inverse_sds = try_vec(panels, 0.0f64, what)?;
        let pairs = &basis.pairs;
        let parts = positions.chunks(LANES).zip(data.chunks_mut(size)).zip(boxes.chunks_mut(2 * d)).zip(&mut inverse_sds);
        let mut tasks = try_with_capacity(panels, what)?;
        tasks.extend(parts);
        threads.run(tasks, control, Vec::new, |covariances, (((positions, panel), corners), largest)| {
            let (lower, upper) = corners.split_at_mut(d);
            lower.fill(f64::INFINITY);
            upper.fill(f64::NEG_INFINITY);
            for (lane, &i) in positions.iter().enumerate().filter(|&(_, &i)| i != NEW) {
                let x: Vec<f64> = (0..d).map(|j| points.coord(i as usize, j)).collect();
                for (j, &x) in x.iter().enumerate() {
                    lower[j] = lower[j].min(x);
                    upper[j] = upper[j].max(x);
                }
                *largest = largest.max(points.inverse_sds[i as usize]);
                covariances.clear();
                covariances.resize(m + 1, 0.0);
                inducing.squared_distances(metric.simd, &x, &mut covariances[..m]);
                kernel.covariances_in_place(metric.simd, &mut covariances[..m]);
                for (pair, out) in pairs.iter().zip(panel.chunks_exact_mut(PAIR)) {
                    for (&z, out) in pair.iter().zip(&mut out[2 * lane..]) {
                        *out = (covariances[z as usize] * (FULL / kernel.variance)).round() as i16;
                    }
                }
            }
            Ok(())
        })?;
        let mut caps = try_vec(checked_area(panels.div_ceil(LANES), size, "screen")?, 0i16, what)?;
        for (p, panel) in data.chunks_exact(size).enumerate() {
            let group = &mut caps[p / LANES * size..][..size];
            for (points, cap) in panel.chunks_exact(PAIR).zip(group.chunks_exact_mut(PAIR)) {
                let cap = &mut cap[p % LANES * 2..][..2];
                for point in points.chunks_exact(2) {
                    cap[0] = cap[0].max(point[0]);
                    cap[1] = cap[1].max(point[1]);
                }
                cap.iter_mut().for_each(|cap| *cap = cap.saturating_add(1));
            }
        }
        Ok(Screen { basis, positions, data, caps, boxes, inverse_sds, d })
    }

    /// Number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.inverse_sds.len()
    }

    /// Panel `p` of points.
    pub(crate) fn panel(&self, p: usize) -> &[i16] {
        let size = self.basis.pairs.len() * PAIR;
        &self.data[p * size..(p + 1) * size]
    }

    /// Panels of panels.
    pub(crate) fn caps(&self) -> impl Iterator<Item = &[i16]> {
        self.caps.chunks_exact(self.basis.pairs.len() * PAIR)
    }

    /// Writes the squared distance of `x` from the box of every panel.
    pub(crate) fn squared_gaps(&self, x: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend(self.boxes.chunks_exact(2 * self.d).map(|corners| {
            let (lower, upper) = corners.split_at(self.d);
            let gap = |j: usize| (lower[j] - x[j]).max(x[j] - upper[j]).max(0.0);
            (0..self.d).map(|j| gap(j) * gap(j)).sum::<f64>()
        }));
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let floats = self.boxes.len() + self.inverse_sds.len() + self.basis.inverse.len();
        2 * (self.data.len() + self.caps.len()) + 4 * self.positions.len() + 8 * floats
    }
}
