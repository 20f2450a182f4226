"""
    CoverTree(coords; inducing, factor, residual_variance, metric = :residual, kernel = :matern32, variance = 1.0,
              lengthscale = 1.0, jitter = 1e-6, construction = :pure, ordering = :hilbert, traversal = :auto,
              threads = 0, alpha = 1.0, residual_floor = 1e-10, progress = nothing)

A tree over the columns of `coords` (d x n); column i has id i.

- With the metric `:residual` either `inducing` points (d x m) or a `factor` V (m x n) of one's own, with or without its
  `residual_variance` p (n), may be given. The other metrics are `:correlation` and `:euclidean`.
- `kernel` is `:rbf`, `:matern12`, `:matern32`, `:matern52`, `:rational_quadratic` (with `alpha`), or a function of two
  points; `lengthscale` is one number or d of them.
- `construction` (`:pure`, `:hybrid`), `ordering` (`:hilbert`, `:natural`), `traversal` (`:auto`, `:best_first`,
  `:level_synchronous`, `:brute_force`) and `threads` (0: all cores) change how long an answer takes, not the answer.
- `progress` is called with the fraction done.

`insert_points!`, `remove_points!` and `refit!` change a tree, `save_tree` and `load_tree` keep it.

A tree may be asked by any number of tasks and threads at once. Ctrl-C stops a call and leaves the tree as it was.
"""
mutable struct CoverTree
    handle::Ptr{rct_tree}
    kernel::Union{Nothing, Kernel}
    n::Int
    parameters::Union{Nothing, NamedTuple}

    CoverTree(handle::Ptr{rct_tree}, kernel, parameters) = finalizer(free, new(handle, kernel, 0, parameters))

    function CoverTree(coords; inducing = nothing, factor = nothing, residual_variance = nothing, metric = :residual,
                       kernel = :matern32, lengthscale = 1.0, variance = 1.0, jitter = 1e-6, construction = :pure,
                       ordering = :hilbert, traversal = :auto, threads = 0, alpha = 1.0, residual_floor = 1e-10,
                       progress = nothing)
        parameters = changed(nothing, (; metric, kernel, variance, lengthscale, jitter, construction, ordering,
                                       traversal, threads, alpha, residual_floor))
        tree = with_options(parameters) do options, own
            slot = Ref{Ptr{rct_tree}}(C_NULL)
            check(@ccall librct.rct_create(options::Ref{rct_options}, slot::Ref{Ptr{rct_tree}})::Cint)
            return CoverTree(slot[], own, parameters)
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

Figures of the tree and of its last search, under the names of `rct_tree_stats` in `rct.h`.
"""
function stats(tree::CoverTree)
    found = rct_tree_stats()
    found.struct_size = sizeof(rct_tree_stats)
    GC.@preserve tree check(
        @ccall librct.rct_stats(tree.handle::Ptr{rct_tree}, found::Ref{rct_tree_stats})::Cint)
    names = filter(!=(:struct_size), fieldnames(rct_tree_stats))
    figures = NamedTuple{names}(map(name -> getfield(found, name), names))
    traversal = keys(TRAVERSAL)[figures.last_traversal + 1]
    return merge(figures, (brute_force_only = figures.brute_force_only != 0, last_traversal = traversal))
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
