# The R package's answers for the house sales are those of the C example (examples-c/out/neighbors.csv).
library(residualcovertree)

houses <- as.matrix(read.csv("examples-c/house_sales.csv")[, 1:2])
written <- as.matrix(read.csv("examples-c/out/neighbors.csv")) + 1L
written[written == 0L] <- NA
order <- rct_order(houses, "maximin", seed = 1)
tree <- rct_tree(houses, select_inducing(houses, 200, seed = 1), kernel = "matern32", lengthscale = 2900,
                 construction = "hybrid", threads = 0)
found <- vecchia_neighbors(tree, k = 30, order = order, index = "row")
stopifnot(identical(unname(found), unname(written)))
cat(nrow(found), "rows, all the same\n")
