"""The names by which Python calls the constants of ``rct.h``."""

from __future__ import annotations

from ._errors import invalid

METRICS = {"residual": 0, "correlation": 1, "euclidean": 2}
KERNELS = {"rbf": 0, "matern12": 1, "matern32": 2, "matern52": 3, "rational_quadratic": 4}
CUSTOM_KERNEL = 5
CONSTRUCTIONS = {"pure": 0, "hybrid": 1}
ORDERINGS = {"natural": 0, "hilbert": 1, "maximin": 2, "random": 3}
TRAVERSALS = {"auto": 0, "best_first": 1, "level_synchronous": 2, "brute_force": 3}
INDUCING_METHODS = {"kmeans++": 0, "random": 1}


def code(argument: str, value: object, names: dict[str, int]) -> int:
    """The constant that ``value`` names."""
    if isinstance(value, str) and value in names:
        return names[value]
    raise invalid(f"{argument} is {value!r}; it must be one of {', '.join(map(repr, names))}")
