//! Origins: inducing points that a query is taken relative to.
//!
//! Where inducing points are near, k(q, x) and V_q.V_x are large next to the residual, their difference, and so are rows of
//! V next to the standard deviation. But L V_x = k(Z, x): a row of L is what V is at an inducing point, but for the nugget,
//! and any combination of them may be taken from both sides,
//! k(q, x) - V_q.V_x = (k(q, x) - sum_i c_i k(z_i, x)) - (V_q - sum_i c_i L_i).V_x.
//! With the coefficients c of kriging from a few inducing points near q, what is left of V_q is about as long as the
//! standard deviation of q, however small that is.

use crate::error::{Result, try_copy, try_vec, try_with_capacity};
use crate::inducing::InducingPoints;
use crate::layout::aabb::squared_distance;
use crate::simd::Simd;
use crate::simd::dots::{Dense, Gathered, dots};
use crate::simd::leaf::ORIGINS;
use crate::simd::{rows, squared};
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Side};

/// Larger sums of abs(c) would make more of rounding.
const LARGEST_SUM: f64 = 4.0;

/// For each inducing point, what a query nearest to it is taken relative to.
pub(crate) struct Origins {
    d: usize,
    width: usize,
    /// Scaled coordinates, row by row and dimension by dimension.
    coords: Vec<f64>,
    columns: Vec<f64>,
    /// Rows of L, padded like V.
    factor: Vec<f64>,
    /// The origins around each inducing point, nearest first; fewer than [`ORIGINS`] where there are no more.
    count: usize,
    near: Vec<u32>,
    /// The inverse of the products of the origins' rows.
    inverses: Vec<f64>,
    /// The nugget's share of the variance.
    pub(super) nugget: f64,
}

impl Origins {
    /// Of these inducing points, whose variance is `variance`; rows are `width` values. O(m^2).
    pub(super) fn new(simd: Simd, inducing: &InducingPoints, variance: f64, width: usize) -> Result<Origins> {
        let what = "the origins";
        let (m, d) = (inducing.len(), inducing.dimension());
        let count = ORIGINS.min(m);
        let mut origins = Origins {
            d,
            width,
            coords: try_with_capacity(m * d, what)?,
            columns: try_copy(inducing.coords(), what)?,
            factor: inducing.factor(width)?,
            count,
            near: try_with_capacity(m * count, what)?,
            inverses: try_vec(m * count * count, 0.0, what)?,
            nugget: inducing.nugget / variance,
        };
        (0..m).for_each(|z| origins.coords.extend((0..d).map(|j| inducing.coords()[j * m + z])));
        let mut order: Vec<(f64, u32)> = try_with_capacity(m, what)?;
        for z in 0..m {
            origins.by_distance(origins.coords(z as u32), count, &mut order);
            origins.near.extend(order.iter().map(|&(_, z)| z));
            let own = Gathered { data: &origins.factor, width, index: &origins.near[z * count..] };
            let mut products = [0.0; ORIGINS * ORIGINS];
            dots(simd, own, own, &mut products[..count * count]);
            let inverse = match Mat::from_fn(count, count, |i, j| products[i * count + j]).llt(Side::Lower) {
                Ok(factor) => factor.inverse(),
                // Points at one place are not used together.
                Err(_) => Mat::full(count, count, f64::NAN),
            };
            for i in 0..count * count {
                origins.inverses[z * count * count + i] = inverse[(i / count, i % count)];
            }
        }
        Ok(origins)
    }

    /// Coordinates of an inducing point.
    pub(super) fn coords(&self, z: u32) -> &[f64] {
        &self.coords[z as usize * self.d..(z as usize + 1) * self.d]
    }

    fn row(&self, z: u32) -> &[f64] {
        &self.factor[z as usize * self.width..(z as usize + 1) * self.width]
    }

    /// The `most` inducing points nearest to `x`.
    fn by_distance(&self, x: &[f64], most: usize, order: &mut Vec<(f64, u32)>) {
        order.clear();
        order.extend(self.coords.chunks_exact(self.d).map(|z| squared_distance(x, z)).zip(0..));
        let nearer = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if most < order.len() {
            order.select_nth_unstable_by(most, nearer);
            order.truncate(most);
        }
        order.sort_unstable_by(nearer);
    }

    /// Takes a point at `x` relative to what is near: `row`, its V, becomes what is left. Returns inducing points and
    /// coefficients. `distances` is memory, a value an inducing point.
    pub(super) fn relate(
        &self,
        simd: Simd,
        x: &[f64],
        row: &mut [f64],
        distances: &mut [f64],
    ) -> impl Iterator<Item = (u32, f64)> + use<'_> {
        let nearest = squared::nearest(simd, x, &self.columns, distances);
        let mut near = &self.near[nearest * self.count..(nearest + 1) * self.count];
        let (mut products, mut coefficients) = ([0.0; ORIGINS], [0.0; ORIGINS]);
        let (data, width) = (&self.factor[..], self.width);
        let rows = Gathered { data, width, index: near };
        dots(simd, Dense { data: row, width, len: 1 }, rows, &mut products[..self.count]);
        let inverse = self.inverses[nearest * self.count * self.count..].chunks_exact(self.count);
        for (inverse, coefficient) in inverse.zip(&mut coefficients[..self.count]) {
            *coefficient = inverse.iter().zip(&products).map(|(a, b)| a * b).sum();
        }
        let sum: f64 = coefficients.iter().map(|c| c.abs()).sum();
        if sum.is_nan() || sum > LARGEST_SUM {
            near = &near[..1];
            coefficients[0] = products[0] / self.row(near[0]).iter().map(|l| l * l).sum::<f64>();
        }
        for (&z, c) in near.iter().zip(coefficients) {
            rows::subtract(simd, c, self.row(z), row);
        }
        near.iter().copied().zip(coefficients)
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        8 * (2 * self.coords.len() + self.factor.len() + self.inverses.len()) + 4 * self.near.len()
    }
}
