"""What a tree is built from and asked, as ``rct_data`` and ``rct_query``."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Union

import numpy as np
import numpy.typing as npt

from ._calls import call
from ._errors import invalid
from ._native import ffi, lib
from ._views import indices, matrix, numbers, view


class NewPoints(NamedTuple):
    """New points for a tree that was built from a factor of the caller's: they bring theirs."""

    coords: npt.ArrayLike
    """q x d."""
    factor: Optional[npt.ArrayLike]
    """Their rows of V, q x m."""
    residual_variance: Optional[npt.ArrayLike] = None
    """Their p, q values, where the tree was built with p."""


Points = Union[npt.ArrayLike, NewPoints]


def data_of(**given: npt.ArrayLike | None) -> tuple[Any, list[npt.NDArray[Any]]]:
    """An ``rct_data``, and the arrays that it points to."""
    data = ffi.new("rct_data *")
    call(lib.rct_data_init, data)
    alive = []
    for name, value in given.items():
        if value is not None:
            alive.append((numbers if name == "residual_variance" else matrix)(name, value))
            setattr(data, "residual_variances" if name == "residual_variance" else name, view(alive[-1]))
    return data, alive


def query_of(
    points: Points | None, ids: npt.ArrayLike | None, id_limit: npt.ArrayLike | None = None, include_self: bool = True
) -> tuple[Any, int, list[npt.NDArray[Any]]]:
    """An ``rct_query``, its number of queries, and the arrays that it points to."""
    query = ffi.new("rct_query *")
    call(lib.rct_query_init, query)
    alive: list[npt.NDArray[Any]] = []
    queries = 0
    if points is not None:
        new = points if isinstance(points, NewPoints) else NewPoints(points, None)
        alive.append(matrix("points", new.coords))
        query.coords = view(alive[-1])
        queries = len(alive[-1])
        if new.factor is not None:
            alive.append(matrix("factor", new.factor))
            query.factor = view(alive[-1])
        if new.residual_variance is not None:
            alive.append(numbers("residual_variance", new.residual_variance))
            query.residual_variances = view(alive[-1])
    if ids is not None:
        alive.append(indices("ids", ids))
        query.ids = view(alive[-1])
        queries = len(alive[-1])
    if id_limit is not None:
        alive.append(indices("id_limit", id_limit))
        query.id_limits = view(alive[-1])
    query.exclude_self = not include_self
    return query, queries, alive


def pairs_of(i: npt.ArrayLike, j: npt.ArrayLike) -> tuple[tuple[int, ...], list[npt.NDArray[np.int64]]]:
    """The shape of two arrays of ids that are broadcast against each other, and their elements in a row."""
    try:
        i, j = np.broadcast_arrays(i, j)
    except ValueError:
        shapes = f"{np.shape(i)} and {np.shape(j)}"
        raise invalid(f"i and j have shapes {shapes}, which cannot be broadcast to one") from None
    return i.shape, [indices(name, ids.ravel()) for name, ids in (("i", i), ("j", j))]
