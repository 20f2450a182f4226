# Bad input is an error with the library's message, and never the end of R.

coords <- points_of(50)
tree <- rct_tree(coords, lengthscale = 0.2)

test_that("errors of the library carry its message and status", {
  bad <- coords
  bad[5, 2] <- NaN
  error <- expect_error(rct_tree(bad, lengthscale = 0.2), "coords[5, 2] is NaN", fixed = TRUE, class = "rct_error")
  expect_identical(error$status, "RCT_ERROR_NOT_FINITE")
  expect_identical(conditionCall(error)[[1]], quote(rct_tree))
  error <- expect_error(rct_tree(coords, lengthscale = -1), "lengthscale is -1; it must be a positive number")
  expect_identical(error$status, "RCT_ERROR_INVALID_ARGUMENT")
  # Two equal inducing points and no jitter: no Cholesky factor.
  error <- expect_error(rct_tree(coords, coords[c(1, 1), ], lengthscale = 0.2, jitter = 0), class = "rct_error")
  expect_identical(error$status, "RCT_ERROR_NOT_POSITIVE_DEFINITE")
  error <- expect_error(rct_correlations(rct_tree(coords, metric = "euclidean"), 1, 2), class = "rct_error")
  expect_identical(error$status, "RCT_ERROR_UNSUPPORTED")
})

test_that("wrong shapes and values are named", {
  expect_error(rct_tree(matrix(0, 0, 2), lengthscale = 1), "coords is 0 x 2; it needs at least one row", fixed = TRUE)
  expect_error(rct_tree(matrix(0, 2, 0), lengthscale = 1), "coords is 2 x 0; it needs at least one column", fixed = TRUE)
  expect_error(rct_tree(NULL, lengthscale = 1), "coords is missing")
  expect_error(rct_tree("a"), "coords must be a numeric matrix")
  expect_error(rct_tree(array(0, c(2, 2, 2))), "more than two dimensions")
  expect_error(rct_tree(coords, inducing = matrix(0, 3, 5), lengthscale = 1), "inducing has 5 columns but coords has 2")
  expect_error(rct_tree(coords, factor = matrix(0, 3, 5), lengthscale = 1), "factor has 3 rows but coords has 50")
  expect_error(rct_tree(coords, lengthscale = 1:3), "3 values but coords has 2 columns")
  expect_error(rct_tree(coords, lengthscale = numeric()), "lengthscale is empty")
  expect_error(rct_tree(coords, lengthscale = 0), "lengthscale[1] is 0; it must be a positive number", fixed = TRUE)
  expect_error(rct_tree(coords, lengthscale = c(1, -1)), "lengthscale[2] is -1; it must be a positive number", fixed = TRUE)
  expect_error(rct_tree(coords, lengthscale = 1, variance = c(1, 2)), "variance must be one number")
  expect_error(rct_tree(coords, kernel = "gauss"), "kernel is \"gauss\"; it must be one of \"rbf\"")
  expect_error(rct_tree(coords, ordering = "maximin"), "ordering is \"maximin\"")
  expect_error(rct_tree(coords, lengthscale = 1, threads = -1), "threads is -1")
  expect_error(rct_tree(coords, lengthscale = 1, threads = 1e6), "threads is 1000000; at most 4096")
  expect_error(nearest(tree, 1, points = matrix(0, 2, 3)), class = "rct_error")
  expect_error(nearest(tree, 1, points = coords, ids = 1), "both ids and points are given")
  expect_error(nearest(tree, 1, id_limit = 1:3), "id_limit has 3 values; it must have 1 or 50")
  expect_error(nearest(tree, 1, max_distance = 0), "must be positive")
  expect_error(nearest(tree, 1, include_self = NA), "include_self must be TRUE or FALSE")
  expect_error(within_radius(tree, NaN), "radius is NaN")
  expect_error(rct_distances(tree, 1:2, 1), "i has 2 ids but j has 1")
  expect_error(select_inducing(coords, 51), "m is 51, but coords has only 50 rows")
  expect_error(select_inducing(coords, 0), "m is 0")
  expect_error(nearest("tree", 1), "tree must be made by rct_tree")
})

test_that("ids count from 1 in what R says of them", {
  expect_error(nearest(tree, 1, ids = c(1, 51)), "ids[2] is 51; ids go from 1 to 50", fixed = TRUE)
  expect_error(nearest(tree, 1, ids = 0), "ids[1] is 0; ids go from 1", fixed = TRUE)
  expect_error(nearest(tree, 1, ids = NA), "ids must be row numbers")
  expect_error(nearest(tree, 1, ids = NA_integer_), "ids[1] is NA", fixed = TRUE)
  expect_error(nearest(tree, 1, ids = 1.5), "ids[1] is 1.5; it must be a whole number", fixed = TRUE)
  expect_error(nearest(tree, 1, id_limit = 0), "id_limit[1] is 0; it must be at least 1", fixed = TRUE)
  expect_error(vecchia_neighbors(tree, 2, order = c(1, 1:49)), "order[2] is 1, which came before", fixed = TRUE)
  expect_error(vecchia_neighbors(tree, 2, order = 1:49), "order has 49 ids, but the tree has 50 points")
})

test_that("rows, columns, elements and points count from 1 in what the library says", {
  said <- function(words, call, ...) expect_error(call, words, fixed = TRUE, class = "rct_error")
  new <- coords[1:3, ]
  bad <- new
  bad[3, 1] <- Inf
  said("points[3, 1] is ", nearest(tree, 1, points = bad))
  said("points[3, 1] is ", within_radius(tree, 1, points = bad))
  said("points[3, 1] is ", rct_factor(tree, points = bad))
  said("coords[3, 1] is ", rct_insert(tree, bad))
  said("coords[3, 1] is ", rct_order(bad))
  said("coords[3, 1] is ", select_inducing(bad, 2))
  said("inducing[3, 1] is ", rct_tree(coords, bad, lengthscale = 1))
  said("coords[3, 1] is 1e300, which overflows", rct_tree(rbind(new[1:2, ], c(1e300, 0)), lengthscale = 1e-100))
  far <- rct_tree(rbind(new[1:2, ], c(0, 1e300)), lengthscale = 1e299)
  said("coordinate 2 of point 3 is 1e300, which overflows", rct_refit(far, lengthscale = 1e-100))
  own <- function(...) rct_tree(coords, lengthscale = 1, ...)
  V <- matrix(0.1, 50, 2)
  said("factor[3, 2] is NaN", own(factor = replace(V, 53, NaN)))
  said("residual_variance[4] is -1; it must be positive", own(factor = V, residual_variance = replace(rep(1, 50), 4, -1)))
  given <- own(factor = V)
  said("factor is missing: the tree was built with your own", nearest(given, 1, points = new))
  said("factor[1, 2] is NaN", nearest(given, 1, points = new, factor = replace(V[1:3, ], 4, NaN)))
  said("factor is given, but the tree was not built with one", nearest(tree, 1, points = new, factor = V[1:3, ]))
  said("max_distance[2] is NaN", nearest(tree, 1, ids = 1:2, max_distance = c(1, NaN)))
  said("max_distance[2] is 0; it must be positive", nearest(tree, 1, ids = 1:2, max_distance = c(1, 0)))
  said("i[2] is 51; ids go from 1 to 50", rct_distances(tree, c(1, 51), c(1, 1)))
  said("j[1] is 52; ids go from 1 to 50", rct_correlations(tree, c(1, 50), c(52, 1)))
  said("j[1] is 52; ids go from 1 to 50", rct_residual_covariances(tree, c(1, 50), c(52, 1)))
  removed <- rct_remove(own(), 7)
  said("ids[2] is 7, a point that was removed", nearest(removed, 1, ids = c(1, 7)))
  said("order[7] is 7, a point that was removed", vecchia_neighbors(removed, 1, order = c(1:48, 50)))
  said("not positive definite at inducing point 2;", rct_tree(coords, coords[c(1, 1), ], lengthscale = 0.2, jitter = 0))
  # Covariance functions of two of the points, which is asked about which points the library decides.
  variance <- function(x, others) ifelse(abs(others[, 1] - x[1]) < 1e-12, if (x[1] == coords[1, 1]) -2 else 1, 0)
  said("kernel returned -2 for point 1 with itself; a variance must be positive", rct_tree(coords, kernel = variance))
  skew <- function(x, others) ifelse(others[, 1] == x[1], 1, ifelse(others[, 1] > x[1], 0.2, 0.1))
  error <- expect_error(rct_tree(coords[1:2, ], kernel = skew), class = "rct_error")
  first <- if (coords[1, 1] < coords[2, 1]) 0.2 else 0.1
  expect_true(conditionMessage(error) %in% c(
    paste0("kernel is not symmetric: ", first, " for points 1 and 2, ", 0.3 - first, " for 2 and 1"),
    paste0("kernel is not symmetric: ", 0.3 - first, " for points 2 and 1, ", first, " for 1 and 2")))
})

test_that("sentences are put in R's words, and what is no index stays", {
  said <- residualcovertree:::in_r_words
  expect_identical(said("coords[0, 1] is NaN"), "coords[1, 2] is NaN")
  expect_identical(said("query coords[9, 0] is inf", "points"), "points[10, 1] is inf")
  expect_identical(said("ids[0] is 4294967290; ids go from 0 to 4294967289"),
                   "ids[1] is 4294967291; ids go from 1 to 4294967290")
  expect_identical(said("ids has 4 twice"), "ids has 5 twice")
  expect_identical(said("order[3] is 1, which came before; it must be a permutation"),
                   "order[4] is 2, which came before; it must be a permutation")
  expect_identical(said("cannot read /tmp/ids[0] is 4, x.rct: no such file"), "cannot read /tmp/ids[0] is 4, x.rct: no such file")
  expect_identical(said("coords is 0 x 2; it needs at least one row"), "coords is 0 x 2; it needs at least one row")
  expect_identical(said("covariance callback returned NaN for [0.5, 2.0] against [1.0, 2.0]"),
                   "kernel returned NaN for [0.5, 2.0] against [1.0, 2.0]")
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
