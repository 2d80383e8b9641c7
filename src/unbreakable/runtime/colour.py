"""The colour of functions: async, or plain."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import Any


def is_async(function: Any) -> bool:
    """Return whether calling *function* gives something to be awaited, as far as can be seen from outside."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, (classmethod, staticmethod)):
        function = function.__func__
    told = getattr(function, "is_async", None)
    if isinstance(told, bool):  # a node, whose operation decides
        return told
    call = inspect.getattr_static(type(function), "__call__", None)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def mark_as_coroutine_function(door: Any) -> None:
    """Let frameworks see that the door is to be awaited."""
    mark = getattr(inspect, "markcoroutinefunction", None)  # from Python 3.12
    if mark is not None:
        mark(door)
    else:
        door._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined] # noqa: SLF001
