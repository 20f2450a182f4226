"""Trees in files and in memory."""

from __future__ import annotations

import os
from typing import Any, Union

from ._calls import call, controlled_call
from ._errors import invalid
from ._handle import Handle, loaded
from ._native import ffi, lib
from ._views import count

Path = Union[str, "os.PathLike[str]"]
INT32_MAX = 2**31 - 1


def save(tree: Handle, path: Path) -> None:
    """Saves the tree in a file."""
    name = _name(path)
    tree.ask(lambda: controlled_call("save", lib.rct_save, tree.pointer, name))


def load(path: Path, threads: int | None, memory_map: bool) -> Handle:
    """The tree of a file."""
    name = _name(path)
    options = ffi.new("rct_load_options *")
    call(lib.rct_load_options_init, options)
    if threads is not None:
        options.threads = count("threads", threads, INT32_MAX)
    options.memory_map = bool(memory_map)
    return loaded(lambda slot: controlled_call("load", lib.rct_load, name, options, slot))


def to_bytes(tree: Handle) -> bytes:
    """The bytes of the file that ``save`` would write."""
    slot = ffi.new("rct_buffer **")
    try:
        tree.ask(lambda: controlled_call("save", lib.rct_save_to_buffer, tree.pointer, slot))
        start, length = (ffi.new(pointer) for pointer in ffi.typeof(lib.rct_buffer_view).args[1:])
        call(lib.rct_buffer_view, slot[0], start, length)
        return bytes(ffi.buffer(start[0], length[0]))
    finally:
        lib.rct_buffer_free(slot[0])


def from_bytes(data: bytes) -> Handle:
    """The tree of the bytes of a file."""
    view = ffi.from_buffer("uint8_t[]", data)
    return loaded(lambda slot: controlled_call("load", lib.rct_load_from_buffer, view, len(data), ffi.NULL, slot))


def _name(path: Path) -> Any:
    """A path as C takes it."""
    try:
        name = os.fsencode(path)
    except TypeError:
        raise invalid(f"path is {path!r}; it must be a str or an os.PathLike") from None
    if b"\0" in name:
        raise invalid(f"path is {path!r}, which has a NUL")
    return ffi.new("char[]", name)
