library(testthat)
library(residualcovertree)

test_check("residualcovertree")
