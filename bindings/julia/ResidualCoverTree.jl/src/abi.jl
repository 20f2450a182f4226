# The structs and constants of rct.h, under their names in C. bindings/julia/check_abi.py compares them with the header.

const RCT_ABI_VERSION = 0

const RCT_OK = Cint(0)

# `METRIC.residual` is RCT_METRIC_RESIDUAL, and so on.
const METRIC = (residual = 0, correlation = 1, euclidean = 2)
const KERNEL = (rbf = 0, matern12 = 1, matern32 = 2, matern52 = 3, rational_quadratic = 4, custom = 5)
const CONSTRUCTION = (pure = 0, hybrid = 1)
const ORDERING = (natural = 0, hilbert = 1, maximin = 2, random = 3)
const TRAVERSAL = (auto = 0, best_first = 1, level_synchronous = 2, brute_force = 3)
const INDUCING = (kmeans_plus_plus = 0, random = 1)
const LENGTHSCALE = (plausible = 0, too_short = 1, too_long = 2)

mutable struct rct_tree end
mutable struct rct_radius_result end
mutable struct rct_buffer end

struct rct_vector
    data::Ptr{Cdouble}
    len::Csize_t
    stride::Cptrdiff_t
end

struct rct_matrix
    data::Ptr{Cdouble}
    rows::Csize_t
    cols::Csize_t
    row_stride::Cptrdiff_t
    col_stride::Cptrdiff_t
end

struct rct_index_vector
    data::Ptr{Int64}
    len::Csize_t
    stride::Cptrdiff_t
end

struct rct_vector_out
    data::Ptr{Cdouble}
    len::Csize_t
    stride::Cptrdiff_t
end

struct rct_matrix_out
    data::Ptr{Cdouble}
    rows::Csize_t
    cols::Csize_t
    row_stride::Cptrdiff_t
    col_stride::Cptrdiff_t
end

struct rct_index_vector_out
    data::Ptr{Int64}
    len::Csize_t
    stride::Cptrdiff_t
end

struct rct_index_matrix_out
    data::Ptr{Int64}
    rows::Csize_t
    cols::Csize_t
    row_stride::Cptrdiff_t
    col_stride::Cptrdiff_t
end

mutable struct rct_options
    struct_size::Csize_t
    metric::Int32
    kernel::Int32
    construction::Int32
    ordering::Int32
    traversal::Int32
    threads::UInt32
    variance::Cdouble
    lengthscale::Cdouble
    lengthscales::rct_vector
    alpha::Cdouble
    jitter::Cdouble
    residual_floor::Cdouble
    covariance::Ptr{Cvoid}
    covariance_user::Ptr{Cvoid}
    rct_options() = new()
end

mutable struct rct_control
    struct_size::Csize_t
    progress::Ptr{Cvoid}
    should_stop::Ptr{Cvoid}
    user::Ptr{Cvoid}
    rct_control() = new()
end

mutable struct rct_data
    struct_size::Csize_t
    coords::rct_matrix
    inducing::rct_matrix
    factor::rct_matrix
    residual_variances::rct_vector
    rct_data() = new()
end

mutable struct rct_load_options
    struct_size::Csize_t
    threads::Int32
    memory_map::Int32
    rct_load_options() = new()
end

mutable struct rct_query
    struct_size::Csize_t
    k::Csize_t
    ids::rct_index_vector
    coords::rct_matrix
    factor::rct_matrix
    residual_variances::rct_vector
    id_limits::rct_index_vector
    max_distances::rct_vector
    exclude_self::Int32
    traversal::Int32
    rct_query() = new()
end

mutable struct rct_tree_stats
    struct_size::Csize_t
    n::Csize_t
    parts::Csize_t
    removed::Csize_t
    m::Csize_t
    d::Csize_t
    levels::Csize_t
    nodes::Csize_t
    max_fan_out::Csize_t
    depth::Csize_t
    memory_bytes::Csize_t
    build_evaluations::UInt64
    seconds_factor::Cdouble
    seconds_order::Cdouble
    seconds_tree::Cdouble
    brute_force_only::Int32
    last_traversal::Int32
    queries::UInt64
    distance_evaluations::UInt64
    nodes_visited::UInt64
    pruned_by_ball::UInt64
    pruned_by_cell::UInt64
    pruned_by_id::UInt64
    seconds_search::Cdouble
    lengthscale_check::Int32
    warning::Ptr{UInt8}
    plan::Ptr{UInt8}
    plan_reason::Ptr{UInt8}
    by_boxes::UInt64
    by_leaves::UInt64
    by_subspaces::UInt64
    by_nodes::UInt64
    by_brute_force::UInt64
    rct_tree_stats() = new()
end

struct rct_neighbors
    ids::rct_index_matrix_out
    distances::rct_matrix_out
    counts::rct_index_vector_out
end

struct rct_factor_out
    factor::rct_matrix_out
    residual_variances::rct_vector_out
end

mutable struct rct_radius_view
    queries::Csize_t
    total::Csize_t
    offsets::Ptr{Csize_t}
    ids::Ptr{Int64}
    distances::Ptr{Cdouble}
    rct_radius_view() = new()
end
