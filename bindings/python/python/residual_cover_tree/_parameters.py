"""The parameters of a tree, by name and as ``rct_options``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Callable, Optional, TypedDict, TypeVar, Union

import numpy as np
import numpy.typing as npt

from ._calls import Callback, call
from ._errors import invalid
from ._handle import Handle
from ._names import (
    CONSTRUCTIONS,
    CUSTOM_KERNEL,
    KERNELS,
    METRICS,
    TRAVERSALS,
    TREE_ORDERINGS,
    Construction,
    KernelName,
    Metric,
    Traversal,
    TreeOrdering,
    code,
)
from ._native import ffi, lib
from ._views import count, numbers, real, view

if TYPE_CHECKING:
    from typing_extensions import Unpack as Unpack
elif sys.version_info >= (3, 11):
    from typing import Unpack as Unpack
else:
    Unpack = Union  # for whoever resolves annotations: what is inside

Kernel = Union[KernelName, Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], npt.ArrayLike]]
"""A covariance function: one by name, or ``f(x, others)``."""
N = TypeVar("N")
UINT32_MAX = 2**32 - 1


class Parameters(TypedDict, total=False):
    """The parameters of a tree: see :class:`ResidualCoverTree`."""

    metric: Metric
    kernel: Kernel
    lengthscale: Optional[npt.ArrayLike]
    variance: float
    alpha: float
    jitter: float
    residual_floor: float
    construction: Construction
    ordering: TreeOrdering
    traversal: Traversal
    threads: int


NAMES = tuple(Parameters.__annotations__)


def changed(parameters: Parameters, changes: Parameters) -> Parameters:
    """The parameters with some of them changed."""
    for name in changes:
        if name not in NAMES:
            raise invalid(f"{name} is no parameter; there are {', '.join(NAMES)}")
    return {**parameters, **changes}


def frozen(parameters: Parameters) -> Parameters:
    """The parameters of a tree that is built: an array, which the caller may change, is copied."""
    lengthscale = parameters["lengthscale"]
    if np.ndim(lengthscale) == 0:  # type: ignore[arg-type]
        return parameters
    copied = np.array(lengthscale)
    copied.flags.writeable = False
    return {**parameters, "lengthscale": copied}


def new_tree(parameters: Parameters) -> Handle:
    """An empty tree."""
    options, alive, callbacks = options_of(parameters)
    slot = ffi.new("rct_tree **")
    call(lib.rct_create, options, slot)
    return Handle(slot[0], callbacks)


def options_of(parameters: Parameters) -> tuple[Any, list[Any], list[Any]]:
    """An ``rct_options``, what it points to, and what the tree will call as long as it lives."""
    options = ffi.new("rct_options *")
    call(lib.rct_options_init, options)
    options.metric = code("metric", parameters["metric"], METRICS)
    options.construction = code("construction", parameters["construction"], CONSTRUCTIONS)
    options.ordering = code("ordering", parameters["ordering"], TREE_ORDERINGS)
    options.traversal = code("traversal", parameters["traversal"], TRAVERSALS)
    options.threads = count("threads", parameters["threads"], UINT32_MAX)
    options.variance = real("variance", parameters["variance"])
    options.alpha = real("alpha", parameters["alpha"])
    options.jitter = real("jitter", parameters["jitter"])
    options.residual_floor = real("residual_floor", parameters["residual_floor"])
    alive = []
    if parameters["lengthscale"] is not None:
        alive.append(numbers("lengthscale", parameters["lengthscale"]))
        if np.ndim(parameters["lengthscale"]):
            options.lengthscales = view(alive[0])
        elif alive[0][0] == 0:
            raise invalid("lengthscale is 0; it must be a positive number")  # to the library: none
        else:
            options.lengthscale = alive[0][0]
    kernel = parameters["kernel"]
    callbacks = []
    if callable(kernel):
        callbacks.append(Callback(_covariances(kernel)))
        options.kernel = CUSTOM_KERNEL
        options.covariance = ffi.cast("rct_covariance_fn", ffi.addressof(lib, "rct_python_covariance"))
        options.covariance_user = callbacks[0].user
    else:
        options.kernel = code("kernel", kernel, KERNELS)
    return options, alive, callbacks


def parameters_of(handle: Handle) -> Parameters:
    """The parameters that the library knows of a tree whose kernel has a name."""
    options = ffi.new("rct_options *")
    call(lib.rct_options_init, options)
    call(lib.rct_get_options, handle.pointer, options)
    lengthscale: npt.ArrayLike | None = options.lengthscale or None
    if options.lengthscales.len:
        many = options.lengthscales
        lengthscale = np.array([many.data[many.stride * j] for j in range(many.len)])
        lengthscale.flags.writeable = False
    kernel: KernelName = _name(KERNELS, options.kernel)
    return {
        "metric": _name(METRICS, options.metric),
        "kernel": kernel,
        "lengthscale": lengthscale,
        "variance": options.variance,
        "alpha": options.alpha,
        "jitter": options.jitter,
        "residual_floor": options.residual_floor,
        "construction": _name(CONSTRUCTIONS, options.construction),
        "ordering": _name(TREE_ORDERINGS, options.ordering),
        "traversal": _name(TRAVERSALS, options.traversal),
        "threads": options.threads,
    }


def _name(names: dict[N, int], code: int) -> N:
    return next(name for name, known in names.items() if known == code)


def _covariances(kernel: Callable[[Any, Any], Any]) -> Callable[[int, int, int, int, int], None]:
    """What ``rct_python_covariance`` calls for ``kernel(x, others)``."""

    def covariances(x: int, others: int, count: int, dim: int, out: int) -> None:
        at, rows = _at(x, dim), _at(others, count * dim).reshape(count, dim)
        # The memory is the library's, to be read during the call alone.
        values = np.asarray(kernel(at.copy(), rows.copy()), dtype=np.float64)
        if values.shape != (count,):
            raise invalid(f"kernel returned an array of shape {values.shape} for {count} points; it must be ({count},)")
        _at(out, count)[:] = values

    return covariances


def _at(address: int, length: int) -> npt.NDArray[np.float64]:
    """The doubles at an address."""
    return np.frombuffer(ffi.buffer(ffi.cast("double *", address), 8 * length))
