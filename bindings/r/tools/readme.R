# Runs the R programs of README.md and compares what the first prints with what README.md says it prints, and what the
# second finds with a tree that is built anew:
#   Rscript bindings/r/tools/readme.R README.md
library(residualcovertree)
readme <- readLines(commandArgs(trailingOnly = TRUE)[1])

# The lines of the first block of a language after line `from`, and where it ends.
block <- function(language, from) {
  start <- from + match(paste0("```", language), readme[-seq_len(from)])
  end <- start + match("```", readme[-seq_len(start)])
  list(lines = readme[seq(start + 1, length.out = end - start - 1)], end = end)
}

section <- match("## R", readme)
program <- block("r", section)
output <- block("text", program$end)
expected <- output$lines
life <- block("r", output$end)$lines

grDevices::pdf(NULL)
printed <- utils::capture.output(source(textConnection(program$lines), print.eval = TRUE))
# R prints an empty line after a list.
printed <- printed[seq_len(max(which(printed != "")))]
if (!identical(printed, expected)) {
  stop("README.md does not show what its R program prints, which is\n", paste(printed, collapse = "\n"))
}
setwd(tempdir())
source(textConnection(life))
anew <- rct_tree(coords, inducing, lengthscale = 0.3)
stopifnot(identical(tree$n, 2000L), identical(sets, vecchia_neighbors(anew, k = 5)))
cat("the R programs of README.md do what README.md says\n")
