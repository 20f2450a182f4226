//! Points as rows whose products are residual correlations.
//!
//! With the weight w_x = sqrt(variance / p_x) and the row W_x = V_x / sqrt(p_x), rho_qx = w_q w_x k(q, x) / variance -
//! W_q.W_x. At an inducing point z the two terms nearly cancel, for what is left there is the jitter's share nu alone. But
//! L V_x = k(Z, x) and L L' = k(Z, Z) + nu I, so that k(z, x) - V_z.V_x = nu (L^-1 e_z).V_x: there, weight 0 and the row
//! -nu L^-1 e_z / sqrt(p_z) are the same with nothing that cancels, but for two points at one such place.

use super::recentring::Origins;
use crate::error::{Result, try_copy, try_vec};
use crate::inducing::InducingPoints;
use crate::metric::{Correlation, Metric, NEW, Points, QueryBlock};
use crate::saved::corrupt;
use crate::simd::padded;
use std::collections::HashMap;

/// Points whose residual standard deviation is less than the median's by this factor may be at inducing points.
const SMALL: f64 = 30.0;

/// What all indices of one tree know of inducing points.
#[derive(Default)]
pub(crate) struct WhitenedRows {
    /// The median of the points' weights.
    pub(super) median: f64,
    /// Row z of L^-T, padded like V, times nu; empty where no stored point is at an inducing point.
    pub(super) rows: Vec<f64>,
    /// The inducing point at a place, by the bits of its coordinates.
    places: HashMap<Vec<u64>, u32>,
    /// Tree positions of stored points at inducing points, with these, by inducing point.
    pub(crate) at: Vec<(u32, u32)>,
    /// What queries are taken relative to, if the inducing points are known.
    pub(super) origins: Option<Origins>,
}

/// The inducing point at each place, by the bits of its coordinates.
fn places_of(inducing: &InducingPoints, d: usize) -> HashMap<Vec<u64>, u32> {
    let (coords, m) = (inducing.coords(), inducing.len());
    (0..m).map(|z| (place((0..d).map(|j| coords[j * m + z])), z as u32)).collect()
}

/// Whether stored points are at inducing points.
pub(super) fn coincident<'a>(points: &'a Points, inducing: Option<&InducingPoints>) -> impl Fn(u32) -> bool + 'a {
    let places = inducing.map(|inducing| places_of(inducing, points.d)).unwrap_or_default();
    move |i| places.contains_key(&place((0..points.d).map(|j| points.coord(i as usize, j))))
}

/// The place of a point; 0.0 and -0.0 are one.
fn place(x: impl Iterator<Item = f64>) -> Vec<u64> {
    x.map(|x| (x + 0.0).to_bits()).collect()
}

impl WhitenedRows {
    /// O(m^3) if a stored point is at an inducing point.
    pub(crate) fn new(metric: &Correlation, inducing: Option<&InducingPoints>) -> Result<Self> {
        let mut sorted = try_copy(&metric.points.inverse_sds, "the index")?;
        let middle = sorted.len() / 2;
        let median = metric.weight(*sorted.select_nth_unstable_by(middle, f64::total_cmp).1);
        let rows = WhitenedRows::find(metric, inducing, median)?;
        match inducing {
            Some(inducing) if !rows.at.is_empty() => {
                let mut inverse = inducing.inverse_transposed(metric.points.width)?;
                inverse.iter_mut().for_each(|value| *value *= inducing.nugget);
                Ok(WhitenedRows { rows: inverse, ..rows })
            }
            _ => Ok(rows),
        }
    }

    /// With `rows` and the `median` that have been computed before.
    pub(super) fn with(
        metric: &Correlation,
        inducing: Option<&InducingPoints>,
        rows: Vec<f64>,
        median: f64,
    ) -> Result<Self> {
        let mut found = WhitenedRows::find(metric, inducing, median)?;
        if rows.is_empty() != found.at.is_empty() {
            return Err(corrupt("it has the rows of inducing points where no point is, or has them not"));
        }
        found.rows = rows;
        Ok(found)
    }

    fn find(metric: &Correlation, inducing: Option<&InducingPoints>, median: f64) -> Result<Self> {
        let points = &metric.points;
        let mut places = HashMap::new();
        let mut at = Vec::new();
        if let Some(inducing) = inducing {
            places = places_of(inducing, points.d);
            for i in (0..points.n).filter(|&i| metric.weight(points.inverse_sds[i]) > SMALL * median) {
                if let Some(&z) = places.get(&place((0..points.d).map(|j| points.coord(i, j)))) {
                    at.push((z, i as u32));
                }
            }
            at.sort_unstable();
        }
        let origins = |inducing| Origins::new(metric.simd, inducing, metric.sd * metric.sd, points.width);
        Ok(WhitenedRows { median, rows: Vec::new(), places, at, origins: inducing.map(origins).transpose()? })
    }

    /// Tree positions of the stored points at inducing point `z`.
    pub(super) fn stored_at(&self, z: u32) -> impl Iterator<Item = u32> {
        let first = self.at.partition_point(|&(other, _)| other < z);
        self.at[first..].iter().take_while(move |&&(other, _)| other == z).map(|&(_, position)| position)
    }

    /// The inducing point where a stored point is.
    pub(super) fn of_stored(&self) -> Result<Vec<u32>> {
        let len = self.at.iter().map(|&(_, position)| position as usize + 1).max().unwrap_or(0);
        let mut of = try_vec(len, NEW, "the index")?;
        self.at.iter().for_each(|&(z, position)| of[position as usize] = z);
        Ok(of)
    }

    /// The inducing point where query `q` of a block is.
    pub(super) fn of_query(&self, metric: &Correlation, queries: &QueryBlock, q: usize) -> Option<u32> {
        let d = metric.points.d;
        let small = !self.rows.is_empty() && metric.weight(queries.inverse_sds[q]) > SMALL * self.median;
        let place = || place(queries.coords[q * d..(q + 1) * d].iter().copied());
        small.then(|| self.places.get(&place()).copied()).flatten()
    }

    /// Writes the row W of a point at inducing point `z`, or of one that is at none, whose V is `v`; `isd` is 1 / sqrt(p).
    pub(super) fn write(&self, z: Option<u32>, v: &[f64], isd: f64, row: &mut [f32]) {
        let (from, scale) = match z {
            Some(z) => (&self.rows[z as usize * padded(row.len())..], -isd),
            None => (v, isd),
        };
        write_scaled(from, scale, row);
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        8 * self.rows.len() + self.origins.as_ref().map_or(0, Origins::bytes)
    }
}

/// Writes `from` times `scale`.
pub(super) fn write_scaled(from: &[f64], scale: f64, row: &mut [f32]) {
    row.iter_mut().zip(from).for_each(|(to, from)| *to = (from * scale) as f32);
}
