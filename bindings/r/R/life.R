#' Insert and remove points
#'
#' The tree itself changes: a tree is one object, whatever variables refer to it. Its answers are then those of a tree
#' that is built of all its points at once.
#'
#' @inheritParams rct_stats
#' @inheritParams rct_tree
#' @param coords Coordinates of the new points, one a row. A vector is one point, unless the tree has one dimension.
#' @param ids Ids of the points to remove, none included.
#' @param factor,residual_variance Rows of V and residual variances of the new points, where the tree was built from your
#'   own.
#' @return `rct_insert()`: the ids of the new points, which follow the largest that was ever given. `rct_remove()`: the
#'   tree, invisibly. The ids of all other points stay, and none is used again: a tree from which points were removed
#'   has gaps in its ids.
#' @seealso [rct_refit()], [rct_save()]
#' @examples
#' set.seed(1)
#' tree <- rct_tree(matrix(runif(2000), ncol = 2), lengthscale = 0.2)
#' rct_insert(tree, cbind(c(0.5, 0.6), c(0.5, 0.4)))
#' rct_remove(tree, 1:10)
#' tree
#' @export
rct_insert <- function(tree, coords, factor = NULL, residual_variance = NULL, progress = default_progress()) {
  check_tree(tree)
  coords <- points_for(tree, coords, "coords")
  data <- list(coords = coords, factor = as_rows(factor, "factor"),
               residual_variance = as_values(residual_variance, "residual_variance"))
  together(progress, function(tick) .Call(C_insert, tree$pointer, data, tick), function(first) {
    new <- first + seq_len(nrow_of(coords)) - 1L
    if (!is.null(tree$coords)) tree$coords <- unname_rows(rbind(as.matrix(tree$coords), as.matrix(coords)))
    tree$n <- tree$n + length(new)
    new
  })
}

#' @rdname rct_insert
#' @export
rct_remove <- function(tree, ids, progress = default_progress()) {
  check_ids(tree, ids, "ids")
  again <- anyDuplicated(ids)
  if (again > 0) stop("ids[", again, "] is ", ids[again], ", which came before", call. = FALSE)
  together(progress, function(tick) .Call(C_remove, tree$pointer, ids, tick), function(nothing) {
    tree$n <- tree$n - length(ids)
  })
  invisible(tree)
}

#' Other parameters over the same points
#'
#' The tree itself changes, as by [rct_insert()]. Its answers are then those of a tree that is built anew, which takes
#' longer. Where the call fails the tree is as it was.
#'
#' @inheritParams rct_stats
#' @inheritParams rct_tree
#' @param inducing,factor,residual_variance As in [rct_tree()]; the rows of `factor` are those of the points by ascending
#'   id. Without `inducing` and `factor` the inducing points stay.
#' @param kernel,variance,lengthscale,alpha,jitter,residual_floor,construction,ordering,traversal,threads As in
#'   [rct_tree()]; what is not given stays, as does the metric.
#' @return The tree, invisibly; with a warning as [rct_tree()] has it.
#' @examples
#' set.seed(1)
#' tree <- rct_tree(matrix(runif(2000), ncol = 2), lengthscale = 0.2)
#' rct_refit(tree, lengthscale = 0.25)
#' tree
#' @export
rct_refit <- function(tree, inducing = NULL, kernel = tree$kernel, variance = tree$variance,
                      lengthscale = tree$lengthscale, alpha = tree$alpha, jitter = tree$jitter,
                      residual_floor = tree$residual_floor, factor = NULL, residual_variance = NULL,
                      construction = tree$construction, ordering = tree$ordering, traversal = tree$traversal,
                      threads = tree$threads, progress = default_progress()) {
  check_tree(tree)
  parameters <- list(metric = tree$metric, kernel = kernel, variance = variance, lengthscale = lengthscale,
                     alpha = alpha, jitter = jitter, residual_floor = residual_floor, construction = construction,
                     ordering = ordering, traversal = traversal, threads = threads)
  inducing <- as_points(inducing, "inducing", tree$columns)
  data <- list(inducing = inducing, factor = as_rows(factor, "factor"),
               residual_variance = as_values(residual_variance, "residual_variance"))
  options <- options_of(parameters)
  covariance <- covariance_of(kernel)
  together(progress, function(tick) .Call(C_refit, tree$pointer, options, covariance, data, tick), function(nothing) {
    list2env(parameters, tree)
    if (!is.null(inducing) || !is.null(factor)) {
      tree$inducing <- inducing
      tree$own_factor <- !is.null(factor)
      tree$m <- if (is.null(factor)) nrow_of(inducing) else NCOL(factor)
    }
  })
  warn_of(tree)
  invisible(tree)
}

#' The ids of a tree's points
#'
#' @inheritParams rct_stats
#' @return The ids of the points that are there, ascending: 1 to n, but for those that were removed.
#' @examples
#' tree <- rct_tree(cbind(c(0, 1, 2)), lengthscale = 1)
#' rct_remove(tree, 2)
#' rct_ids(tree)
#' @seealso [rct_insert()]
#' @export
rct_ids <- function(tree) {
  check_tree(tree)
  with_listener(FALSE, function(tick) .Call(C_ids, tree$pointer))
}

#' Save and load trees
#'
#' [saveRDS()] and a saved workspace keep no more than the description of a tree. These keep the tree.
#'
#' @inheritParams rct_stats
#' @inheritParams rct_tree
#' @param path Name of the file. What is there is replaced at once when all is on the disk, so that whatever happens there
#'   is the old file or the new one; it can be loaded on any machine.
#' @param memory_map Whether most of the tree stays in the file and is read, and checked, as it is needed. Nobody may then
#'   change the file in place while the tree lives; saving to its path is fine.
#' @return `rct_save()`: `path`, invisibly; a tree whose kernel is an R function cannot be saved. `rct_load()`: the tree,
#'   which knows its parameters: [rct_refit()] needs only what changes. R's matrix of coordinates and the names of its
#'   columns are not in the file: the tree has no `plot()`. A file that is damaged, or no saved tree, is an error of status
#'   `"RCT_ERROR_CORRUPT"`.
#' @examples
#' set.seed(1)
#' tree <- rct_tree(matrix(runif(2000), ncol = 2), lengthscale = 0.2)
#' file <- tempfile(fileext = ".rct")
#' rct_save(tree, file)
#' loaded <- rct_load(file)
#' loaded
#' nearest(loaded, k = 3, points = c(0.5, 0.5))
#' @export
rct_save <- function(tree, path, progress = default_progress()) {
  check_tree(tree)
  name <- path_of(path)
  with_listener(progress, function(tick) .Call(C_save, tree$pointer, name, tick))
  invisible(path)
}

#' @rdname rct_save
#' @export
rct_load <- function(path, threads = default_threads(), memory_map = FALSE, progress = default_progress()) {
  name <- path_of(path)
  pointer <- with_listener(progress, function(tick) .Call(C_load, name, threads, memory_map, tick))
  new_tree(pointer, parameters_of(pointer))
}

# Makes a call that changes a tree, and then, where it succeeded, what R has to note: no Ctrl-C comes in between.
together <- function(progress, call, note, frame = sys.call(-1)) {
  force(frame)
  suspendInterrupts({
    result <- allowInterrupts(with_listener(progress, call, frame))
    note(result)
  })
}

path_of <- function(path) {
  if (!is.character(path) || length(path) != 1 || is.na(path)) {
    stop("path must be one string, not ", described(path), call. = FALSE)
  }
  path.expand(path)
}

# Points as the tree takes them: a vector is one point, unless the tree has one dimension and it may be several.
points_for <- function(tree, points, name) {
  if (is.numeric(points) && is.null(dim(points)) && tree$d > 1) {
    names <- names(points)
    points <- matrix(points, nrow = 1, dimnames = if (!is.null(names)) list(NULL, names))
  }
  as_points(points, name, tree$columns)
}

# Row numbers are the ids: names of some rows would only confuse.
unname_rows <- function(coords) {
  rownames(coords) <- NULL
  coords
}
