# Julia's arrays as the views of rct.h. A d x n matrix is, to the library, n rows of d columns with strides to match.
# Whoever makes a view keeps its array alive with GC.@preserve.

const Flipped = Union{Adjoint{Float64, <:StridedMatrix{Float64}}, Transpose{Float64, <:StridedMatrix{Float64}}}

"""The matrix itself where its memory can be read as it is, a copy of `Float64` otherwise."""
numbers(a::Union{StridedVecOrMat{Float64}, Flipped}) = a
numbers(a::AbstractMatrix{<:Real}) = Matrix{Float64}(a)
numbers(a::AbstractVector{<:Real}) = Vector{Float64}(a)
numbers(a::Real) = [Float64(a)]

# Where an empty array is, to the library: NULL would say that there is none.
const NOWHERE = [0.0]
place(a::AbstractArray{T}) where {T} = isempty(a) ? Ptr{T}(pointer(NOWHERE)) : pointer(a)

matrix_view(::Nothing) = rct_matrix(C_NULL, 0, 0, 0, 0)
matrix_view(a::StridedMatrix{Float64}) = rct_matrix(place(a), size(a, 2), size(a, 1), stride(a, 2), stride(a, 1))
function matrix_view(a::Flipped)
    b = parent(a)
    return rct_matrix(place(b), size(b, 1), size(b, 2), stride(b, 1), stride(b, 2))
end

vector_view(::Nothing) = rct_vector(C_NULL, 0, 1)
vector_view(a::StridedVector{Float64}) = rct_vector(place(a), length(a), stride(a, 1))

index_view(::Nothing) = rct_index_vector(C_NULL, 0, 1)
index_view(a::StridedVector{Int64}) = rct_index_vector(place(a), length(a), stride(a, 1))

# Outputs are arrays of ours, dense.
matrix_out(a::Matrix{Float64}) = rct_matrix_out(place(a), size(a, 2), size(a, 1), size(a, 1), 1)
index_matrix_out(a::Matrix{Int64}) = rct_index_matrix_out(place(a), size(a, 2), size(a, 1), size(a, 1), 1)
lower_out(a::Matrix{Float64}) = rct_matrix_out(place(a), size(a, 1), size(a, 2), 1, size(a, 1)) # not transposed
vector_out(a::Vector{Float64}) = rct_vector_out(place(a), length(a), 1)
index_vector_out(a::Vector{Int64}) = rct_index_vector_out(place(a), length(a), 1)
const NO_COUNTS = rct_index_vector_out(C_NULL, 0, 1)

"""Ids that count from 1 as ids that count from 0."""
zero_based(ids::AbstractVector{<:Integer}) = Int64[Int64(id) - 1 for id in ids]
zero_based(id::Integer) = Int64[Int64(id) - 1]
zero_based(ids) = isempty(ids) ? Int64[] : throw(invalid("ids must be integers; these are a $(typeof(ids))"))

optional(f, ::Nothing) = nothing
optional(f, value) = f(value)
