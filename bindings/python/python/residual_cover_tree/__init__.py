"""Exact nearest neighbours under the residual correlation distance, for Vecchia and VIF Gaussian processes."""

from ._arguments import NewPoints
from ._calls import progress
from ._errors import Error, LengthscaleWarning, Status
from ._functions import order, select_inducing
from ._names import Construction, InducingMethod, KernelName, Metric, Ordering, Traversal, TreeOrdering
from ._native import ffi as _ffi
from ._native import lib as _lib
from ._parameters import Kernel, Parameters
from ._tree import Factor, InducingPoints, ResidualCoverTree

__version__: str = _ffi.string(_lib.rct_version()).decode()

__all__ = [
    "Construction",
    "Error",
    "Factor",
    "InducingMethod",
    "InducingPoints",
    "Kernel",
    "KernelName",
    "LengthscaleWarning",
    "Metric",
    "NewPoints",
    "Ordering",
    "Parameters",
    "ResidualCoverTree",
    "Status",
    "Traversal",
    "TreeOrdering",
    "__version__",
    "order",
    "progress",
    "select_inducing",
]
