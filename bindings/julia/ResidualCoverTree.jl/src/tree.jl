"""
    CoverTree(coords; lengthscale, inducing, factor, residual_variance, metric = :residual, kernel = :matern32,
              variance = 1.0, jitter = 1e-6, construction = :pure, ordering = :hilbert, traversal = :auto,
              threads = 0, alpha = 1.0, residual_floor = 1e-10, progress = nothing)

A tree over the columns of `coords` (d x n); column i has id i.

- `metric` says which model the conditioning sets are for. Those of `:residual` are for a VIF likelihood (Vecchia with
  inducing points, full-scale) with the same inducing points: either `inducing` points (d x m) or a `factor` V (m x n)
  of one's own, with or without its `residual_variance` p (n), may be given. A plain Vecchia likelihood takes those of
  `:correlation` or `:euclidean`, without inducing points.
- `kernel` is `:rbf`, `:matern12`, `:matern32`, `:matern52`, `:rational_quadratic` (with `alpha`), or a function of two
  points.
- `lengthscale`, one number or d of them, in the unit of the coordinates, must be given with a named kernel. Where it
  leaves no correlation between near neighbours, or hardly any difference, a warning says so. With `:euclidean` it
  divides the coordinates, and need not be given; a function has its own.
- `construction` (`:pure`, `:hybrid`), `ordering` (`:hilbert`, `:natural`), `traversal` (`:auto`, `:best_first`,
  `:level_synchronous`, `:brute_force`) and `threads` (0: all cores) change how long an answer takes, not the answer.
- `progress` is called with the fraction done.

`insert_points!`, `remove_points!` and `refit!` change a tree, `save_tree` and `load_tree` keep it.

A tree may be asked by any number of tasks and threads at once. Ctrl-C stops a call and leaves the tree as it was.
During a call its task stays on its thread. Where `progress` or a function of two points waits, other tasks of the
thread run; those that ask the same tree fail with `RCT_ERROR_INVALID_STATE` meanwhile.
"""
mutable struct CoverTree
    handle::Ptr{rct_tree}
    kernel::Union{Nothing, Kernel}
    n::Int

    CoverTree(handle::Ptr{rct_tree}, kernel) = finalizer(free, new(handle, kernel, 0))

    function CoverTree(coords; inducing = nothing, factor = nothing, residual_variance = nothing, metric = :residual,
                       kernel = :matern32, lengthscale = nothing, variance = 1.0, jitter = 1e-6, construction = :pure,
                       ordering = :hilbert, traversal = :auto, threads = 0, alpha = 1.0, residual_floor = 1e-10,
                       progress = nothing)
        parameters = (; metric, kernel, variance, lengthscale, jitter, construction, ordering, traversal, threads,
                      alpha, residual_floor)
        tree = with_options(parameters) do options, own
            slot = Ref{Ptr{rct_tree}}(C_NULL)
            check(@ccall librct.rct_create(options::Ref{rct_options}, slot::Ref{Ptr{rct_tree}})::Cint)
            return CoverTree(slot[], own)
        end
        build!(tree, coords, inducing, factor, residual_variance, progress)
        return tree
    end
end

function free(tree::CoverTree)
    @ccall librct.rct_free(tree.handle::Ptr{rct_tree})::Cvoid
    tree.handle = C_NULL
    return nothing
end

function build!(tree::CoverTree, coords, inducing, factor, residual_variance, progress)
    coords = numbers(coords)
    with_data(coords, inducing, factor, residual_variance) do data
        with_tree(tree, progress) do handle, control
            @long_ccall librct.rct_build(handle::Ptr{rct_tree}, data::Ref{rct_data}, control::Ref{rct_control})::Cint
        end
    end
    tree.n = size(coords, 2)
    warn_of_lengthscale(tree)
    return nothing
end

"""Says what the library found odd about the lengthscale when it built or refitted the tree."""
function warn_of_lengthscale(tree::CoverTree)
    sentence = stats(tree).warning
    sentence === nothing || @warn sentence
    return nothing
end

"""Runs `body(data)` with the arrays of an `rct_data` kept alive; `nothing` is absent."""
function with_data(body, coords, inducing, factor, residual_variance)
    coords = optional(numbers, coords)
    inducing, factor = optional(numbers, inducing), optional(numbers, factor)
    residual_variance = optional(numbers, residual_variance)
    data = rct_data()
    check(@ccall librct.rct_data_init(data::Ref{rct_data})::Cint)
    GC.@preserve coords inducing factor residual_variance begin
        data.coords = matrix_view(coords)
        data.inducing = matrix_view(inducing)
        data.factor = matrix_view(factor)
        data.residual_variances = vector_view(residual_variance)
        return body(data)
    end
end

"""
`controlled` with the handle of a tree, which is kept alive with the covariance function that it calls; what that threw
is thrown.
"""
function with_tree(body, tree::CoverTree, progress, kernel = tree.kernel)
    GC.@preserve tree kernel begin
        try
            controlled(control -> body(tree.handle, control), progress)
        catch error
            (kernel === nothing || kernel.thrown === nothing) && rethrow()
            thrown, kernel.thrown = kernel.thrown, nothing
            throw(thrown)
        end
    end
    return nothing
end

Base.length(tree::CoverTree) = tree.n
Base.show(io::IO, tree::CoverTree) = print(io, "CoverTree of ", tree.n, " points")

"""
    stats(tree)

Figures of the tree and of its last search, under the names of `rct_tree_stats` in `rct.h`. `lengthscale_check` is
`:plausible`, `:too_short` or `:too_long`, and `warning` the sentence that says so, or `nothing`. `plan` names how the
automatic traversal searches, and `plan_reason` says why.
"""
function stats(tree::CoverTree)
    found = rct_tree_stats()
    found.struct_size = sizeof(rct_tree_stats)
    warning = GC.@preserve tree begin
        check(@ccall librct.rct_stats(tree.handle::Ptr{rct_tree}, found::Ref{rct_tree_stats})::Cint)
        found.warning == C_NULL ? nothing : in_julia(unsafe_string(found.warning))
    end
    names = filter(!=(:struct_size), fieldnames(rct_tree_stats))
    figures = NamedTuple{names}(map(name -> getfield(found, name), names))
    return merge(figures, (brute_force_only = figures.brute_force_only != 0,
                           last_traversal = name_of(figures.last_traversal, TRAVERSAL),
                           lengthscale_check = name_of(figures.lengthscale_check, LENGTHSCALE), warning = warning,
                           plan = unsafe_string(figures.plan), plan_reason = unsafe_string(figures.plan_reason)))
end

"""
    parameters(tree)

What the tree was made with, also after `load_tree` and `refit_tree!`: a named tuple of the keywords of `CoverTree`.
`lengthscale` is `nothing` where none was given.
"""
function parameters(tree::CoverTree)
    options = rct_options()
    GC.@preserve tree begin
        check(@ccall librct.rct_options_init(options::Ref{rct_options})::Cint)
        check(@ccall librct.rct_get_options(tree.handle::Ptr{rct_tree}, options::Ref{rct_options})::Cint)
        return parameters_of(options, tree.kernel)
    end
end

"""
    ids(tree)

The ids of the points that are there, ascending.
"""
function ids(tree::CoverTree)
    found = Vector{Int64}(undef, length(tree))
    GC.@preserve tree found begin
        out = index_vector_out(found)
        check(@ccall librct.rct_ids(tree.handle::Ptr{rct_tree}, out::rct_index_vector_out)::Cint)
    end
    return found .+= 1
end

"""
    inducing_points(tree)

Z (d x m), as given, and L (m x m), the lower Cholesky factor of their covariance with the jitter. Not for a tree with a
`factor` of the caller's, nor with the Euclidean metric.
"""
function inducing_points(tree::CoverTree)
    figures = stats(tree)
    inducing, cholesky = zeros(Int(figures.d), Int(figures.m)), zeros(Int(figures.m), Int(figures.m))
    GC.@preserve tree inducing cholesky begin
        given, lower = matrix_out(inducing), lower_out(cholesky)
        check(@ccall librct.rct_inducing_points(tree.handle::Ptr{rct_tree}, given::rct_matrix_out,
                                                lower::rct_matrix_out)::Cint)
    end
    return inducing, cholesky
end

"""
    validate(tree; progress = nothing)

Checks every invariant of the tree by its definition, with O(n^2) evaluations; throws where one is broken.
"""
function validate(tree::CoverTree; progress = nothing)
    return with_tree(tree, progress) do handle, control
        @long_ccall librct.rct_validate(handle::Ptr{rct_tree}, control::Ref{rct_control})::Cint
    end
end
