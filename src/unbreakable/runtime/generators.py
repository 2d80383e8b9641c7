"""What kinds of generators there are, and how one that is inside another is begun."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable
from typing import Any


def gives_generator(function: Any) -> bool:
    """Return whether calling *function* gives a plain generator."""
    return inspect.isgeneratorfunction(function) or inspect.isgeneratorfunction(_call_of(function))


def gives_async_generator(function: Any) -> bool:
    """Return whether calling *function* gives an async generator."""
    return inspect.isasyncgenfunction(function) or inspect.isasyncgenfunction(_call_of(function))


def _call_of(function: Any) -> Any:
    return inspect.getattr_static(type(function), "__call__", None)


def first_of(items: Any) -> Awaitable[Any]:
    """Ask an async generator for its first item, without the event loop's taking notice of it.

    It closes the generators around this one, which close this one: should it close both at once, one would be told
    that the other is at it already.
    """
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, None)
    try:
        return items.asend(None)  # type: ignore[no-any-return]
    finally:
        sys.set_asyncgen_hooks(*hooks)
