# Nothing in the package may need a later R than the one that DESCRIPTION names, which no machine of ours has:
#   Rscript bindings/r/tools/minimum.R bindings/r
# That is told by the syntax, functions and arguments that NEWS of later versions calls new.
options(keep.source = TRUE)
folder <- commandArgs(trailingOnly = TRUE)[1]
minimum <- sub(".*R \\(>= ([0-9.]+)\\).*", "\\1", read.dcf(file.path(folder, "DESCRIPTION"))[1, "Depends"])
stopifnot(minimum == "4.0.0")

later_syntax <- c(PIPE = "the pipe |>", PLACEHOLDER = "the placeholder _", "'\\\\'" = "the short function \\(x)")
later_functions <- c(
  "...names", "charClass", "gregexec", "isa", "numToBits", "numToInts", "tryInvokeRestart", # 4.0.1 to 4.1
  ".pretty", "findCRANmirror", "mtfrm", "psmirnov", "qsmirnov", "rsmirnov", "Sys.setLanguage", # 4.2
  "array2DF", "balancePOSIXlt", "chooseOpsMethod", "R_compiled_by", "unCfillPOSIXlt", # 4.3
  "%||%", "Exec", "Tailcall", "sort_by", # 4.4
  "grepv", "use" # 4.5
)
later_arguments <- c(paste = "recycle0", apply = "simplify")
later_c <- c("R_NewEnv", "R_existsVarInFrame", "R_ParentEnv", "R_mkClosure", "R_Closure[A-Za-z]+", "R_getVar", "R_getVarEx",
             "Rf_isDataFrame", "R_getAttribCount", "R_allocResizableVector", "ALTLIST[A-Z_]*", "DATAPTR_RW")

# What of a later R some R code uses.
later_in <- function(code) {
  tokens <- utils::getParseData(parse(text = code, keep.source = TRUE), includeText = TRUE)
  used <- unname(later_syntax[tokens$token[tokens$token %in% names(later_syntax)]])
  called <- tokens$text[tokens$token %in% c("SYMBOL_FUNCTION_CALL", "SPECIAL")]
  used <- c(used, intersect(called, later_functions))
  for (name in names(later_arguments)) {
    calls <- tokens[tokens$token == "SYMBOL_FUNCTION_CALL" & tokens$text == name, "parent"]
    whole <- tokens$parent[match(calls, tokens$id)]
    given <- tokens$text[tokens$parent %in% whole & tokens$token == "SYMBOL_SUB"]
    if (later_arguments[[name]] %in% given) used <- c(used, paste0(name, "(", later_arguments[[name]], " = )"))
  }
  used
}

# The check finds what it is to find.
stopifnot(
  identical(later_in("x <- a || b\nfunction(x) lapply(x, f)"), character()),
  identical(later_in("paste(apply(x, 1, f), collapse = '')"), character()),
  identical(later_in("x %||% y"), "%||%"),
  identical(later_in("apply(x, 1, f, simplify = FALSE)"), "apply(simplify = )"),
  getRversion() < "4.1.0" || identical(later_in("x |> f()\ng(\\(x) x)"), unname(later_syntax[c("PIPE", "'\\\\'")]))
)

found <- character()
for (file in list.files(file.path(folder, c("R", "tests", "tools")), "[.]R$", recursive = TRUE, full.names = TRUE)) {
  if (basename(file) == "minimum.R") next
  for (what in later_in(readLines(file))) found <- c(found, paste0(file, " uses ", what))
}
for (file in list.files(file.path(folder, "src"), "[.][ch]$", full.names = TRUE)) {
  lines <- grep(paste0("\\b(", paste(later_c, collapse = "|"), ")\\b"), readLines(file), value = TRUE)
  if (length(lines) > 0) found <- c(found, paste0(file, ": ", lines))
}
if (length(found) > 0) stop("more than R ", minimum, " is needed:\n", paste(found, collapse = "\n"))
cat("nothing needs a later R than", minimum, "\n")
