# The library's sentences in R's words: it counts from 0, and knows its own arguments alone.

# `coords` is the name of the argument that gave the library its coordinates. A sentence that names an argument begins
# with it, so names of files in others are left alone.
in_r_words <- function(message, coords = "coords") {
  message <- sub("^query ", "", message)
  # An argument's element or row and column; what an element is, where it is an id; and the ids that there are.
  message <- one_more(message, "^[a-z_]+\\[\\K[0-9]+")
  message <- one_more(message, "^[a-z_]+\\[[0-9]+, \\K[0-9]+(?=\\])")
  message <- one_more(message, "^(ids|i|j|order)\\[[0-9]+\\] is \\K-?[0-9]+(?=[,;])")
  message <- one_more(message, "^[a-z_]+\\[[0-9]+\\] is -?[0-9]+; ids go from \\K[0-9]+(?= to)")
  message <- one_more(message, "^[a-z_]+\\[[0-9]+\\] is -?[0-9]+; ids go from [0-9]+ to \\K-?[0-9]+$")
  message <- one_more(message, "^ids has \\K[0-9]+(?= twice)")
  message <- one_more(message, "^coordinate \\K[0-9]+(?= of point [0-9])")
  message <- one_more(message, "^coordinate [0-9]+ of point \\K[0-9]+")
  # Points that a covariance function was asked about, and inducing points.
  message <- sub("^covariance callback ", "kernel ", message)
  message <- one_more(message, "^kernel returned .* for point \\K[0-9]+(?= with itself)")
  for (before in c("for points ", "for points [0-9]+ and ", ", [^ ]+ for ", ", [^ ]+ for [0-9]+ and ")) {
    message <- one_more(message, paste0("^kernel is not symmetric: .*", before, "\\K[0-9]+"))
  }
  message <- one_more(message, "is not positive definite at inducing point \\K[0-9]+")
  # Arguments that are called otherwise here.
  for (name in c("lengthscale", "residual_variance", "max_distance", "id_limit")) {
    message <- sub(paste0("^", name, "s\\b"), name, message)
  }
  message <- gsub("\\bresidual_variances\\b", "residual_variance", message)
  if (coords != "coords") message <- gsub("\\bcoords\\b", coords, message)
  message <- sub("the tree was built with the caller's", "the tree was built with your own", message, fixed = TRUE)
  message
}

# The numbers that a pattern finds, each raised by one.
one_more <- function(text, pattern) {
  at <- gregexpr(pattern, text, perl = TRUE)
  raised <- function(numbers) sprintf("%.0f", as.numeric(numbers) + 1)
  regmatches(text, at) <- lapply(regmatches(text, at), raised)
  text
}
