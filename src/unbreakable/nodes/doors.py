"""A method of a node is its operation, behind the same doors as protected functions."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from unbreakable.fractal import AsyncProtected, FractalNode, SyncProtected
from unbreakable.runtime import is_async, mark_as_coroutine_function

N = TypeVar("N", bound=FractalNode)
P = ParamSpec("P")
T = TypeVar("T")


class MethodDoor:
    """Make a door for a method when a node is first asked for it; the node keeps it.

    On the class it stands for the method, as a plain function does: it is called with the node, and documents it.
    """

    door: Callable[[Callable[..., Any], Any], Any]  #: makes the door of a node

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        functools.update_wrapper(self, method)
        if is_async(method):
            mark_as_coroutine_function(self)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __call__(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the method of *node*."""
        return self._made(node)(*args, **kwargs)

    def _made(self, node: Any) -> Any:
        """Return the door of *node*; with none, as on the class, what documents it."""
        if node is None:
            return self
        return vars(node).setdefault(self.name, self.door(types.MethodType(self.method, node), node))


class AsyncOperation(MethodDoor, Generic[N, P, T]):
    """Turn an async method into ``await node.method(…)``, with ``.outcome(…)``, protected by the node."""

    door = AsyncProtected

    def __init__(self, method: Callable[Concatenate[N, P], Coroutine[Any, Any, T]]) -> None:
        super().__init__(method)

    @overload
    def __get__(self, node: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, node: N, owner: type | None = None) -> AsyncProtected[P, T]: ...
    def __get__(self, node: Any, owner: type | None = None) -> Any:
        """Return the door."""
        return self._made(node)


class SyncOperation(MethodDoor, Generic[N, P, T]):
    """Turn a plain method into ``node.method(…)``, with ``.outcome(…)``, protected by the node."""

    door = SyncProtected

    def __init__(self, method: Callable[Concatenate[N, P], T]) -> None:
        super().__init__(method)

    @overload
    def __get__(self, node: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, node: N, owner: type | None = None) -> SyncProtected[P, T]: ...
    def __get__(self, node: Any, owner: type | None = None) -> Any:
        """Return the door."""
        return self._made(node)
