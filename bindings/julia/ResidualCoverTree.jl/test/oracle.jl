# Brute force over the definitions of README.md.

using LinearAlgebra

matern32(r) = (1 + sqrt(3) * r) * exp(-sqrt(3) * r)
distance(x, y, lengthscale) = sqrt(sum(abs2, (x .- y) ./ lengthscale))

"""Residual correlation distances of all pairs of columns of `points` and `coords`, under Matern-3/2."""
function residual_distances(coords, inducing; lengthscale, points = coords, jitter = 1e-6)
    covariance(a, b) = [matern32(distance(x, y, lengthscale)) for x in eachcol(a), y in eachcol(b)]
    lower = cholesky(Symmetric(covariance(inducing, inducing) + jitter * I)).L
    factor(a) = lower \ covariance(inducing, a)
    variance(v) = max.(1 .- vec(sum(abs2, v; dims = 1)), 1e-10)
    v, w = factor(points), factor(coords)
    rho = (covariance(points, coords) - v' * w) ./ sqrt.(variance(v) * variance(w)')
    points === coords && (rho[diagind(rho)] .= 1)
    return sqrt.(1 .- abs.(clamp.(rho, -1, 1)))
end

"""Ids of the k nearest of the points that are allowed, ascending by (distance, id), padded with 0."""
function nearest(distances, k, allowed)
    ids = filter(allowed, sort(eachindex(distances); by = j -> (distances[j], j)))
    return vcat(first(ids, k), zeros(Int, max(0, k - length(ids))))
end
