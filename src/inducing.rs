//! The inducing points' factor: Z, its Cholesky factor L, and rows V_i = L^-1 k(Z, x_i).

use crate::error::{Error, ErrorKind, Result, checked_area, number, out_of_memory, try_copy, try_resize, try_vec};
use crate::kernel::{Covariance, checked_covariances, log_distance};
use crate::metric::matrix_view;
use crate::saved::{Reader, Writer, columns};
use crate::simd::{Simd, padded, squared::add_squared_differences};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltError, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{MatMut, MatRef, Par};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

/// Points are solved for this many at a time, short blocks padded with zeros, so that a point's V has the same bits
/// whichever points it comes with.
pub(crate) const SOLVE_BLOCK: usize = 64;

/// Inducing points and the Cholesky factor of their covariance.
#[derive(Default)]
pub(crate) struct InducingPoints {
    m: usize,
    d: usize,
    /// Scaled coordinates, dimension by dimension.
    coords: Vec<f64>,
    /// Coordinates as given, row by row.
    raw_coords: Vec<f64>,
    /// L of L L' = k(Z, Z) + jitter variance I: m columns of padded(m) values, of which those below the diagonal count.
    cholesky: Vec<f64>,
    /// jitter variance
    pub(crate) nugget: f64,
}

/// Inducing points of a saved tree.
#[derive(Serialize, Deserialize)]
pub(crate) struct SavedInducing {
    columns: InducingColumns,
    nugget: f64,
}

columns!(InducingColumns of InducingPoints(m, d), "the inducing points" {
    coords: f64[m, d], raw_coords: f64[m, d], cholesky: f64[m, padded(m)]
});

/// Coordinates of some points, row by row.
#[derive(Clone, Copy)]
pub(crate) struct PointRows<'a> {
    /// Scaled, count x d.
    pub(crate) coords: &'a [f64],
    /// As given, count x d; empty unless a custom covariance needs them.
    pub(crate) raw_coords: &'a [f64],
    pub(crate) d: usize,
}

impl PointRows<'_> {
    fn len(&self) -> usize {
        self.coords.len() / self.d
    }
}

impl InducingPoints {
    /// Factorises k(Z, Z) + jitter * variance * I; O(m^3).
    ///
    /// # Errors
    /// [`ErrorKind::NotPositiveDefinite`] where that has no Cholesky factor.
    pub(crate) fn new(simd: Simd, covariance: &Covariance, z: PointRows<'_>, jitter: f64) -> Result<Self> {
        let (m, d) = (z.len(), z.d);
        let mut coords = try_vec(m * d, 0.0, "inducing points")?;
        for (i, row) in z.coords.chunks_exact(d).enumerate() {
            row.iter().enumerate().for_each(|(j, &x)| coords[j * m + i] = x);
        }
        let raw_coords = try_copy(z.raw_coords, "inducing points")?;
        let width = padded(m);
        let mut points = InducingPoints { m, d, coords, raw_coords, cholesky: Vec::new(), nugget: 0.0 };
        let mut gram = try_vec(checked_area(m, width, "inducing covariance")?, 0.0, "the inducing covariance")?;
        points.covariances(simd, covariance, z, &mut gram)?;
        let scale = match covariance {
            Covariance::Stationary(kernel) => kernel.variance,
            Covariance::Custom(_) => (0..m).map(|i| gram[i * width + i]).fold(0.0, f64::max),
        };
        points.nugget = jitter * scale;
        if points.nugget.is_infinite() {
            return Err(Error::invalid(format!(
                "jitter is {}; times the variance {} it overflows",
                number(jitter),
                number(scale)
            )));
        }
        for i in 0..m {
            gram[i * width + i] += points.nugget;
        }
        let failed = |row: Option<usize>| {
            let at = row.map_or(String::new(), |row| format!(" at inducing point {row}"));
            Error::new(
                ErrorKind::NotPositiveDefinite,
                format!(
                    "the covariance of the {m} inducing points with jitter {} is not positive definite{at}; use a larger jitter or points that are farther apart",
                    number(jitter)
                ),
            )
        };
        let mut buffer = MemBuffer::try_new(cholesky_in_place_scratch::<f64>(m, Par::Seq, Default::default()))
            .map_err(|_| out_of_memory(m * size_of::<f64>(), "the inducing covariance"))?;
        // In place: there is one m x m matrix, whose allocation was checked.
        let matrix = MatMut::from_column_major_slice_with_stride_mut(&mut gram, m, m, width);
        let stack = MemStack::new(&mut buffer);
        cholesky_in_place(matrix, Default::default(), Par::Seq, stack, Default::default())
            .map_err(|LltError::NonPositivePivot { index }| failed(Some(index)))?;
        points.cholesky = gram;
        // A matrix that is singular up to rounding may still get through with pivots that are noise.
        let least = scale * f64::EPSILON * m as f64;
        let is_noise = |pivot: f64| pivot.powi(2).is_nan() || pivot.powi(2) <= least;
        if let Some(i) = (0..m).find(|&i| is_noise(points.cholesky[i * width + i])) {
            return Err(failed(Some(i)));
        }
        Ok(points)
    }

    pub(crate) fn save(&self, writer: &mut Writer<'_, '_>) -> Result<SavedInducing> {
        Ok(SavedInducing { columns: self.save_columns(writer)?, nugget: self.nugget })
    }

    /// `m` inducing points of `d` coordinates.
    pub(crate) fn load(saved: SavedInducing, m: usize, d: usize, reader: &Reader<'_, '_>) -> Result<Self> {
        let columns = InducingPoints::load_columns(&saved.columns, reader, m, d)?;
        Ok(InducingPoints { m, d, nugget: saved.nugget, ..columns })
    }

    /// Number of inducing points.
    pub(crate) fn len(&self) -> usize {
        self.m
    }

    /// Number of their coordinates.
    pub(crate) fn dimension(&self) -> usize {
        self.d
    }

    /// Scaled coordinates, dimension by dimension.
    pub(crate) fn coords(&self) -> &[f64] {
        &self.coords
    }

    /// Coordinates as given, m x d.
    pub(crate) fn raw_view(&self) -> ArrayView2<'_, f64> {
        matrix_view(&self.raw_coords, self.d)
    }

    /// Adds the squared scaled distance of `x` from every inducing point to `out`.
    pub(crate) fn squared_distances(&self, simd: Simd, x: &[f64], out: &mut [f64]) {
        for (j, &x) in x.iter().enumerate() {
            add_squared_differences(simd, x, &self.coords[j * self.m..(j + 1) * self.m], out);
        }
    }

    /// L^-T, m rows of `width` values: a_q = L^-T V_q has k(q, x) - V_q.V_x = k(q, x) - a_q.k(Z, x). O(m^3).
    pub(crate) fn inverse_transposed(&self, width: usize) -> Result<Vec<f64>> {
        let mut rows = try_vec(checked_area(self.m, width, "inducing covariance")?, 0.0, "the inducing covariance")?;
        (0..self.m).for_each(|i| rows[i * width + i] = 1.0);
        // Column i of L^-1 is row i of L^-T.
        let columns = MatMut::from_column_major_slice_with_stride_mut(&mut rows, self.m, self.m, width);
        solve_lower_triangular_in_place(self.cholesky(), columns, Par::Seq);
        Ok(rows)
    }

    /// L, m rows of `width` values.
    pub(crate) fn factor(&self, width: usize) -> Result<Vec<f64>> {
        let mut rows = try_vec(checked_area(self.m, width, "inducing covariance")?, 0.0, "the inducing covariance")?;
        for (i, row) in rows.chunks_exact_mut(width.max(1)).enumerate() {
            (0..=i).for_each(|j| row[j] = self.cholesky[j * padded(self.m) + i]);
        }
        Ok(rows)
    }

    /// L; what is above the diagonal has no meaning.
    fn cholesky(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice_with_stride(&self.cholesky, self.m, self.m, padded(self.m))
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.column_bytes()
    }

    /// V of at most [`SOLVE_BLOCK`] points into `out`, count rows of padded(m) values; O(m^2) a point.
    pub(crate) fn factor_rows(
        &self,
        simd: Simd,
        covariance: &Covariance,
        points: PointRows<'_>,
        block: &mut Vec<f64>,
        out: &mut [f64],
    ) -> Result<()> {
        let width = padded(self.m);
        debug_assert!(points.len() <= SOLVE_BLOCK && out.len() == points.len() * width);
        if self.m == 0 {
            return Ok(());
        }
        try_resize(block, SOLVE_BLOCK * width, 0.0, "the factor V")?;
        block.fill(0.0);
        self.covariances(simd, covariance, points, &mut block[..out.len()])?;
        let columns = MatMut::from_column_major_slice_with_stride_mut(block, self.m, SOLVE_BLOCK, width);
        solve_lower_triangular_in_place(self.cholesky(), columns, Par::Seq);
        out.copy_from_slice(&block[..out.len()]);
        Ok(())
    }

    /// k(Z, x) of every point, one row of padded(m) values each.
    fn covariances(&self, simd: Simd, covariance: &Covariance, points: PointRows<'_>, out: &mut [f64]) -> Result<()> {
        let (m, d) = (self.m, self.d);
        for (i, row) in out.chunks_exact_mut(padded(m)).enumerate() {
            let row = &mut row[..m];
            match covariance {
                Covariance::Stationary(kernel) => {
                    row.fill(0.0);
                    let x = &points.coords[i * d..(i + 1) * d];
                    self.squared_distances(simd, x, row);
                    let pairs = |z: usize| (0..d).map(move |j| (x[j], self.coords[j * m + z]));
                    kernel.covariances_of_pairs(simd, row, |z| log_distance(pairs(z)));
                }
                Covariance::Custom(function) => {
                    let x = &points.raw_coords[i * d..(i + 1) * d];
                    checked_covariances(function.as_ref(), x, &self.raw_coords, row)?;
                }
            }
        }
        Ok(())
    }
}
