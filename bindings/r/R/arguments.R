# R's usual ways of giving points, choices and seeds, as what the library takes.

# Points: a matrix of doubles as it is, what has to be converted is. `columns` are names that those of the points must
# be, where both have names.
as_points <- function(x, name, columns = NULL) {
  if (is.data.frame(x)) check_coordinates(x, name)
  x <- as_rows(x, name)
  given <- if (is.matrix(x)) colnames(x)
  if (!is.null(given) && length(given) == length(columns) && !identical(given, columns)) {
    stop(name, " has the columns ", quoted(given), ", but the coordinates of the tree are ", quoted(columns),
         ": give them in this order, or without names by unname()", call. = FALSE)
  }
  x
}

# A matrix of doubles, one row a point.
as_rows <- function(x, name) {
  if (is.null(x)) return(NULL)
  if (is.data.frame(x)) {
    other <- which(!vapply(x, is.numeric, TRUE))
    if (length(other) > 0) {
      stop(name, " is a data frame whose column ", quoted(names(x)[other[1]]), " is not numeric but ",
           described(x[[other[1]]]), call. = FALSE)
    }
    x <- as.matrix(x)
  }
  # What R makes of no rows is logical: matrix(nrow = 0, ncol = 2), as.matrix of a data frame.
  if (is.logical(x) && length(x) == 0) storage.mode(x) <- "double"
  if (!is.numeric(x) || length(dim(x)) > 2) {
    stop(name, " must be a numeric matrix with one row a point, not ", described(x), call. = FALSE)
  }
  as_doubles(x)
}

# What columns of coordinates are called, in upper or lower case. Of others nobody but the user knows whether they are
# coordinates or what was measured there, which would go into every distance.
coordinate_names <- c("x", "y", "z", "t", "time", "lon", "long", "lng", "longitude", "lat", "latitude", "east",
                      "easting", "north", "northing")

check_coordinates <- function(x, name) {
  known <- tolower(names(x)) %in% coordinate_names | grepl("^(coords[.])?(x|v|coord|coords)[.]?[0-9]+$", tolower(names(x)))
  if (all(known)) return(invisible())
  chosen <- if (any(known)) quoted(names(x)[known]) else "..."
  stop(name, " is a data frame whose ", if (sum(!known) == 1) "column " else "columns ", quoted(names(x)[!known]),
       " may be no ", if (sum(!known) == 1) "coordinate" else "coordinates", ": give the coordinates alone, as ",
       "as.matrix(", name, "[, c(", chosen, ")]), which takes any names", call. = FALSE)
}

quoted <- function(names) paste0(encodeString(names, quote = "\""), collapse = ", ")

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
    stop(name, " is ", shown, "; it must be one of ", quoted(choices), call. = FALSE)
  }
  at - 1L
}

# Ids, whole numbers from 1; which there are the library knows.
check_ids <- function(tree, ids, name) {
  check_tree(tree)
  if (!is.numeric(ids)) stop(name, " must be row numbers, not ", described(ids), call. = FALSE)
  at <- which(is.na(ids) | ids < 1)
  if (length(at) > 0) stop(name, "[", at[1], "] is ", ids[at[1]], "; ids go from 1", call. = FALSE)
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
lengthscale_checks <- c("plausible", "too_short", "too_long")
