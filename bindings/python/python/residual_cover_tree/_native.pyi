"""Made by maturin: the shared library and its declarations."""

from typing import Any

ffi: Any
lib: Any
