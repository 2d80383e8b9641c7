"""A stage on which a cache's story is played in each colour, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from unbreakable.nodes import CacheNode
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import VirtualClock, virtual_time


class Stage:
    """Let one story be told in each colour; what differs between them is here."""

    def __init__(self, colour: str, clock: VirtualClock) -> None:
        self.is_async, self.clock = colour == "async", clock
        self.runtime: Any = ASYNCIO if self.is_async else BLOCKING
        self.runner = asyncio.Runner()
        self.loads: list[Any] = []  #: the keys that were loaded, in order

    def source(self, seconds: float = 0.0, fails: Any = (), value: Any = None) -> Any:
        """Return a loader of the stage's colour that raises what is in *fails* first, then answers with capitals."""
        fails = list(fails)

        async def load(key: Any) -> Any:
            self.loads.append(key)
            await self.runtime.sleep(seconds)
            if fails:
                raise fails.pop(0)
            return str(key).upper() if value is None else value

        return load if self.is_async else lambda key: run_blocking(load(key))

    def get(self, cache: CacheNode, *args: Any, **settings: Any) -> Any:
        """Return the value."""
        if self.is_async:
            return self.runner.run(cache.get(*args, **settings))
        return cache.get_sync(*args, **settings)

    def outcome(self, cache: CacheNode, *args: Any, **settings: Any) -> Any:
        """Return the Outcome."""
        if self.is_async:
            return self.runner.run(cache.get.outcome(*args, **settings))
        return cache.get_sync.outcome(*args, **settings)


@pytest.fixture(params=["async", "sync"])
def stage(request):
    """Set a stage in each colour."""
    with virtual_time() as clock:
        stage = Stage(request.param, clock)
        yield stage
        stage.runner.close()
