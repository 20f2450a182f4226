# Orders, inducing points, seeds.

coords <- points_of(100)

test_that("orders are permutations, and maximin is what it says", {
  expect_identical(rct_order(coords, "natural"), 1:100)
  for (method in c("maximin", "hilbert", "random")) {
    expect_identical(sort(rct_order(coords, method)), 1:100)
  }
  order <- rct_order(coords, "maximin")
  d <- euclidean(coords, coords)
  for (t in 2:99) {
    gap <- apply(d[order[t:100], order[seq_len(t - 1)], drop = FALSE], 1, min)
    expect_equal(gap[1], max(gap))
  }
})

test_that("seeds decide, given or from R's generator", {
  expect_identical(rct_order(coords, "random", seed = 7), rct_order(coords, "random", seed = 7))
  expect_false(identical(rct_order(coords, "random", seed = 7), rct_order(coords, "random", seed = 8)))
  set.seed(1)
  first <- select_inducing(coords, 5)
  second <- select_inducing(coords, 5)
  set.seed(1)
  expect_identical(select_inducing(coords, 5), first)
  expect_false(identical(first, second))
  # Where nothing is random R's generator is left alone.
  set.seed(1)
  rct_order(coords, "hilbert")
  expect_identical(select_inducing(coords, 5), first)
})

test_that("inducing points are points, or centres of clusters", {
  named <- coords
  colnames(named) <- c("east", "north")
  random <- select_inducing(named, 8, "random", seed = 1)
  expect_identical(dim(random), c(8L, 2L))
  expect_identical(colnames(random), c("east", "north"))
  expect_true(all(apply(random, 1, function(z) any(coords[, 1] == z[1] & coords[, 2] == z[2]))))
  centres <- select_inducing(coords, 8, seed = 1)
  spread <- function(z) sum(apply(euclidean(coords, z), 1, min)^2)
  expect_lt(spread(centres), spread(random))
})
