//! A tree that lives: points that arrive and leave, parameters that change.

use super::control::with_control;
use super::options::options;
use super::tree::{data, rct_tree, refit_with, with_tree_alone};
use super::types::*;
use super::views::{indices, matrix, present, required_mut, sized, vector};
use crate::data::Model;
use crate::error::{Error, Result};

/// Inserts the rows of `data->coords`, which has what the build had (`factor`, `residual_variances`) but for inducing
/// points: those of the tree stay. The new points have the ids that follow the largest ever given; `*first_id`, which
/// may be NULL, is set to the first of them: the next id where there are no rows. No id is used twice. `control` may be NULL.
///
/// All answers are at once those of a tree that was built of all its points. On any failure the tree is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_insert_batch(
    tree: *mut rct_tree,
    data: *const rct_data,
    first_id: *mut i64,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree_alone(tree, |tree| {
            let slot = if first_id.is_null() { None } else { Some(required_mut(first_id, "first_id")?) };
            let data = self::data(sized(data, "data")?)?;
            let ids = with_control(control, |control| tree.insert(&data, control))?;
            if let Some(slot) = slot {
                *slot = ids.start;
            }
            Ok(())
        })
    }
}

/// Removes the points with these ids; the ids of all others stay. `control` may be NULL.
///
/// An id that no point has, or that comes twice, is an error; no ids are none. On any failure the tree is as it was. A tree
/// of which all points were removed answers every query with nothing, and can be inserted into, refitted and saved.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_remove_batch(
    tree: *mut rct_tree,
    ids: rct_index_vector,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        with_tree_alone(tree, |tree| {
            let ids = present("ids", indices("ids", &ids)?)?;
            with_control(control, |control| tree.remove(ids, control))
        })
    }
}

/// Gives the tree other parameters over the same points: all of `options` but the metric, which must be the tree's, and
/// from `data` (NULL where neither changes) `inducing` or `factor` and `residual_variances`, whose rows are those of the
/// points by ascending id. `data->coords` must be absent. Inducing points that are absent stay. `control` may be NULL.
///
/// Answers are those of a tree that is built anew, ids stay, and it takes less time. Where all points were removed the
/// parameters are those of points that are inserted later; a factor then has no rows. On any failure the tree is as it was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_refit(
    tree: *mut rct_tree,
    options: *const rct_options,
    data: *const rct_data,
    control: *const rct_control,
) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe {
        refit_with(tree, |tree| {
            let given = sized(options, "options")?;
            let options = self::options(given)?;
            let model = if data.is_null() { Model::default() } else { model(sized(data, "data")?)? };
            with_control(control, |control| tree.refit(&options, &model, control))?;
            Ok((given.covariance, given.covariance_user))
        })
    }
}

/// What a refit changes.
///
/// # Safety
/// The arrays may be read.
unsafe fn model<'a>(given: &rct_data) -> Result<Model<'a>> {
    // SAFETY (all views): the caller's promise.
    if unsafe { matrix("coords", &given.coords) }?.is_some() {
        return Err(Error::invalid("coords is given: a refit keeps the points"));
    }
    Ok(Model {
        inducing: unsafe { matrix("inducing", &given.inducing) }?,
        factor: unsafe { matrix("factor", &given.factor) }?,
        residual_variances: unsafe { vector("residual_variances", &given.residual_variances) }?,
    })
}
