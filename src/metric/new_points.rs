//! Points that are new to a tree, inserted or asked about: their arrays are checked, and become rows as those of stored ones.

use super::prepare::{FactorSource, squared_norm};
use super::{NEW, Preparation, QueryBlock};
use crate::data::{Data, check_finite, check_positive, check_shape};
use crate::error::{Error, Result, checked_area, try_resize, try_vec, try_with_capacity};
use crate::inducing::{PointRows, SOLVE_BLOCK};
use crate::kernel::{Covariance, checked_covariances};
use crate::options::MetricKind;
use ndarray::{ArrayView1, ArrayView2};

impl Preparation {
    /// Checks that points to be inserted come with what those of the build came with.
    pub(crate) fn check_more(&self, data: &Data<'_>) -> Result<()> {
        self.check_rows("", data.coords, data.factor, data.residual_variances)
    }

    /// Checks arrays of new points: shapes, and presence of what the tree was built with.
    pub(crate) fn check_new(
        &self,
        coords: ArrayView2<'_, f64>,
        factor: Option<ArrayView2<'_, f64>>,
        variances: Option<ArrayView1<'_, f64>>,
    ) -> Result<()> {
        self.check_rows("query ", coords, factor, variances)
    }

    /// Checks arrays of points, whose names begin with `of`.
    fn check_rows(
        &self,
        of: &str,
        coords: ArrayView2<'_, f64>,
        factor: Option<ArrayView2<'_, f64>>,
        variances: Option<ArrayView1<'_, f64>>,
    ) -> Result<()> {
        let q = coords.nrows();
        check_shape(&format!("{of}coords"), coords, q, self.scales.len())?;
        let (needs_factor, needs_variances) = match self.source {
            FactorSource::Given { with_variances } => (true, with_variances),
            _ => (false, false),
        };
        let expect = |name: &str, needed: bool, given: bool| match (needed, given) {
            (true, false) => {
                Err(Error::invalid(format!("{of}{name} is missing: the tree was built with the caller's")))
            }
            (false, true) => Err(Error::invalid(format!("{of}{name} is given, but the tree was not built with one"))),
            _ => Ok(()),
        };
        expect("factor", needs_factor, factor.is_some())?;
        expect("residual_variances", needs_variances, variances.is_some())?;
        if let Some(factor) = factor {
            check_shape(&format!("{of}factor"), factor, q, self.m)?;
            check_finite(&format!("{of}factor"), factor)?;
        }
        if let Some(variances) = variances {
            if variances.len() != q {
                let len = variances.len();
                return Err(Error::invalid(format!("{of}residual_variances has {len} values; it must have {q}")));
            }
            check_positive(&format!("{of}residual_variances"), variances)?;
        }
        Ok(())
    }

    /// Scaled coordinates of all new points, row by row, checked, and the unit of each; no units where all have the tree's.
    pub(crate) fn scaled(&self, name: &str, coords: ArrayView2<'_, f64>) -> Result<(Vec<f64>, Vec<f64>)> {
        let values = checked_area(coords.nrows(), self.scales.len(), name)?;
        let mut rows = try_with_capacity(values, "query coordinates")?;
        let mut raw = try_with_capacity(self.raw_values(self.scales.len()), "query coordinates")?;
        let mut units = Vec::new();
        for i in 0..coords.nrows() {
            let unit = self.append_coords(name, coords, i, &mut rows, &mut raw)?;
            raw.clear();
            if unit != self.unit && units.is_empty() {
                units = try_vec(coords.nrows(), self.unit, "query coordinates")?;
            }
            if let Some(own) = units.get_mut(i) {
                *own = unit;
            }
        }
        Ok((rows, units))
    }

    /// Adds the new points of the given numbers to `block`. Their arrays have been checked.
    pub(crate) fn load_new(
        &self,
        numbers: &[u32],
        coords: ArrayView2<'_, f64>,
        factor: Option<ArrayView2<'_, f64>>,
        variances: Option<ArrayView1<'_, f64>>,
        block: &mut QueryBlock,
    ) -> Result<()> {
        let d = self.scales.len();
        let width = crate::simd::padded(self.m);
        let custom = matches!(self.covariance, Covariance::Custom(_));
        block.len = numbers.len();
        block.positions.resize(numbers.len(), NEW);
        block.all.extend(0..numbers.len() as u32);
        let mut raw = Vec::new();
        for &q in numbers {
            self.append_coords("query coords", coords, q as usize, &mut block.coords, &mut raw)?;
        }
        try_resize(&mut block.factor, numbers.len() * width, 0.0, "query factor")?;
        match (&self.source, factor) {
            (FactorSource::Inducing(inducing), _) => {
                let mut memory = Vec::new();
                for (start, out) in (0..).step_by(SOLVE_BLOCK).zip(block.factor.chunks_mut(SOLVE_BLOCK * width)) {
                    let range = start * d..(start + out.len() / width) * d;
                    let raw_coords = if custom { &raw[range.clone()] } else { &[][..] };
                    let rows = PointRows { coords: &block.coords[range], raw_coords, d };
                    inducing.factor_rows(self.simd, &self.covariance, rows, &mut memory, out)?;
                }
            }
            (_, Some(factor)) if width > 0 => {
                for (&q, row) in numbers.iter().zip(block.factor.chunks_exact_mut(width)) {
                    row.iter_mut().zip(factor.row(q as usize)).for_each(|(to, &from)| *to = from);
                }
            }
            _ => {}
        }
        for (i, &q) in numbers.iter().enumerate() {
            if self.metric == MetricKind::Euclidean {
                block.inverse_sds.push(1.0);
                continue;
            }
            let x = if custom { &raw[i * d..(i + 1) * d] } else { &[][..] };
            let row = &block.factor[i * width..(i + 1) * width];
            let (p, is_residual) = self.variance_of_new(x, row, variances.map(|variances| variances[q as usize]))?;
            block.improper |= !is_residual;
            block.new_variances.push(p);
            block.inverse_sds.push(p.sqrt().recip());
        }
        if custom {
            block.raw_coords = raw;
        }
        Ok(())
    }

    /// p of a new point with a row of V, the caller's where it is given, and whether it can be a residual's. `x` are its
    /// coordinates as given, which a custom covariance needs.
    fn variance_of_new(&self, x: &[f64], row: &[f64], given: Option<f64>) -> Result<(f64, bool)> {
        let variance = match &self.covariance {
            Covariance::Stationary(kernel) => kernel.variance,
            Covariance::Custom(function) => {
                let mut value = [0.0];
                checked_covariances(function.as_ref(), x, x, &mut value)?;
                value[0]
            }
        };
        let explained = squared_norm(self.simd, row);
        let p = given.unwrap_or_else(|| self.variance_left(variance, explained));
        Ok((p, self.is_residual(variance, explained, p)))
    }
}
