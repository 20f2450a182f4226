//! Orders of points and the choice of inducing points: what a Vecchia user needs before a tree.

use super::control::with_control;
use super::options::choice;
use super::status::guard;
use super::types::*;
use super::views::{Output, matrix, present};
use crate::error::Error;
use crate::inducing_selection::{InducingMethod, check_number, select_inducing};
use crate::ordering::{Ordering, order};

/// A permutation of the rows of `coords` (n x d): `order` gets, for each place, the id of the point that stands there.
/// `ordering` is an `rct_ordering`; `seed` matters for the random one. Distances are Euclidean in the coordinates
/// given: divide them by their lengthscales before where these differ. `order` may be absent where there are no rows.
/// `control` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_order(
    coords: rct_matrix,
    ordering: i32,
    seed: u64,
    order: rct_index_vector_out,
    control: *const rct_control,
) -> rct_status {
    guard(|| {
        let all = [Ordering::Natural, Ordering::Hilbert, Ordering::Maximin, Ordering::Random];
        let ordering = choice("ordering", ordering, &all)?;
        // SAFETY (all): the caller's promise.
        let coords = present("coords", unsafe { matrix("coords", &coords) }?)?;
        let out = Output::vector("order", order.data, order.len, order.stride, coords.nrows())?;
        if out.is_none() && coords.nrows() > 0 {
            return Err(Error::invalid("order output is NULL"));
        }
        let found = unsafe { with_control(control, |control| self::order(coords, ordering, seed, control)) }?;
        for (t, id) in found.into_iter().enumerate() {
            if let Some(out) = &out {
                unsafe { out.write(t, 0, id as i64) };
            }
        }
        Ok(())
    })
}

/// Chooses `m` inducing points for the rows of `coords` (n x d), at most as many as there are distinct rows, and writes
/// their coordinates to `inducing`, m x d. `method` is an `rct_inducing_method`; the same seed gives the same points.
/// `control` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_select_inducing(
    coords: rct_matrix,
    m: usize,
    method: i32,
    seed: u64,
    inducing: rct_matrix_out,
    control: *const rct_control,
) -> rct_status {
    guard(|| {
        let method = choice("method", method, &[InducingMethod::KMeansPlusPlus, InducingMethod::Random])?;
        // SAFETY (all): the caller's promise.
        let coords = present("coords", unsafe { matrix("coords", &coords) }?)?;
        // Before the output's shape: bindings have it from m and the rows that there are.
        check_number(coords, m)?;
        if m == 0 {
            return Err(Error::invalid("m is 0; choose at least one inducing point"));
        }
        let (shape, strides) = ((inducing.rows, inducing.cols), (inducing.row_stride, inducing.col_stride));
        let out = Output::matrix("inducing", inducing.data, shape, strides, (m, coords.ncols()))?
            .ok_or_else(|| Error::invalid("inducing output is NULL"))?;
        let found = unsafe { with_control(control, |control| select_inducing(coords, m, method, seed, control)) }?;
        for ((i, j), &value) in found.indexed_iter() {
            unsafe { out.write(i, j, value) };
        }
        Ok(())
    })
}
