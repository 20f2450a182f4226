//! What a tree is built from and asked: the caller's arrays, in any layout.

use crate::error::{Error, ErrorKind, Result, number};
use crate::options::Traversal;
use ndarray::{ArrayView1, ArrayView2};

/// What a tree is built from. Every array may have any strides.
#[derive(Debug, Clone)]
pub struct Data<'a> {
    /// Coordinates, n x d; point i has id i.
    pub coords: ArrayView2<'a, f64>,
    /// Inducing points Z, m x d (residual metric).
    pub inducing: Option<ArrayView2<'a, f64>>,
    /// The caller's V, n x m (residual metric), in place of `inducing`.
    pub factor: Option<ArrayView2<'a, f64>>,
    /// Residual variances p > 0, n values, with `factor` only; where absent they are computed from it.
    pub residual_variances: Option<ArrayView1<'a, f64>>,
}

impl<'a> Data<'a> {
    /// Coordinates only.
    pub fn new(coords: ArrayView2<'a, f64>) -> Self {
        Data { coords, inducing: None, factor: None, residual_variances: None }
    }

    /// Coordinates and inducing points.
    pub fn with_inducing(coords: ArrayView2<'a, f64>, inducing: ArrayView2<'a, f64>) -> Self {
        Data { inducing: Some(inducing), ..Data::new(coords) }
    }
}

/// What a refit changes beside the options: inducing points, or the caller's factor, or neither.
#[derive(Debug, Clone, Default)]
pub struct Model<'a> {
    /// Inducing points Z, m x d; absent: those of the tree stay.
    pub inducing: Option<ArrayView2<'a, f64>>,
    /// The caller's V, a row for each point by id, in place of inducing points.
    pub factor: Option<ArrayView2<'a, f64>>,
    /// Residual variances p > 0, with `factor` only; where absent they are computed from it.
    pub residual_variances: Option<ArrayView1<'a, f64>>,
}

/// The points that a batch asks about.
#[derive(Debug, Clone)]
pub enum QueryPoints<'a> {
    /// Stored points, by id.
    Ids(ArrayView1<'a, i64>),
    /// New points.
    New {
        /// Coordinates, q x d.
        coords: ArrayView2<'a, f64>,
        /// Rows of V, q x m, where the tree was built from the caller's.
        factor: Option<ArrayView2<'a, f64>>,
        /// Residual variances, q values, where the tree was built from the caller's.
        residual_variances: Option<ArrayView1<'a, f64>>,
    },
}

impl QueryPoints<'_> {
    /// Number of points.
    pub fn len(&self) -> usize {
        match self {
            QueryPoints::Ids(ids) => ids.len(),
            QueryPoints::New { coords, .. } => coords.nrows(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A batch of nearest-neighbour queries.
#[derive(Debug, Clone)]
pub struct Query<'a> {
    /// The points asked about.
    pub points: QueryPoints<'a>,
    /// Neighbours wanted, >= 1.
    pub k: usize,
    /// Only ids below the limit: one value for all queries, or one each.
    pub id_limits: Option<ArrayView1<'a, i64>>,
    /// Only neighbours strictly nearer: one value for all queries, or one each.
    pub max_distances: Option<ArrayView1<'a, f64>>,
    /// Whether a stored point is kept out of its own answer.
    pub exclude_self: bool,
    /// The traversal of this batch; automatic means the tree's own.
    pub traversal: Traversal,
}

impl<'a> Query<'a> {
    /// The `k` nearest of stored points.
    pub fn ids(ids: ArrayView1<'a, i64>, k: usize) -> Self {
        Query {
            points: QueryPoints::Ids(ids),
            k,
            id_limits: None,
            max_distances: None,
            exclude_self: false,
            traversal: Traversal::Automatic,
        }
    }

    /// The `k` nearest of new points.
    pub fn coords(coords: ArrayView2<'a, f64>, k: usize) -> Self {
        let points = QueryPoints::New { coords, factor: None, residual_variances: None };
        Query { points, ..Query::ids(ArrayView1::from(&[]), k) }
    }
}

/// Checks that every value is finite; the message names row and column.
pub(crate) fn check_finite(name: &str, matrix: ArrayView2<'_, f64>) -> Result<()> {
    for (i, row) in matrix.rows().into_iter().enumerate() {
        if let Some(j) = row.iter().position(|x| !x.is_finite()) {
            return Err(not_finite(name, i, Some(j), row[j]));
        }
    }
    Ok(())
}

/// Checks that every value is a positive finite number with a finite reciprocal.
pub(crate) fn check_positive(name: &str, values: ArrayView1<'_, f64>) -> Result<()> {
    for (i, &value) in values.iter().enumerate() {
        if !value.is_finite() {
            return Err(not_finite(name, i, None, value));
        }
        if value <= 0.0 || value.recip().is_infinite() {
            return Err(Error::invalid(format!("{name}[{i}] is {}; it must be positive", number(value))));
        }
    }
    Ok(())
}

/// The error for a NaN or an infinity.
pub(crate) fn not_finite(name: &str, row: usize, column: Option<usize>, value: f64) -> Error {
    let at = column.map_or(format!("{row}"), |column| format!("{row}, {column}"));
    Error::new(ErrorKind::NotFinite, format!("{name}[{at}] is {}", number(value)))
}

/// Checks the number of rows and columns.
pub(crate) fn check_shape(name: &str, matrix: ArrayView2<'_, f64>, rows: usize, cols: usize) -> Result<()> {
    if matrix.dim() == (rows, cols) {
        return Ok(());
    }
    let (r, c) = matrix.dim();
    Err(Error::invalid(format!("{name} is {r} x {c}; it must be {rows} x {cols}")))
}
