#' The factor, the residual variances and the inducing points of a tree
#'
#' What a likelihood goes on with from the neighbours: V and p as the searches use them, Z and L, so that nobody computes
#' them twice. [residualcovertree-package] defines them.
#'
#' @inheritParams nearest
#' @param points New points, q x d. Without `points` and `ids` all points of the tree, by ascending id.
#' @return `rct_factor()`: a list of `V`, q x m, and `p`, q residual variances. Without inducing points m is 0 and p the
#'   variance.
#'
#'   `rct_inducing()`: a list of `Z`, the m x d inducing points, and `L`, m x m, the lower triangular Cholesky factor of
#'   their covariance with the jitter on its diagonal. So `V` is `t(forwardsolve(L, K))`, where the m x q matrix `K` has the
#'   covariances of inducing points and points.
#'
#'   A tree with the Euclidean metric has neither, and one that was built from your own `factor` no inducing points: these
#'   are errors of status `"RCT_ERROR_UNSUPPORTED"`.
#' @seealso [rct_residual_covariances()]
#' @examples
#' set.seed(1)
#' coords <- matrix(runif(2000), ncol = 2)
#' tree <- rct_tree(coords, select_inducing(coords, 50), lengthscale = 0.2)
#' str(rct_factor(tree))
#' str(rct_inducing(tree))
#'
#' # The conditional variance of point 1000 in a VIF approximation, given its set
#' set <- vecchia_neighbors(tree, k = 10)[1000, ]
#' pairs <- expand.grid(i = set, j = set)
#' R <- matrix(rct_residual_covariances(tree, pairs$i, pairs$j), 11)
#' R[1, 1] - R[1, -1] %*% solve(R[-1, -1], R[-1, 1])
#' @export
rct_factor <- function(tree, points = NULL, ids = NULL, factor = NULL, residual_variance = NULL,
                       progress = default_progress()) {
  query <- query(tree, points, ids, factor = factor, residual_variance = residual_variance)
  with_listener(progress, function(tick) .Call(C_factor, tree$pointer, query, tick), coords = "points")
}

#' @rdname rct_factor
#' @export
rct_inducing <- function(tree) {
  check_tree(tree)
  found <- with_listener(FALSE, function(tick) .Call(C_inducing, tree$pointer))
  colnames(found$Z) <- tree$columns
  found
}
