#' Order points
#'
#' @param coords Coordinates, n x d: a numeric matrix with one row a point, or a data frame as in [rct_tree()]. Distances are Euclidean; divide columns by
#'   their lengthscales where these differ.
#' @param method `"maximin"`: each next point is farthest from those before it; `"hilbert"`: along a Hilbert curve;
#'   `"random"`; or `"natural"`: as they are.
#' @param seed Decides the random order: a whole number from 0 to 2^53. `NULL` draws it from R's generator, so that
#'   [set.seed()] decides.
#' @inheritParams rct_tree
#' @return An integer vector, a permutation: `coords[rct_order(coords), ]` are the points in order.
#' @examples
#' rct_order(cbind(c(0, 1, 2, 10)))
#' @export
rct_order <- function(coords, method = "maximin", seed = NULL, progress = default_progress()) {
  coords <- as_points(coords, "coords")
  number <- choice(method, orderings, "method")
  seed <- if (method == "random") seed_or_drawn(seed) else 0
  with_listener(progress, function(tick) .Call(C_order, coords, number, seed, tick))
}

#' Choose inducing points
#'
#' @param m Number of inducing points.
#' @param method `"kmeans++"`: centres of a k-means clustering; or `"random"`: a random subset of the points.
#' @param seed Decides the choice: the same seed gives the same points. `NULL` draws it from R's generator.
#' @inheritParams rct_order
#' @return An m x d matrix.
#' @examples
#' set.seed(1)
#' select_inducing(matrix(runif(2000), ncol = 2), m = 3)
#' @export
select_inducing <- function(coords, m, method = "kmeans++", seed = NULL, progress = default_progress()) {
  coords <- as_points(coords, "coords")
  number <- choice(method, inducing_methods, "method")
  seed <- seed_or_drawn(seed)
  inducing <- with_listener(progress, function(tick) .Call(C_select_inducing, coords, m, number, seed, tick))
  colnames(inducing) <- colnames(coords)
  inducing
}
