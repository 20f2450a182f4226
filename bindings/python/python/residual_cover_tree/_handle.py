"""Trees of the library, and whose turn it is to call on them.

The library lets any number of threads ask a tree at once, and wants it alone for what changes it. So a call that
changes a tree waits for those under way, and those that come meanwhile wait for it. Calls from callbacks would be able
to wait for each other without end: where they would have to wait they are refused.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Callable, TypeVar

from ._errors import Error
from ._native import ffi, lib

T = TypeVar("T")
IN_USE = "tree is in use by another call, for which a callback cannot wait"


class _Nesting(threading.local):
    """How many calls are under way on this thread."""

    depth = 0


_nesting = _Nesting()


class Handle:
    """A tree of the library, freed when nothing refers to it any more."""

    def __init__(self, pointer: Any, callbacks: list[Any]) -> None:
        self.pointer = ffi.gc(pointer, lib.rct_free)
        self.callbacks = callbacks
        """What the library may call: lives as long as the tree."""
        self.points: int | None = None
        """How many, once it is built."""
        self._turns = threading.Condition()
        # By their threads, of which a forked child has one.
        self._asking: list[int] = []
        self._changing: int | None = None
        self._waiting = 0
        self._lost = False
        _handles.add(self)

    def ask(self, body: Callable[[], T]) -> T:
        """Calls ``body``, which leaves the tree as it is."""
        return self._in_turn(False, body)

    def change(self, body: Callable[[], T]) -> T:
        """Calls ``body`` while nobody else calls on the tree, and counts the points again."""

        def counted() -> T:
            try:
                return body()
            finally:
                self.count()

        return self._in_turn(True, counted)

    def count(self) -> None:
        """Counts the points of a tree that is built."""
        stats = ffi.new("rct_tree_stats *")
        stats.struct_size = ffi.sizeof("rct_tree_stats")
        if lib.rct_stats(self.pointer, stats) == lib.RCT_OK:
            self.points = stats.n

    def _in_turn(self, alone: bool, body: Callable[[], T]) -> T:
        nested = _nesting.depth > 0
        entered = False
        _nesting.depth += 1
        try:
            with self._turns:
                self._wait(alone, nested)
                if alone:
                    self._changing = threading.get_ident()
                else:
                    self._asking.append(threading.get_ident())
                entered = True
            return body()
        finally:
            _nesting.depth -= 1
            if entered:
                with self._turns:
                    if alone:
                        self._changing = None
                    else:
                        self._asking.remove(threading.get_ident())
                    self._turns.notify_all()

    def _wait(self, alone: bool, nested: bool) -> None:
        def must_wait() -> bool:
            # Those that would change the tree come before new ones that ask: else they might wait for ever.
            if alone:
                return self._changing is not None or bool(self._asking)
            return self._changing is not None or (self._waiting > 0 and not nested)

        if self._lost:
            raise Error(lib.RCT_ERROR_INVALID_STATE, "tree was being changed by another thread when this process was "
                                                     "forked: only the parent has it")
        if nested and must_wait():
            raise Error(lib.RCT_ERROR_INVALID_STATE, IN_USE)
        self._waiting += alone
        try:
            while must_wait():
                self._turns.wait()
        finally:
            self._waiting -= alone

    def after_fork(self) -> None:
        """In a child: the other threads are gone."""
        me = threading.get_ident()
        self._turns = threading.Condition()
        self._asking = [thread for thread in self._asking if thread == me]
        self._waiting = 0
        self._lost |= self._changing not in (None, me)
        self._changing = me if self._changing == me else None


_handles: weakref.WeakSet[Handle] = weakref.WeakSet()


def _after_fork() -> None:
    for handle in list(_handles):
        handle.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def loaded(function: Callable[[Any], None]) -> Handle:
    """The tree that ``function`` writes to the slot that it gets."""
    slot = ffi.new("rct_tree **")
    try:
        function(slot)
    except BaseException:
        # Ctrl-C may come when all is done.
        lib.rct_free(slot[0])
        raise
    handle = Handle(slot[0], [])
    handle.count()
    return handle


@contextlib.contextmanager
def held(lock: threading.Lock) -> Iterator[None]:
    """``with lock``, but that a callback does not wait."""
    if not lock.acquire(blocking=_nesting.depth == 0):
        raise Error(lib.RCT_ERROR_INVALID_STATE, IN_USE)
    try:
        yield
    finally:
        lock.release()
