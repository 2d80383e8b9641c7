"""The colour of functions, async or plain, and what they take."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable
from types import CodeType
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


ANNOTATIONS: dict[str, Any] = {}
if sys.version_info >= (3, 14):
    import annotationlib

    # Annotations are worked out when they are asked for, and may name what only type checkers know, or what is still to
    # be defined, such as the class that a method stands in.
    ANNOTATIONS["annotation_format"] = annotationlib.Format.FORWARDREF


def parameters_said(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
    """Return the signature of *function* as ``inspect`` does, whatever its annotations name."""
    return inspect.signature(function, follow_wrapped=follow_wrapped, **ANNOTATIONS)


def mark_as_coroutine_function(door: Any) -> None:
    """Let frameworks see that *door*, which wraps a function, is to be awaited."""
    mark = getattr(inspect, "markcoroutinefunction", None)  # from Python 3.12
    if mark is not None:
        mark(door)
        return
    door._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined] # noqa: SLF001
    mark_with_code_of(door, getattr(door, "__wrapped__", None))


def mark_with_code_of(door: Any, function: Any) -> None:
    """Let frameworks see of which sort *door* is, which wraps *function*: a generator, for instance.

    What has all that functions have is looked at by ``inspect`` as one.
    """
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType):
        door.__code__ = code
        door.__defaults__ = getattr(function, "__defaults__", None)
        door.__kwdefaults__ = getattr(function, "__kwdefaults__", None)
