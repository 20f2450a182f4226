"""
    NewPoints(coords, factor, residual_variance = nothing)

New points (d x q) for a tree that was built from a factor of the caller's: they bring theirs (m x q), and q variances.
"""
struct NewPoints{C, F, P}
    coords::C
    factor::F
    residual_variance::P
end
NewPoints(coords, factor) = NewPoints(coords, factor, nothing)

"""
    query(tree, points, k; id_limit = nothing, max_distance = nothing, include_self = true, progress = nothing)

The `k` nearest stored points of each of `points`: a vector of ids of stored points, a d x q matrix of new points, or
`NewPoints`. Returns ids and distances, k x q, ascending by (distance, id), padded with 0 and `Inf`.

`id_limit` (one, or q) leaves only ids up to it, `max_distance` (one, or q) only distances below it; with
`include_self = false` a stored point is not its own neighbour.
"""
function query(tree::CoverTree, points, k::Integer; id_limit = nothing, max_distance = nothing, include_self = true,
               progress = nothing)
    return with_query(points, k, id_limit, max_distance, include_self) do given, queries
        neighbors(tree, queries, k, progress) do handle, out, control
            @long_ccall librct.rct_query_batch(handle::Ptr{rct_tree}, given::Ref{rct_query}, out::Ref{rct_neighbors},
                                               control::Ref{rct_control})::Cint
        end
    end
end

"""
    vecchia_neighbors(tree, k; order = nothing, progress = nothing)

The whole Vecchia job: column t of the k x n results has the `k` nearest of the points before it in `order`, a
permutation of the ids (by default the ids ascending, so that column t is that of the t-th point that is there). Returns
ids and distances, ascending by (distance, id), padded with 0 and `Inf`.

The sets of a tree with the metric `:residual` are for a VIF likelihood with the tree's inducing points; a plain Vecchia
likelihood takes those of `:correlation` or `:euclidean`.
"""
function vecchia_neighbors(tree::CoverTree, k::Integer; order = nothing, progress = nothing)
    permutation = optional(zero_based, order)
    GC.@preserve permutation begin
        given = index_view(permutation)
        return neighbors(tree, length(tree), k, progress) do handle, out, control
            count = Csize_t(k)
            @long_ccall librct.rct_vecchia_neighbors(handle::Ptr{rct_tree}, count::Csize_t, given::rct_index_vector,
                                                     out::Ref{rct_neighbors}, control::Ref{rct_control})::Cint
        end
    end
end

"""
    radius_query(tree, points, radius; id_limit = nothing, include_self = true, progress = nothing)

For each of `points` (as in `query`) the ids of all stored points nearer than `radius`, and their distances: two vectors
of vectors, ascending by (distance, id).
"""
function radius_query(tree::CoverTree, points, radius::Real; id_limit = nothing, include_self = true,
                      progress = nothing)
    return with_query(points, 1, id_limit, nothing, include_self) do given, queries
        slot = Ref{Ptr{rct_radius_result}}(C_NULL)
        within = Cdouble(radius)
        with_tree(tree, progress) do handle, control
            @long_ccall librct.rct_radius_batch(handle::Ptr{rct_tree}, given::Ref{rct_query}, within::Cdouble,
                                                slot::Ref{Ptr{rct_radius_result}}, control::Ref{rct_control})::Cint
        end
        try
            found = rct_radius_view()
            check(@ccall librct.rct_radius_result_view(slot[]::Ptr{rct_radius_result},
                                                       found::Ref{rct_radius_view})::Cint)
            row(i) = (Int(unsafe_load(found.offsets, i)) + 1):Int(unsafe_load(found.offsets, i + 1))
            ids = [Int64[unsafe_load(found.ids, j) + 1 for j in row(i)] for i in 1:queries]
            return ids, [Float64[unsafe_load(found.distances, j) for j in row(i)] for i in 1:queries]
        finally
            @ccall librct.rct_radius_result_free(slot[]::Ptr{rct_radius_result})::Cvoid
        end
    end
end

"""
    distances(tree, i, j)

The distance of each pair `(i[t], j[t])` of stored points.
"""
function distances(tree::CoverTree, i, j)
    return pairs_of(tree, i, j) do handle, from, to, out
        @ccall librct.rct_distances(handle::Ptr{rct_tree}, from::rct_index_vector, to::rct_index_vector,
                                    out::rct_vector_out)::Cint
    end
end

"""
    correlations(tree, i, j)

The signed residual correlation of each pair `(i[t], j[t])` of stored points.
"""
function correlations(tree::CoverTree, i, j)
    return pairs_of(tree, i, j) do handle, from, to, out
        @ccall librct.rct_correlations(handle::Ptr{rct_tree}, from::rct_index_vector, to::rct_index_vector,
                                       out::rct_vector_out)::Cint
    end
end

"""
    residual_covariances(tree, i, j)

The covariance `k(x_i, x_j) - V_i' V_j` of each pair `(i[t], j[t])` of stored points that the inducing points leave; the
residual variance `p_i` where `i[t] == j[t]`. Not for a tree with the Euclidean metric.
"""
function residual_covariances(tree::CoverTree, i, j)
    return pairs_of(tree, i, j) do handle, from, to, out
        @ccall librct.rct_residual_covariances(handle::Ptr{rct_tree}, from::rct_index_vector, to::rct_index_vector,
                                               out::rct_vector_out)::Cint
    end
end

"""
    factor(tree, points; progress = nothing)

V (m x q) and p (q) of `points`, as in `query`, as the search has them: `L V = k(Z, x)`, and the residual variance
`p = k(x, x) - V' V` that is left. Not for a tree with the Euclidean metric.
"""
function factor(tree::CoverTree, points; progress = nothing)
    m = Int(stats(tree).m)
    return with_query(points, 1, nothing, nothing, true) do given, queries
        values, variances = Matrix{Float64}(undef, m, queries), Vector{Float64}(undef, queries)
        GC.@preserve values variances begin
            out = Ref(rct_factor_out(matrix_out(values), vector_out(variances)))
            with_tree(tree, progress) do handle, control
                @long_ccall librct.rct_factor(handle::Ptr{rct_tree}, given::Ref{rct_query}, out::Ref{rct_factor_out},
                                              control::Ref{rct_control})::Cint
            end
        end
        return values, variances
    end
end

function pairs_of(body, tree::CoverTree, i, j)
    i, j = zero_based(i), zero_based(j)
    values = Vector{Float64}(undef, length(i))
    GC.@preserve i j values begin
        from, to, out = index_view(i), index_view(j), vector_out(values)
        # A function of two points may be called here as well.
        with_tree((handle, _) -> body(handle, from, to, out), tree, nothing)
    end
    return values
end

"""Runs `body(query, number of queries)` with the arrays of an `rct_query` kept alive."""
function with_query(body, points, k::Integer, id_limit, max_distance, include_self::Bool)
    new = points isa NewPoints ? points : points isa AbstractMatrix ? NewPoints(points, nothing) : nothing
    ids = new === nothing ? zero_based(points) : nothing
    coords = new === nothing ? nothing : numbers(new.coords)
    factor = new === nothing ? nothing : optional(numbers, new.factor)
    variances = new === nothing ? nothing : optional(numbers, new.residual_variance)
    # Ids below a limit, from 0, are ids up to it, from 1.
    limits = id_limit isa Integer ? Int64[id_limit] : optional(Vector{Int64}, id_limit)
    bounds = optional(numbers, max_distance)
    given = rct_query()
    check(@ccall librct.rct_query_init(given::Ref{rct_query})::Cint)
    GC.@preserve ids coords factor variances limits bounds begin
        given.k = count_of("k", k)
        given.ids = index_view(ids)
        given.coords = matrix_view(coords)
        given.factor = matrix_view(factor)
        given.residual_variances = vector_view(variances)
        given.id_limits = index_view(limits)
        given.max_distances = vector_view(bounds)
        given.exclude_self = !include_self
        return body(given, coords === nothing ? length(ids) : size(coords, 2))
    end
end

"""Ids and distances, k x q, that `body(handle, out, control)` fills."""
function neighbors(body, tree::CoverTree, queries::Integer, k::Integer, progress)
    rows = count_of("k", k)
    ids, found = Matrix{Int64}(undef, rows, queries), Matrix{Float64}(undef, rows, queries)
    GC.@preserve ids found begin
        out = Ref(rct_neighbors(index_matrix_out(ids), matrix_out(found), NO_COUNTS))
        with_tree((handle, control) -> body(handle, out, control), tree, progress)
    end
    ids .+= 1
    return ids, found
end
