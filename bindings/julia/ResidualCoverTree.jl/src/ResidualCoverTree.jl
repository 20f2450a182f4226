"""
Exact nearest neighbours under the residual correlation distance, for Vecchia and VIF Gaussian processes.

Points are the columns of a d x n matrix, ids count from 1, and 0 (at distance `Inf`) stands for a missing neighbour.
Strided matrices of `Float64` are read where they are; others are converted, which copies them.

Exported are `CoverTree`, `NewPoints` and `RctError`; `insert_points!`, `remove_points!`, `refit_tree!`, `save_tree` and
`load_tree`; `vecchia_neighbors`, `radius_query`, `residual_covariances`, `inducing_points` and `select_inducing`. With
the name of the package go `query`, `distances`, `correlations`, `factor`, `ids`, `parameters`, `order`, `stats`,
`validate`, `set_library!` and `version`.
"""
module ResidualCoverTree

using LinearAlgebra: Adjoint, Transpose
using Preferences: @load_preference, @set_preferences!
import Libdl

# Names of one word are those of many packages: `order` is DataFrames', `factor` Primes', `refit!` MixedModels'. They
# are called as ResidualCoverTree.order, or RCT.order after `import ResidualCoverTree as RCT`.
export CoverTree, NewPoints, RctError
export insert_points!, load_tree, refit_tree!, remove_points!, save_tree
export inducing_points, radius_query, residual_covariances, select_inducing, vecchia_neighbors

include("abi.jl")
include("library.jl")
include("words.jl")
include("errors.jl")
include("views.jl")
include("control.jl")
include("options.jl")
include("tree.jl")
include("life.jl")
include("queries.jl")
include("functions.jl")

end
