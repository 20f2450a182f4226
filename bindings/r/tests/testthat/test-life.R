# Trees that grow, change and are kept, against trees that are built at once and brute force.

coords <- points_of(400)
inducing <- points_of(20, seed = 2)
gone <- seq(1, 400, by = 7)
present <- setdiff(seq_len(400), gone)

grown <- function(..., z = inducing) {
  tree <- rct_tree(coords[1:300, ], z, ...)
  expect_identical(rct_insert(tree, coords[301:340, ]), 301:340)
  rct_insert(tree, coords[341:400, ])
  rct_remove(tree, gone)
}

# Answers of a tree whose points are numbered along `present`, by id.
by_id <- function(answer) {
  answer$ids[] <- present[answer$ids]
  answer
}

test_that("grown trees answer as those built at once", {
  for (metric in c("residual", "correlation", "euclidean")) {
    z <- if (metric == "residual") inducing
    tree <- grown(metric = metric, lengthscale = 0.2, z = z)
    at_once <- rct_tree(coords[present, ], z, metric = metric, lengthscale = 0.2)
    expect_equal(nearest(tree, 9), by_id(nearest(at_once, 9)))
    expect_equal(nearest(tree, 9, points = c(0.5, 0.5)), by_id(nearest(at_once, 9, points = c(0.5, 0.5))))
    expect_equal(vecchia_neighbors(tree, 9, distances = TRUE, index = "row"),
                 by_id(vecchia_neighbors(at_once, 9, distances = TRUE)))
    expect_equal(rct_distances(tree, present[1:9], present[11:19]), rct_distances(at_once, 1:9, 11:19))
    found <- within_radius(tree, 0.5, ids = present[1:5])
    expect_identical(found$ids, lapply(within_radius(at_once, 0.5, ids = 1:5)$ids, function(ids) present[ids]))
    expect_true(rct_validate(tree))
  }
  d <- sqrt(1 - abs(residual(coords, inducing, function(a, b) kernel_functions$matern32(euclidean(a, b, 0.2)), 1)$rho))
  expected <- brute_force(d[present, ], 9, function(i, j) j %in% present)
  expect_neighbors(nearest(grown(lengthscale = 0.2), 9), expected)
})

test_that("rows and positions of vecchia_neighbors() are of the points that are there", {
  tree <- grown(lengthscale = 0.2)
  at_once <- rct_tree(coords[present, ], inducing, lengthscale = 0.2)
  expect_identical(vecchia_neighbors(tree, 9), vecchia_neighbors(at_once, 9))
  order <- rct_order(coords[present, ])
  expect_identical(vecchia_neighbors(tree, 9, order = present[order]), vecchia_neighbors(at_once, 9, order = order))
  expect_error(vecchia_neighbors(tree, 9, order = seq_along(present)), "order[1] is 1, a point that was removed",
               fixed = TRUE)
  expect_error(vecchia_neighbors(tree, 9, order = 1:400), "order has 400 ids, but the tree has 342 points")
})

test_that("all points may go and others come", {
  tree <- rct_remove(rct_tree(coords[1:5, ], lengthscale = 1), 5:1)
  expect_identical(nearest(tree, 1, points = c(0.5, 0.5)), list(ids = matrix(NA_integer_), distances = matrix(Inf)))
  expect_identical(vecchia_neighbors(tree, 2), matrix(0L, 0, 3))
  expect_output(print(tree), "tree of 0 points in 2 dimensions")
  expect_identical(rct_ids(tree), integer())
  file <- tempfile()
  rct_save(rct_refit(tree, kernel = "matern52"), file)
  expect_output(print(rct_load(file)), "tree of 0 points.*kernel matern52")
  expect_identical(rct_insert(tree, coords[6, ]), 6L)
  expect_identical(nearest(tree, 1)$ids, matrix(6L))
  line <- rct_tree(1:5 / 10, lengthscale = 1)
  expect_identical(rct_insert(line, c(0.6, 0.7)), 6:7)
})

test_that("a factor of the user's own grows and changes", {
  model <- function(lengthscale) {
    residual(coords, inducing, function(a, b) kernel_functions$matern32(euclidean(a, b, lengthscale)), 1)
  }
  first <- model(0.2)
  tree <- rct_tree(coords[1:300, ], lengthscale = 0.2, factor = first$V[1:300, ], residual_variance = first$p[1:300])
  expect_error(rct_insert(tree, coords[301:400, ]), "factor is missing")
  rct_insert(tree, coords[301:400, ], first$V[301:400, ], first$p[301:400])
  expect_neighbors(nearest(tree, 9), brute_force(sqrt(1 - abs(first$rho)), 9))
  rct_remove(tree, gone)
  second <- model(0.3)
  rct_refit(tree, factor = second$V[present, ], residual_variance = second$p[present], lengthscale = 0.3)
  d <- sqrt(1 - abs(second$rho))
  expect_neighbors(nearest(tree, 9), brute_force(d[present, ], 9, function(i, j) j %in% present))
  file <- tempfile()
  rct_save(tree, file)
  expect_identical(nearest(rct_load(file), 9), nearest(tree, 9))
  no_p <- rct_remove(rct_tree(coords, factor = first$V, lengthscale = 0.2), gone)
  rct_save(no_p, file)
  expect_identical(nearest(rct_load(file), 9), nearest(no_p, 9))
})

test_that("refitted trees answer as those built anew", {
  tree <- grown(lengthscale = 0.2)
  same <- tree
  expect_identical(rct_refit(tree, kernel = "matern52", variance = 2, lengthscale = c(0.2, 0.3), threads = 2), tree)
  anew <- rct_tree(coords[present, ], inducing, kernel = "matern52", variance = 2, lengthscale = c(0.2, 0.3))
  expect_equal(nearest(same, 9), by_id(nearest(anew, 9)))
  expect_output(print(same), "kernel matern52, variance 2, lengthscale (0.2, 0.3), 2 threads", fixed = TRUE)
  rct_refit(tree, inducing[1:7, ], lengthscale = 0.2)
  expect_identical(c(rct_stats(tree)$m, tree$m), c(7, 7))
  anew <- rct_tree(coords[present, ], inducing[1:7, ], kernel = "matern52", variance = 2, lengthscale = 0.2)
  expect_equal(nearest(tree, 9), by_id(nearest(anew, 9)))
  expect_true(rct_validate(tree))
})

test_that("a refit to an R function, which then stays alive, and back", {
  tree <- rct_tree(coords[1:100, ], inducing, lengthscale = 0.3)
  expected <- nearest(rct_tree(coords[1:100, ], inducing, lengthscale = 0.2), 5)
  rct_refit(tree, kernel = (function(l) function(x, others) kernel_functions$matern32(c(euclidean(t(x), others, l))))(0.2))
  for (i in 1:3) gc()
  expect_neighbors(nearest(tree, 5), expected)
  expect_output(print(tree), "covariance function given, 1 thread")
  error <- expect_error(rct_save(tree, tempfile()), class = "rct_error")
  expect_identical(error$status, "RCT_ERROR_UNSUPPORTED")
  expect_error(rct_refit(tree, kernel = function(x, others) stop("mine")), "mine")
  expect_neighbors(nearest(tree, 5), expected)
  rct_refit(tree, kernel = "matern32", lengthscale = 0.2)
  expect_neighbors(nearest(tree, 5), expected)
})

test_that("what is refused changes nothing", {
  tree <- grown(lengthscale = 0.2)
  expected <- nearest(tree, 5)
  description <- capture.output(print(tree))
  refused <- function(call, words) {
    expect_error(call, words, fixed = TRUE)
    expect_identical(nearest(tree, 5), expected)
    expect_identical(capture.output(print(tree)), description)
  }
  bad <- coords
  bad[5, 2] <- NaN
  refused(rct_insert(tree, bad), "coords[5, 2] is NaN")
  refused(rct_insert(tree, coords[, 1, drop = FALSE]), "coords has 1 columns; the tree has 2")
  refused(rct_insert(tree, NULL), "coords is missing")
  refused(rct_insert(tree, coords, coords), "factor is given")
  refused(rct_remove(tree, c(2, 401)), "ids[2] is 401; ids go from 1 to 400")
  refused(rct_remove(tree, c(2, 8)), "ids[2] is 8, a point that was removed")
  refused(rct_remove(tree, c(2, 3, 2)), "ids[3] is 2, which came before")
  refused(rct_remove(tree, "2"), "ids must be row numbers")
  refused(rct_refit(tree, lengthscale = -1), "lengthscale is -1")
  refused(rct_refit(tree, lengthscale = NULL), "lengthscale must be given")
  refused(rct_refit(tree, metric = "euclidean"), "metric")
  refused(rct_refit(tree, inducing = bad), "inducing[5, 2] is NaN")
  refused(rct_refit(tree, factor = coords), "factor has 400 rows")
  refused(rct_insert(tree, coords, progress = function(fraction) stop("enough")), "enough")
  refused(rct_remove(tree, present[1:200], progress = function(fraction) stop("enough")), "enough")
  refused(rct_refit(tree, lengthscale = 0.3, progress = function(fraction) stop("enough")), "enough")
  refused(rct_insert(tree, coords, progress = function(fraction) rct_remove(tree, 2)), "tree is in use")
  error <- expect_error(rct_insert(tree, bad))
  expect_identical(conditionCall(error)[[1]], quote(rct_insert))
  expect_error(rct_insert("tree", coords), "tree must be made by rct_tree() or rct_load()", fixed = TRUE)
})

test_that("trees are saved and loaded", {
  file <- file.path(tempfile(), "\u00e4 tree.rct")
  dir.create(dirname(file))
  on.exit(unlink(dirname(file), recursive = TRUE))
  tree <- grown(lengthscale = 0.2)
  expect_identical(rct_save(tree, file), file)
  rct_save(tree, file)
  expect_identical(list.files(dirname(file), all.files = TRUE, no.. = TRUE), basename(file))
  for (memory_map in c(FALSE, TRUE)) {
    loaded <- rct_load(file, memory_map = memory_map)
    expect_identical(nearest(loaded, 7), nearest(tree, 7))
    expect_identical(vecchia_neighbors(loaded, 7), vecchia_neighbors(tree, 7))
    expect_identical(capture.output(print(loaded)), capture.output(print(tree)))
    expect_identical(rct_ids(loaded), present)
    expect_output(print(summary(loaded)), "342 points")
    expect_error(plot(loaded), "has no coordinates")
    expect_error(nearest(loaded, 1, ids = 401), "ids[1] is 401; ids go from 1 to 400", fixed = TRUE)
    rct_remove(loaded, present[1:3])
    expect_identical(rct_insert(loaded, coords[1:2, ]), 401:402)
    other <- rct_load(file)
    rct_remove(other, present[1:3])
    rct_insert(other, coords[1:2, ])
    expect_identical(nearest(loaded, 7), nearest(other, 7))
    rct_refit(loaded, lengthscale = 0.3)
    rct_refit(other, lengthscale = 0.3)
    expect_identical(nearest(loaded, 7), nearest(other, 7))
    expect_output(print(loaded), "metric residual, kernel matern32, variance 1, lengthscale 0.3, 1 thread")
  }
})

test_that("a loaded tree knows what it was made with", {
  file <- tempfile()
  V <- matrix(0.1, 400, 3)
  trees <- list(
    rct_tree(coords, inducing, kernel = "rational_quadratic", variance = 2, lengthscale = c(0.2, 0.3), alpha = 3,
             jitter = 1e-5, residual_floor = 1e-9, construction = "hybrid", ordering = "natural",
             traversal = "best_first"),
    rct_tree(coords, metric = "correlation", kernel = "matern12", lengthscale = 0.2),
    rct_tree(coords, metric = "euclidean"),
    rct_tree(coords, metric = "euclidean", lengthscale = c(1, 2)),
    rct_tree(coords, factor = V, lengthscale = 0.2),
    rct_refit(rct_tree(coords, inducing, lengthscale = 0.2), kernel = "rbf", lengthscale = 0.1)
  )
  known <- c("metric", "kernel", "variance", "lengthscale", "alpha", "jitter", "residual_floor", "construction",
             "ordering", "traversal", "threads", "own_factor", "n", "d", "m")
  for (tree in trees) {
    rct_save(tree, file)
    loaded <- rct_load(file)
    expect_equal(mget(known, loaded), mget(known, tree))
    expect_identical(capture.output(print(loaded)), capture.output(print(tree)))
    if (tree$metric == "euclidean") next
    given <- if (tree$own_factor) V * 2
    rct_refit(loaded, variance = 3, factor = given)
    rct_refit(tree, variance = 3, factor = given)
    expect_identical(nearest(loaded, 3), nearest(tree, 3))
    expect_identical(loaded$variance, 3)
  }
  expect_output(print(rct_load(file, threads = 2)), "2 threads")
})

test_that("what is no saved tree says so", {
  file <- tempfile()
  tree <- rct_tree(coords, lengthscale = 0.2)
  status <- function(call) expect_error(call, class = "rct_error")$status
  expect_identical(status(rct_load(file)), "RCT_ERROR_IO")
  expect_identical(status(rct_save(tree, file.path(file, "x"))), "RCT_ERROR_IO")
  writeLines("no tree", file)
  expect_identical(status(rct_load(file)), "RCT_ERROR_CORRUPT")
  rct_save(tree, file)
  bytes <- readBin(file, "raw", file.size(file))
  at <- length(bytes) %/% 2
  bytes[at] <- xor(bytes[at], as.raw(1))
  writeBin(bytes, file)
  expect_identical(status(rct_load(file)), "RCT_ERROR_CORRUPT")
  expect_error(rct_load(1), "path must be one string, not of class numeric")
  expect_error(rct_load(NA_character_), "path must be one string")
  expect_error(rct_load(file, threads = -1), "threads is -1")
  expect_error(rct_load(file, memory_map = NA), "memory_map must be TRUE or FALSE")
  expect_error(rct_save(tree, ""), "path is empty")
})

test_that("a grown tree is drawn and described", {
  tree <- grown(lengthscale = 0.2)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  drawn <- plot(tree, k = 5)
  expect_identical(drawn$nearest, nearest(tree, 5, ids = 399, id_limit = 399)$ids[1, ])
  expect_true(all(drawn$euclidean %in% present))
  stats <- rct_stats(tree)
  expect_identical(c(stats$n, length(present)), c(342, 342))
  tree <- rct_tree(coords[1:390, ], lengthscale = 0.2)
  rct_insert(tree, coords[391:400, ])
  rct_remove(tree, 3)
  expect_identical(unlist(rct_stats(tree)[c("n", "parts", "removed")]), c(n = 399, parts = 2, removed = 1))
})
