# Runs the R program of README.md and compares what it prints with what README.md says it prints:
#   Rscript bindings/r/tools/readme.R README.md
readme <- readLines(commandArgs(trailingOnly = TRUE)[1])

# The lines of the first block of a language after line `from`, and where it ends.
block <- function(language, from) {
  start <- from + match(paste0("```", language), readme[-seq_len(from)])
  end <- start + match("```", readme[-seq_len(start)])
  list(lines = readme[seq(start + 1, length.out = end - start - 1)], end = end)
}

section <- match("## R", readme)
program <- block("r", section)
expected <- block("text", program$end)$lines

grDevices::pdf(NULL)
printed <- utils::capture.output(source(textConnection(program$lines), print.eval = TRUE))
# R prints an empty line after a list.
printed <- printed[seq_len(max(which(printed != "")))]
if (!identical(printed, expected)) {
  stop("README.md does not show what its R program prints, which is\n", paste(printed, collapse = "\n"))
}
cat("the R program of README.md prints what README.md says\n")
