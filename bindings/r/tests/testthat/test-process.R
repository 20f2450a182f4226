# What concerns the process: memory, forks, Ctrl-C, progress.

# Runs R code in a process of its own and gives the lines it prints; `while_running` gets its process id.
run_r <- function(code, while_running = NULL) {
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  files <- file.path(folder, c("script.R", "out", "pid", "done"))
  preamble <- c(sprintf(".libPaths(%s)", paste(deparse(.libPaths()), collapse = "")), "library(residualcovertree)",
                sprintf("writeLines(as.character(Sys.getpid()), %s)", deparse(files[3])))
  writeLines(c(preamble, code), files[1])
  command <- sprintf("( %s --vanilla %s >%s 2>&1; touch %s )", shQuote(file.path(R.home("bin"), "Rscript")),
                     shQuote(files[1]), shQuote(files[2]), shQuote(files[4]))
  system(command, wait = is.null(while_running))
  if (!is.null(while_running)) {
    waited_for(function() file.exists(files[3]) && length(readLines(files[3])) == 1)
    while_running(as.integer(readLines(files[3])), function() readLines(files[2]))
    waited_for(function() file.exists(files[4]))
  }
  readLines(files[2])
}

waited_for <- function(condition, seconds = 180) {
  for (i in seq_len(seconds * 20)) {
    if (condition()) return(invisible(TRUE))
    Sys.sleep(0.05)
  }
  stop("not within ", seconds, " seconds")
}

test_that("no matrix is copied on its way into the library", {
  skip_if_not(file.exists("/proc/self/status"), "no /proc")
  # Each call fails on a shape or on the first number, before the library keeps anything: what memory grows by, on R's
  # heap or beside it, is what the way there took. The matrices have 200 MB each.
  out <- run_r("
    high_water <- function() as.numeric(gsub('[^0-9]', '', grep('VmHWM', readLines('/proc/self/status'), value = TRUE))) / 1024
    small <- matrix(c(0.1, 0.2, 0.3, 0.4), 2)
    tree <- rct_tree(small, lengthscale = 1)
    large <- matrix(0.5, 13107200, 2)
    large[1] <- NaN
    wide <- matrix(0.5, 131072, 200)
    calls <- list(
      rct_tree = function() rct_tree(large, lengthscale = c(1, 2, 3)),
      rct_tree_inducing = function() rct_tree(small, inducing = wide, lengthscale = 1),
      rct_tree_factor = function() rct_tree(small, factor = wide, lengthscale = 1),
      nearest = function() nearest(tree, 1, points = wide),
      within_radius = function() within_radius(tree, 1, points = wide),
      nearest_factor = function() nearest(tree, 1, points = small, factor = wide),
      rct_order = function() rct_order(large, 'natural'),
      select_inducing = function() select_inducing(large, 10)
    )
    for (name in names(calls)) {
      before <- high_water()
      message <- tryCatch(calls[[name]](), error = conditionMessage)
      cat(name, is.character(message), high_water() - before, '\\n')
    }
    copy <- large
    copy[1] <- 0
    cat('copy', TRUE, high_water() - before, '\\n')")
  seen <- utils::read.table(text = out)
  expect_true(all(seen$V2))
  expect_identical(seen$V1[9], "copy")
  # The last line is the measure's own check: a copy does show.
  expect_gt(seen$V3[9], 150)
  expect_lt(max(seen$V3[-9]), 10)
})

test_that("a successful build puts nothing on R's heap", {
  coords <- matrix(runif(6000), 3000)
  factor <- matrix(rnorm(3000 * 400, sd = 0.01), 3000)
  tracked <- capture.output({
    tracemem(factor)
    tracemem(coords)
    invisible(gc(reset = TRUE))
    before <- sum(gc()[, 2])
    tree <- rct_tree(coords, factor = factor, lengthscale = 0.2)
    found <- nearest(tree, 5, points = coords, factor = factor)
    peak <- sum(gc()[, 6])
    untracemem(factor)
    untracemem(coords)
  })
  # tracemem() itself prints the two addresses; a duplicate would add a line.
  expect_false(any(grepl("tracemem\\[.*->", tracked)))
  # The factor has 9.2 MB, the answers 0.3.
  expect_lt(peak - before, 3)
})

test_that("a loop that builds trees does not fill memory", {
  skip_if_not(file.exists("/proc/self/status"), "no /proc")
  resident <- function() {
    line <- grep("VmRSS", readLines("/proc/self/status"), value = TRUE)
    as.numeric(gsub("[^0-9]", "", line)) / 1024
  }
  # 32 MB a tree, and little work.
  coords <- points_of(200)
  factor <- matrix(0, 200, 20000)
  build <- function() rct_tree(coords, factor = factor, lengthscale = 0.2)
  build()
  before <- resident()
  for (i in 1:15) build()
  expect_lt(resident() - before, 150)
})

test_that("a tree works in forked children, threads or not", {
  coords <- points_of(2000)
  for (threads in 1:2) {
    tree <- rct_tree(coords, points_of(20, seed = 2), lengthscale = 0.2, threads = threads)
    expected <- lapply(1:4, function(i) nearest(tree, 5, ids = i * (1:400)))
    found <- parallel::mclapply(1:4, function(i) {
      answer <- nearest(tree, 5, ids = i * (1:400))
      # A tree of the child's own, and the garbage collection of everything.
      own <- rct_tree(coords[1:100, ], lengthscale = 0.2, threads = threads)
      nearest(own, 3)
      rm(own)
      gc()
      answer
    }, mc.cores = 2)
    expect_identical(found, expected)
    expect_identical(nearest(tree, 5, ids = 1:400), expected[[1]])
  }
})

test_that("Ctrl-C stops a build and a search, and the tree can be asked again", {
  out <- run_r("
    set.seed(1)
    coords <- matrix(runif(120000), ncol = 3)
    interrupted <- function(call) tryCatch({ call(); 'finished' }, interrupt = function(i) class(i)[1])
    cat('building\\n')
    cat(interrupted(function() rct_tree(coords, coords[1:500, ], kernel = 'matern12', lengthscale = 1, traversal = 'brute_force')), '\\n')
    tree <- rct_tree(coords[1:20000, ], coords[1:1000, ], lengthscale = 1, construction = 'hybrid', traversal = 'brute_force')
    cat('searching\\n')
    cat(interrupted(function() nearest(tree, 50)), '\\n')
    cat(nearest(tree, 1, ids = 3)$ids, '\\n')
    cat('nobody catches\\n')
    nearest(tree, 50)
    cat('not reached\\n')", function(pid, output) {
    for (stage in c("building", "searching", "nobody catches")) {
      waited_for(function() stage %in% output())
      Sys.sleep(0.3)
      tools::pskill(pid, tools::SIGINT)
    }
  })
  expect_identical(trimws(out[out != ""]),
                   c("building", "interrupt", "searching", "interrupt", "3", "nobody catches", "Execution halted"))
})

test_that("Ctrl-C stops a covariance function written in R", {
  out <- run_r("
    coords <- matrix(runif(40000), ncol = 2)
    kernel <- function(x, others) exp(-sqrt(colSums((t(others) - x)^2)))
    cat('building\\n')
    cat(tryCatch({ rct_tree(coords, kernel = kernel); 'finished' }, interrupt = function(i) 'interrupt'), '\\n')",
    function(pid, output) {
      waited_for(function() "building" %in% output())
      Sys.sleep(0.5)
      tools::pskill(pid, tools::SIGINT)
    })
  expect_identical(trimws(out[out != ""]), c("building", "interrupt"))
})

test_that("progress is reported, to a function or as a bar", {
  tree <- rct_tree(points_of(3000), points_of(30, seed = 2), lengthscale = 0.2)
  seen <- numeric()
  vecchia_neighbors(tree, 5, progress = function(fraction) seen <<- c(seen, fraction))
  expect_gt(length(seen), 2)
  expect_false(is.unsorted(seen))
  expect_identical(seen[length(seen)], 1)
  # A progress function may use other trees than the one that reports to it.
  other <- rct_tree(points_of(3000), points_of(30, seed = 2), lengthscale = 0.2)
  inside <- NULL
  vecchia_neighbors(tree, 5, progress = function(fraction) inside <<- nearest(other, 1, ids = 9)$ids)
  expect_identical(inside, matrix(9L))
  expect_error(vecchia_neighbors(tree, 5, progress = function(fraction) nearest(tree, 1, ids = 9)), "tree is in use")

  bar <- residualcovertree:::progress_listener(TRUE)
  expect_silent(bar$tick(0.1))
  Sys.sleep(1.1)
  drawn <- capture.output(invisible(bar$tick(0.5)), bar$close(), type = "message")
  expect_match(paste(drawn, collapse = ""), "50%")
})
