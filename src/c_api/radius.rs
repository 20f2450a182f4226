//! Neighbours within a radius: a result of the library's own, because its length is not known before.

use super::control::with_control;
use super::query::query;
use super::status::guard;
use super::tree::{rct_tree, with_tree};
use super::types::*;
use super::views::{required, required_mut, sized};
use crate::error::{Error, try_with_capacity};

/// All neighbours within a radius of each query of a batch. Read with `rct_radius_result_view`, free with
/// `rct_radius_result_free`; independent of the tree.
pub struct rct_radius_result {
    offsets: Vec<usize>,
    ids: Vec<i64>,
    distances: Vec<f64>,
}

/// All points nearer than `radius` to each query; of no queries the result has the one offset 0. `query->k` is not used,
/// `query->max_distances` must be absent. `*result` is set on success only, to be freed with `rct_radius_result_free`.
/// `control` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_radius_batch(
    tree: *const rct_tree,
    query: *const rct_query,
    radius: f64,
    result: *mut *mut rct_radius_result,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree| {
            let slot = required_mut(result, "result")?;
            let query = self::query(sized(query, "query")?)?;
            if query.max_distances.is_some() {
                return Err(Error::invalid("max_distances is given to rct_radius_batch; radius takes its place"));
            }
            let found = with_control(control, |control| tree.radius_batch(&query, radius, control))?;
            let total = (0..found.len()).map(|q| found.of(q).len()).sum();
            let mut offsets = try_with_capacity(found.len() + 1, "the result")?;
            let mut ids = try_with_capacity(total, "the result")?;
            let mut distances = try_with_capacity(total, "the result")?;
            offsets.push(0);
            for q in 0..found.len() {
                for (id, distance) in found.of(q) {
                    ids.push(id);
                    distances.push(distance);
                }
                offsets.push(ids.len());
            }
            *slot = Box::into_raw(Box::new(rct_radius_result { offsets, ids, distances }));
            Ok(())
        })
    }
}

/// Sets `*view` to the arrays of `result`, which live until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_radius_result_view(
    result: *const rct_radius_result,
    view: *mut rct_radius_view,
) -> rct_status {
    guard(|| {
        // SAFETY (both): the caller's promise.
        let result = unsafe { required(result, "result") }?;
        let view = unsafe { required_mut(view, "view") }?;
        *view = rct_radius_view {
            queries: result.offsets.len() - 1,
            total: result.ids.len(),
            offsets: result.offsets.as_ptr(),
            ids: result.ids.as_ptr(),
            distances: result.distances.as_ptr(),
        };
        Ok(())
    })
}

/// Frees a result; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_radius_result_free(result: *mut rct_radius_result) {
    if !result.is_null() {
        // SAFETY: not NULL, made by rct_radius_batch, and the caller's last use.
        drop(unsafe { Box::from_raw(result) });
    }
}
