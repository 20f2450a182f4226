library(testthat)
library(rct)

test_check("rct")
