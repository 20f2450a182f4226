//! `rct_options` and the other structs' `_init` functions.

use super::covariance::CallerCovariance;
use super::status::guard;
use super::types::*;
use super::views::{required_mut, vector};
use crate::error::{Error, Result, try_collect};
use crate::kernel::{Covariance, Kernel, KernelFamily, Lengthscale};
use crate::options::{Construction, MetricKind, Options, Traversal, TreeOrder};
use std::mem::size_of;
use std::ptr::{null, null_mut};
use std::sync::Arc;

const NO_VECTOR: rct_vector = rct_vector { data: null(), len: 0, stride: 1 };
const NO_INDICES: rct_index_vector = rct_index_vector { data: null(), len: 0, stride: 1 };
/// Choices in the order of their numbers in the header.
const METRICS: [MetricKind; 3] = [MetricKind::Residual, MetricKind::Correlation, MetricKind::Euclidean];
const CONSTRUCTIONS: [Construction; 2] = [Construction::Pure, Construction::Hybrid];
const ORDERS: [TreeOrder; 2] = [TreeOrder::Natural, TreeOrder::Hilbert];
const TRAVERSALS: [Traversal; 4] =
    [Traversal::Automatic, Traversal::BestFirst, Traversal::LevelSynchronous, Traversal::BruteForce];

const NO_MATRIX: rct_matrix = rct_matrix { data: null(), rows: 0, cols: 0, row_stride: 0, col_stride: 1 };

/// Fills `*target`.
///
/// # Safety
/// `target` is NULL or may be written.
unsafe fn init<T>(target: *mut T, name: &str, value: T) -> rct_status {
    guard(|| {
        // SAFETY: the caller's promise.
        *unsafe { required_mut(target, name) }? = value;
        Ok(())
    })
}

/// Fills `options` with the defaults that its fields name. The lengthscale has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_options_init(options: *mut rct_options) -> rct_status {
    // SAFETY: the caller's promise.
    unsafe { init(options, "options", defaults()) }
}

/// Fills `control` with no callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_control_init(control: *mut rct_control) -> rct_status {
    let struct_size = size_of::<rct_control>();
    let value = rct_control { struct_size, progress: None, should_stop: None, user: null_mut() };
    // SAFETY: the caller's promise.
    unsafe { init(control, "control", value) }
}

/// Fills `data` with nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_data_init(data: *mut rct_data) -> rct_status {
    let value = rct_data {
        struct_size: size_of::<rct_data>(),
        coords: NO_MATRIX,
        inducing: NO_MATRIX,
        factor: NO_MATRIX,
        residual_variances: NO_VECTOR,
    };
    // SAFETY: the caller's promise.
    unsafe { init(data, "data", value) }
}

/// Fills `options` with the defaults that its fields name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_load_options_init(options: *mut rct_load_options) -> rct_status {
    let value = rct_load_options { struct_size: size_of::<rct_load_options>(), threads: -1, memory_map: 0 };
    // SAFETY: the caller's promise.
    unsafe { init(options, "options", value) }
}

/// Fills `query` with no points, no limits, k = 1, self included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rct_query_init(query: *mut rct_query) -> rct_status {
    let value = rct_query {
        struct_size: size_of::<rct_query>(),
        k: 1,
        ids: NO_INDICES,
        coords: NO_MATRIX,
        factor: NO_MATRIX,
        residual_variances: NO_VECTOR,
        id_limits: NO_INDICES,
        max_distances: NO_VECTOR,
        exclude_self: 0,
        traversal: rct_traversal::RCT_TRAVERSAL_AUTO as i32,
    };
    // SAFETY: the caller's promise.
    unsafe { init(query, "query", value) }
}

/// The options of the safe API as a caller would give them, but for a covariance of the caller's.
pub(super) fn given(options: &Options) -> rct_options {
    let mut given = rct_options {
        metric: number_of(options.metric, &METRICS),
        kernel: rct_kernel::RCT_KERNEL_CUSTOM as i32,
        construction: number_of(options.construction, &CONSTRUCTIONS),
        ordering: number_of(options.order, &ORDERS),
        traversal: traversal_number(options.traversal),
        threads: options.threads as u32,
        jitter: options.jitter,
        residual_floor: options.residual_floor,
        ..defaults()
    };
    let Covariance::Stationary(kernel) = &options.covariance else { return given };
    given.kernel = match kernel.family {
        KernelFamily::Rbf => rct_kernel::RCT_KERNEL_RBF,
        KernelFamily::Matern12 => rct_kernel::RCT_KERNEL_MATERN12,
        KernelFamily::Matern32 => rct_kernel::RCT_KERNEL_MATERN32,
        KernelFamily::Matern52 => rct_kernel::RCT_KERNEL_MATERN52,
        KernelFamily::RationalQuadratic { alpha } => {
            given.alpha = alpha;
            rct_kernel::RCT_KERNEL_RATIONAL_QUADRATIC
        }
    } as i32;
    given.variance = kernel.variance;
    match &kernel.lengthscale {
        Lengthscale::Missing => {}
        Lengthscale::Isotropic(lengthscale) => given.lengthscale = *lengthscale,
        Lengthscale::PerDimension(all) => {
            given.lengthscales = rct_vector { data: all.as_ptr(), len: all.len(), stride: 1 };
        }
    }
    given
}

/// The default options.
pub(super) fn defaults() -> rct_options {
    rct_options {
        struct_size: size_of::<rct_options>(),
        metric: rct_metric::RCT_METRIC_RESIDUAL as i32,
        kernel: rct_kernel::RCT_KERNEL_MATERN32 as i32,
        construction: rct_construction::RCT_CONSTRUCTION_PURE as i32,
        ordering: rct_ordering::RCT_ORDERING_HILBERT as i32,
        traversal: rct_traversal::RCT_TRAVERSAL_AUTO as i32,
        threads: 0,
        variance: 1.0,
        lengthscale: 0.0,
        lengthscales: NO_VECTOR,
        alpha: 1.0,
        jitter: 1e-6,
        residual_floor: 1e-10,
        covariance: None,
        covariance_user: null_mut(),
    }
}

/// The choice that a number stands for: its index in `choices`.
pub(super) fn choice<T: Copy>(name: &str, number: i32, choices: &[T]) -> Result<T> {
    usize::try_from(number)
        .ok()
        .and_then(|index| choices.get(index).copied())
        .ok_or_else(|| Error::invalid(format!("{name} is {number}; it must be from 0 to {}", choices.len() - 1)))
}

/// The number that stands for a choice, which is one of `choices`.
fn number_of<T: PartialEq>(choice: T, choices: &[T]) -> i32 {
    choices.iter().take_while(|&other| *other != choice).count() as i32
}

/// The number of a traversal.
pub(super) fn traversal_number(traversal: Traversal) -> i32 {
    number_of(traversal, &TRAVERSALS)
}

/// The traversal that a number stands for.
pub(super) fn traversal(name: &str, number: i32) -> Result<Traversal> {
    choice(name, number, &TRAVERSALS)
}

/// The options of the safe API, checked.
///
/// # Safety
/// The lengthscales may be read.
pub(super) unsafe fn options(given: &rct_options) -> Result<Options> {
    let families = [
        Some(KernelFamily::Rbf),
        Some(KernelFamily::Matern12),
        Some(KernelFamily::Matern32),
        Some(KernelFamily::Matern52),
        Some(KernelFamily::RationalQuadratic { alpha: given.alpha }),
        None,
    ];
    let family = choice("kernel", given.kernel, &families)?;
    // SAFETY: the caller's promise.
    let lengthscales = unsafe { vector("lengthscales", &given.lengthscales) }?;
    let covariance = match (family, given.covariance) {
        (Some(family), None) => Covariance::Stationary(Kernel {
            family,
            variance: given.variance,
            lengthscale: match lengthscales {
                Some(all) => Lengthscale::PerDimension(try_collect(all.iter().map(|&l| Ok(l)), "lengthscales")?),
                None if given.lengthscale == 0.0 => Lengthscale::Missing,
                None => Lengthscale::Isotropic(given.lengthscale),
            },
        }),
        (None, Some(function)) => {
            Covariance::Custom(Arc::new(CallerCovariance { function, user: given.covariance_user }))
        }
        (Some(_), Some(_)) => {
            let kernel = given.kernel;
            return Err(Error::invalid(format!("covariance is given, but kernel is {kernel}, not RCT_KERNEL_CUSTOM")));
        }
        (None, None) => return Err(Error::invalid("kernel is RCT_KERNEL_CUSTOM, but covariance is NULL")),
    };
    let options = Options {
        metric: choice("metric", given.metric, &METRICS)?,
        covariance,
        construction: choice("construction", given.construction, &CONSTRUCTIONS)?,
        order: choice("ordering", given.ordering, &ORDERS)?,
        traversal: traversal("traversal", given.traversal)?,
        threads: given.threads as usize,
        jitter: given.jitter,
        residual_floor: given.residual_floor,
        portable_simd: false,
    };
    options.check()?;
    Ok(options)
}
