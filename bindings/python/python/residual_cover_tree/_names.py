"""The names by which Python calls the constants of ``rct.h``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ._errors import invalid

Metric = Literal["residual", "correlation", "euclidean"]
"""What makes points near."""
KernelName = Literal["rbf", "matern12", "matern32", "matern52", "rational_quadratic"]
"""The covariance functions that the library has."""
Construction = Literal["pure", "hybrid"]
"""How a tree is shaped."""
Ordering = Literal["natural", "hilbert", "maximin", "random"]
"""Orders of points."""
TreeOrdering = Literal["natural", "hilbert"]
"""Orders in which points enter a tree."""
Traversal = Literal["auto", "best_first", "level_synchronous", "brute_force"]
"""How a tree is searched."""
InducingMethod = Literal["kmeans++", "random"]
"""How inducing points are chosen."""

METRICS: dict[Metric, int] = {"residual": 0, "correlation": 1, "euclidean": 2}
KERNELS: dict[KernelName, int] = {"rbf": 0, "matern12": 1, "matern32": 2, "matern52": 3, "rational_quadratic": 4}
CUSTOM_KERNEL = 5
CONSTRUCTIONS: dict[Construction, int] = {"pure": 0, "hybrid": 1}
ORDERINGS: dict[Ordering, int] = {"natural": 0, "hilbert": 1, "maximin": 2, "random": 3}
TREE_ORDERINGS: dict[TreeOrdering, int] = {"natural": 0, "hilbert": 1}
TRAVERSALS: dict[Traversal, int] = {"auto": 0, "best_first": 1, "level_synchronous": 2, "brute_force": 3}
INDUCING_METHODS: dict[InducingMethod, int] = {"kmeans++": 0, "random": 1}
LENGTHSCALE_CHECKS = ("plausible", "too_short", "too_long")


def code(argument: str, value: object, names: Mapping[Any, int]) -> int:
    """The constant that ``value`` names."""
    if isinstance(value, str) and value in names:
        return names[value]
    raise invalid(f"{argument} is {value!r}; it must be one of {', '.join(map(repr, names))}")
