#' Build a residual cover tree
#'
#' The metric is that of the model that the neighbours are for: `"residual"` with inducing points for a VIF approximation,
#' `"correlation"` or `"euclidean"` for a plain Vecchia approximation; see [vecchia_neighbors()].
#'
#' @section Data frames:
#' A data frame is taken for coordinates only where all its columns are numeric and are called what coordinates are
#' called: `x`, `y`, `z`, `t`, `time`, `lon`, `long`, `lng`, `longitude`, `lat`, `latitude`, `east`, `easting`, `north`,
#' `northing`, or `x`, `v`, `coord` or `coords` with a number (`X1`, `V2`), in upper or lower case. Any other column, say
#' `price`, is an error that names it: it would count in every distance. `as.matrix(houses[, c("price", "rooms")])` takes
#' what you choose.
#'
#' @param coords Coordinates, n x d: a numeric matrix with one row a point (a vector is one column). Point i has id i.
#' @param inducing Inducing points, m x d, such as [select_inducing()] gives; `NULL` for none. Columns as in `coords`.
#' @param metric `"residual"`, the default; `"correlation"` (no inducing points); or `"euclidean"` (coordinates divided
#'   by their lengthscales, if any are given).
#' @param kernel The covariance function of \eqn{r}, the distance of coordinates divided by their lengthscales:
#'   `"rbf"` \eqn{\exp(-r^2/2)}, `"matern12"` \eqn{\exp(-r)}, `"matern32"`, `"matern52"` or `"rational_quadratic"`
#'   \eqn{(1 + r^2 / (2 \alpha))^{-\alpha}}. Or a function of a point (d coordinates) and a matrix of points, one a
#'   row, that returns the covariance of the first with each of the others; variance and lengthscale are then its own
#'   affair. It must be symmetric and positive semidefinite.
#' @param variance Variance of the kernel.
#' @param lengthscale Lengthscale of the kernel, in the unit of the coordinates: one number, or one for each of the d
#'   columns. It has no default: it may be left out only with `metric = "euclidean"`, for coordinates as they are, and
#'   where `kernel` is a function.
#' @param alpha Shape of the rational quadratic kernel.
#' @param jitter `jitter * variance` is added to the diagonal of the inducing covariance.
#' @param residual_floor Residual variances are at least `residual_floor * variance`.
#' @param factor Your own factor V, n x m, in place of `inducing`; see [residualcovertree-package].
#' @param residual_variance Your own n residual variances, with `factor` only; otherwise they are computed from it.
#' @param construction,ordering,traversal How the tree is made and searched: `"pure"` or `"hybrid"` (often quicker to
#'   build); `"hilbert"` or `"natural"`; `"auto"`, `"best_first"`, `"level_synchronous"` or `"brute_force"`. They
#'   change how long an answer takes, not what it is.
#' @param threads Threads that build and search; 0 for all cores.
#' @param progress Whether to draw a progress bar, or a function of the fraction done; see [residualcovertree-package].
#' @return An object of class `"rct_tree"`, with methods for `print()`, `summary()` and `plot()`. It keeps `coords`
#'   and `inducing` as they are, for its plot, beside the tree itself, which [saveRDS()] does not keep: see [rct_save()].
#'
#'   Where most of a sample of points have next to no correlation with their nearest neighbour, so that ids decide who is
#'   whose neighbour, or all of them are correlated by nearly 1, there is a warning of class `"rct_warning"`: the
#'   lengthscale is probably in another unit than the coordinates. Its element `lengthscale_check` is that of
#'   [rct_stats()].
#' @seealso [vecchia_neighbors()], [nearest()], [within_radius()]; [rct_insert()], [rct_refit()] and [rct_save()]
#' @examples
#' set.seed(1)
#' coords <- matrix(runif(2000), ncol = 2)
#' tree <- rct_tree(coords, inducing = select_inducing(coords, 50), lengthscale = 0.2)
#' tree
#' vecchia_neighbors(tree, k = 5)[1:4, ] # for a VIF approximation with these inducing points
#'
#' # A covariance function of your own
#' exponential <- function(x, others) exp(-5 * sqrt(colSums((t(others) - x)^2)))
#' nearest(rct_tree(coords[1:100, ], kernel = exponential), k = 3, ids = 1:2)
#' @export
rct_tree <- function(coords, inducing = NULL, metric = "residual", kernel = "matern32", variance = 1,
                     lengthscale = NULL, alpha = 1, jitter = 1e-6, residual_floor = 1e-10, factor = NULL,
                     residual_variance = NULL, construction = "pure", ordering = "hilbert", traversal = "auto",
                     threads = default_threads(), progress = default_progress()) {
  coords <- as_points(coords, "coords")
  inducing <- as_points(inducing, "inducing", columns_of(coords))
  parameters <- list(metric = metric, kernel = kernel, variance = variance, lengthscale = lengthscale, alpha = alpha,
                     jitter = jitter, residual_floor = residual_floor, construction = construction,
                     ordering = ordering, traversal = traversal, threads = threads)
  options <- options_of(parameters)
  data <- list(coords = coords, inducing = inducing, factor = as_rows(factor, "factor"),
               residual_variance = as_values(residual_variance, "residual_variance"))
  covariance <- covariance_of(kernel)
  pointer <- with_listener(progress, function(tick) .Call(C_tree_new, options, covariance, data, tick))
  tree <- new_tree(pointer, c(parameters, list(coords = coords, inducing = inducing, columns = columns_of(coords),
                                               own_factor = !is.null(factor))))
  warn_of(tree)
  tree
}

# The object: an environment, for a tree changes whatever variables refer to it. `n`, `d` and `m` are there to be printed
# also where the library's tree is not.
new_tree <- function(pointer, fields) {
  tree <- list2env(fields, parent = emptyenv())
  stats <- .Call(C_stats, pointer)
  tree$pointer <- pointer
  tree$n <- as.integer(stats$n)
  tree$d <- as.integer(stats$d)
  tree$m <- as.integer(stats$m)
  structure(tree, class = "rct_tree")
}

columns_of <- function(coords) if (is.matrix(coords)) colnames(coords)

# Parameters as C reads them.
options_of <- function(given) {
  options <- list(
    metric = choice(given$metric, metrics, "metric"),
    kernel = if (is.function(given$kernel)) length(kernels) else choice(given$kernel, kernels, "kernel"),
    construction = choice(given$construction, constructions, "construction"),
    ordering = choice(given$ordering, orderings[1:2], "ordering"),
    traversal = choice(given$traversal, traversals, "traversal"),
    threads = given$threads, variance = given$variance, lengthscale = as_values(given$lengthscale, "lengthscale"),
    alpha = given$alpha, jitter = given$jitter, residual_floor = given$residual_floor
  )
  # There is no telling in what unit coordinates are.
  if (is.null(given$lengthscale) && given$metric != "euclidean" && !is.function(given$kernel)) {
    stop("lengthscale must be given: that of the kernel, one number or one for each column of coords, in their unit",
         call. = FALSE)
  }
  options
}

# And back, of a tree that comes from a file.
parameters_of <- function(pointer) {
  given <- with_listener(FALSE, function(tick) .Call(C_options, pointer))
  named <- function(choices, name) choices[given[[name]] + 1]
  given$metric <- named(metrics, "metric")
  given$kernel <- named(kernels, "kernel")
  given$construction <- named(constructions, "construction")
  given$ordering <- named(orderings, "ordering")
  given$traversal <- named(traversals, "traversal")
  given
}

covariance_of <- function(kernel) if (is.function(kernel)) checked_covariance(kernel)

# A covariance function that the library may call: errors stay inside, and its value is what the library can read.
checked_covariance <- function(kernel) {
  force(kernel)
  function(x, others) keep_inside({
    value <- kernel(x, others)
    if (!is.numeric(value) || length(value) != nrow(others)) {
      stop("kernel must return one number for each of its ", nrow(others), " points, not ", length(value),
           " of class ", class(value)[1], call. = FALSE)
    }
    as.double(value)
  }, NULL)
}

#' Figures of a tree and of its last search
#'
#' @param tree A tree made by [rct_tree()] or [rct_load()].
#' @return A list: `n` points in `parts` parts (one, unless points were inserted), and `removed` ones that still take
#'   their room; `m` inducing points, `d` dimensions; the `plan` by which the automatic traversal searches, with its
#'   `plan_reason`; `levels`, `nodes`, `max_fan_out` and `depth` of the cover tree, zeros as long as no traversal of its
#'   nodes nor [rct_validate()] has asked for these; `memory_bytes` it holds; `build_evaluations` of distances;
#'   `seconds_factor`, `seconds_order` (of the layout) and `seconds_tree` (of the index) of the build; `brute_force_only`,
#'   whether a factor or kernel of your own is none of a covariance, so that every search compares all points; and of the
#'   last search its traversal `last_traversal`, its `queries`, how many of these were answered by what (`by_boxes`,
#'   `by_leaves`, `by_subspaces`, `by_nodes`, `by_brute_force`), `distance_evaluations`, `nodes_visited`, of which
#'   `pruned_by_ball`, `pruned_by_cell` and `pruned_by_id`, and `seconds_search`; and `lengthscale_check`, `"plausible"`,
#'   `"too_short"` or `"too_long"`, with the `warning` that the build or the last refit gave, or `NA`.
#' @examples
#' str(rct_stats(rct_tree(matrix(runif(200), ncol = 2), lengthscale = 0.2)))
#' @export
rct_stats <- function(tree) {
  check_tree(tree)
  stats <- with_listener(FALSE, function(tick) .Call(C_stats, tree$pointer))
  stats$brute_force_only <- stats$brute_force_only != 0
  stats$last_traversal <- traversals[stats$last_traversal + 1]
  stats$lengthscale_check <- lengthscale_checks[stats$lengthscale_check + 1]
  stats
}

#' Check every invariant of a tree
#'
#' Compares the tree with its definition, in time that grows with the square of n: for tests, and for the worried.
#'
#' @inheritParams rct_stats
#' @inheritParams rct_tree
#' @return `TRUE`, invisibly; an error names the invariant that is broken.
#' @examples
#' rct_validate(rct_tree(matrix(runif(200), ncol = 2), lengthscale = 0.2))
#' @export
rct_validate <- function(tree, progress = default_progress()) {
  check_tree(tree)
  invisible(with_listener(progress, function(tick) .Call(C_validate, tree$pointer, tick)))
}
