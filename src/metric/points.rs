//! The numbers a metric works on, one row a point, in the order of the layout.

use super::Candidates;
use super::unit::told_from_zero;
use crate::error::{Result, checked_area, try_vec};
use crate::saved::Rows;
use crate::simd::padded;
use crate::values::Values;
use ndarray::{ArrayView2, ShapeBuilder};

/// Coordinates, factor V and residual variances of n points.
///
/// Row i of every array is that of the point at position i of the layout: what is near in space is near in memory.
pub(crate) struct Points {
    pub(crate) n: usize,
    pub(crate) d: usize,
    /// Columns of V.
    pub(crate) m: usize,
    /// Scaled coordinates, dimension by dimension: `coords[j * n + i]`.
    pub(crate) coords: Vec<f64>,
    /// Coordinates as given, row by row: for a custom covariance, and for other lengthscales.
    pub(crate) raw_coords: Vec<f64>,
    /// Whether a custom covariance needs them of queries too.
    pub(crate) custom: bool,
    /// V, n rows of `width` values, zero from column m on.
    pub(crate) factor: Rows,
    /// m rounded up to whole vectors.
    pub(crate) width: usize,
    /// p_i
    pub(crate) variances: Vec<f64>,
    /// 1 / sqrt(p_i)
    pub(crate) inverse_sds: Vec<f64>,
}

impl Points {
    /// Room for n points; every value 0.
    pub(crate) fn zeros(n: usize, d: usize, m: usize, custom: bool) -> Result<Self> {
        let width = padded(m);
        let coordinates = checked_area(n, d, "coords")?;
        Ok(Points {
            n,
            d,
            m,
            coords: try_vec(coordinates, 0.0, "coordinates")?,
            raw_coords: try_vec(coordinates, 0.0, "coordinates")?,
            custom,
            factor: Rows::Own(Values::zeros(checked_area(n, width, "factor")?, "the factor V")?),
            width,
            variances: try_vec(n, 0.0, "residual variances")?,
            inverse_sds: try_vec(n, 0.0, "residual variances")?,
        })
    }

    /// Points of others, each told by its source and its position there.
    pub(crate) fn joined(sources: &[&Points], of: &[(u32, u32)]) -> Result<Points> {
        let (first, n) = (sources[0], of.len());
        let mut points = Points::zeros(n, first.d, first.m, first.custom)?;
        let (d, width) = (points.d, points.width);
        let factor = points.factor.own()?;
        for (to, &(source, i)) in of.iter().enumerate() {
            let (source, i) = (sources[source as usize], i as usize);
            (0..d).for_each(|j| points.coords[j * n + to] = source.coord(i, j));
            points.raw_coords[to * d..(to + 1) * d].copy_from_slice(&source.raw_coords[i * d..(i + 1) * d]);
            source.check_row(i)?;
            factor[to * width..(to + 1) * width].copy_from_slice(source.factor_row(i));
            points.variances[to] = source.variances[i];
            points.inverse_sds[to] = source.inverse_sds[i];
        }
        Ok(points)
    }

    /// Scaled coordinate `j` of point `i`.
    #[inline]
    pub(crate) fn coord(&self, i: usize, j: usize) -> f64 {
        self.coords[j * self.n + i]
    }

    /// Coordinates as given, n x d.
    pub(crate) fn raw_view(&self) -> ArrayView2<'_, f64> {
        matrix_view(&self.raw_coords, self.d)
    }

    /// Scaled coordinates, n x d.
    pub(crate) fn scaled_view(&self) -> ArrayView2<'_, f64> {
        let shape = (self.n, self.d).strides((1, self.n));
        ArrayView2::from_shape(shape, &self.coords).expect("n coordinates a dimension")
    }

    /// Row `i` of V, padded.
    #[inline]
    pub(crate) fn factor_row(&self, i: usize) -> &[f64] {
        &self.factor[i * self.width..(i + 1) * self.width]
    }

    /// An error if the V of a candidate, in a saved tree, is damaged.
    pub(crate) fn check_rows(&self, candidates: &Candidates<'_>) -> Result<()> {
        if !self.factor.may_be_damaged() {
            return Ok(());
        }
        let width = self.width;
        match candidates {
            Candidates::Range(range) => self.factor.check(range.start * width..range.end * width),
            Candidates::Gather(index) => index.iter().try_for_each(|&i| self.check_row(i as usize)),
        }
    }

    /// An error if the V of point `i`, in a saved tree, is damaged.
    pub(crate) fn check_row(&self, i: usize) -> Result<()> {
        self.factor.check(i * self.width..(i + 1) * self.width)
    }

    /// The coordinates alone, multiplied by `scales`, for the Euclidean metric.
    pub(crate) fn coordinates_only(&self, scales: &[f64]) -> Result<Points> {
        let (n, d) = (self.n, self.d);
        let mut coords = try_vec(n * d, 0.0, "coordinates")?;
        for (i, row) in self.raw_coords.chunks_exact(d).enumerate() {
            row.iter()
                .zip(scales)
                .enumerate()
                .for_each(|(j, (x, scale))| coords[j * n + i] = told_from_zero(x * scale));
        }
        Ok(Points {
            n,
            d,
            m: 0,
            coords,
            raw_coords: Vec::new(),
            custom: false,
            factor: Rows::Own(Values::default()),
            width: 0,
            variances: try_vec(n, 1.0, "coordinates")?,
            inverse_sds: try_vec(n, 1.0, "coordinates")?,
        })
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let floats = self.coords.capacity()
            + self.raw_coords.capacity()
            + self.variances.capacity()
            + self.inverse_sds.capacity();
        floats * size_of::<f64>() + self.factor.bytes()
    }
}

/// `data` as rows of `d` values.
pub(crate) fn matrix_view(data: &[f64], d: usize) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((data.len() / d, d), data).expect("whole rows")
}
