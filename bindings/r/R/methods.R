# What R users expect of an object: print, summary, plot.

#' @export
print.rct_tree <- function(x, ...) {
  cat(description(x), sep = "\n")
  invisible(x)
}

# Two lines that need no library: a tree that was restored from a file can be printed.
description <- function(tree) {
  explained <- if (isTRUE(tree$own_factor)) {
    ", factor given"
  } else if (tree$m > 0) {
    paste0(", ", counted(tree$m, "inducing point"))
  }
  threads <- if (is.function(tree$kernel)) 1L else tree$threads
  kernel <- if (tree$metric == "euclidean") {
    if (is.null(tree$lengthscale)) "coordinates as they are" else paste("lengthscale", listed(tree$lengthscale))
  } else if (is.function(tree$kernel)) {
    "covariance function given"
  } else {
    paste0("kernel ", tree$kernel, ", variance ", format(tree$variance), ", lengthscale ", listed(tree$lengthscale),
           if (tree$kernel == "rational_quadratic") paste0(", alpha ", format(tree$alpha)))
  }
  c(paste0("Residual cover tree of ", counted(tree$n, "point"), " in ",
           counted(tree$d, "dimension"), explained),
    paste0("metric ", tree$metric, ", ", kernel, ", ",
           if (threads == 0) "all cores" else counted(threads, "thread")))
}

counted <- function(count, noun) paste0(count, " ", noun, if (count != 1) "s")

listed <- function(values) if (length(values) == 1) format(values) else paste0("(", toString(format(values)), ")")

#' @export
summary.rct_tree <- function(object, ...) {
  structure(class = "summary.rct_tree", list(description = description(object), stats = rct_stats(object)))
}

#' @export
print.summary.rct_tree <- function(x, ...) {
  s <- x$stats
  cat(x$description, sep = "\n")
  cat(sprintf("searched by %s: %s; %.1f MB\n", s$plan, s$plan_reason, s$memory_bytes / 2^20))
  if (s$nodes > 0) {
    cat(sprintf("cover tree: %s, %s deep, at most %s\n", counted(s$levels, "level"), s$depth,
                if (s$max_fan_out == 1) "1 child a node" else paste(s$max_fan_out, "children a node")))
  }
  cat(sprintf("built in %.3f s: factor %.3f, layout %.3f, index %.3f; %.0f distance evaluations\n",
              s$seconds_factor + s$seconds_order + s$seconds_tree, s$seconds_factor, s$seconds_order, s$seconds_tree,
              s$build_evaluations))
  if (s$brute_force_only) cat("the factor or kernel is none of a covariance: every search compares all points\n")
  if (!is.na(s$warning)) cat(s$warning, sep = "\n")
  if (s$queries > 0) {
    cat(sprintf("last search (%s): %.0f queries in %.3f s, %.0f distance evaluations a query\n", s$last_traversal,
                s$queries, s$seconds_search, s$distance_evaluations / s$queries))
  }
  invisible(x)
}

#' Map of a conditioning set
#'
#' Draws the points (grey), the inducing points (crosses), one point (filled), the k points before it that are nearest
#' under the tree's metric (rings), and the k that are nearest in the Euclidean sense (triangles).
#'
#' @param x A tree made by [rct_tree()]. One from [rct_load()] has no coordinates to draw.
#' @param point The id of the point; the default is the last.
#' @param k Number of neighbours.
#' @param before Only points with an id below this one are drawn as neighbours. The default is the point itself, as in a
#'   Vecchia approximation in the order of the rows; `Inf` for all points.
#' @param dims The two columns of the coordinates to draw; a tree of one dimension is drawn along a line.
#' @param legend Where the legend stands, as in [graphics::legend()]; `NULL` for none.
#' @param xlab,ylab,asp,... Passed to [graphics::plot.default()].
#' @return Invisibly, a list of the ids of the `nearest` and of the `euclidean` neighbours.
#' @examples
#' set.seed(1)
#' coords <- matrix(runif(2000), ncol = 2, dimnames = list(NULL, c("east", "north")))
#' tree <- rct_tree(coords, inducing = select_inducing(coords, 50), lengthscale = 0.2)
#' plot(tree, point = 990, k = 20)
#' @export
plot.rct_tree <- function(x, point = max(rct_ids(x)), k = 30, before = point, dims = c(1, 2),
                          legend = "topright", xlab = NULL, ylab = NULL, asp = 1, ...) {
  check_tree(x)
  if (is.null(x$coords)) stop("a tree from rct_load() has no coordinates to plot", call. = FALSE)
  if (!is.numeric(point) || length(point) != 1) stop("point must be one id, not ", described(point), call. = FALSE)
  present <- rct_ids(x)
  if (!point %in% present) stop("point is ", point, ", which is no id of this tree", call. = FALSE)
  before <- min(before, max(present) + 1)
  found <- nearest(x, k, ids = point, id_limit = before, include_self = FALSE, progress = FALSE)$ids[1, ]
  found <- found[!is.na(found)]
  euclidean <- euclidean_neighbors(x, point, before, k)

  map <- as.matrix(x$coords)
  bad <- dims[is.na(dims) | !dims %in% seq_len(ncol(map))]
  if (ncol(map) > 1 && (length(dims) != 2 || length(bad) > 0)) {
    stop("dims must be two columns of the coordinates, of which there are ", ncol(map), call. = FALSE)
  }
  at <- function(points) if (ncol(map) == 1) cbind(points[, 1], 0) else points[, dims, drop = FALSE]
  name <- function(axis) if (is.null(colnames(map))) paste("coordinate", dims[axis]) else colnames(map)[dims[axis]]
  if (ncol(map) == 1) asp <- NA
  if (is.null(xlab)) xlab <- name(1)
  if (is.null(ylab)) ylab <- if (ncol(map) == 1) "" else name(2)

  graphics::plot(at(map[present, , drop = FALSE]), pch = 20, cex = 0.4, col = "grey70", xlab = xlab, ylab = ylab, asp = asp, ...)
  if (!is.null(x$inducing)) graphics::points(at(as.matrix(x$inducing)), pch = 3, col = "grey30")
  graphics::points(at(map[euclidean, , drop = FALSE]), pch = 2, cex = 1.2, col = "#d95f02")
  graphics::points(at(map[found, , drop = FALSE]), pch = 1, cex = 1.6, col = "#1b6ca8")
  graphics::points(at(map[point, , drop = FALSE]), pch = 19)
  if (!is.null(legend)) {
    shown <- c(TRUE, TRUE, TRUE, !is.null(x$inducing))
    graphics::legend(legend, bg = "white", pch = c(19, 1, 2, 3)[shown],
                     col = c("black", "#1b6ca8", "#d95f02", "grey30")[shown],
                     legend = c(paste("point", point), paste(x$metric, "neighbours"), "Euclidean neighbours",
                                "inducing points")[shown])
  }
  invisible(list(nearest = found, euclidean = euclidean))
}

# The k ids below `before` whose coordinates, divided by their lengthscales, are nearest to those of `point`.
euclidean_neighbors <- function(tree, point, before, k) {
  coords <- as.matrix(tree$coords)
  ids <- rct_ids(tree)
  ids <- ids[ids < before & ids != point]
  offsets <- (t(coords[ids, , drop = FALSE]) - coords[point, ])
  # A covariance function, as the Euclidean metric, may have no lengthscale: coordinates are then compared as they are.
  if (!is.null(tree$lengthscale)) offsets <- offsets / tree$lengthscale
  ids[order(colSums(offsets^2), ids)][seq_len(min(k, length(ids)))]
}
