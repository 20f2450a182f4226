#' The k nearest neighbours of stored or new points
#'
#' @inheritParams rct_stats
#' @inheritParams rct_tree
#' @param k Number of neighbours.
#' @param points New points, q x d. Without `points` and `ids` all points of the tree are asked about, by
#'   ascending id.
#' @param ids Points of the tree, by id, in place of `points`.
#' @param id_limit Only points with an id below it are neighbours: one limit for all queries, or q limits. So
#'   `nearest(tree, k, ids = i, id_limit = i)` gives predecessors of i.
#' @param max_distance Only points strictly nearer are neighbours: one bound, or q bounds.
#' @param include_self Whether a point of the tree may be its own neighbour.
#' @param factor,residual_variance Rows of V, q x m, and q residual variances of new points, where the tree was built
#'   from your own.
#' @return A list of two q x k matrices, `ids` and `distances`, ascending by distance, equal distances by id. Where
#'   there are fewer than k neighbours the rest of a row is `NA`, at distance `Inf`.
#' @seealso [within_radius()], [vecchia_neighbors()]
#' @examples
#' set.seed(1)
#' tree <- rct_tree(matrix(runif(2000), ncol = 2), lengthscale = 0.2)
#' nearest(tree, k = 3, points = rbind(c(0.5, 0.5), c(0, 1)))
#' nearest(tree, k = 3, ids = c(2, 1000), id_limit = c(2, 1000))$ids
#' @export
nearest <- function(tree, k, points = NULL, ids = NULL, id_limit = NULL, max_distance = NULL, include_self = TRUE,
                    factor = NULL, residual_variance = NULL, progress = default_progress()) {
  query <- query(tree, points, ids, id_limit, max_distance, include_self, factor, residual_variance)
  with_listener(progress, function(tick) .Call(C_nearest, tree$pointer, query, k, tick))
}

#' All neighbours within a radius
#'
#' @inheritParams nearest
#' @param radius Points strictly nearer than this are neighbours.
#' @return A list of two lists of q vectors, `ids` and `distances`, ascending by distance, equal distances by id.
#' @seealso [nearest()]
#' @examples
#' set.seed(1)
#' tree <- rct_tree(matrix(runif(2000), ncol = 2), lengthscale = 0.2)
#' within_radius(tree, 0.1, ids = 1:2)$ids
#' @export
within_radius <- function(tree, radius, points = NULL, ids = NULL, id_limit = NULL, include_self = TRUE,
                          factor = NULL, residual_variance = NULL, progress = default_progress()) {
  query <- query(tree, points, ids, id_limit, NULL, include_self, factor, residual_variance)
  with_listener(progress, function(tick) .Call(C_within_radius, tree$pointer, query, radius, tick))
}

# The query as C reads it.
query <- function(tree, points, ids, id_limit, max_distance, include_self, factor, residual_variance) {
  check_tree(tree)
  if (is.null(points) && is.null(ids)) ids <- live_ids(tree)
  list(points = points_for(tree, points, "points"), ids = if (!is.null(ids)) check_ids(tree, ids, "ids"), factor = as_points(factor, "factor"),
       residual_variance = as_values(residual_variance, "residual_variance"),
       id_limit = if (!is.null(id_limit)) check_limits(id_limit),
       max_distance = as_values(max_distance, "max_distance"), include_self = include_self)
}

check_limits <- function(limits) {
  if (!is.numeric(limits)) stop("id_limit must be row numbers, not ", described(limits), call. = FALSE)
  at <- which(is.na(limits) | limits < 1)
  if (length(at) > 0) stop("id_limit[", at[1], "] is ", limits[at[1]], "; it must be at least 1", call. = FALSE)
  limits
}

#' The conditioning sets of a Vecchia approximation
#'
#' For every point the k nearest of those before it.
#'
#' @inheritParams nearest
#' @param order The order of the points, such as [rct_order()] gives: a permutation of their ids, 1 to n unless points
#'   were removed. `NULL` for the ids ascending, the order of the rows of `coords`.
#' @param index What the entries of the result count: `"position"` (the default), places in `order`, so that the array
#'   goes with `coords[order, ]`, which is what 'GpGp' and 'GPvecchia' take; or `"row"`, ids, which are rows of `coords`.
#'   They differ where `order` is given or points were removed: without `order` row t, and position t, is then that of
#'   the t-th point that is there, by ascending id.
#' @param distances Whether to return the distances too.
#' @return An n x (k + 1) integer matrix, the `NNarray` of 'GpGp' and 'GPvecchia': row t has the t-th point itself, then
#'   its neighbours, nearest first, then `NA` where there are fewer than k points before it. With `distances = TRUE` a
#'   list of that matrix, `ids`, and one of the same shape, `distances`, which is `Inf` where `ids` is `NA`.
#' @examples
#' set.seed(1)
#' coords <- matrix(runif(2000), ncol = 2)
#' tree <- rct_tree(coords, inducing = select_inducing(coords, 50), lengthscale = 0.2)
#' order <- rct_order(coords, "maximin")
#' NNarray <- vecchia_neighbors(tree, k = 10, order = order)
#' # GpGp::fit_model(y[order], coords[order, ], X[order, ], NNarray = NNarray, reorder = FALSE)
#' NNarray[1:3, 1:4]
#' @export
vecchia_neighbors <- function(tree, k, order = NULL, index = c("position", "row"), distances = FALSE,
                              progress = default_progress()) {
  check_tree(tree)
  positions <- match.arg(index) == "position"
  if (is.null(order)) {
    if (has_gaps(tree)) order <- live_ids(tree)
  } else {
    n <- tree$n
    check_ids(tree, order, "order")
    if (length(order) != n) stop("order has ", length(order), " ids, but the tree has ", n, " points", call. = FALSE)
    again <- anyDuplicated(order)
    if (again > 0) {
      stop("order[", again, "] is ", order[again], ", which came before; it must be a permutation", call. = FALSE)
    }
  }
  with_listener(progress, function(tick) {
    .Call(C_vecchia_neighbors, tree$pointer, k, order, positions, distances, tick)
  })
}

nrow_of <- function(coords) if (is.null(dim(coords))) length(coords) else nrow(coords)

#' Distances and correlations of pairs of points
#'
#' @inheritParams rct_stats
#' @param i,j Ids of equally many points.
#' @return The distance, under the tree's metric, or the signed residual correlation of each pair `i[t]`, `j[t]`. A tree
#'   with the Euclidean metric has no correlations.
#' @examples
#' tree <- rct_tree(cbind(c(0, 1, 2)), kernel = "matern12")
#' rct_distances(tree, c(1, 1), c(2, 3))
#' rct_correlations(tree, c(1, 1), c(2, 3)) # exp(-1) and exp(-2)
#' @export
rct_distances <- function(tree, i, j) {
  check_pairs(tree, i, j)
  with_listener(FALSE, function(tick) .Call(C_distances, tree$pointer, i, j))
}

#' @rdname rct_distances
#' @export
rct_correlations <- function(tree, i, j) {
  check_pairs(tree, i, j)
  with_listener(FALSE, function(tick) .Call(C_correlations, tree$pointer, i, j))
}

check_pairs <- function(tree, i, j) {
  check_ids(tree, i, "i")
  check_ids(tree, j, "j")
}
