"""Calls of the library: failures become exceptions, Ctrl-C cancels, progress is shown.

cffi releases the GIL during a call. The library calls back between chunks of its work, on the calling thread, and
there Python runs the handlers of signals that have arrived; what they raise (KeyboardInterrupt), and what a progress or
covariance function raises, stops the call and is raised when it has returned.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
import warnings
from collections.abc import Iterator
from typing import Any, Callable, Optional

from ._errors import last_error
from ._native import ffi, lib

Report = Callable[[float], object]
_bar_of: contextvars.ContextVar[Optional[Callable[[str], Any]]] = contextvars.ContextVar("rct_progress", default=None)


class _Raised(threading.local):
    """For each call under way on this thread, the innermost last, what its callbacks raised."""

    def __init__(self) -> None:
        self.calls: list[list[BaseException]] = []


_raised = _Raised()


def record(kind: Any, exception: BaseException, traceback: Any) -> None:
    """Keeps what a callback raised, to be raised when the call has returned."""
    _raised.calls[-1].append(exception)


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


def call(function: Any, *arguments: Any) -> None:
    """Calls a function that ends quickly."""
    raised: list[BaseException] = []
    _raised.calls.append(raised)
    try:
        status = function(*arguments)
    finally:
        _raised.calls.pop()
    if raised:
        raise raised[0]
    if status != lib.RCT_OK:
        raise last_error(status)


def controlled_call(name: str, function: Any, *arguments: Any) -> None:
    """Calls a function whose last parameter is an ``rct_control``; ``name`` labels its progress."""
    bar_of = _bar_of.get()
    # Python runs handlers of signals in its main thread alone: elsewhere there is nothing to listen for.
    if bar_of is None and threading.current_thread() is not threading.main_thread():
        call(function, *arguments, ffi.NULL)
        return
    with bar_of(name) if bar_of else contextlib.nullcontext() as report:
        control = ffi.new("rct_control *")
        lib.rct_control_init(control)
        should_stop = ffi.callback("int32_t(void *)", _should_stop, error=1, onerror=record)
        control.should_stop = should_stop
        if report is not None:
            show = ffi.callback("void(double, void *)", lambda fraction, user: _void(report(fraction)), onerror=record)
            control.progress = show
        call(function, *arguments, control)


def _void(value: object) -> None:
    """Nothing, which is what C takes from a function that returns nothing."""


def _should_stop(user: Any) -> bool:
    """Whether a callback has raised. Before the body of a function Python runs the handlers of pending signals."""
    return bool(_raised.calls[-1])
