//! The numbers a metric works on, one row a point, kept in the order of the tree.

use super::Candidates;
use super::unit::told_from_zero;
use crate::error::{Result, checked_area, try_vec, try_with_capacity};
use crate::saved::Rows;
use crate::simd::padded;
use crate::values::Values;
use ndarray::ArrayView2;

/// Coordinates, factor V and residual variances of n points.
///
/// After the build, row i of every array belongs to node i of the tree: what is near in the tree is near in memory.
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

    /// The points at the given positions of others, one after the other.
    pub(crate) fn joined(sources: &[(&Points, &[u32])]) -> Result<Points> {
        let (first, _) = sources[0];
        let n = sources.iter().map(|(_, positions)| positions.len()).sum();
        let mut points = Points::zeros(n, first.d, first.m, first.custom)?;
        let (d, width) = (points.d, points.width);
        let factor = points.factor.own()?;
        let all = sources.iter().flat_map(|&(source, positions)| positions.iter().map(move |&i| (source, i as usize)));
        for (to, (source, i)) in all.enumerate() {
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

    /// Reorders every array: point `order[i]` becomes point i. V, the largest, is permuted in place.
    pub(crate) fn reorder(&mut self, order: &[u32]) -> Result<()> {
        let mut column = try_with_capacity(self.n, "reordering")?;
        let mut gather = |values: &mut [f64]| {
            column.clear();
            column.extend(order.iter().map(|&i| values[i as usize]));
            values.copy_from_slice(&column);
        };
        self.coords.chunks_exact_mut(self.n).for_each(&mut gather);
        gather(&mut self.variances);
        gather(&mut self.inverse_sds);
        reorder_rows(self.factor.own()?, self.width, order)?;
        reorder_rows(&mut self.raw_coords, self.d, order)
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

/// Row `order[i]` becomes row i, following the cycles of the permutation: one spare row, no second matrix.
fn reorder_rows(data: &mut [f64], width: usize, order: &[u32]) -> Result<()> {
    if width == 0 {
        return Ok(());
    }
    let mut placed = try_vec(order.len(), false, "reordering")?;
    let mut spare = vec![0.0; width];
    for start in 0..order.len() {
        if placed[start] {
            continue;
        }
        spare.copy_from_slice(&data[start * width..(start + 1) * width]);
        let mut hole = start;
        loop {
            placed[hole] = true;
            let source = order[hole] as usize;
            if source == start {
                data[hole * width..(hole + 1) * width].copy_from_slice(&spare);
                break;
            }
            data.copy_within(source * width..(source + 1) * width, hole * width);
            hole = source;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reordering_moves_whole_rows() {
        let mut points = Points::zeros(6, 2, 3, true).unwrap();
        for i in 0..6 {
            points.variances[i] = i as f64;
            points.coords[i] = i as f64;
            points.coords[6 + i] = 10.0 + i as f64;
            points.raw_coords[2 * i] = 20.0 + i as f64;
            let place = i * points.width;
            points.factor.own().unwrap()[place] = 30.0 + i as f64;
        }
        let order = [2, 0, 1, 3, 5, 4];
        points.reorder(&order).unwrap();
        for (i, &o) in order.iter().enumerate() {
            let o = f64::from(o);
            assert_eq!(points.variances[i], o);
            assert_eq!((points.coord(i, 0), points.coord(i, 1)), (o, 10.0 + o));
            assert_eq!(points.raw_coords[2 * i], 20.0 + o);
            assert_eq!(points.factor_row(i)[0], 30.0 + o);
        }
    }
}
