"""Whatever can be iterated over goes through a stream, no faster than it is handled."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from typing import Any, TypeAlias

from unbreakable.errors import ConfigurationError
from unbreakable.nodes.streaming.counting import Tally
from unbreakable.nodes.streaming.status import StreamSummary
from unbreakable.policies.check import refuse
from unbreakable.runtime import Runtime

Put: TypeAlias = Callable[[Any], Awaitable[object]]


async def feed(items: Any, put: Put, runtime: Runtime) -> None:
    """Put all *items*, which are iterated over in the colour of *runtime*."""
    if isinstance(items, AsyncIterable):
        if not runtime.preemptive:
            raise ConfigurationError("items must be a plain iterable in sync code; or await process_stream()")
        async for item in items:
            await put(item)
        return
    if not isinstance(items, Iterable):
        raise refuse("items", "something to iterate over, async or plain", items)
    for item in items:
        await put(item)


def summary_of(tally: Tally, elapsed: float) -> StreamSummary:
    """Return what became of the items that were counted, now that all of them are settled."""
    lost = tally.dead_letter + tally.quarantined
    return StreamSummary(
        accepted=tally.accepted,
        handled=tally.accepted - lost,
        dead_letter=tally.dead_letter,
        quarantined=tally.quarantined,
        elapsed=elapsed,
    )
