# Answers are those of brute force, for every kernel and metric.

coords <- points_of()
inducing <- points_of(20, seed = 2)
new <- points_of(7, seed = 3)
lengthscale <- c(0.3, 0.2)

covariance_of <- function(kernel, variance = 2.5) {
  function(a, b) variance * kernel_functions[[kernel]](euclidean(a, b, lengthscale))
}

for (kernel in names(kernel_functions)) {
  test_that(paste("residual neighbours are exact:", kernel), {
    everything <- residual(rbind(coords, new), inducing, covariance_of(kernel), 2.5)
    d <- sqrt(1 - abs(everything$rho))
    own <- seq_len(nrow(coords))
    tree <- rct_tree(coords, inducing, kernel = kernel, variance = 2.5, lengthscale = lengthscale)
    expect_neighbors(nearest(tree, 12), brute_force(d[own, own], 12))
    expect_neighbors(nearest(tree, 12, points = new), brute_force(d[-own, own], 12))
    expect_neighbors(nearest(tree, 12, ids = 5:8, include_self = FALSE),
                     brute_force(d[5:8, own], 12, function(i, j) j != i + 4))
    array <- vecchia_neighbors(tree, 12, distances = TRUE)
    expect_identical(array$ids[, 1], own)
    expect_identical(array$distances[, 1], numeric(300))
    expect_neighbors(lapply(array, function(x) x[, -1]), brute_force(d[own, own], 12, function(i, j) j < i))
    expect_equal(rct_correlations(tree, rep(own, 300), rep(own, each = 300)), c(everything$rho[own, own]),
                 tolerance = 1e-9)
    expect_true(rct_validate(tree))
  })
}

test_that("the plain correlation and the Euclidean metric are exact", {
  K <- covariance_of("matern52", 1)(coords, coords)
  tree <- rct_tree(coords, metric = "correlation", kernel = "matern52", lengthscale = lengthscale)
  expect_neighbors(nearest(tree, 9), brute_force(sqrt(1 - K), 9))
  # Without inducing points the residual is everything.
  expect_identical(nearest(rct_tree(coords, kernel = "matern52", lengthscale = lengthscale), 9), nearest(tree, 9))

  tree <- rct_tree(coords, metric = "euclidean", lengthscale = lengthscale)
  d <- euclidean(coords, coords, lengthscale)
  expect_neighbors(nearest(tree, 9), brute_force(d, 9))
  expect_equal(rct_distances(tree, 1:10, 11:20), diag(d[1:10, 11:20]))
})

test_that("options change how an answer is found, not what it is", {
  tree_of <- function(...) rct_tree(coords, inducing, lengthscale = 0.2, ...)
  expected <- vecchia_neighbors(tree_of(), 10)
  for (traversal in c("best_first", "level_synchronous", "brute_force")) {
    tree <- tree_of(traversal = traversal)
    expect_identical(vecchia_neighbors(tree, 10), expected)
    expect_identical(rct_stats(tree)$last_traversal, traversal)
  }
  expect_identical(vecchia_neighbors(tree_of(construction = "hybrid", ordering = "natural"), 10), expected)
  expect_identical(vecchia_neighbors(tree_of(threads = 2), 10), expected)
})

test_that("limits on ids and distances hold", {
  d <- sqrt(1 - abs(residual(coords, inducing, covariance_of("matern32"), 2.5)$rho))
  tree <- rct_tree(coords, inducing, variance = 2.5, lengthscale = lengthscale)
  expect_neighbors(nearest(tree, 5, id_limit = 40), brute_force(d, 5, function(i, j) j < 40))
  limits <- rev(seq_len(300))
  expect_neighbors(nearest(tree, 5, id_limit = limits), brute_force(d, 5, function(i, j) j < limits[i]))
  expect_neighbors(nearest(tree, 5, max_distance = 0.8), brute_force(d, 5, function(i, j) d[i, j] < 0.8))

  found <- within_radius(tree, 0.8)
  for (i in c(1, 150, 300)) {
    inside <- which(d[i, ] < 0.8)
    inside <- inside[order(d[i, inside], inside)]
    expect_identical(found$ids[[i]], inside)
    expect_equal(found$distances[[i]], d[i, inside], tolerance = 1e-6)
  }
  expect_identical(within_radius(tree, 1e-3, ids = 3, include_self = FALSE),
                   list(ids = list(integer()), distances = list(numeric())))
})

test_that("a factor of the user's own takes the place of inducing points", {
  r <- residual(rbind(coords, new), inducing, covariance_of("matern32"), 2.5)
  own <- seq_len(nrow(coords))
  d <- sqrt(1 - abs(r$rho))
  tree <- rct_tree(coords, variance = 2.5, lengthscale = lengthscale, factor = r$V[own, ],
                   residual_variance = r$p[own])
  expect_neighbors(nearest(tree, 8), brute_force(d[own, own], 8))
  found <- nearest(tree, 8, points = new, factor = r$V[-own, ], residual_variance = r$p[-own])
  expect_neighbors(found, brute_force(d[-own, own], 8))
  expect_false(rct_stats(tree)$brute_force_only)
})

test_that("a covariance function written in R is used", {
  # Not stationary: the variance grows along the first coordinate.
  scale <- function(x) 1 + x[, 1]
  covariance <- function(a, b) outer(scale(a), scale(b)) * exp(-euclidean(a, b, 0.3))
  tree <- rct_tree(coords, inducing, kernel = function(x, others) covariance(t(x), others))
  K <- covariance(coords, coords)
  U <- chol(covariance(inducing, inducing) + diag(1e-6 * max(scale(inducing))^2, 20))
  V <- t(backsolve(U, covariance(inducing, coords), transpose = TRUE))
  d <- sqrt(1 - abs(correlation(K, V, diag(K) - rowSums(V^2))))
  expect_neighbors(nearest(tree, 8), brute_force(d, 8))
  expect_output(print(tree), "covariance function given")
})

test_that("degenerate data are answered", {
  expect_identical(vecchia_neighbors(rct_tree(matrix(1, 1, 1), lengthscale = 1), 3), matrix(c(1L, NA, NA, NA), 1))
  tree <- rct_tree(matrix(0.5, 50, 2), lengthscale = 1)
  expect_identical(nearest(tree, 2, ids = 50)$ids, matrix(1:2, 1))
  expect_identical(nearest(rct_tree(1:5 / 10, lengthscale = 1), 9, points = 0.12)$ids, matrix(c(1:5, NA, NA, NA, NA), 1))
})
