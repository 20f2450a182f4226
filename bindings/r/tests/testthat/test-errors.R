# Bad input is an error with the library's message, and never the end of R.

coords <- points_of(50)
tree <- rct_tree(coords)

test_that("errors of the library carry its message and status", {
  bad <- coords
  bad[5, 2] <- NaN
  error <- expect_error(rct_tree(bad), "coords[4, 1] is NaN (counted from 0)", fixed = TRUE, class = "rct_error")
  expect_identical(error$status, "RCT_ERROR_NOT_FINITE")
  expect_identical(conditionCall(error)[[1]], quote(rct_tree))
  error <- expect_error(rct_tree(coords, lengthscale = -1), "lengthscale is -1; it must be a positive number")
  expect_identical(error$status, "RCT_ERROR_INVALID_ARGUMENT")
  # Two equal inducing points and no jitter: no Cholesky factor.
  error <- expect_error(rct_tree(coords, coords[c(1, 1), ], jitter = 0), class = "rct_error")
  expect_identical(error$status, "RCT_ERROR_NOT_POSITIVE_DEFINITE")
  error <- expect_error(rct_correlations(rct_tree(coords, metric = "euclidean"), 1, 2), class = "rct_error")
  expect_identical(error$status, "RCT_ERROR_UNSUPPORTED")
})

test_that("wrong shapes and values are named", {
  expect_error(rct_tree(matrix(0, 0, 2)), "coords has shape [0, 2]", fixed = TRUE)
  expect_error(rct_tree(matrix(0, 2, 0)), "coords has shape [2, 0]", fixed = TRUE)
  expect_error(rct_tree(NULL), "coords is missing")
  expect_error(rct_tree("a"), "coords must be a numeric matrix")
  expect_error(rct_tree(array(0, c(2, 2, 2))), "more than two dimensions")
  expect_error(rct_tree(coords, inducing = matrix(0, 3, 5)), "inducing has 5 columns but coords has 2")
  expect_error(rct_tree(coords, factor = matrix(0, 3, 5)), "factor has 3 rows but coords has 50")
  expect_error(rct_tree(coords, lengthscale = 1:3), "3 values but coords has 2 columns")
  expect_error(rct_tree(coords, lengthscale = numeric()), "lengthscales is empty")
  expect_error(rct_tree(coords, variance = c(1, 2)), "variance must be one number")
  expect_error(rct_tree(coords, kernel = "gauss"), "kernel is \"gauss\"; it must be one of \"rbf\"")
  expect_error(rct_tree(coords, ordering = "maximin"), "ordering is \"maximin\"")
  expect_error(rct_tree(coords, threads = -1), "threads is -1")
  expect_error(rct_tree(coords, threads = 1e6), "threads is 1000000; at most 4096")
  expect_error(nearest(tree, 1, points = matrix(0, 2, 3)), class = "rct_error")
  expect_error(nearest(tree, 1, points = coords, ids = 1), "both ids and coords are given")
  expect_error(nearest(tree, 1, id_limit = 1:3), "id_limits has 3 values; it must have 1 or 50")
  expect_error(nearest(tree, 1, max_distance = 0), "must be positive")
  expect_error(nearest(tree, 1, include_self = NA), "include_self must be TRUE or FALSE")
  expect_error(within_radius(tree, NaN), "radius is NaN")
  expect_error(rct_distances(tree, 1:2, 1), "i has 2 ids but j has 1")
  expect_error(rct_distances(tree, integer(), integer()), "no elements")
  expect_error(select_inducing(coords, 51), "m is 51, but coords has only 50 rows")
  expect_error(select_inducing(coords, 0), "m is 0")
  expect_error(nearest("tree", 1), "tree must be made by rct_tree")
})

test_that("ids count from 1 in what R says of them", {
  expect_error(nearest(tree, 1, ids = c(1, 51)), "ids[2] is 51; the ids of this tree go from 1 to 50", fixed = TRUE)
  expect_error(nearest(tree, 1, ids = 0), "ids[1] is 0", fixed = TRUE)
  expect_error(nearest(tree, 1, ids = NA), "ids must be row numbers")
  expect_error(nearest(tree, 1, ids = NA_integer_), "ids[1] is NA", fixed = TRUE)
  expect_error(nearest(tree, 1, ids = 1.5), "ids[1] is 1.5; it must be a whole number", fixed = TRUE)
  expect_error(nearest(tree, 1, id_limit = 0), "id_limit[1] is 0; it must be at least 1", fixed = TRUE)
  expect_error(vecchia_neighbors(tree, 2, order = c(1, 1:49)), "order[2] is 1, which came before", fixed = TRUE)
  expect_error(vecchia_neighbors(tree, 2, order = 1:49), "order has 49 ids, but the tree has 50 points")
})

test_that("whole numbers beyond what R or the library can count are refused", {
  expect_error(nearest(tree, 0), "k is 0; it must be at least 1")
  for (k in list(3e9, 2^31, 2^60, Inf, NaN, NA, -1, 2.5, "2", 1:2, NULL)) {
    expect_error(nearest(tree, k), "^k (is|must)")
    expect_error(vecchia_neighbors(tree, k), "^k (is|must)")
  }
  expect_error(vecchia_neighbors(tree, 2^31 - 1), "k is 2147483647; it must be at most 2147483646")
  expect_error(nearest(tree, 1, id_limit = 2^60), "id_limit[1] is 1.15292150460685e+18", fixed = TRUE)
  expect_error(rct_order(coords, "random", seed = 2^54), "seed is")
  # More than memory, not more than can be counted.
  expect_error(nearest(tree, 2^31 - 1, ids = rep(1, 1e6)), "cannot allocate|memory")
})

test_that("a tree from a file says why it is none", {
  file <- tempfile()
  saveRDS(tree, file)
  restored <- readRDS(file)
  expect_error(nearest(restored, 1), "tree comes from a file or another R process")
  expect_error(summary(restored), "build it again with rct_tree()", fixed = TRUE)
  expect_error(rct_insert(restored, coords), "rct_save() and rct_load()", fixed = TRUE)
  expect_output(print(restored), "Residual cover tree of 50 points")
})

test_that("the routines themselves refuse what is no tree", {
  for (pointer in list(NULL, 1, "a", list(), new.env())) {
    expect_error(.Call(residualcovertree:::C_stats, pointer), "tree is not a tree")
  }
  expect_error(.Call(residualcovertree:::C_nearest, tree$pointer, list(), 1, NULL))
  expect_error(.Call(residualcovertree:::C_tree_new, NULL, NULL, NULL, NULL))
  expect_error(.C("rct_version", PACKAGE = "residualcovertree"), "not (available|resolved)")
})

test_that("errors in R functions that the library calls come out as they were", {
  own <- function(x, others) stop(structure(class = c("mine", "error", "condition"), list(message = "no", call = NULL)))
  expect_error(rct_tree(coords, kernel = own), class = "mine")
  expect_error(rct_tree(coords, kernel = function(x, others) 1:2), "kernel must return one number for each")
  expect_error(rct_tree(coords, kernel = function(x, others) rep(NaN, nrow(others))), "returned NaN", class = "rct_error")
  # A jump to where the call came from must not pass through the library.
  jump <- function() rct_tree(coords, kernel = function(x, others) return_from(NULL))
  expect_error(callCC(function(k) { return_from <<- k; jump() }))
  return_from <- NULL
  expect_identical(nearest(tree, 1, ids = 7)$ids, matrix(7L))
  expect_error(nearest(tree, 3, progress = function(fraction) stop("enough")), "enough")
  expect_error(nearest(tree, 3, progress = "yes"), "progress must be TRUE, FALSE or a function")
})
