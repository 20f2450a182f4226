//! V, p, Z and L: what a host goes on with from its neighbours.

use super::control::with_control;
use super::query::query;
use super::tree::{rct_tree, with_tree};
use super::types::*;
use super::views::{Output, check_disjoint, required, sized};

/// V and p of the points of `query` as the searches use them: of stored ones (`query->ids`), or of new ones
/// (`query->coords`, with what `rct_query_batch` needs); `k` and limits are not used. With m = 0, V has no
/// columns and p is the variance. RCT_ERROR_UNSUPPORTED for a tree with the Euclidean metric. `control` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_factor(
    tree: *const rct_tree,
    query: *const rct_query,
    out: *const rct_factor_out,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree| {
            let points = self::query(sized(query, "query")?)?.points;
            let (v, p) = {
                let out = required(out, "out")?;
                (&out.factor, &out.residual_variances)
            };
            let (count, m) = (points.len(), tree.stats().m);
            let strides = (v.row_stride, v.col_stride);
            let v = Output::matrix("factor output", v.data, (v.rows, v.cols), strides, (count, m))?;
            let p = Output::vector("residual_variances output", p.data, p.len, p.stride, count)?;
            if let (Some(v), Some(p)) = (&v, &p) {
                check_disjoint(("factor output", "residual_variances output"), v.span(), p.span())?;
            }
            let rows = with_control(control, |control| tree.factor_rows(&points, control))?;
            for (t, (row, variance)) in (0..count).map(|t| (t, rows.of(t))) {
                if let Some(v) = &v {
                    row.iter().enumerate().for_each(|(j, &value)| v.write(t, j, value));
                }
                if let Some(p) = &p {
                    p.write(t, 0, variance);
                }
            }
            Ok(())
        })
    }
}

/// The inducing points as they were given (m x d) and their Cholesky factor L (m x m, lower triangular, zeros above the
/// diagonal), L L' = k(Z, Z) + jitter variance I. Either output may be absent. m = 0 where the tree was built without;
/// RCT_ERROR_UNSUPPORTED where it has the caller's factor, or the Euclidean metric.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_inducing_points(
    tree: *const rct_tree,
    inducing: rct_matrix_out,
    cholesky: rct_matrix_out,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree| {
            let found = tree.inducing_factor()?;
            let outputs =
                [("inducing output", &inducing, &found.points), ("cholesky output", &cholesky, &found.cholesky)];
            let checked = outputs.map(|(name, out, values)| {
                let strides = (out.row_stride, out.col_stride);
                Output::matrix(name, out.data, (out.rows, out.cols), strides, values.dim())
            });
            let [z, l] = checked;
            let (z, l) = (z?, l?);
            if let (Some(z), Some(l)) = (&z, &l) {
                check_disjoint(("inducing output", "cholesky output"), z.span(), l.span())?;
            }
            for (out, values) in [(z, &found.points), (l, &found.cholesky)] {
                if let Some(out) = out {
                    values.indexed_iter().for_each(|((i, j), &value)| out.write(i, j, value));
                }
            }
            Ok(())
        })
    }
}
