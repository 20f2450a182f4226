#' The k nearest neighbours of stored or new points
#'
#' Nearest under the metric of the tree: for predictions of a plain Vecchia approximation take a tree with
#' `metric = "correlation"` or `"euclidean"`, for those of a VIF approximation one with its inducing points and
#' `metric = "residual"`.
#'
#' @inheritParams rct_stats
#' @inheritParams rct_tree
#' @param k Number of neighbours.
#' @param points New points, q x d; the columns in the order of those of `coords`, and of the same names if both have
#'   names. Without `points` and `ids` all points of the tree are asked about, by ascending id.
#' @param ids Points of the tree, by id, in place of `points`.
#' @param id_limit Only points with an id below it are neighbours: one limit for all queries, or q limits. So
#'   `nearest(tree, k, ids = i, id_limit = i)` gives predecessors of i.
#' @param max_distance Only points strictly nearer are neighbours: one bound, or q bounds.
#' @param include_self Whether a point of the tree may be its own neighbour.
#' @param factor,residual_variance Rows of V, q x m, and q residual variances of new points, where the tree was built
#'   from your own.
#' @return A list of two q x k matrices (no rows where no points are asked about), `ids` and `distances`, ascending by distance, equal distances by id. Where
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
  with_listener(progress, function(tick) .Call(C_nearest, tree$pointer, query, k, tick), coords = "points")
}

#' All neighbours within a radius
#'
#' Within it under the metric of the tree, as in [nearest()].
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
  with_listener(progress, function(tick) .Call(C_within_radius, tree$pointer, query, radius, tick), coords = "points")
}

# The query as C reads it: all points of the tree where neither new points nor ids are given.
query <- function(tree, points, ids, id_limit = NULL, max_distance = NULL, include_self = TRUE, factor = NULL,
                  residual_variance = NULL) {
  check_tree(tree)
  if (is.null(points) && is.null(ids)) ids <- rct_ids(tree)
  list(points = points_for(tree, points, "points"), ids = if (!is.null(ids)) check_ids(tree, ids, "ids"),
       factor = as_rows(factor, "factor"), residual_variance = as_values(residual_variance, "residual_variance"),
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
#' For every point the k nearest of those before it, under the metric of the tree.
#'
#' @section Which sets for which model:
#' The metric must be that of the model whose likelihood the sets go into.
#' * A plain Vecchia approximation, as in 'GpGp', conditions observations on observations: take
#'   `metric = "correlation"`, or `"euclidean"`, without inducing points.
#' * A VIF approximation (Vecchia with inducing points, full-scale) conditions residuals on residuals, of what the
#'   inducing points leave: take the inducing points of the model and `metric = "residual"`.
#'
#' Residual sets in a plain likelihood are a mistake that nothing reports. They leave out the neighbours whose information
#' the inducing points have, and that likelihood has no inducing points: for 300 points in the unit square, a lengthscale
#' of 0.2, 60 inducing points and k = 10 the Kullback-Leibler divergence from the exact model is 16 in place of 6.
#'
#' 'GPvecchia' takes no array: its `vecchia_specify()` computes sets of its own.
#'
#' @inheritParams nearest
#' @param order The order of the points, such as [rct_order()] gives: a permutation of their ids, 1 to n unless points
#'   were removed. `NULL` for the ids ascending, the order of the rows of `coords`.
#' @param index What the entries of the result count: `"position"` (the default), places in `order`, so that the array
#'   goes with `coords[order, ]`, which is what 'GpGp' takes; or `"row"`, ids, which are rows of `coords`.
#'   They differ where `order` is given or points were removed: without `order` row t, and position t, is then that of
#'   the t-th point that is there, by ascending id.
#' @param distances Whether to return the distances too.
#' @return An n x (k + 1) integer matrix of the form of the `NNarray` of 'GpGp': row t has the t-th point itself, then
#'   its neighbours, nearest first, then `NA` where there are fewer than k points before it. With `distances = TRUE` a
#'   list of that matrix, `ids`, and one of the same shape, `distances`, which is `Inf` where `ids` is `NA`.
#' @examples
#' set.seed(1)
#' coords <- matrix(runif(2000), ncol = 2)
#' order <- rct_order(coords, "maximin")
#'
#' # For a plain Vecchia approximation
#' tree <- rct_tree(coords, metric = "correlation", lengthscale = 0.2)
#' NNarray <- vecchia_neighbors(tree, k = 10, order = order)
#' # GpGp::fit_model(y[order], coords[order, ], X[order, ], NNarray = NNarray, reorder = FALSE)
#' NNarray[1:3, 1:4]
#'
#' # For a VIF approximation with 50 inducing points
#' tree <- rct_tree(coords, inducing = select_inducing(coords, 50), lengthscale = 0.2)
#' vecchia_neighbors(tree, k = 10, order = order)[1:3, 1:4]
#' @export
vecchia_neighbors <- function(tree, k, order = NULL, index = c("position", "row"), distances = FALSE,
                              progress = default_progress()) {
  check_tree(tree)
  positions <- match.arg(index) == "position"
  if (is.null(order)) {
    ids <- rct_ids(tree)
    if (!identical(ids, seq_len(tree$n))) order <- ids
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

#' Distances, correlations and covariances of pairs of points
#'
#' @inheritParams rct_stats
#' @param i,j Ids of equally many points, none included.
#' @return For each pair `i[t]`, `j[t]` the distance under the tree's metric, the signed residual correlation, or the
#'   residual covariance \eqn{k(x_i, x_j) - V_i \cdot V_j}{k(x_i, x_j) - V_i.V_j}, which is the residual variance where both
#'   are the same point. A tree with the Euclidean metric has neither correlations nor covariances.
#' @examples
#' tree <- rct_tree(cbind(c(0, 1, 2)), kernel = "matern12", variance = 4, lengthscale = 1)
#' rct_distances(tree, c(1, 1), c(2, 3))
#' rct_correlations(tree, c(1, 1), c(2, 3)) # exp(-1) and exp(-2)
#' rct_residual_covariances(tree, c(1, 1), c(1, 2)) # 4 and 4 exp(-1)
#' @seealso [rct_factor()]
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

#' @rdname rct_distances
#' @export
rct_residual_covariances <- function(tree, i, j) {
  check_pairs(tree, i, j)
  with_listener(FALSE, function(tick) .Call(C_residual_covariances, tree$pointer, i, j))
}

check_pairs <- function(tree, i, j) {
  check_ids(tree, i, "i")
  check_ids(tree, j, "j")
}
