"""Compile loops by Numba, in a read-only install too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function of NumPy arrays, and keep the result on disk where a folder for it can be written."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # a read-only install without a cache of the user's
        return numba.njit(function)
