# print, summary, plot, stats.

coords <- points_of(200)
inducing <- points_of(10, seed = 2)
tree <- rct_tree(coords, inducing, kernel = "rational_quadratic", alpha = 2, lengthscale = c(0.2, 0.4))

test_that("print says what the tree is", {
  expect_identical(capture.output(print(tree)), c(
    "Residual cover tree of 200 points in 2 dimensions, 10 inducing points",
    "metric residual, kernel rational_quadratic, variance 1, lengthscale (0.2, 0.4), alpha 2, 1 thread"
  ))
  expect_output(print(rct_tree(1:3, metric = "euclidean", threads = 0)),
                "metric euclidean, coordinates as they are, all cores")
  expect_output(print(rct_tree(1:3, metric = "euclidean", lengthscale = 2)), "metric euclidean, lengthscale 2, 1 thread")
})

test_that("summary and stats tell of the tree and its last search", {
  vecchia_neighbors(tree, 5)
  stats <- rct_stats(tree)
  expect_identical(unlist(stats[c("n", "m", "d", "nodes", "queries", "by_brute_force")]),
                   c(n = 200, m = 10, d = 2, nodes = 0, queries = 200, by_brute_force = 200))
  expect_identical(stats$plan, "brute force")
  expect_match(stats$plan_reason, "so few points")
  rct_validate(tree)
  expect_identical(rct_stats(tree)$nodes, 200)
  expect_gt(stats$memory_bytes, 8 * 200 * 12)
  text <- capture.output(print(summary(tree)))
  expect_match(text[6], sprintf("last search (%s): 200 queries", stats$last_traversal), fixed = TRUE)
})

test_that("plot draws the conditioning set and returns it", {
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  on.exit({
    grDevices::dev.off()
    unlink(file)
  })
  shown <- plot(tree, point = 150, k = 12)
  expect_identical(shown$nearest, vecchia_neighbors(tree, 12)[150, -1])
  d <- euclidean(coords[150, , drop = FALSE], coords[1:149, ], c(0.2, 0.4))
  expect_identical(shown$euclidean, order(d)[1:12])
  expect_identical(plot(tree, point = 1)$nearest, integer())
  expect_length(plot(tree, point = 1, before = Inf, k = 5, legend = NULL)$nearest, 5)
  expect_length(plot(rct_tree(points_of(20, 1), lengthscale = 0.2), k = 3)$nearest, 3)
  expect_length(plot(rct_tree(points_of(20, 3), lengthscale = 0.2), k = 3, dims = c(3, 1))$nearest, 3)
  expect_length(plot(rct_tree(coords, metric = "euclidean"), k = 3)$euclidean, 3)
  expect_error(plot(tree, point = 201), "point is 201, which is no id of this tree")
  expect_error(plot(tree, point = 1:2), "point must be one id")
  expect_error(plot(tree, dims = c(1, 3)), "dims must be two columns")
})

test_that("integers and vectors are points", {
  expect_identical(nearest(rct_tree(1:9, lengthscale = 3), 2, points = 3.1)$ids, matrix(3:4, 1))
})

test_that("the version of the library is known", {
  expect_match(rct_version(), "^[0-9]+\\.[0-9]+\\.[0-9]+$")
})
