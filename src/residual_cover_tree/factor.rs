//! What a tree has computed of its points, for whoever goes on from the neighbours: V, p, Z and L, and the ids.

use super::tree::{ResidualCoverTree, Spot, euclidean};
use crate::control::Control;
use crate::data::QueryPoints;
use crate::error::{Error, ErrorKind, Result, checked_area, try_collect, try_vec, try_with_capacity};
use crate::inducing::SOLVE_BLOCK;
use crate::metric::{QueryBlock, matrix_view};
use crate::options::MetricKind;
use crate::simd::padded;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

/// V and p of some points, as searches use them.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// V_i = L^-1 k(Z, x_i), or the caller's, a row for each point, m columns.
    pub v: Array2<f64>,
    /// p_i, one for each point.
    pub residual_variances: Array1<f64>,
}

/// The inducing points of a tree and their factor.
#[derive(Debug, Clone, PartialEq)]
pub struct InducingFactor {
    /// Z as it was given, m x d.
    pub points: Array2<f64>,
    /// L, m x m, lower triangular: L L' = k(Z, Z) + jitter variance I.
    pub cholesky: Array2<f64>,
}

/// Rows of V and p that have been found or computed, and can be read without failing.
pub(crate) enum FactorRows<'a> {
    /// Of stored points.
    Stored { tree: &'a ResidualCoverTree, spots: Vec<Spot> },
    /// Of new points: V, rows of m values, and p.
    New { m: usize, v: Vec<f64>, residual_variances: Vec<f64> },
}

impl FactorRows<'_> {
    /// V and p of point `t`.
    pub(crate) fn of(&self, t: usize) -> (&[f64], f64) {
        match self {
            FactorRows::Stored { tree, spots } => {
                let (part, position) = spots[t];
                let points = tree.parts[part as usize].points();
                (&points.factor_row(position as usize)[..points.m], points.variances[position as usize])
            }
            FactorRows::New { m, v, residual_variances } => (&v[t * m..(t + 1) * m], residual_variances[t]),
        }
    }
}

impl ResidualCoverTree {
    /// V and p of stored or new points; O(m) a stored and O(m^2) a new one.
    ///
    /// # Errors
    /// As [`Self::query_batch`]; [`ErrorKind::Unsupported`] for the Euclidean metric.
    pub fn factor(&self, points: &QueryPoints<'_>, control: &mut Control<'_>) -> Result<Factor> {
        let (m, count) = (self.preparation.m(), points.len());
        let rows = self.factor_rows(points, control)?;
        let mut v = try_with_capacity(checked_area(count, m, "the factor V")?, "the factor V")?;
        let mut residual_variances = try_with_capacity(count, "the residual variances")?;
        for (row, p) in (0..count).map(|t| rows.of(t)) {
            v.extend_from_slice(row);
            residual_variances.push(p);
        }
        let v = Array2::from_shape_vec((count, m), v).expect("m values a row");
        Ok(Factor { v, residual_variances: residual_variances.into() })
    }

    /// As [`Self::factor`], to be read row by row.
    pub(crate) fn factor_rows(&self, points: &QueryPoints<'_>, control: &mut Control<'_>) -> Result<FactorRows<'_>> {
        if self.options.metric == MetricKind::Euclidean {
            return Err(euclidean("factor"));
        }
        control.window(0.0, 1.0);
        control.phase(0.0, 1.0);
        match *points {
            QueryPoints::Ids(ids) => self.stored_rows(ids, control),
            QueryPoints::New { coords, factor, residual_variances } => {
                self.new_rows(coords, factor, residual_variances, control)
            }
        }
    }

    fn stored_rows(&self, ids: ArrayView1<'_, i64>, control: &mut Control<'_>) -> Result<FactorRows<'_>> {
        let spots = try_collect(ids.iter().enumerate().map(|(t, &id)| self.spot("ids", t, id)), "the queries")?;
        for (t, &(part, position)) in spots.iter().enumerate() {
            if t.is_multiple_of(1 << 16) {
                control.step(t as f64 / spots.len() as f64)?;
            }
            self.parts[part as usize].points().check_row(position as usize)?;
        }
        control.step(1.0)?;
        Ok(FactorRows::Stored { tree: self, spots })
    }

    fn new_rows(
        &self,
        coords: ArrayView2<'_, f64>,
        factor: Option<ArrayView2<'_, f64>>,
        given: Option<ArrayView1<'_, f64>>,
        control: &mut Control<'_>,
    ) -> Result<FactorRows<'_>> {
        let preparation = &self.preparation;
        preparation.check_new(coords, factor, given)?;
        let (m, count) = (preparation.m(), coords.nrows());
        let mut v = try_vec(checked_area(count, m, "the factor V")?, 0.0, "the factor V")?;
        let mut residual_variances = try_vec(count, 0.0, "the residual variances")?;
        // One of V, which may have no columns, for each of p.
        let blocks = v.chunks_mut((SOLVE_BLOCK * m).max(1)).chain(std::iter::repeat_with(Default::default));
        let tasks: Vec<_> = residual_variances.chunks_mut(SOLVE_BLOCK).zip(blocks).enumerate().collect();
        let prepare = |block: &mut QueryBlock, (task, (to_p, to_v)): (usize, (&mut [f64], &mut [f64]))| {
            block.clear();
            let first = (task * SOLVE_BLOCK) as u32;
            let numbers: Vec<u32> = (first..first + to_p.len() as u32).collect();
            preparation.load_new(&numbers, coords, factor, given, block)?;
            to_p.copy_from_slice(&block.new_variances);
            for i in 0..numbers.len() {
                to_v[i * m..(i + 1) * m].copy_from_slice(&block.factor[i * padded(m)..][..m]);
            }
            Ok(())
        };
        self.threads.run(tasks, control, QueryBlock::default, prepare)?;
        Ok(FactorRows::New { m, v, residual_variances })
    }

    /// The inducing points and their Cholesky factor; of none, where the tree was built without.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where V is the caller's, or the metric Euclidean; memory.
    pub fn inducing_factor(&self) -> Result<InducingFactor> {
        if self.options.metric == MetricKind::Euclidean {
            return Err(euclidean("inducing points"));
        }
        if self.preparation.is_given() {
            let message = "inducing points: this tree was built with the caller's factor";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let (m, d) = (self.preparation.m(), self.preparation.d());
        let Some(inducing) = self.preparation.inducing() else {
            return Ok(InducingFactor { points: Array2::zeros((0, d)), cholesky: Array2::zeros((0, 0)) });
        };
        Ok(InducingFactor {
            points: inducing.raw_view().to_owned(),
            cholesky: matrix_view(&inducing.factor(m)?, m).to_owned(),
        })
    }

    /// The ids that are there, ascending.
    pub fn ids(&self) -> Result<Vec<i64>> {
        let mut ids = try_with_capacity(self.len(), "the ids")?;
        for part in &self.parts {
            ids.extend(part.live_points().map(|(number, _)| i64::from(part.ids.of(number))));
        }
        Ok(ids)
    }
}
