"""Calls of the library: failures become exceptions, Ctrl-C cancels, progress is shown.

cffi releases the GIL during a call. The library calls back between chunks of its work, on the calling thread, and
there Python runs the handlers of signals that have arrived; what they raise (KeyboardInterrupt), and what a progress or
covariance function raises, stops the call and is raised when it has returned. The callbacks themselves are the
library's own (src/c_api/python.rs): no code is made at run time.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import functools
import os
import threading
import warnings
from collections.abc import Iterator
from typing import Any, Callable, Optional

from ._errors import last_error
from ._native import ffi, lib

if lib.rct_python_find() != lib.RCT_OK:
    raise ImportError(f"residual_cover_tree is for CPython: {ffi.string(lib.rct_last_error()).decode()}")
# Daemon threads may be at work when Python ends, and must not call it any more.
atexit.register(lib.rct_python_end)
os.register_at_fork(after_in_child=lib.rct_python_forked)

Report = Callable[[float], object]
_bar_of: contextvars.ContextVar[Optional[Callable[[str], Any]]] = contextvars.ContextVar(
    "residual_cover_tree_progress", default=None)


class _Calls(threading.local):
    """What the callbacks of the innermost call of this thread have raised."""

    def __init__(self) -> None:
        self.raised: list[BaseException] = []


_calls = _Calls()


class Callback:
    """A function that the library may call as long as this lives; None to listen to signals alone."""

    def __init__(self, function: Callable[..., object] | None) -> None:
        self._alive = function, _calls
        # An object's id is its address in CPython, which is what the library calls.
        self.user = ffi.new("rct_python_callback *", [ffi.cast("void *", id(value)) for value in self._alive])


@contextlib.contextmanager
def progress(report: Report | None = None) -> Iterator[None]:
    """Shows the progress of the calls inside ``with rct.progress():``.

    ``report`` is called with the fraction done, 0 to 1; without it a tqdm bar is drawn where tqdm is installed, and a
    warning says so where it is not.
    """
    bar_of: Callable[[str], Any] | None = None
    if report is not None:
        bar_of = lambda name: contextlib.nullcontext(report)
    else:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            warnings.warn("progress is not shown: tqdm is not installed", stacklevel=3)
        else:
            bar_of = functools.partial(_bar, tqdm)
    token = _bar_of.set(bar_of)
    try:
        yield
    finally:
        _bar_of.reset(token)


@contextlib.contextmanager
def _bar(tqdm: Any, name: str) -> Iterator[Report]:
    """A tqdm bar of 100 percent."""
    with tqdm(total=100, desc=name, unit="%", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}") as bar:
        yield lambda fraction: bar.update(int(100 * fraction) - bar.n)


def call(function: Any, *arguments: Any, name: str = "") -> None:
    """Calls a function that ends quickly. ``name`` is the method's, where its arguments have names of their own."""
    raised: list[BaseException] = []
    outer, _calls.raised = _calls.raised, raised
    try:
        status = function(*arguments)
    finally:
        _calls.raised = outer
    if raised:
        raise raised[0]
    if status != lib.RCT_OK:
        raise last_error(status, name)


def controlled_call(name: str, function: Any, *arguments: Any) -> None:
    """Calls a function whose last parameter is an ``rct_control``. ``name`` is the method's, and labels progress."""
    bar_of = _bar_of.get()
    # Python runs handlers of signals in its main thread alone: elsewhere there is nothing to listen for.
    if bar_of is None and threading.current_thread() is not threading.main_thread():
        call(function, *arguments, ffi.NULL, name=name)
        return
    with bar_of(name) if bar_of else contextlib.nullcontext() as report:
        control = ffi.new("rct_control *")
        lib.rct_control_init(control)
        callback = Callback(report)
        control.user = callback.user
        control.should_stop = ffi.cast("rct_should_stop_fn", ffi.addressof(lib, "rct_python_should_stop"))
        if report is not None:
            control.progress = ffi.cast("rct_progress_fn", ffi.addressof(lib, "rct_python_progress"))
        call(function, *arguments, control, name=name)
