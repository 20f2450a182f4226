"""Exact nearest neighbours under the residual correlation distance, for Vecchia and VIF Gaussian processes."""

from ._calls import progress
from ._errors import Error, Status
from ._functions import order, select_inducing
from ._native import ffi as _ffi
from ._native import lib as _lib
from ._tree import NewPoints, ResidualCoverTree

__version__: str = _ffi.string(_lib.rct_version()).decode()

__all__ = ["Error", "NewPoints", "ResidualCoverTree", "Status", "__version__", "order", "progress", "select_inducing"]
