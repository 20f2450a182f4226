"""The one error type, and the status codes of the library."""

from __future__ import annotations

import enum

from ._native import ffi, lib

Status = enum.IntEnum(  # type: ignore[misc]
    "Status", {name: code for code, name in sorted(ffi.typeof("enum rct_status").elements.items())}
)
Status.__doc__ = "Status codes of the library, under their names in C: ``Status.RCT_ERROR_CANCELLED``."


class Error(Exception):
    """What the library refused to do or could not do, in its own words.

    ``status`` is the :class:`Status`; ``str(error)`` names the argument and the value.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = Status(status)
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} ({self.status.name})"


def invalid(message: str) -> Error:
    """An error about an argument that cannot even be handed to the library."""
    return Error(lib.RCT_ERROR_INVALID_ARGUMENT, message)


def last_error(status: int) -> Error:
    """The error of the call of this thread that has just returned ``status``."""
    return Error(status, ffi.string(lib.rct_last_error()).decode())
