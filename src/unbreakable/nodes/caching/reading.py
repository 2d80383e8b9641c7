"""A value that is there is handed over at once; for what is not, the method behind the door is asked."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Any, Self, TypeVar, overload

from unbreakable.nodes.caching.leases import Leases
from unbreakable.nodes.caching.loading import Loading
from unbreakable.nodes.doors import MethodDoor
from unbreakable.outcome import Outcome
from unbreakable.runtime import ASYNCIO, BLOCKING, mark_as_coroutine_function, run_blocking

T = TypeVar("T")


class Get:
    """What both colours share: the method, and the cache's values and loads."""

    def __init__(self, method: Callable[..., Any], cache: Any) -> None:
        functools.update_wrapper(self, method)  # type: ignore[arg-type]
        self.method = method
        self.leases: Leases = cache.leases
        self.loading: Loading = cache.loading

    def __get__(self, instance: object, owner: type | None = None) -> Self:
        """Return the door as it is: it belongs to its cache.  By this ``help()`` knows it for a method."""
        return self

    def __repr__(self) -> str:
        """Return what it is."""
        return f"<{self.method.__qualname__} of {self.loading.node.name!r}>"


class AsyncGet(Get):
    """Be ``cache.get``: a hit is answered by a look into a dictionary and at the clock."""

    def __init__(self, method: Callable[..., Any], cache: Any) -> None:
        super().__init__(method, cache)
        mark_as_coroutine_function(self)

    @overload
    async def __call__(
        self, key: Hashable, fetch: Callable[[], Awaitable[T]], *, tags: Iterable[Hashable] = ()
    ) -> T: ...
    @overload
    async def __call__(self, key: Hashable, fetch: Callable[[], T], *, tags: Iterable[Hashable] = ()) -> T: ...
    @overload
    async def __call__(self, key: Hashable, fetch: None = None, *, tags: Iterable[Hashable] = ()) -> Any: ...
    async def __call__(self, key: Hashable, fetch: Any = None, *, tags: Iterable[Hashable] = ()) -> Any:
        """Return the value of *key*; see ``CacheNode.get``."""
        try:
            entry = self.leases.hit(key, ASYNCIO.now())
        except TypeError:  # the key cannot be looked up: the method says why
            entry = None
        return await self.method(key, fetch, tags=tags) if entry is None else entry.value

    async def outcome(
        self, key: Hashable, fetch: Callable[[], Any] | None = None, *, tags: Iterable[Hashable] = ()
    ) -> Outcome[Any]:
        """Return how the call ended, with its trace, instead of the value; never raise an Exception."""
        return await self.loading.outcome(ASYNCIO, key, fetch, tags)


class SyncGet(Get):
    """Be ``cache.get_sync``, in the same way."""

    @overload
    def __call__(self, key: Hashable, fetch: Callable[[], T], *, tags: Iterable[Hashable] = ()) -> T: ...
    @overload
    def __call__(self, key: Hashable, fetch: None = None, *, tags: Iterable[Hashable] = ()) -> Any: ...
    def __call__(self, key: Hashable, fetch: Any = None, *, tags: Iterable[Hashable] = ()) -> Any:
        """Return the value of *key*; see ``CacheNode.get``."""
        try:
            entry = self.leases.hit(key, BLOCKING.now())
        except TypeError:  # the key cannot be looked up: the method says why
            entry = None
        return self.method(key, fetch, tags=tags) if entry is None else entry.value

    def outcome(
        self, key: Hashable, fetch: Callable[[], Any] | None = None, *, tags: Iterable[Hashable] = ()
    ) -> Outcome[Any]:
        """Return how the call ended, with its trace, instead of the value; never raise an Exception."""
        return run_blocking(self.loading.outcome(BLOCKING, key, fetch, tags))


class AsyncReading(MethodDoor):
    """Turn the method that asks for what is not there into ``await cache.get(…)``, with ``.outcome(…)``."""

    door = AsyncGet

    @overload
    def __get__(self, node: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, node: object, owner: type | None = None) -> AsyncGet: ...
    def __get__(self, node: Any, owner: type | None = None) -> Any:
        """Return the door."""
        return self._made(node)


class SyncReading(MethodDoor):
    """Turn the plain method that asks for what is not there into ``cache.get_sync(…)``, with ``.outcome(…)``."""

    door = SyncGet

    @overload
    def __get__(self, node: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, node: object, owner: type | None = None) -> SyncGet: ...
    def __get__(self, node: Any, owner: type | None = None) -> Any:
        """Return the door."""
        return self._made(node)
