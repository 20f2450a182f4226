# Brute force over the definitions, in plain R.

kernel_functions <- list(
  rbf = function(r) exp(-r^2 / 2),
  matern12 = function(r) exp(-r),
  matern32 = function(r) (1 + sqrt(3) * r) * exp(-sqrt(3) * r),
  matern52 = function(r) (1 + sqrt(5) * r + 5 * r^2 / 3) * exp(-sqrt(5) * r),
  rational_quadratic = function(r, alpha = 1) (1 + r^2 / (2 * alpha))^-alpha
)

euclidean <- function(a, b, lengthscale = 1) {
  a <- t(t(a) / rep_len(lengthscale, ncol(a)))
  b <- t(t(b) / rep_len(lengthscale, ncol(b)))
  sqrt(Reduce(`+`, lapply(seq_len(ncol(a)), function(j) outer(a[, j], b[, j], "-")^2)))
}

# V, p and rho of the rows of `coords`; `covariance` is a function of two matrices of points.
residual <- function(coords, inducing, covariance, variance, jitter = 1e-6, residual_floor = 1e-10) {
  n <- nrow(coords)
  V <- matrix(0, n, 0)
  if (!is.null(inducing)) {
    U <- chol(covariance(inducing, inducing) + diag(jitter * variance, nrow(inducing)))
    V <- t(backsolve(U, covariance(inducing, coords), transpose = TRUE))
  }
  p <- pmax(variance - rowSums(V^2), residual_floor * variance)
  list(V = V, p = p, rho = correlation(covariance(coords, coords), V, p))
}

correlation <- function(K, V, p) {
  rho <- (K - tcrossprod(V)) / sqrt(outer(p, p))
  rho[] <- pmin(pmax(rho, -1), 1)
  diag(rho) <- 1
  rho
}

# The k nearest columns of each row of `d`, ties by id; `allowed(i, j)` says which may be neighbours.
brute_force <- function(d, k, allowed = function(i, j) TRUE) {
  ids <- matrix(NA_integer_, nrow(d), k)
  distances <- matrix(Inf, nrow(d), k)
  for (i in seq_len(nrow(d))) {
    candidates <- Filter(function(j) allowed(i, j), seq_len(ncol(d)))
    nearest <- candidates[order(d[i, candidates], candidates)]
    nearest <- nearest[seq_len(min(k, length(nearest)))]
    ids[i, seq_along(nearest)] <- nearest
    distances[i, seq_along(nearest)] <- d[i, nearest]
  }
  list(ids = ids, distances = distances)
}

expect_neighbors <- function(found, expected) {
  expect_identical(found$ids, expected$ids)
  # sqrt(1 - |rho|) turns an error of 1e-14 in rho into one of 1e-7 near 0.
  expect_equal(found$distances, expected$distances, tolerance = 1e-6)
}

# 300 points in general position, so that no two distances are equal up to rounding.
points_of <- function(n = 300, d = 2, seed = 1) {
  set.seed(seed)
  matrix(runif(n * d), n, d)
}
