# The array that GpGp takes.

coords <- points_of(200)
tree <- rct_tree(coords, points_of(10, seed = 2), lengthscale = 0.2)

test_that("the array is n x (k + 1), self first, padded with NA", {
  array <- vecchia_neighbors(tree, 6)
  expect_type(array, "integer")
  expect_identical(dim(array), c(200L, 7L))
  expect_identical(array[, 1], 1:200)
  # Row t has min(t - 1, k) neighbours, first.
  missing <- outer(1:200, 0:6, function(t, j) j >= t)
  expect_identical(is.na(array), missing)
  expect_true(all(array[, -1] < 1:200, na.rm = TRUE))
  # k may exceed the number of points.
  all_of_them <- vecchia_neighbors(tree, 250)
  expect_identical(dim(all_of_them), c(200L, 251L))
  expect_identical(sort(all_of_them[200, ]), 1:200)
})

test_that("with an order the array goes with the ordered points", {
  order <- rct_order(coords, "maximin")
  expect_identical(sort(order), 1:200)
  array <- vecchia_neighbors(tree, 6, order = order, distances = TRUE)
  ordered <- rct_tree(coords[order, ], tree$inducing, lengthscale = 0.2)
  expect_identical(array, vecchia_neighbors(ordered, 6, distances = TRUE))
  rows <- vecchia_neighbors(tree, 6, order = order, index = "row")
  expect_identical(rows, matrix(order[array$ids], 200))
})

test_that("the array gives the likelihood that it stands for", {
  # With all predecessors a Vecchia approximation is the exact density.
  small <- coords[1:30, ]
  K <- kernel_functions$matern32(euclidean(small, small, 0.2))
  set.seed(4)
  y <- rnorm(30)
  exact <- -0.5 * (30 * log(2 * pi) + determinant(K)$modulus + sum(y * solve(K, y)))
  vecchia <- function(array) sum(apply(array, 1, function(row) {
    given <- row[-1][!is.na(row[-1])]
    weights <- if (length(given) > 0) solve(K[given, given], K[given, row[1]]) else numeric()
    dnorm(y[row[1]], sum(weights * y[given]), sqrt(1 - sum(weights * K[given, row[1]])), log = TRUE)
  }))
  tree <- rct_tree(small, metric = "correlation", lengthscale = 0.2)
  expect_equal(vecchia(vecchia_neighbors(tree, 29)), c(exact))
})

test_that("the sets of a model are those that its likelihood is closest with", {
  coords <- points_of(300)
  inducing <- points_of(60, seed = 2)
  K <- kernel_functions$matern32(euclidean(coords, coords, 0.2))
  # The Kullback-Leibler divergence of a plain Vecchia approximation from the exact model.
  divergence <- function(sets) {
    variances <- apply(sets, 1, function(row) {
      given <- row[-1][!is.na(row[-1])]
      if (length(given) > 0) 1 - sum(K[row[1], given] * solve(K[given, given], K[given, row[1]])) else 1
    })
    (sum(log(variances)) - c(determinant(K)$modulus)) / 2
  }
  plain <- vecchia_neighbors(rct_tree(coords, metric = "correlation", lengthscale = 0.2), 10)
  expect_identical(vecchia_neighbors(rct_tree(coords, metric = "euclidean"), 10), plain)
  residual <- vecchia_neighbors(rct_tree(coords, inducing, lengthscale = 0.2), 10)
  # What ?vecchia_neighbors says.
  expect_identical(round(c(divergence(plain), divergence(residual))), c(6, 16))
})
