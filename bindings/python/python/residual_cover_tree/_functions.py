"""Orderings and inducing points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._calls import controlled_call
from ._names import INDUCING_METHODS, ORDERINGS, InducingMethod, Ordering, code
from ._native import lib
from ._views import count, matrix, struct

UINT64_MAX = 2**64 - 1


def order(coords: npt.ArrayLike, method: Ordering = "maximin", seed: int = 0) -> npt.NDArray[np.int64]:
    """A permutation of the n rows of ``coords`` (n x d): ``coords[order(coords)]`` is in that order.

    ``method`` is ``"natural"`` (as given), ``"hilbert"`` (along a Hilbert curve), ``"maximin"`` (each next point is
    farthest from those before it) or ``"random"``, for which ``seed`` matters. Distances are Euclidean in the
    coordinates given: divide them by their lengthscales before where these differ.
    """
    coords = matrix("coords", coords)
    permutation = np.empty(coords.shape[0], np.int64)
    controlled_call("order", lib.rct_order, struct("rct_matrix", coords), code("method", method, ORDERINGS),
                    count("seed", seed, UINT64_MAX), struct("rct_index_vector_out", permutation))
    return permutation


def select_inducing(
    coords: npt.ArrayLike, m: int, method: InducingMethod = "kmeans++", seed: int = 0
) -> npt.NDArray[np.float64]:
    """``m`` inducing points (m x d) for the n rows of ``coords`` (n x d); the same for the same ``seed``.

    ``method`` is ``"kmeans++"`` (k-means++ seeds refined by Lloyd's iterations) or ``"random"`` (a subset of the rows).
    ``m`` is at most the number of distinct rows.
    """
    coords = matrix("coords", coords)
    # No more rows than can be filled: a larger m is refused by the library, whatever the array.
    m = count("m", m)
    inducing = np.empty((min(m, coords.shape[0]), coords.shape[1]))
    controlled_call("select_inducing", lib.rct_select_inducing, struct("rct_matrix", coords), m,
                    code("method", method, INDUCING_METHODS), count("seed", seed, UINT64_MAX),
                    struct("rct_matrix_out", inducing))
    return inducing
