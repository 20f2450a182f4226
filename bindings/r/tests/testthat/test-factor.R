# What a tree has computed: V, p, Z, L, residual covariances, ids; and answers to no questions.

coords <- points_of(200)
inducing <- points_of(10, seed = 2)
new <- points_of(7, seed = 3)
covariance <- function(a, b) 2.5 * kernel_functions$matern52(euclidean(a, b, c(0.3, 0.2)))
tree <- rct_tree(coords, inducing, kernel = "matern52", variance = 2.5, lengthscale = c(0.3, 0.2))
expected <- residual(rbind(coords, new), inducing, covariance, 2.5)

test_that("V and p are those of the definition, of stored and of new points", {
  found <- rct_factor(tree)
  expect_named(found, c("V", "p"))
  expect_identical(dim(found$V), c(200L, 10L))
  expect_equal(found$V, expected$V[1:200, ], tolerance = 1e-8)
  expect_equal(found$p, expected$p[1:200], tolerance = 1e-8)
  expect_identical(rct_factor(tree, ids = c(9, 3)), list(V = found$V[c(9, 3), ], p = found$p[c(9, 3)]))
  expect_equal(rct_factor(tree, new), list(V = expected$V[201:207, ], p = expected$p[201:207]), tolerance = 1e-8)
  rct_remove(gaps <- rct_tree(coords, inducing, kernel = "matern52", variance = 2.5, lengthscale = c(0.3, 0.2)), 1:5)
  expect_identical(rct_factor(gaps), rct_factor(gaps, ids = 6:200))
  expect_identical(rct_factor(rct_tree(coords, variance = 3, lengthscale = 1), ids = 1:2),
                   list(V = matrix(0, 2, 0), p = c(3, 3)))
  own <- rct_tree(coords, variance = 2.5, lengthscale = 0.2, factor = found$V, residual_variance = found$p)
  expect_equal(rct_factor(own), found)
  expect_equal(rct_factor(own, new, factor = expected$V[201:207, ], residual_variance = expected$p[201:207]),
               list(V = expected$V[201:207, ], p = expected$p[201:207]))
  error <- expect_error(rct_factor(rct_tree(coords, metric = "euclidean")), class = "rct_error")
  expect_identical(error$status, "RCT_ERROR_UNSUPPORTED")
})

test_that("Z and L are those of the definition", {
  found <- rct_inducing(tree)
  expect_named(found, c("Z", "L"))
  expect_identical(found$Z, inducing)
  expect_equal(found$L, t(chol(covariance(inducing, inducing) + diag(2.5e-6, 10))))
  expect_identical(found$L[upper.tri(found$L)], numeric(45))
  expect_equal(t(forwardsolve(found$L, covariance(inducing, coords))), rct_factor(tree)$V, tolerance = 1e-8)
  expect_identical(rct_inducing(rct_tree(coords, lengthscale = 1)), list(Z = matrix(0, 0, 2), L = matrix(0, 0, 0)))
  named <- coords
  colnames(named) <- c("east", "north")
  expect_identical(colnames(rct_inducing(rct_tree(named, inducing, lengthscale = 1))$Z), c("east", "north"))
  status <- function(call) expect_error(call, class = "rct_error")$status
  expect_identical(status(rct_inducing(rct_tree(coords, factor = expected$V[1:200, ], lengthscale = 1))),
                   "RCT_ERROR_UNSUPPORTED")
  expect_identical(status(rct_inducing(rct_tree(coords, metric = "euclidean"))), "RCT_ERROR_UNSUPPORTED")
})

test_that("residual covariances are those of the definition", {
  pairs <- expand.grid(i = 1:200, j = 1:200)
  C <- matrix(rct_residual_covariances(tree, pairs$i, pairs$j), 200)
  S <- covariance(coords, coords) - tcrossprod(expected$V[1:200, ])
  diag(S) <- expected$p[1:200]
  expect_equal(C, S, tolerance = 1e-8)
  p <- rct_factor(tree)$p
  expect_equal(C / sqrt(outer(p, p)), matrix(rct_correlations(tree, pairs$i, pairs$j), 200), tolerance = 1e-8)
  expect_error(rct_residual_covariances(rct_tree(coords, metric = "euclidean"), 1, 2), class = "rct_error")
})

test_that("ids are told", {
  own <- rct_tree(coords, lengthscale = 0.2)
  expect_identical(rct_ids(own), 1:200)
  rct_remove(own, c(3, 200))
  rct_insert(own, new)
  expect_identical(rct_ids(own), c(1:2, 4:199, 201:207))
  expect_error(rct_ids("tree"), "tree must be made by rct_tree")
})

test_that("no points and no ids have no answers", {
  none <- list(ids = matrix(0L, 0, 3), distances = matrix(0, 0, 3))
  expect_identical(nearest(tree, 3, ids = integer()), none)
  expect_identical(nearest(tree, 3, ids = numeric(), id_limit = 4, max_distance = 0.5), none)
  expect_identical(nearest(tree, 3, points = matrix(0, 0, 2)), none)
  expect_identical(nearest(tree, 3, points = matrix(nrow = 0, ncol = 2)), none)
  expect_identical(nearest(tree, 3, points = data.frame(x = numeric(), y = numeric())), none)
  expect_identical(within_radius(tree, 0.5, ids = integer()), list(ids = list(), distances = list()))
  expect_identical(within_radius(tree, 0.5, points = matrix(0, 0, 2)), list(ids = list(), distances = list()))
  for (pairs in list(rct_distances, rct_correlations, rct_residual_covariances)) {
    expect_identical(pairs(tree, integer(), numeric()), numeric())
  }
  expect_identical(rct_factor(tree, ids = integer()), list(V = matrix(0, 0, 10), p = numeric()))
  expect_identical(rct_factor(tree, matrix(0, 0, 2)), list(V = matrix(0, 0, 10), p = numeric()))
  own <- rct_tree(coords, lengthscale = 0.2)
  expect_identical(rct_insert(own, matrix(0, 0, 2)), integer())
  expect_identical(rct_remove(own, integer()), own)
  expect_identical(nearest(own, 2), nearest(rct_tree(coords, lengthscale = 0.2), 2))
  expect_identical(vecchia_neighbors(rct_remove(own, 1:200), 2, distances = TRUE),
                   list(ids = matrix(0L, 0, 3), distances = matrix(0, 0, 3)))
  expect_identical(nearest(own, 2), list(ids = matrix(0L, 0, 2), distances = matrix(0, 0, 2)))
})
