# How a call into the library is made: with progress, Ctrl-C and errors as R has them.

# The last condition of R code that the library called, an error or an interrupt: it could not jump out of the library.
caught <- new.env(parent = emptyenv())

# Runs an expression of R code that the library called; whatever would leave it is kept, and `otherwise` returned.
keep_inside <- function(expression, otherwise) {
  keep <- function(condition) {
    caught$condition <- condition
    otherwise
  }
  tryCatch(expression, error = keep, interrupt = keep)
}

# Makes a call: `call` is a function of what the library is to call with the fraction done, which is NULL for nobody;
# `coords` is what the caller's argument is called whose points the library knows as coords.
with_listener <- function(progress, call, frame = sys.call(-1), coords = "coords") {
  caught$condition <- NULL
  listener <- progress_listener(progress)
  on.exit(listener$close())
  result <- call(listener$tick)
  if (inherits(result, "rct_failure")) fail(result, frame, coords)
  result
}

fail <- function(failure, frame, coords) {
  if (failure$status == "RCT_ERROR_CANCELLED") {
    # R code that the library called failed, or else Ctrl-C: it may come at any point of that code.
    condition <- caught$condition
    caught$condition <- NULL
    if (inherits(condition, "error")) stop(condition)
    interrupt()
  }
  stop(structure(class = c("rct_error", "error", "condition"),
                 list(message = in_r_words(failure$message, coords), call = frame, status = failure$status)))
}

# Warns where the library has doubts about the lengthscale that a tree was built or refitted with.
warn_of <- function(tree, frame = sys.call(-1)) {
  stats <- .Call(C_stats, tree$pointer)
  if (is.na(stats$warning)) return(invisible())
  warning(structure(class = c("rct_warning", "warning", "condition"),
                    list(message = stats$warning, call = frame,
                         lengthscale_check = lengthscale_checks[stats$lengthscale_check + 1])))
}

# What Ctrl-C does where no library is in between: handlers of "interrupt" first, then back to the prompt.
interrupt <- function() {
  signalCondition(structure(class = c("interrupt", "condition"), list(message = "interrupted", call = NULL)))
  invokeRestart("abort")
}

progress_listener <- function(progress) {
  if (is.function(progress)) {
    tick <- function(fraction) keep_inside({
      progress(fraction)
      TRUE
    }, FALSE)
    return(list(tick = tick, close = function() NULL))
  }
  if (!is_flag(progress)) stop("progress must be TRUE, FALSE or a function", call. = FALSE)
  if (!progress) return(list(tick = NULL, close = function() NULL))
  bar <- NULL
  started <- proc.time()[["elapsed"]]
  tick <- function(fraction) keep_inside({
    # Short calls draw nothing.
    if (is.null(bar) && proc.time()[["elapsed"]] > started + 1 && fraction < 1) {
      bar <<- utils::txtProgressBar(style = 3, file = stderr())
    }
    if (!is.null(bar)) utils::setTxtProgressBar(bar, fraction)
    TRUE
  }, FALSE)
  list(tick = tick, close = function() if (!is.null(bar)) close(bar))
}

default_progress <- function() getOption("rct.progress", interactive())

default_threads <- function() getOption("rct.threads", 1L)

is_flag <- function(x) is.logical(x) && length(x) == 1 && !is.na(x)
