"""
    order(coords; method = :maximin, seed = 0, progress = nothing)

A permutation of the columns of `coords` (d x n): `:natural`, `:hilbert`, `:maximin` (each next point is farthest from those
before it) or `:random` (by the seed). Distances are Euclidean in the coordinates given: divide them by their
lengthscales before where these differ.
"""
function order(coords; method = :maximin, seed::Integer = 0, progress = nothing)
    coords = numbers(coords)
    permutation = Vector{Int64}(undef, size(coords, 2))
    ordering, start = code("method", method, ORDERING), seed_of(seed)
    GC.@preserve coords permutation begin
        given, out = matrix_view(coords), index_vector_out(permutation)
        controlled(progress) do control
            @long_ccall librct.rct_order(given::rct_matrix, ordering::Int32, start::UInt64, out::rct_index_vector_out,
                                         control::Ref{rct_control})::Cint
        end
    end
    return permutation .+= 1
end

"""
    select_inducing(coords, m; method = :kmeans_plus_plus, seed = 0, progress = nothing)

`m` inducing points (d x m) for the columns of `coords` (d x n): centres of k-means++ and Lloyd's iterations, or a
`:random` subset.
"""
function select_inducing(coords, m::Integer; method = :kmeans_plus_plus, seed::Integer = 0, progress = nothing)
    coords = numbers(coords)
    chosen, count = code("method", method, INDUCING), count_of("m", m)
    start = seed_of(seed)
    # No more columns than can be filled: a larger m is refused by the library, whatever the array.
    inducing = Matrix{Float64}(undef, size(coords, 1), min(m, size(coords, 2)))
    GC.@preserve coords inducing begin
        given, out = matrix_view(coords), matrix_out(inducing)
        controlled(progress) do control
            @long_ccall librct.rct_select_inducing(given::rct_matrix, count::Csize_t, chosen::Int32, start::UInt64,
                                                   out::rct_matrix_out, control::Ref{rct_control})::Cint
        end
    end
    return inducing
end

function seed_of(seed)
    0 <= seed <= typemax(UInt64) || throw(invalid("seed is $seed; it must be from 0 to $(typemax(UInt64))"))
    return UInt64(seed)
end
