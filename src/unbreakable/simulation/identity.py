"""Which operation it is that somebody hands over, known again when it is made anew."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple

from unbreakable.fractal import FractalNode
from unbreakable.fractal.operation import qualified_name

MOST_LAYERS = 100  # of decorators and partials around an operation


class Owner:
    """Be the same for the same object, as long as it lives, and keep no object alive that need not be."""

    __slots__ = ("_number", "_owner")

    def __init__(self, owner: Any) -> None:
        self._number = id(owner)
        self._owner: Callable[[], Any]
        try:
            self._owner = weakref.ref(owner)
        except TypeError:
            self._owner = lambda: owner  # such as a list: it has to be held, else its number may become another's

    def __eq__(self, other: object) -> bool:
        """Compare by the object itself, never by its value: two equal clients are two."""
        if self is other:
            return True
        mine = self._owner()
        return isinstance(other, Owner) and mine is not None and mine is other._owner()

    def __hash__(self) -> int:
        """Hash by the object."""
        return self._number


class Identity(NamedTuple):
    """Say which operation it is: where its code stands, and whose it is.

    Functions that are made anew by the same lines, such as a lambda inside a loop, are the same operation; two lambdas
    are two, as are the methods of two objects.  What a closure or a partial has bound tells nothing apart.
    """

    module: str
    name: str
    code: object
    owner: Owner | None

    @property
    def label(self) -> str:
        """Return how it is called in figures, and in memory over restarts, where an object has no name."""
        line = getattr(self.code, "co_firstlineno", None)
        where = f":{line}" if self.name.endswith("<lambda>") and line is not None else ""
        return f"{self.module}.{self.name}{where}" if self.module else self.name


def identity_of(operation: Any) -> Identity:
    """Return which operation *operation* is."""
    operation, owner = _innermost(operation)
    if isinstance(operation, FractalNode):
        return Identity("", operation.name, type(operation), Owner(operation))
    code = getattr(operation, "__code__", None)
    if not isinstance(code, CodeType):  # a stub may make up any attribute
        code = None
    if code is None and owner is None and not isinstance(operation, type):  # a list's append, or what has __call__
        owner = getattr(operation, "__self__", operation) if inspect.isroutine(operation) else operation
    known = operation if isinstance(getattr(operation, "__qualname__", None), str) else type(operation)
    name = qualified_name(operation).replace("<locals>.", "")
    whose = None if owner is None or inspect.ismodule(owner) else Owner(owner)
    return Identity(str(known.__module__ or ""), name, code or known, whose)


def _innermost(operation: Any) -> tuple[Any, Any]:
    """Return what decorators, partials and methods are made around, and whose method it is."""
    owner = None
    for _ in range(MOST_LAYERS):
        if isinstance(operation, functools.partial):
            operation = operation.func
        elif inspect.ismethod(operation):
            owner, operation = operation.__self__, operation.__func__
        elif callable(wrapped := _wrapped(operation)):
            operation = wrapped
        else:
            break
    return operation, owner


def _wrapped(operation: Any) -> Any:
    """Return what *operation* says that it wraps, if that is really there: a stub makes up any attribute."""
    there = inspect.getattr_static(operation, "__wrapped__", None) is not None
    return getattr(operation, "__wrapped__", None) if there else None
