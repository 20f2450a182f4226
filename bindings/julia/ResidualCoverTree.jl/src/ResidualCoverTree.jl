"""
Exact nearest neighbours under the residual correlation distance, for Vecchia and VIF Gaussian processes.

Points are the columns of a d x n matrix, ids count from 1, and 0 (at distance `Inf`) stands for a missing neighbour.
Strided matrices of `Float64` are read where they are; others are converted, which copies them.
"""
module ResidualCoverTree

using LinearAlgebra: Adjoint, Transpose
using Preferences: @load_preference, @set_preferences!
import Libdl

export CoverTree, NewPoints, RctError
export insert_points!, load_tree, refit!, remove_points!, save_tree
export correlations, distances, order, query, radius_query, select_inducing, stats, validate, vecchia_neighbors

include("abi.jl")
include("library.jl")
include("errors.jl")
include("views.jl")
include("control.jl")
include("options.jl")
include("tree.jl")
include("life.jl")
include("queries.jl")
include("functions.jl")

end
