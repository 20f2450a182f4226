//! Nearest neighbours, Vecchia conditioning sets, distances of pairs.

use super::control::with_control;
use super::options::traversal;
use super::tree::{rct_tree, with_tree};
use super::types::*;
use super::views::{Output, check_disjoint, indices, matrix, present, required, sized, vector};
use crate::data::{Query, QueryPoints};
use crate::error::{Error, Result};
use crate::residual_cover_tree::{Neighbors, ResidualCoverTree};
use ndarray::ArrayView1;

/// The query of the safe API.
///
/// # Safety
/// The arrays it describes may be read.
pub(super) unsafe fn query<'a>(given: &rct_query) -> Result<Query<'a>> {
    // SAFETY (all views): the caller's promise.
    let ids = unsafe { indices("ids", &given.ids) }?;
    let coords = unsafe { matrix("query coords", &given.coords) }?;
    let factor = unsafe { matrix("query factor", &given.factor) }?;
    let residual_variances = unsafe { vector("query residual_variances", &given.residual_variances) }?;
    let points = match (ids, coords) {
        (Some(_), Some(_)) => return Err(Error::invalid("both ids and coords are given; give one of them")),
        (None, None) => return Err(Error::invalid("neither ids nor coords is given")),
        (Some(ids), None) => {
            if factor.is_some() || residual_variances.is_some() {
                return Err(Error::invalid("query factor and residual_variances go with coords, not with ids"));
            }
            QueryPoints::Ids(ids)
        }
        (None, Some(coords)) => QueryPoints::New { coords, factor, residual_variances },
    };
    Ok(Query {
        points,
        k: given.k,
        id_limits: unsafe { indices("id_limits", &given.id_limits) }?,
        max_distances: unsafe { vector("max_distances", &given.max_distances) }?,
        exclude_self: given.exclude_self != 0,
        traversal: traversal("query traversal", given.traversal)?,
    })
}

/// Where neighbours go, checked.
struct NeighborOutput {
    /// Absent where there are no queries.
    ids: Option<Output<i64>>,
    distances: Option<Output<f64>>,
    counts: Option<Output<i64>>,
    k: usize,
}

impl NeighborOutput {
    /// Arrays for `queries` queries and `k` neighbours.
    fn new(given: &rct_neighbors, queries: usize, k: usize) -> Result<Self> {
        let (i, d, c) = (&given.ids, &given.distances, &given.counts);
        let expected = (queries, k);
        let ids = Output::matrix("ids output", i.data, (i.rows, i.cols), (i.row_stride, i.col_stride), expected)?;
        if ids.is_none() && queries > 0 {
            return Err(Error::invalid("ids output is NULL"));
        }
        let strides = (d.row_stride, d.col_stride);
        let distances = Output::matrix("distances output", d.data, (d.rows, d.cols), strides, expected)?;
        let counts = Output::vector("counts output", c.data, c.len, c.stride, queries)?;
        if let (Some(ids), Some(distances)) = (&ids, &distances) {
            check_disjoint(("ids output", "distances output"), ids.span(), distances.span())?;
        }
        if let (Some(ids), Some(counts)) = (&ids, &counts) {
            check_disjoint(("ids output", "counts output"), ids.span(), counts.span())?;
        }
        if let (Some(distances), Some(counts)) = (&distances, &counts) {
            check_disjoint(("distances output", "counts output"), distances.span(), counts.span())?;
        }
        Ok(NeighborOutput { ids, distances, counts, k })
    }

    /// Writes an answer, padded.
    ///
    /// # Safety
    /// The arrays may be written.
    unsafe fn write(&self, answer: &Neighbors) {
        for q in 0..answer.len() {
            let padding = std::iter::repeat((-1, f64::INFINITY));
            for (j, (id, distance)) in answer.of(q).chain(padding).take(self.k).enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    if let Some(ids) = &self.ids {
                        ids.write(q, j, id);
                    }
                    if let Some(distances) = &self.distances {
                        distances.write(q, j, distance);
                    }
                }
            }
            if let Some(counts) = &self.counts {
                // SAFETY: the caller's promise.
                unsafe { counts.write(q, 0, answer.of(q).len() as i64) };
            }
        }
    }
}

/// The k nearest points of each query under the tree's metric, exact, ascending by (distance, id). `out->ids` is
/// q x k; distances and counts may be absent. k may exceed the number of points: rows are padded. All may be absent where
/// there are no queries. `control` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_query_batch(
    tree: *const rct_tree,
    query: *const rct_query,
    out: *const rct_neighbors,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree| {
            let query = self::query(sized(query, "query")?)?;
            let count = query.points.len();
            check_k(query.k)?;
            let out = NeighborOutput::new(required(out, "out")?, count, query.k)?;
            out.write(&with_control(control, |control| tree.query_batch(&query, control))?);
            Ok(())
        })
    }
}

/// The whole Vecchia job. `order` is absent (the ids in their order) or a permutation of the n ids; row t of the
/// n x k output has the k nearest of the points order[0], ..., order[t - 1] to point order[t], as ids, ascending by
/// (distance, id). Row 0 is all padding; there is none where all points were removed. `control` may be NULL.
///
/// Which sets belong to which model: by RCT_METRIC_RESIDUAL to a VIF likelihood with the tree's inducing points, by
/// RCT_METRIC_CORRELATION or RCT_METRIC_EUCLIDEAN to a plain Vecchia likelihood, which is worse with the others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_vecchia_neighbors(
    tree: *const rct_tree,
    k: usize,
    order: rct_index_vector,
    out: *const rct_neighbors,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree| {
            check_k(k)?;
            let order = indices("order", &order)?;
            let out = NeighborOutput::new(required(out, "out")?, tree.len(), k)?;
            out.write(&with_control(control, |control| tree.vecchia_neighbors(k, order, control))?);
            Ok(())
        })
    }
}

/// The distance of each pair (i[t], j[t]) of stored points, under the tree's metric. `distances` may be absent where there
/// are no pairs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_distances(
    tree: *const rct_tree,
    i: rct_index_vector,
    j: rct_index_vector,
    distances: rct_vector_out,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe { with_tree(tree, |tree| pairs(i, j, "distances", distances, |i, j| tree.distances(i, j))) }
}

/// The signed residual correlation rho of each pair (i[t], j[t]) of stored points, as `rct_distances`;
/// RCT_ERROR_UNSUPPORTED for a tree with the Euclidean metric.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_correlations(
    tree: *const rct_tree,
    i: rct_index_vector,
    j: rct_index_vector,
    correlations: rct_vector_out,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree: &ResidualCoverTree| {
            pairs(i, j, "correlations", correlations, |i, j| tree.correlations(i, j))
        })
    }
}

/// The residual covariance k_ij - V_i.V_j of each pair (i[t], j[t]) of stored points, p_i where i = j;
/// RCT_ERROR_UNSUPPORTED for a tree with the Euclidean metric.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_residual_covariances(
    tree: *const rct_tree,
    i: rct_index_vector,
    j: rct_index_vector,
    covariances: rct_vector_out,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree: &ResidualCoverTree| {
            pairs(i, j, "covariances", covariances, |i, j| tree.residual_covariances(i, j))
        })
    }
}

/// Evaluates pairs and writes what came out.
///
/// # Safety
/// The arrays may be read and written.
unsafe fn pairs(
    i: rct_index_vector,
    j: rct_index_vector,
    name: &str,
    out: rct_vector_out,
    evaluate: impl FnOnce(ArrayView1<'_, i64>, ArrayView1<'_, i64>) -> Result<Vec<f64>>,
) -> Result<()> {
    // SAFETY (both): the caller's promise.
    let i = present("i", unsafe { indices("i", &i) }?)?;
    let j = present("j", unsafe { indices("j", &j) }?)?;
    let values = evaluate(i, j)?;
    let out = Output::vector(name, out.data, out.len, out.stride, values.len())?;
    // SAFETY: the caller's promise.
    unsafe { Output::write_all(name, out, values) }
}

fn check_k(k: usize) -> Result<()> {
    if k == 0 { Err(Error::invalid("k is 0; it must be at least 1")) } else { Ok(()) }
}
