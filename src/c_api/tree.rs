//! The tree handle: created, built, described, checked, freed.

use super::calls::{call_on, refuse_nested};
use super::control::with_control;
use super::options::{defaults, given, options, traversal_number};
use super::status::{guard, guard_or};
use super::types::*;
use super::views::{Output, check_struct_size, matrix, present, required, required_mut, sized, vector};
use crate::data::Data;
use crate::error::{Error, ErrorKind, Result, headroom};
use crate::options::Options;
use crate::residual_cover_tree::ResidualCoverTree;
use crate::stats::LengthscaleCheck;
use std::ffi::{CString, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

/// A tree: empty after `rct_create`, ready for queries after `rct_build`, gone after `rct_free`.
///
/// A `const rct_tree *` may be used from any number of threads at once; calls that take an `rct_tree *` need it alone.
pub struct rct_tree {
    options: Options,
    /// As the caller gave it, with its user pointer.
    covariance: (rct_covariance_fn, *mut c_void),
    built: Option<ResidualCoverTree>,
    /// What the build or the last refit has to say of the lengthscale.
    warning: Option<CString>,
    /// A call panicked: the tree may be in any state.
    poisoned: AtomicBool,
}

impl rct_tree {
    fn check(&self) -> Result<()> {
        if self.poisoned.load(Ordering::Relaxed) {
            return Err(Error::new(
                ErrorKind::Internal,
                "tree is poisoned: an earlier call on it ended in an internal error; free it and build another",
            ));
        }
        Ok(())
    }

    /// The options that it has now, and the caller's covariance.
    pub(super) fn options(&self) -> (&Options, (rct_covariance_fn, *mut c_void)) {
        (self.built.as_ref().map_or(&self.options, ResidualCoverTree::options), self.covariance)
    }

    /// Takes what was built, loaded or refitted.
    fn note(&mut self) {
        let check = self.built.as_ref().map(|built| built.stats().lengthscale);
        let doubtful = check.filter(|check| *check != LengthscaleCheck::Plausible);
        self.warning = doubtful.and_then(|check| CString::new(check.to_string()).ok());
    }

    fn built(&self) -> Result<&ResidualCoverTree> {
        self.built.as_ref().ok_or_else(unbuilt)
    }

    fn built_mut(&mut self) -> Result<&mut ResidualCoverTree> {
        self.built.as_mut().ok_or_else(unbuilt)
    }
}

fn unbuilt() -> Error {
    Error::new(ErrorKind::InvalidState, "tree is not built: call rct_build first")
}

/// Runs `body` on a handle, built or not; a panic poisons it.
///
/// # Safety
/// `tree` is NULL or a live handle.
pub(super) unsafe fn with_handle(tree: *const rct_tree, body: impl FnOnce(&rct_tree) -> Result<()>) -> rct_status {
    let run = || {
        // SAFETY: the caller's promise.
        let tree = unsafe { required(tree, "tree") }?;
        tree.check()?;
        body(tree)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_tree(tree, run) }
}

/// As [`with_handle`], to change the handle.
///
/// # Safety
/// `tree` is NULL or a live handle, which nobody else uses during the call.
unsafe fn with_handle_alone(tree: *mut rct_tree, body: impl FnOnce(&mut rct_tree) -> Result<()>) -> rct_status {
    let run = || {
        // SAFETY: the caller's promise.
        let tree = unsafe { required_mut(tree, "tree") }?;
        tree.check()?;
        body(tree)
    };
    // SAFETY: the caller's promise.
    unsafe { guard_tree(tree, run) }
}

/// As [`with_handle`], on a built tree.
///
/// # Safety
/// As there.
pub(super) unsafe fn with_tree(
    tree: *const rct_tree,
    body: impl FnOnce(&ResidualCoverTree) -> Result<()>,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe { with_handle(tree, |tree| body(tree.built()?)) }
}

/// As [`with_tree`], to change the tree.
///
/// # Safety
/// `tree` is NULL or a live handle, which nobody else uses during the call.
pub(super) unsafe fn with_tree_alone(
    tree: *mut rct_tree,
    body: impl FnOnce(&mut ResidualCoverTree) -> Result<()>,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe { with_handle_alone(tree, |tree| body(tree.built_mut()?)) }
}

/// As [`with_tree_alone`], to refit the tree: `body` returns the caller's new covariance.
///
/// # Safety
/// As there.
pub(super) unsafe fn refit_with(
    tree: *mut rct_tree,
    body: impl FnOnce(&mut ResidualCoverTree) -> Result<(rct_covariance_fn, *mut c_void)>,
) -> rct_status {
    let refit = |tree: &mut rct_tree| {
        tree.covariance = body(tree.built_mut()?)?;
        tree.note();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_handle_alone(tree, refit) }
}

/// Bytes that a call may need beside what it asks for in the open.
pub(super) const ROOM: usize = 8 << 20;

/// Runs a call on a tree, which a panic poisons.
///
/// # Safety
/// `tree` is NULL or a live handle.
unsafe fn guard_tree(tree: *const rct_tree, run: impl FnOnce() -> Result<()>) -> rct_status {
    let panicked = || {
        // SAFETY: the caller's promise.
        if let Some(tree) = unsafe { tree.as_ref() } {
            tree.poisoned.store(true, Ordering::Relaxed)
        }
    };
    guard_or(|| headroom(ROOM, "the call").and_then(|()| call_on(tree.cast(), run)), panicked)
}

/// A handle of a tree.
pub(super) fn handle(
    options: Options,
    covariance: (rct_covariance_fn, *mut c_void),
    built: Option<ResidualCoverTree>,
) -> *mut rct_tree {
    let mut tree = rct_tree { options, covariance, built, warning: None, poisoned: AtomicBool::new(false) };
    tree.note();
    Box::into_raw(Box::new(tree))
}

/// Checks `options` (NULL for the defaults, which lack a lengthscale) and makes an empty tree, to be freed with
/// `rct_free`. `*tree` is set on success only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_create(options: *const rct_options, tree: *mut *mut rct_tree) -> rct_status {
    guard(|| {
        // SAFETY: the caller's promise.
        let slot = unsafe { required_mut(tree, "tree") }?;
        let default = defaults();
        // SAFETY: the caller's promise, or our own struct.
        let given = if options.is_null() { &default } else { unsafe { sized(options, "options") }? };
        // SAFETY: the caller's promise.
        let options = unsafe { self::options(given) }?;
        *slot = handle(options, (given.covariance, given.covariance_user), None);
        Ok(())
    })
}

/// Builds the tree over the rows of `data->coords`, once. `control` may be NULL.
///
/// On any failure the tree stays empty, and can be built.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_build(
    tree: *mut rct_tree,
    data: *const rct_data,
    control: *const rct_control,
) -> rct_status {
    let build = |tree: &mut rct_tree| {
        if tree.built.is_some() {
            return Err(Error::new(ErrorKind::InvalidState, "tree is already built: a tree is built once"));
        }
        // SAFETY: the caller's promise.
        let data = unsafe { self::data(sized(data, "data")?) }?;
        // SAFETY: the caller's promise.
        let built =
            unsafe { with_control(control, |control| ResidualCoverTree::build(&tree.options, &data, control)) }?;
        tree.built = Some(built);
        tree.note();
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { with_handle_alone(tree, build) }
}

/// The data of the safe API.
///
/// # Safety
/// The arrays may be read.
pub(super) unsafe fn data<'a>(given: &rct_data) -> Result<Data<'a>> {
    // SAFETY (all views): the caller's promise.
    Ok(Data {
        coords: present("coords", unsafe { matrix("coords", &given.coords) }?)?,
        inducing: unsafe { matrix("inducing", &given.inducing) }?,
        factor: unsafe { matrix("factor", &given.factor) }?,
        residual_variances: unsafe { vector("residual_variances", &given.residual_variances) }?,
    })
}

/// What the tree was made with, or last refitted with, also before it is built and after it is loaded: every field of
/// `options`, which `rct_options_init` fills first. Where `lengthscales` were given they point into the tree, until it is
/// refitted or freed, and `lengthscale` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_get_options(tree: *const rct_tree, options: *mut rct_options) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_handle(tree, |tree| {
            sized(options, "options")?;
            let (found, (covariance, covariance_user)) = tree.options();
            *required_mut(options, "options")? = rct_options { covariance, covariance_user, ..given(found) };
            Ok(())
        })
    }
}

/// Figures of a built tree and of the last call that searched it. Set `stats->struct_size` first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_stats(tree: *const rct_tree, stats: *mut rct_tree_stats) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_handle(tree, |tree| {
            let found = tree.built()?.stats();
            check_struct_size::<rct_tree_stats>(*required(stats.cast::<usize>(), "stats")?, "stats")?;
            let slot = required_mut(stats, "stats")?;
            let search = found.last_search;
            *slot = rct_tree_stats {
                struct_size: slot.struct_size,
                n: found.n,
                parts: found.parts,
                removed: found.removed,
                m: found.m,
                d: found.d,
                levels: found.shape.levels,
                nodes: found.nodes,
                max_fan_out: found.shape.max_fan_out,
                depth: found.shape.depth,
                memory_bytes: found.memory_bytes,
                build_evaluations: found.build_evaluations,
                seconds_factor: found.seconds.factor,
                seconds_order: found.seconds.order,
                seconds_tree: found.seconds.tree,
                brute_force_only: i32::from(found.brute_force_only),
                last_traversal: traversal_number(search.traversal),
                queries: search.queries,
                distance_evaluations: search.counters.distance_evaluations,
                nodes_visited: search.counters.nodes_visited,
                pruned_by_ball: search.counters.pruned_by_ball,
                pruned_by_cell: search.counters.pruned_by_cell,
                pruned_by_id: search.counters.pruned_by_id,
                seconds_search: search.seconds,
                lengthscale_check: match found.lengthscale {
                    LengthscaleCheck::Plausible => rct_lengthscale_check::RCT_LENGTHSCALE_PLAUSIBLE,
                    LengthscaleCheck::TooShort { .. } => rct_lengthscale_check::RCT_LENGTHSCALE_TOO_SHORT,
                    LengthscaleCheck::TooLong { .. } => rct_lengthscale_check::RCT_LENGTHSCALE_TOO_LONG,
                } as i32,
                warning: tree.warning.as_ref().map_or(std::ptr::null(), |warning| warning.as_ptr()),
                plan: found.plan.c_name().as_ptr(),
                plan_reason: found.plan.c_reason().as_ptr(),
                by_boxes: search.counters.by_boxes,
                by_leaves: search.counters.by_leaves,
                by_subspaces: search.counters.by_subspaces,
                by_nodes: search.counters.by_nodes,
                by_brute_force: search.counters.by_brute_force,
            };
            Ok(())
        })
    }
}

/// The ids of the n points that are there, ascending.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_ids(tree: *const rct_tree, ids: rct_index_vector_out) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree(tree, |tree| {
            let out = Output::vector("ids output", ids.data, ids.len, ids.stride, tree.len())?;
            Output::write_all("ids", out, tree.ids()?)
        })
    }
}

/// Checks every invariant of the tree by its definition: O(n^2) evaluations, for tests and for a worried user.
/// RCT_ERROR_INTERNAL and a sentence where one is broken. `control` may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_validate(tree: *const rct_tree, control: *const rct_control) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe { with_tree(tree, |tree| with_control(control, |control| tree.validate(control))) }
}

/// Frees a tree; NULL is fine. No other call may be using it; a callback of a call on the tree frees nothing, and
/// `rct_last_error` then says so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_free(tree: *mut rct_tree) {
    if !tree.is_null() {
        guard(|| {
            refuse_nested(tree.cast())?;
            // SAFETY: not NULL, made by rct_create, and the caller's last use.
            drop(unsafe { Box::from_raw(tree) });
            Ok(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::c_api::{rct_last_error, rct_status::*};
    use std::ffi::CStr;

    #[test]
    fn a_panic_becomes_a_status_and_poisons_the_handle() {
        let mut tree = std::ptr::null_mut();
        let points = [0.0, 1.0, 2.0];
        let message = || unsafe { CStr::from_ptr(rct_last_error()) }.to_str().unwrap().to_owned();
        // SAFETY: a live handle and arrays of the lengths given.
        unsafe {
            let options = rct_options { lengthscale: 1.0, ..defaults() };
            assert_eq!(rct_create(&options, &mut tree), RCT_OK);
            let mut data = std::mem::zeroed();
            crate::c_api::rct_data_init(&mut data);
            data.coords = rct_matrix { data: points.as_ptr(), rows: 3, cols: 1, row_stride: 1, col_stride: 1 };
            assert_eq!(rct_build(tree, &data, std::ptr::null()), RCT_OK);
            assert_eq!(with_tree(tree, |_| panic!("a defect")), RCT_ERROR_INTERNAL);
            assert!(message().contains("a defect"));
            assert_eq!(rct_validate(tree, std::ptr::null()), RCT_ERROR_INTERNAL);
            assert!(message().contains("poisoned"));
            rct_free(tree);
        }
    }
}
