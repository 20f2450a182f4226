"""The parameters of a tree as ``rct_options``."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ._calls import call, record
from ._errors import invalid
from ._handle import Handle
from ._names import CONSTRUCTIONS, CUSTOM_KERNEL, KERNELS, METRICS, ORDERINGS, TRAVERSALS, code
from ._native import ffi, lib
from ._views import count, numbers, real, view

UINT32_MAX = 2**32 - 1
_COVARIANCE_FN = dict(ffi.typeof("rct_options").fields)["covariance"].type


def new_tree(parameters: dict[str, Any]) -> Handle:
    """An empty tree."""
    options, alive, callbacks = options_of(parameters)
    slot = ffi.new("rct_tree **")
    call(lib.rct_create, options, slot)
    return Handle(slot[0], callbacks)


def options_of(parameters: dict[str, Any]) -> tuple[Any, list[Any], list[Any]]:
    """An ``rct_options``, what it points to, and what the tree will call as long as it lives."""
    options = ffi.new("rct_options *")
    call(lib.rct_options_init, options)
    options.metric = code("metric", parameters["metric"], METRICS)
    options.construction = code("construction", parameters["construction"], CONSTRUCTIONS)
    options.ordering = code("ordering", parameters["ordering"], ORDERINGS)
    options.traversal = code("traversal", parameters["traversal"], TRAVERSALS)
    options.threads = count("threads", parameters["threads"], UINT32_MAX)
    for name in ("variance", "jitter", "alpha", "residual_floor"):
        setattr(options, name, real(name, parameters[name]))
    lengthscale = numbers("lengthscale", parameters["lengthscale"])
    if np.ndim(parameters["lengthscale"]):
        options.lengthscales = view(lengthscale)
    else:
        options.lengthscale = lengthscale[0]
    kernel = parameters["kernel"]
    callbacks = []
    if callable(kernel):
        callbacks.append(_callback(kernel))
        options.kernel = CUSTOM_KERNEL
        options.covariance = callbacks[0]
    else:
        options.kernel = code("kernel", kernel, KERNELS)
    return options, [lengthscale], callbacks


def _callback(kernel: Callable[[Any, Any], Any]) -> Any:
    """An ``rct_covariance_fn`` that calls ``kernel(x, others)``."""

    def covariance(user: Any, x: Any, others: Any, count: int, dim: int, out: Any) -> int:
        at = np.frombuffer(ffi.buffer(x, dim * 8))
        rows = np.frombuffer(ffi.buffer(others, count * dim * 8)).reshape(count, dim)
        # The memory is the library's, to be read during the call alone.
        values = np.asarray(kernel(at.copy(), rows.copy()), dtype=np.float64)
        if values.shape != (count,):
            raise invalid(f"kernel returned an array of shape {values.shape} for {count} points; it must be ({count},)")
        np.frombuffer(ffi.buffer(out, count * 8))[:] = values
        return 0

    return ffi.callback(_COVARIANCE_FN, covariance, error=1,
                        onerror=record)
