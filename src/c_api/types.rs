//! The structs and constants of the C header. Field comments become the header's text.
#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_void};

/// What a call came to. `rct_status_name` gives the name, `rct_last_error` the sentence.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rct_status {
    /// Success.
    RCT_OK = 0,
    /// An argument is outside its range, has the wrong shape, or is NULL where it must not be.
    RCT_ERROR_INVALID_ARGUMENT = 1,
    /// The call does not fit the state of the tree: a query before a build, a second build.
    RCT_ERROR_INVALID_STATE = 2,
    /// A NaN or an infinity; the message says at which row and column.
    RCT_ERROR_NOT_FINITE = 3,
    /// The covariance of the inducing points has no Cholesky factor; a larger jitter may help.
    RCT_ERROR_NOT_POSITIVE_DEFINITE = 4,
    /// Memory could not be had; the tree is as it was.
    RCT_ERROR_OUT_OF_MEMORY = 5,
    /// Reading or writing a file failed.
    RCT_ERROR_IO = 6,
    /// A saved tree is damaged, or the file is none.
    RCT_ERROR_CORRUPT = 7,
    /// Valid, but not for this tree: for example signed correlations from a Euclidean tree.
    RCT_ERROR_UNSUPPORTED = 8,
    /// `should_stop` asked to stop, or a covariance callback failed; the tree is as it was.
    RCT_ERROR_CANCELLED = 9,
    /// A defect of the library. A handle whose call was cut short is poisoned: free it.
    RCT_ERROR_INTERNAL = 10,
}

/// Which distance a tree searches. Values of `rct_options.metric`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rct_metric {
    /// sqrt(1 - |rho|), rho the correlation left after the inducing points: the default. For a VIF likelihood.
    RCT_METRIC_RESIDUAL = 0,
    /// sqrt(1 - |rho|), rho the plain correlation: no inducing points. For a plain Vecchia likelihood.
    RCT_METRIC_CORRELATION = 1,
    /// Euclidean distance of coordinates divided by their lengthscales. For a plain Vecchia likelihood.
    RCT_METRIC_EUCLIDEAN = 2,
}

/// Covariance functions; r is the distance of coordinates divided by their lengthscales.
/// Values of `rct_options.kernel`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rct_kernel {
    /// exp(-r^2 / 2)
    RCT_KERNEL_RBF = 0,
    /// exp(-r), the exponential kernel
    RCT_KERNEL_MATERN12 = 1,
    /// (1 + sqrt(3) r) exp(-sqrt(3) r): the default
    RCT_KERNEL_MATERN32 = 2,
    /// (1 + sqrt(5) r + 5 r^2 / 3) exp(-sqrt(5) r)
    RCT_KERNEL_MATERN52 = 3,
    /// (1 + r^2 / (2 alpha))^-alpha, with `rct_options.alpha`
    RCT_KERNEL_RATIONAL_QUADRATIC = 4,
    /// The caller's `rct_options.covariance`
    RCT_KERNEL_CUSTOM = 5,
}

/// Which distance shapes the tree. Answers are the same. Values of `rct_options.construction`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rct_construction {
    /// The tree's own metric: the default.
    RCT_CONSTRUCTION_PURE = 0,
    /// The Euclidean distance; the radii of the tree's metric are then computed for its nodes.
    RCT_CONSTRUCTION_HYBRID = 1,
}

/// Orders of points: `rct_order` takes all four, `rct_options.ordering` the first two.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rct_ordering {
    /// As given.
    RCT_ORDERING_NATURAL = 0,
    /// Along a Hilbert curve: the tree's default.
    RCT_ORDERING_HILBERT = 1,
    /// Each next point is farthest from those before it.
    RCT_ORDERING_MAXIMIN = 2,
    /// Shuffled by the seed.
    RCT_ORDERING_RANDOM = 3,
}

/// How a tree is searched. Answers are the same. Values of `rct_options.traversal`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rct_traversal {
    /// Blocks of queries against blocks of points; brute force where that is cheaper: the default.
    RCT_TRAVERSAL_AUTO = 0,
    /// One query at a time, nearest bound first.
    RCT_TRAVERSAL_BEST_FIRST = 1,
    /// One query at a time, a level of the tree at a time.
    RCT_TRAVERSAL_LEVEL_SYNCHRONOUS = 2,
    /// Every pair, in blocks.
    RCT_TRAVERSAL_BRUTE_FORCE = 3,
}

/// How `rct_select_inducing` chooses.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rct_inducing_method {
    /// k-means++ seeds refined by Lloyd's iterations.
    RCT_INDUCING_KMEANS_PLUS_PLUS = 0,
    /// A random subset of the points.
    RCT_INDUCING_RANDOM = 1,
}

/// What a sample of the points tells of the lengthscale. Values of `rct_tree_stats.lengthscale_check`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum rct_lengthscale_check {
    /// Nothing speaks against it; or the tree has none.
    RCT_LENGTHSCALE_PLAUSIBLE = 0,
    /// Most points have a correlation of less than 0.01 with their nearest neighbour: what is nearest is then decided by
    /// rounding and by ids.
    RCT_LENGTHSCALE_TOO_SHORT = 1,
    /// All points are correlated by more than 0.999 with each other.
    RCT_LENGTHSCALE_TOO_LONG = 2,
}

/// A matrix to read: element (i, j) is `data[i * row_stride + j * col_stride]`. Strides count elements, may be
/// negative, and may be 0 to repeat a value. Row-major n x d: strides (d, 1). Column-major: (1, n).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_matrix {
    /// Element (0, 0); NULL with rows = 0 says "absent". Any other pointer with rows = 0 is a matrix of no rows.
    pub data: *const f64,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: isize,
    /// Elements from one column to the next.
    pub col_stride: isize,
}

/// A matrix to write, laid out like `rct_matrix`; no two elements may share memory.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_matrix_out {
    /// Element (0, 0); NULL with rows = 0 says "not wanted" where that is allowed.
    pub data: *mut f64,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: isize,
    /// Elements from one column to the next.
    pub col_stride: isize,
}

/// A matrix of ids to write, laid out like `rct_matrix`; no two elements may share memory.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_index_matrix_out {
    /// Element (0, 0).
    pub data: *mut i64,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from one row to the next.
    pub row_stride: isize,
    /// Elements from one column to the next.
    pub col_stride: isize,
}

/// A vector to read: element i is `data[i * stride]`; NULL with len = 0 says "absent", any other pointer with len = 0 is a
/// vector of no elements.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_vector {
    /// Element 0.
    pub data: *const f64,
    /// Number of elements.
    pub len: usize,
    /// Elements from one to the next.
    pub stride: isize,
}

/// A vector to write; no two elements may share memory.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_vector_out {
    /// Element 0.
    pub data: *mut f64,
    /// Number of elements.
    pub len: usize,
    /// Elements from one to the next.
    pub stride: isize,
}

/// A vector of ids or limits to read; absent or of no elements as an `rct_vector` is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_index_vector {
    /// Element 0.
    pub data: *const i64,
    /// Number of elements.
    pub len: usize,
    /// Elements from one to the next.
    pub stride: isize,
}

/// A vector of ids or counts to write; no two elements may share memory. NULL with len = 0 says "not wanted".
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_index_vector_out {
    /// Element 0.
    pub data: *mut i64,
    /// Number of elements.
    pub len: usize,
    /// Elements from one to the next.
    pub stride: isize,
}

/// A caller's covariance: writes cov(x, others[i]) to `out[i]` for i < count. `x` has `dim` coordinates as the
/// caller gave them (lengthscales and variance of the options are not applied), `others` is row-major count x dim.
/// Returns 0, or anything else to stop the call with RCT_ERROR_CANCELLED. It must be symmetric, positive
/// semidefinite and free of side effects, and is called only on a thread that is inside a call to this library. It may
/// not call on the tree that it serves: such a call fails with RCT_ERROR_INVALID_STATE.
pub type rct_covariance_fn = Option<
    unsafe extern "C" fn(
        user: *mut c_void,
        x: *const f64,
        others: *const f64,
        count: usize,
        dim: usize,
        out: *mut f64,
    ) -> i32,
>;

/// Called now and then with the fraction done, 0 to 1, on the calling thread. A call from here on the tree that is at
/// work fails with RCT_ERROR_INVALID_STATE; other trees may be used.
pub type rct_progress_fn = Option<unsafe extern "C" fn(fraction: f64, user: *mut c_void)>;

/// Called now and then on the calling thread; a result other than 0 stops the call with RCT_ERROR_CANCELLED. It may use
/// trees as `rct_progress_fn` may.
pub type rct_should_stop_fn = Option<unsafe extern "C" fn(user: *mut c_void) -> i32>;

/// What a tree is to be. Fill with `rct_options_init`, then change what you need.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_options {
    /// sizeof(rct_options), set by `rct_options_init`: lets fields be added without breaking the ABI.
    pub struct_size: usize,
    /// An `rct_metric`. Default RCT_METRIC_RESIDUAL.
    pub metric: i32,
    /// An `rct_kernel`. Default RCT_KERNEL_MATERN32. Not used by the Euclidean metric.
    pub kernel: i32,
    /// An `rct_construction`. Default RCT_CONSTRUCTION_PURE.
    pub construction: i32,
    /// RCT_ORDERING_NATURAL or RCT_ORDERING_HILBERT: the order in which points enter the tree. Default Hilbert.
    pub ordering: i32,
    /// An `rct_traversal`. Default RCT_TRAVERSAL_AUTO.
    pub traversal: i32,
    /// Threads that build and search; 0 for all cores (the default), 1 starts no thread.
    pub threads: u32,
    /// Variance of the kernel, > 0. Default 1.
    pub variance: f64,
    /// Lengthscale of every dimension, > 0, in the unit of the coordinates. 0, the default: not given, which is an error
    /// where the metric has a kernel of this list, and leaves the coordinates of the Euclidean one as they are. Not used
    /// where `lengthscales` is given.
    pub lengthscale: f64,
    /// One lengthscale a dimension, each > 0; absent by default. Copied by `rct_create`.
    pub lengthscales: rct_vector,
    /// Shape of the rational quadratic kernel, > 0. Default 1.
    pub alpha: f64,
    /// jitter * variance is added to the diagonal of the inducing covariance; >= 0. Default 1e-6.
    pub jitter: f64,
    /// Residual variances are at least residual_floor * variance; in (0, 1]. Default 1e-10.
    pub residual_floor: f64,
    /// The covariance where kernel is RCT_KERNEL_CUSTOM, otherwise NULL.
    pub covariance: rct_covariance_fn,
    /// Passed to `covariance`; must outlive the tree.
    pub covariance_user: *mut c_void,
}

/// Progress and cancellation. Fill with `rct_control_init`. Every call also takes NULL for "neither".
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_control {
    /// sizeof(rct_control), set by `rct_control_init`.
    pub struct_size: usize,
    /// NULL or the progress callback.
    pub progress: rct_progress_fn,
    /// NULL or the cancellation callback.
    pub should_stop: rct_should_stop_fn,
    /// Passed to both.
    pub user: *mut c_void,
}

/// What a tree is built from. Fill with `rct_data_init`, then set `coords` and what the metric needs. The call
/// copies what it needs; nothing is kept.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_data {
    /// sizeof(rct_data), set by `rct_data_init`.
    pub struct_size: usize,
    /// Coordinates, n x d. Point i has id i.
    pub coords: rct_matrix,
    /// Inducing points, m x d (residual metric); absent: m = 0 unless `factor` is given.
    pub inducing: rct_matrix,
    /// V, n x m, the caller's own (residual metric), in place of `inducing`.
    pub factor: rct_matrix,
    /// Residual variances p, n values > 0, with `factor` only; absent: computed from `factor`.
    pub residual_variances: rct_vector,
}

/// How a saved tree is loaded. Fill with `rct_load_options_init`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_load_options {
    /// sizeof(rct_load_options), set by `rct_load_options_init`.
    pub struct_size: usize,
    /// Threads of the tree, 0 for all cores; -1 (the default) for as many as it was saved with.
    pub threads: i32,
    /// Not 0: V, most of a tree, stays in the file, which is mapped into memory; each 64 KiB of it are read, and
    /// checked, when a query first needs them. Nobody may then change the file in place while the tree lives (saving
    /// anew to its path is fine: that makes another file). Only `rct_load` has a file. Default 0: all is read at once.
    pub memory_map: i32,
}

/// A batch of nearest-neighbour queries. Fill with `rct_query_init`, set `k` and either `ids` or `coords`. One of no ids, or
/// of coordinates with no rows, is answered with nothing.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_query {
    /// sizeof(rct_query), set by `rct_query_init`.
    pub struct_size: usize,
    /// Neighbours wanted, >= 1; missing ones are id -1 at distance INFINITY.
    pub k: usize,
    /// Stored points to query, q ids.
    pub ids: rct_index_vector,
    /// New points to query, q x d.
    pub coords: rct_matrix,
    /// Rows of V for the new points, q x m, where the tree was built from the caller's factor.
    pub factor: rct_matrix,
    /// Residual variances of the new points, q values, where the tree was built from the caller's.
    pub residual_variances: rct_vector,
    /// Only ids below the limit are neighbours: absent, one limit for all, or q limits; >= 0.
    pub id_limits: rct_index_vector,
    /// Only neighbours strictly nearer than this: absent, one bound for all, or q bounds; > 0.
    pub max_distances: rct_vector,
    /// Not 0: a stored point is not its own neighbour. Default 0.
    pub exclude_self: i32,
    /// An `rct_traversal` for this call; RCT_TRAVERSAL_AUTO (the default) means the tree's own.
    pub traversal: i32,
}

/// Where a query's answer goes.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_neighbors {
    /// Ids, q x k, ascending by (distance, id), padded with -1.
    pub ids: rct_index_matrix_out,
    /// Distances, q x k, padded with INFINITY; may be absent.
    pub distances: rct_matrix_out,
    /// How many neighbours each query has, q values; may be absent.
    pub counts: rct_index_vector_out,
}

/// Figures of a tree and of the last call that searched it. Set `struct_size` to sizeof(rct_tree_stats) first.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_tree_stats {
    /// sizeof(rct_tree_stats), set by the caller.
    pub struct_size: usize,
    /// Points.
    pub n: usize,
    /// Parts that are searched one after the other: 1 unless points were inserted, 0 where all were removed.
    pub parts: usize,
    /// Removed points that still take their room.
    pub removed: usize,
    /// Inducing points (columns of V).
    pub m: usize,
    /// Dimensions.
    pub d: usize,
    /// Levels of the cover tree; 0, as are its other figures, as long as nothing has asked for its nodes.
    pub levels: usize,
    /// Nodes of the cover tree: one a point, removed ones included.
    pub nodes: usize,
    /// Largest number of children of one node.
    pub max_fan_out: usize,
    /// Longest path from the root, in edges.
    pub depth: usize,
    /// Bytes held by the tree.
    pub memory_bytes: usize,
    /// Distance evaluations spent on building the tree.
    pub build_evaluations: u64,
    /// Seconds of the build: Cholesky factor, V and p.
    pub seconds_factor: f64,
    /// Seconds of the build: the layout.
    pub seconds_order: f64,
    /// Seconds of the build: index, and nodes where the options name a traversal of these.
    pub seconds_tree: f64,
    /// 1 where the caller's factor is no residual of its kernel, so that bounds do not hold and every search is brute force.
    pub brute_force_only: i32,
    /// Last search: the traversal used, an `rct_traversal`.
    pub last_traversal: i32,
    /// Last search: queries.
    pub queries: u64,
    /// Last search: products of length m, those spent on bounds included; shorter ones count by their share.
    pub distance_evaluations: u64,
    /// Last search: tree nodes or blocks whose bound was looked at.
    pub nodes_visited: u64,
    /// Last search: of these, discarded by the ball (angle) bound.
    pub pruned_by_ball: u64,
    /// Last search: of these, discarded by a bound over a region of space.
    pub pruned_by_cell: u64,
    /// Last search: of these, discarded because they hold no allowed id.
    pub pruned_by_id: u64,
    /// Last search: seconds.
    pub seconds_search: f64,
    /// What the build or the last refit found of the lengthscale, an `rct_lengthscale_check`.
    pub lengthscale_check: i32,
    /// NULL, or a sentence for people that says what is wrong with the lengthscale. Lives until the tree is refitted or
    /// freed.
    pub warning: *const c_char,
    /// How the automatic traversal searches: "boxes", "leaves", "leaves and subspaces", "subspaces", "brute force" or "none",
    /// a string that is there for ever.
    pub plan: *const c_char,
    /// Why so, for people; it is there for ever.
    pub plan_reason: *const c_char,
    /// Last search: queries that boxes answered, one for each part that was searched for it; and so on.
    pub by_boxes: u64,
    /// Last search: queries that leaves answered.
    pub by_leaves: u64,
    /// Last search: queries that subspaces answered.
    pub by_subspaces: u64,
    /// Last search: queries that the nodes of the cover tree answered.
    pub by_nodes: u64,
    /// Last search: queries for which all allowed points were scored.
    pub by_brute_force: u64,
}

/// Where V and p go.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_factor_out {
    /// V, q x m; may be absent.
    pub factor: rct_matrix_out,
    /// p, q values; may be absent.
    pub residual_variances: rct_vector_out,
}

/// The result of `rct_radius_batch` in compressed rows: the neighbours of query i are elements
/// `offsets[i]` to `offsets[i + 1] - 1` of `ids` and `distances`, ascending by (distance, id).
/// The pointers belong to the `rct_radius_result` and live as long as it does.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct rct_radius_view {
    /// Number of queries q.
    pub queries: usize,
    /// Number of neighbours in all: `offsets[queries]`.
    pub total: usize,
    /// q + 1 offsets.
    pub offsets: *const usize,
    /// `total` ids.
    pub ids: *const i64,
    /// `total` distances.
    pub distances: *const f64,
}
