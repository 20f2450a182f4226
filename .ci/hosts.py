"""The Python package's answers for the house sales are those of the C example (examples-c/out/neighbors.csv)."""

import numpy as np
import residual_cover_tree as rct

houses = np.loadtxt("examples-c/house_sales.csv", delimiter=",", skiprows=1, usecols=(0, 1))
written = np.loadtxt("examples-c/out/neighbors.csv", delimiter=",", skiprows=1, dtype=np.int64)
order = rct.order(houses, "maximin", 1)
assert np.array_equal(order, written[:, 0]), "the orders differ"

# Points of this tree are numbered along the order, those of the example as in the file.
place = np.empty(len(houses), dtype=np.int64)
place[order] = np.arange(len(houses))
expected = np.where(written[:, 1:] < 0, -1, place[written[:, 1:]])
tree = rct.ResidualCoverTree(kernel="matern32", lengthscale=2900.0, construction="hybrid")
tree.build(houses[order], rct.select_inducing(houses, 200, "kmeans++", 1))
ids, distances = tree.vecchia_neighbors(k=30)

# Points at one place are equally far from everything, and such ties go to the smaller number: distances tell them.
row, column = np.nonzero(expected >= 0)
theirs = np.full(distances.shape, np.inf)
theirs[row, column] = tree.distances(row, expected[row, column])
assert np.array_equal(distances, theirs), "distances differ"
print(f"{len(houses)} rows, of which {(ids == expected).all(axis=1).sum()} name the same houses, all the same distances")
