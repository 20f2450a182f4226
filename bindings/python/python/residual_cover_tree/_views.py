"""NumPy arrays as the views of ``rct.h``: the memory itself, whatever its strides.

Arrays of another type than float64 (int64 for ids), of the other byte order, or whose strides are no multiples of the
element are converted, which copies them. The caller keeps the array alive while the view is in use.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from ._errors import invalid
from ._native import ffi

INT64_MAX = 2**63 - 1
# What arrays without elements point to: NULL would say that there is no array.
_NOTHING = np.zeros(1)


def _array(name: str, value: npt.ArrayLike, dtype: type[Any], kinds: str, ndims: tuple[int, ...]) -> npt.NDArray[Any]:
    try:
        given = np.asanyarray(value)
    except ValueError as error:  # rows of different lengths
        raise invalid(f"{name} is no array: {error}") from None
    if isinstance(given, np.ma.MaskedArray):
        raise invalid(f"{name} is a masked array; there is no answer for masked values")
    # A list without elements has no type of its own.
    if given.dtype.kind not in kinds and given.shape != (0,):
        wanted = "real numbers" if dtype is np.float64 else "integers"
        raise invalid(f"{name} has elements of type {given.dtype}; they must be {wanted}")
    if given.ndim not in ndims:
        shape = " or ".join(map(str, ndims))
        raise invalid(f"{name} has {given.ndim} dimensions; it must have {shape}")
    if given.dtype == np.uint64 and dtype is np.int64 and given.size and given.max() > INT64_MAX:
        raise invalid(f"{name} has {given.max()}, which is no id")
    array = np.asarray(given, dtype=dtype)
    if not array.flags.aligned or any(stride % array.itemsize for stride in array.strides):
        array = array.copy()
    return array


def matrix(name: str, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """``value`` as a matrix of float64, itself where it is one."""
    return _array(name, value, np.float64, "fiub", (2,))


def numbers(name: str, value: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """``value`` as a vector of float64, itself where it is one; a number becomes a vector of one."""
    array = _array(name, value, np.float64, "fiub", (0, 1))
    return array if array.ndim else array.reshape(1)


def indices(name: str, value: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """``value`` as a vector of int64, itself where it is one; an integer becomes a vector of one."""
    array = _array(name, value, np.int64, "iu", (0, 1))
    return array if array.ndim else array.reshape(1)


def count(name: str, value: Any, most: int = INT64_MAX) -> int:
    """``value`` as an integer from 0 to ``most``."""
    try:
        number = operator.index(value)
    except TypeError:
        raise invalid(f"{name} is {value!r}; it must be an integer") from None
    if not 0 <= number <= most:
        raise invalid(f"{name} is {number}; it must be from 0 to {most}")
    return number


def real(name: str, value: Any) -> float:
    """``value`` as a float."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise invalid(f"{name} is {value!r}; it must be a number") from None


def view(array: npt.NDArray[Any]) -> tuple[Any, ...]:
    """The fields of the view of a vector or matrix: data, shape, strides in elements."""
    kind = "double *" if array.dtype == np.float64 else "int64_t *"
    strides = (stride // array.itemsize for stride in array.strides)
    address = (array if array.size else _NOTHING).__array_interface__["data"][0]
    return (ffi.cast(kind, address), *array.shape, *strides)


def struct(kind: str, array: npt.NDArray[Any]) -> Any:
    """The view as a struct to be passed by value."""
    return ffi.new(f"{kind} *", view(array))[0]
