# What has to be given: a lengthscale, coordinates and nothing else.

coords <- points_of(200)

test_that("a kernel needs its lengthscale, and says so in R's words", {
  words <- "lengthscale must be given: that of the kernel, one number or one for each column of coords, in their unit"
  expect_error(rct_tree(coords), words)
  expect_error(rct_tree(coords, metric = "correlation"), words)
  expect_error(rct_tree(coords, points_of(5), kernel = "rbf"), words)
  expect_error(rct_tree(coords, lengthscale = 0), "lengthscale[1] is 0; it must be a positive number", fixed = TRUE)
  # Neither has one.
  expect_identical(nearest(rct_tree(coords, metric = "euclidean"), 3),
                   nearest(rct_tree(coords, metric = "euclidean", lengthscale = 1), 3))
  own <- function(x, others) exp(-sqrt(colSums((t(others) - x)^2)))
  tree <- rct_tree(coords, kernel = own)
  expect_identical(nearest(tree, 3)$ids,
                   nearest(rct_tree(coords, metric = "correlation", kernel = "matern12", lengthscale = 1), 3)$ids)
  expect_error(rct_refit(tree, kernel = "matern12"), words)
  expect_identical(rct_refit(tree, kernel = "matern12", lengthscale = 1)$lengthscale, 1)
})

test_that("a lengthscale in another unit is a warning, at a build and at a refit", {
  metres <- coords * 1e6
  warned <- function(call) {
    caught <- NULL
    result <- withCallingHandlers(call, rct_warning = function(condition) {
      caught <<- condition
      invokeRestart("muffleWarning")
    })
    list(result = result, warning = caught)
  }
  built <- warned(rct_tree(metres, lengthscale = 1))
  expect_s3_class(built$warning, c("rct_warning", "warning"), exact = FALSE)
  expect_match(conditionMessage(built$warning), "lengthscale is too short")
  expect_identical(built$warning$lengthscale_check, "too_short")
  expect_identical(conditionCall(built$warning)[[1]], quote(rct_tree))
  stats <- rct_stats(built$result)
  expect_identical(stats[c("lengthscale_check", "warning")],
                   list(lengthscale_check = "too_short", warning = conditionMessage(built$warning)))
  expect_output(print(summary(built$result)), "lengthscale is too short")
  expect_null(warned(rct_refit(built$result, lengthscale = 2e5))$warning)
  expect_identical(rct_stats(built$result)[c("lengthscale_check", "warning")],
                   list(lengthscale_check = "plausible", warning = NA_character_))
  again <- warned(rct_refit(built$result, lengthscale = 1e12))$warning
  expect_identical(again$lengthscale_check, "too_long")
  expect_identical(conditionCall(again)[[1]], quote(rct_refit))
  # A loaded tree still says so, but nobody is warned twice.
  file <- tempfile()
  rct_save(built$result, file)
  expect_silent(loaded <- rct_load(file))
  expect_identical(rct_stats(loaded)$lengthscale_check, "too_long")
  expect_silent(rct_tree(coords, lengthscale = 0.2))
  expect_silent(rct_tree(metres, metric = "euclidean"))
})

test_that("a data frame with other columns than coordinates is refused by their names", {
  houses <- data.frame(lon = coords[, 1], lat = coords[, 2], price = 1:200)
  words <- paste("coords is a data frame whose column \"price\" may be no coordinate: give the coordinates alone,",
                 "as as.matrix(coords[, c(\"lon\", \"lat\")]), which takes any names")
  expect_error(rct_tree(houses, lengthscale = 0.2), words, fixed = TRUE)
  expect_error(rct_order(houses), "\"price\"")
  expect_error(select_inducing(houses, 3), "\"price\"")
  expect_error(rct_tree(cbind(houses, rooms = 3), lengthscale = 1), "columns \"price\", \"rooms\" may be no coordinates")
  tree <- rct_tree(houses[1:2], lengthscale = 0.2)
  expect_identical(nearest(tree, 3), nearest(rct_tree(coords, lengthscale = 0.2), 3))
  expect_error(nearest(tree, 3, points = houses), "points is a data frame whose column \"price\"")
  expect_error(rct_insert(tree, houses), "coords is a data frame whose column \"price\"")
  expect_error(rct_refit(tree, inducing = houses), "inducing is a data frame whose column \"price\"")
  expect_error(rct_tree(houses[1:2], houses, lengthscale = 1), "inducing is a data frame whose column \"price\"")
  # The columns that a user chooses are taken, whatever they are called.
  expect_s3_class(rct_tree(as.matrix(houses[, c("lon", "price")]), lengthscale = c(0.2, 40)), "rct_tree")
  expect_error(rct_tree(data.frame(x = 1:2, y = c("a", "b")), lengthscale = 1),
               "coords is a data frame whose column \"y\" is not numeric but of class character")
  for (names in list(c("x", "y"), c("X", "Y"), c("Longitude", "LAT"), c("easting", "northing"), c("X1", "X2"),
                     c("V1", "V2"), c("coord.1", "coord.2"), c("coords.x1", "coords.x2"))) {
    frame <- stats::setNames(as.data.frame(coords), names)
    expect_identical(nearest(rct_tree(frame, lengthscale = 0.2), 3)$ids, nearest(tree, 3)$ids)
  }
  for (name in c("id", "elevation", "value", "x_error", "max", "vx", "v")) {
    expect_error(rct_order(stats::setNames(as.data.frame(coords), c("x", name))), encodeString(name, quote = "\""))
  }
  # V is no coordinates.
  expect_s3_class(rct_tree(coords, factor = data.frame(a = rep(0.1, 200)), lengthscale = 0.2), "rct_tree")
})

test_that("new points must have the columns of the tree, where both have names", {
  named <- coords
  colnames(named) <- c("lon", "lat")
  tree <- rct_tree(named, lengthscale = 0.2)
  swapped <- named[1:3, 2:1]
  words <- paste("points has the columns \"lat\", \"lon\", but the coordinates of the tree are \"lon\", \"lat\":",
                 "give them in this order, or without names by unname()")
  expect_error(nearest(tree, 1, points = swapped), words, fixed = TRUE)
  expect_error(within_radius(tree, 1, points = as.data.frame(swapped)), words, fixed = TRUE)
  expect_error(nearest(tree, 1, points = c(lat = 0.1, lon = 0.2)), words, fixed = TRUE)
  expect_error(rct_factor(tree, points = swapped), words, fixed = TRUE)
  expect_error(rct_insert(tree, swapped), "coords has the columns \"lat\", \"lon\"")
  expect_error(rct_refit(tree, inducing = swapped), "inducing has the columns \"lat\", \"lon\"")
  expect_error(rct_tree(named, swapped, lengthscale = 0.2), "inducing has the columns \"lat\", \"lon\"")
  expect_identical(nearest(tree, 2, points = named[1:3, ]), nearest(tree, 2, ids = 1:3))
  expect_identical(nearest(tree, 2, points = unname(named[1:3, ])), nearest(tree, 2, ids = 1:3))
  expect_identical(nearest(tree, 2, points = c(lon = coords[1, 1], lat = coords[1, 2])), nearest(tree, 2, ids = 1))
  expect_error(nearest(tree, 1, points = named[, c(1, 2, 1)]), "points is 200 x 3; it must be 200 x 2")
})
