# R's usual ways of giving points, choices and seeds, as what the library takes.

# A matrix of doubles as it is; what has to be converted is.
as_points <- function(x, name) {
  if (is.null(x)) return(NULL)
  if (is.data.frame(x)) x <- as.matrix(x)
  if (!is.numeric(x) || length(dim(x)) > 2) {
    stop(name, " must be a numeric matrix with one row a point, not ", described(x), call. = FALSE)
  }
  as_doubles(x)
}

as_values <- function(x, name) {
  if (is.null(x)) return(NULL)
  if (!is.numeric(x)) stop(name, " must be numeric, not ", described(x), call. = FALSE)
  as_doubles(x)
}

as_doubles <- function(x) {
  if (!is.double(x)) storage.mode(x) <- "double"
  x
}

described <- function(x) {
  if (length(dim(x)) > 2) "an array of more than two dimensions" else paste("of class", class(x)[1])
}

# The library's number, from 0, of a choice given by name.
choice <- function(given, choices, name) {
  at <- if (is.character(given) && length(given) == 1) match(given, choices) else NA
  if (is.na(at)) {
    shown <- if (is.character(given) && length(given) == 1) encodeString(given, quote = "\"") else described(given)
    stop(name, " is ", shown, "; it must be one of ", paste0("\"", choices, "\"", collapse = ", "), call. = FALSE)
  }
  at - 1L
}

# Ids between 1 and the largest, where that is known: the library's message would count from 0.
check_ids <- function(tree, ids, name) {
  check_tree(tree)
  if (!is.numeric(ids)) stop(name, " must be row numbers, not ", described(ids), call. = FALSE)
  last <- if (is.null(tree$last)) Inf else tree$last
  at <- which(is.na(ids) | ids < 1 | ids > last)
  if (length(at) > 0) {
    stop(name, "[", at[1], "] is ", ids[at[1]], "; the ids of this tree go from 1",
         if (is.finite(last)) paste(" to", last), call. = FALSE)
  }
  ids
}

# The seed as given, or one drawn from R's own generator, so that set.seed() decides.
seed_or_drawn <- function(seed) if (is.null(seed)) sample.int(.Machine$integer.max, 1) else seed

check_tree <- function(tree) {
  if (!inherits(tree, "rct_tree")) stop("tree must be made by rct_tree() or rct_load(), not ", described(tree), call. = FALSE)
  tree
}

metrics <- c("residual", "correlation", "euclidean")
kernels <- c("rbf", "matern12", "matern32", "matern52", "rational_quadratic")
constructions <- c("pure", "hybrid")
orderings <- c("natural", "hilbert", "maximin", "random")
traversals <- c("auto", "best_first", "level_synchronous", "brute_force")
inducing_methods <- c("kmeans++", "random")
