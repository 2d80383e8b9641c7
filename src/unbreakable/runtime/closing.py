"""What has to be closed is a block of either colour, and is closed at its end."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from unbreakable.runtime.aio import ASYNCIO
from unbreakable.runtime.blocking import BLOCKING
from unbreakable.runtime.colour import parameters_said

REST = 0.2  # seconds that each thing has to be closed in any case, and an awaited one once more to give up


class Closing:
    """Close at the end of ``async with`` by ``aclose``, at the end of ``with`` by ``aclose_sync``."""

    __slots__ = ()

    @abstractmethod
    async def aclose(self) -> Any:
        """Close."""

    @abstractmethod
    def aclose_sync(self) -> Any:
        """Close, from plain code."""

    def _entered(self) -> None:
        """Do what is to be done at the start of the block."""

    async def __aenter__(self) -> Self:
        """Return what is closed at the end of the block."""
        self._entered()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def __enter__(self) -> Self:
        """Return what is closed at the end of the block."""
        self._entered()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close."""
        self.aclose_sync()


async def close_all(things: Sequence[Any], until: float) -> None:
    """Close *things*, one after another, by the moment *until*; what takes REST longer is left behind.

    All are closed, whatever some of them raise; that is raised in the end.
    """
    async with contextlib.AsyncExitStack() as stack:
        for thing in reversed(things):
            stack.push_async_callback(_close, thing, until)


def close_all_sync(things: Sequence[Any], until: float) -> None:
    """Do the same as ``close_all`` in plain code, where nothing can be left behind that does not heed its time."""
    with contextlib.ExitStack() as stack:
        for thing in reversed(things):
            stack.callback(_close_sync, thing, until)


async def _close(thing: Any, until: float) -> None:
    seconds = max(until - ASYNCIO.now(), REST)
    task = asyncio.ensure_future(thing.aclose(**_grace(thing, seconds)))
    try:
        await asyncio.wait({task}, timeout=seconds + REST)
        if task.done():
            await task
    finally:
        task.cancel()


def _close_sync(thing: Any, until: float) -> None:
    thing.aclose_sync(**_grace(thing, max(until - BLOCKING.now(), REST)))


def _grace(thing: Any, seconds: float) -> dict[str, float]:
    """Return how long *thing* has, in the form in which it takes that, if it does."""
    return {"grace": seconds} if "grace" in parameters_said(thing.aclose).parameters else {}
