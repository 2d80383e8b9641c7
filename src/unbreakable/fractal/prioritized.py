"""A protected function whose calls are as important as ``ub.priority`` above it says: it stays a protected function."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Generator
from typing import Any

from unbreakable.fractal.doors import AsyncProtected, Door, SyncProtected
from unbreakable.fractal.generators import AsyncGeneratorProtected, GeneratorProtected
from unbreakable.fractal.methods import Bound, bound
from unbreakable.fractal.streams import Stream
from unbreakable.policies.priority import Priority, in_each_async_step, in_each_step, priority


def prioritized(door: Any, importance: Priority) -> Any:
    """Return *door* with each call, or each step of its generators, in a block of that *importance*.

    It is of the same node.  Where it has such a block, that is further in, and counts.
    """
    if type(door).importance is not None:
        return door
    if isinstance(door, Bound):
        return bound(prioritized(door.whole, importance), door.function)  # type: ignore[attr-defined]
    sort: Any = type(door)
    made = sort_of(sort, importance)(door.function, door.node)
    vars(made).update(vars(door), _held=door)  # as of any decorated function; and the node is held by that door
    return made


@functools.cache
def sort_of(door: Any, importance: Priority) -> Any:
    """Return the class of doors like *door* whose calls are made in a block of that *importance*."""
    mixed = next(mixed for colour, mixed in MIXED.items() if issubclass(door, colour))
    return type(door.__name__, (mixed, door), {"__doc__": door.__doc__, "importance": importance})


class InBlocks(Door[..., Any]):
    """Make each call of a plain function in a block."""

    importance: Priority

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, protected, in the block."""
        with priority(type(self).importance):
            return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def outcome(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, protected, in the block; return how it ended."""
        with priority(type(self).importance):
            return super().outcome(*args, **kwargs)  # type: ignore[misc]


class InAsyncBlocks(Door[..., Any]):
    """Make each call of an async function in a block."""

    importance: Priority

    async def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, protected, in the block."""
        with priority(type(self).importance):
            return await super().__call__(*args, **kwargs)  # type: ignore[misc]

    async def outcome(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function, protected, in the block; return how it ended."""
        with priority(type(self).importance):
            return await super().outcome(*args, **kwargs)  # type: ignore[misc]


class StepsInBlocks(Door[..., Any]):
    """Ask a generator for each item in a block, which its consumer is not in."""

    importance: Priority

    def items_of(self, stream: Stream, *, is_fresh: bool) -> Generator[Any, Any, Any]:
        """Return the protected generator."""
        items_of = functools.partial(super().items_of, stream, is_fresh=is_fresh)  # type: ignore[misc]
        return in_each_step(items_of, type(self).importance)()

    def outcome(self, /, *args: Any, **kwargs: Any) -> Any:
        """Get the first item, in the block; return how that went."""
        with priority(type(self).importance):
            return super().outcome(*args, **kwargs)  # type: ignore[misc]


class StepsInAsyncBlocks(Door[..., Any]):
    """Ask an async generator for each item in a block; otherwise as ``StepsInBlocks``."""

    importance: Priority

    def items_of(self, stream: Stream, *, is_fresh: bool) -> AsyncGenerator[Any, Any]:
        """Return the protected generator."""
        items_of = functools.partial(super().items_of, stream, is_fresh=is_fresh)  # type: ignore[misc]
        return in_each_async_step(items_of, type(self).importance)()

    async def outcome(self, /, *args: Any, **kwargs: Any) -> Any:
        """Wait for the first item, in the block; return how that went."""
        with priority(type(self).importance):
            return await super().outcome(*args, **kwargs)  # type: ignore[misc]


MIXED = {
    GeneratorProtected: StepsInBlocks,  # before what it is one of
    SyncProtected: InBlocks,
    AsyncGeneratorProtected: StepsInAsyncBlocks,
    AsyncProtected: InAsyncBlocks,
}
