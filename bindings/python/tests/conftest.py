import numpy as np
import pytest

import residual_cover_tree as rct


@pytest.fixture(scope="session")
def coords():
    return np.random.default_rng(1).random((700, 2))


@pytest.fixture(scope="session")
def inducing(coords):
    return rct.select_inducing(coords, 40, seed=3)


@pytest.fixture(scope="session")
def tree(coords, inducing):
    return rct.ResidualCoverTree(lengthscale=0.2).build(coords, inducing)
