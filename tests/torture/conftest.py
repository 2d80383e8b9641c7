"""Both colours of one story: the same operation, protected as sync and as async code, in virtual time."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time

Work = Callable[..., Awaitable[Any]]


class Colour:
    """Protect an operation that is written as a coroutine, and call it, in one colour."""

    def __init__(self, name: str) -> None:
        self.is_async = name == "async"
        self.runtime: Any = ASYNCIO if self.is_async else BLOCKING
        self.clock: Any = None

    def plain(self, work: Work) -> Callable[..., Any]:
        """Return *work* as a function of this colour."""
        if self.is_async:
            return work

        @functools.wraps(work)
        def plain(*args: Any, **kwargs: Any) -> Any:
            return run_blocking(work(*args, **kwargs))

        return plain

    def protect(self, work: Work, **options: Any) -> Any:
        """Return the protected *work*; it pauses 1 s between attempts unless told otherwise."""
        options.setdefault("retry", ub.Retry(3, backoff=ub.Backoff(1.0, factor=1.0, jitter=False)))
        return ub.protect("target", **options)(self.plain(work))

    async def call(self, door: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what *door* returns."""
        answer = door(*args, **kwargs)
        return await answer if self.is_async else answer

    async def sleep(self, seconds: float) -> None:
        await self.runtime.sleep(seconds)

    def now(self) -> float:
        return round(self.clock.now(), 6)

    def play(self, story: Callable[[], Awaitable[Any]]) -> Any:
        """Return what the story returns, in virtual time."""
        with virtual_time() as self.clock:
            return asyncio.run(story()) if self.is_async else run_blocking(story())


@pytest.fixture(params=["async", "sync"])
def colour(request):
    """Return each colour."""
    return Colour(request.param)
