//! The screen: k(Z, x) of all points in 16-bit integers, with which residual covariances are bounded in a fraction of
//! the time that they take to compute, where angles tell nothing apart (rough kernels, residuals far from smooth).
//!
//! With a_q = L^-T V_q, the residual covariance of q and x is k(q, x) - a_q.k(Z, x). The entries of a_q fall off quickly
//! with the distance of their inducing point from q (screening), so a few dozen products tell it up to the sum of the
//! others; V has no such short sums. Points lie in panels of 16 neighbours in space, and for each panel the largest
//! k(Z, x) bounds all of it at once.

use super::spatial::{bounding_box, kd_order, squared_gap};
use crate::control::Control;
use crate::error::{Result, checked_area, try_copy, try_resize, try_vec, try_with_capacity};
use crate::inducing::InducingPoints;
use crate::kernel::Kernel;
use crate::metric::{Correlation, NEW};
use crate::parallel::Threads;
use crate::simd::int16::{LANES, PAIR};
use std::collections::HashMap;
use std::sync::Arc;

/// Points whose residual standard deviation is less than the median's by this factor are kept out of the panels: each
/// would open its panel to all queries.
const SMALL: f64 = 30.0;

/// k = variance is stored as this.
pub(crate) const FULL: f64 = 32_767.0;

/// What the screens over all points and over prefixes have in common.
pub(crate) struct ScreenBasis {
    /// L^-T, row by row, padded like V.
    pub(crate) inverse: Vec<f64>,
    /// The median of 1 / sqrt(p).
    pub(crate) inverse_sd: f64,
    /// Pairs of inducing points that lie near each other; the second is absent (m) in the last pair of an odd m.
    pub(crate) pairs: Vec<[u32; 2]>,
}

/// The screen over some points of a tree.
pub(crate) struct Screen {
    pub(crate) basis: Arc<ScreenBasis>,
    /// Tree positions, panel by panel; [`NEW`] where the last panel is not full.
    pub(crate) positions: Vec<u32>,
    /// Points with a tiny residual variance, which are in no panel: tree position, 1 / sqrt(p), and the inducing point
    /// at the same place, if there is one. With it, the residual covariance with any q is exactly jitter a_q of that
    /// inducing point, since L V_q = k(Z, q).
    pub(crate) small: Vec<(u32, f64, Option<u32>)>,
    /// Panels of points, see [`crate::simd::int16`].
    pub(super) data: Vec<i16>,
    /// Panels whose lanes are panels: the largest k(Z, x) of each, rounded up.
    pub(super) caps: Vec<i16>,
    /// Scaled coordinates of the points, [`LANES`] a dimension, panel by panel; 0 where a panel is not full.
    pub(super) coords: Vec<f64>,
    /// 1 / sqrt(p) of the points; 0 where a panel is not full.
    pub(super) point_inverse_sds: Vec<f64>,
    /// The largest norm of k(Z, x) of a point, over the variance.
    pub(crate) norm: f64,
    /// Corners of each panel's box, d lower then d upper ones, scaled.
    pub(super) boxes: Vec<f64>,
    /// The largest 1 / sqrt(p) of each panel.
    pub(crate) inverse_sds: Vec<f64>,
    pub(super) d: usize,
}

impl ScreenBasis {
    /// O(m^3).
    pub(crate) fn new(metric: &Correlation, inducing: &InducingPoints) -> Result<Self> {
        let m = inducing.len();
        let mut order: Vec<u32> = (0..m as u32).collect();
        kd_order(inducing.coords(), m, &mut order, 2);
        let pairs = order.chunks(2).map(|pair| [pair[0], *pair.get(1).unwrap_or(&(m as u32))]).collect();
        let mut sorted = try_copy(&metric.points.inverse_sds, "the screen")?;
        let middle = sorted.len() / 2;
        let inverse_sd = *sorted.select_nth_unstable_by(middle, f64::total_cmp).1;
        Ok(ScreenBasis { inverse: inducing.inverse_transposed(metric.points.width)?, inverse_sd, pairs })
    }
}

/// Takes from `positions` the points with a tiny residual variance, see [`Screen::small`].
fn take_small(
    metric: &Correlation,
    inducing: &InducingPoints,
    inverse_sd: f64,
    positions: &mut Vec<u32>,
) -> Vec<(u32, f64, Option<u32>)> {
    let (points, m) = (&metric.points, inducing.len());
    // 0.0 and -0.0 are one place.
    let key = |x: &mut dyn Iterator<Item = f64>| x.map(|x| (x + 0.0).to_bits()).collect::<Vec<u64>>();
    let coords = inducing.coords();
    let places: HashMap<Vec<u64>, u32> =
        (0..m).map(|z| (key(&mut (0..points.d).map(|j| coords[j * m + z])), z as u32)).collect();
    let mut small = Vec::new();
    positions.retain(|&i| {
        let isd = points.inverse_sds[i as usize];
        if isd <= SMALL * inverse_sd {
            return true;
        }
        let place = key(&mut (0..points.d).map(|j| points.coord(i as usize, j)));
        small.push((i, isd, places.get(&place).copied()));
        false
    });
    small
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
        let small = take_small(metric, inducing, basis.inverse_sd, &mut positions);
        kd_order(&points.coords, points.n, &mut positions, LANES);
        let panels = positions.len().div_ceil(LANES);
        try_resize(&mut positions, panels * LANES, NEW, what)?;
        let size = basis.pairs.len() * PAIR;
        let mut data = try_vec(checked_area(panels, size, "screen")?, 0i16, what)?;
        let mut boxes = try_vec(checked_area(panels, 2 * d, "screen")?, 0.0, what)?;
        let mut inverse_sds = try_vec(panels, 0.0f64, what)?;
        let mut norms = try_vec(panels, 0.0f64, what)?;
        let mut coords = try_vec(checked_area(panels, d * LANES, "screen")?, 0.0, what)?;
        let mut point_inverse_sds = try_vec(panels * LANES, 0.0, what)?;
        for (p, positions) in positions.chunks(LANES).enumerate() {
            for (lane, &i) in positions.iter().enumerate().filter(|&(_, &i)| i != NEW) {
                (0..d).for_each(|j| coords[(p * d + j) * LANES + lane] = points.coord(i as usize, j));
                point_inverse_sds[p * LANES + lane] = points.inverse_sds[i as usize];
            }
        }
        let pairs = &basis.pairs;
        let parts = positions
            .chunks(LANES)
            .zip(data.chunks_mut(size))
            .zip(boxes.chunks_mut(2 * d))
            .zip(inverse_sds.iter_mut().zip(&mut norms));
        let mut tasks = try_with_capacity(panels, what)?;
        tasks.extend(parts);
        threads.run(tasks, control, Vec::new, |covariances, (((positions, panel), corners), (largest, norm))| {
            let own = positions.iter().filter(|&&i| i != NEW);
            corners.copy_from_slice(&bounding_box(d, own, |&i, j| points.coord(i as usize, j)));
            for (lane, &i) in positions.iter().enumerate().filter(|&(_, &i)| i != NEW) {
                let x: Vec<f64> = (0..d).map(|j| points.coord(i as usize, j)).collect();
                *largest = largest.max(points.inverse_sds[i as usize]);
                covariances.clear();
                covariances.resize(m + 1, 0.0);
                inducing.squared_distances(metric.simd, &x, &mut covariances[..m]);
                kernel.covariances_in_place(metric.simd, &mut covariances[..m]);
                let squares: f64 = covariances[..m].iter().map(|k| k * k).sum();
                *norm = norm.max(squares.sqrt() / kernel.variance);
                for (pair, out) in pairs.iter().zip(panel.chunks_exact_mut(PAIR)) {
                    for (&z, out) in pair.iter().zip(&mut out[2 * lane..]) {
                        *out = (covariances[z as usize] * (FULL / kernel.variance)).round() as i16;
                    }
                }
            }
            Ok(())
        })?;
        let norm = norms.into_iter().fold(0.0, f64::max);
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
        Ok(Screen { basis, positions, small, data, caps, coords, point_inverse_sds, norm, boxes, inverse_sds, d })
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

    /// Coordinates and 1 / sqrt(p) of the points of panel `p`.
    pub(crate) fn points(&self, p: usize) -> (&[f64], &[f64]) {
        let coords = &self.coords[p * self.d * LANES..(p + 1) * self.d * LANES];
        (coords, &self.point_inverse_sds[p * LANES..(p + 1) * LANES])
    }

    /// Panels of panels.
    pub(crate) fn caps(&self) -> impl Iterator<Item = &[i16]> {
        self.caps.chunks_exact(self.basis.pairs.len() * PAIR)
    }

    /// Writes the squared distance of `x` from the box of every panel.
    pub(crate) fn squared_gaps(&self, x: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend(self.boxes.chunks_exact(2 * self.d).map(|corners| squared_gap(corners, x, x)));
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let floats = self.coords.len()
            + self.point_inverse_sds.len()
            + self.boxes.len()
            + self.inverse_sds.len()
            + self.basis.inverse.len();
        2 * (self.data.len() + self.caps.len()) + 4 * self.positions.len() + 8 * floats
    }
}
