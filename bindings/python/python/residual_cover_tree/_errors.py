"""The one error type, the status codes of the library, and its sentences in Python's words."""

from __future__ import annotations

import enum
import re

from ._native import ffi, lib

Status = enum.IntEnum(  # type: ignore[misc]
    "Status", {name: code for code, name in sorted(ffi.typeof("enum rct_status").elements.items())}
)
Status.__doc__ = "Status codes of the library, under their names in C: ``Status.RCT_ERROR_CANCELLED``."

# What has another name in Python than in C.
_WORDS = [
    (re.compile(r"\brct_(insert|remove)_batch\b"), r"\1"),
    (re.compile(r"\brct_(\w+)"), r"\1"),
    (re.compile(r"\b(residual_variance|id_limit|max_distance)s\b"), r"\1"),
    (re.compile(r"^lengthscales\b"), "lengthscale"),
    (re.compile(r"\bcovariance callback\b"), "kernel"),
    (re.compile(r"\ba custom covariance\b"), "a kernel that is a function"),
]
_QUERY_WORDS = [(re.compile(r"\b(query )?coords\b"), "points"), (re.compile(r"^query "), "")]
_QUERIES = ("query_batch", "radius_batch", "factor")


class Error(Exception):
    """What the library refused to do or could not do.

    ``status`` is the :class:`Status`; ``str(error)`` names the argument and the value.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = Status(status)
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.status.name})"


class LengthscaleWarning(RuntimeWarning):
    """The lengthscale hardly fits the coordinates: nearly all correlations are 0, or nearly all are 1."""


def invalid(message: str) -> Error:
    """An error about an argument that cannot even be handed to the library."""
    return Error(lib.RCT_ERROR_INVALID_ARGUMENT, message)


def last_error(status: int, name: str = "") -> Error:
    """The error of the call of this thread, of the method ``name``, that has just returned ``status``."""
    sentence = ffi.string(lib.rct_last_error()).decode()
    for pattern, word in _WORDS + (_QUERY_WORDS if name in _QUERIES else []):
        sentence = pattern.sub(word, sentence)
    return Error(status, sentence)
