"""What goes on beside its script on an event loop: a step in a task of its own, whoever waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
from collections.abc import Awaitable, Callable, Collection
from typing import Any


class Stray:
    """Carry what a branch raised that asyncio would let end the whole event loop, had it got as far as its task."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


async def contained(step: Callable[[], Awaitable[Any]]) -> Any:
    """Return what *step* returns, or in a Stray what must not reach the event loop."""
    try:
        return await step()
    except (SystemExit, KeyboardInterrupt) as error:
        return Stray(error)


def ended(task: asyncio.Task[Any]) -> Any:
    """Return what a branch returned; raise what it raised, in whoever waits for it."""
    result = task.result()
    if isinstance(result, Stray):
        raise result.error
    return result


async def all_gone(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait until *tasks*, which were told to end, have ended; to be cancelled meanwhile changes nothing.

    So does a task group.  A cancelled scope of anyio cancels whoever waits in it at each turn of the event loop.
    """
    while pending := [task for task in tasks if not task.done()]:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(pending)


class Beside:
    """A step that goes on in a task of its own, whoever waits for it."""

    __slots__ = ("is_told", "task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task, self.is_told = task, False

    @property
    def is_over(self) -> bool:
        """Return whether it has ended."""
        return self.task.done()

    async def wait(self) -> Any:
        """Return what the step returns, or raise what it raises; it goes on, should the wait be cut."""
        await self.gone()
        return ended(self.task)

    async def gone(self) -> None:
        """Wait until the step has ended, however; once it is stopped, whoever is cancelled meanwhile waits on."""
        if self.is_told and self.task.get_loop().is_closed():
            return  # the collector ends whoever waits: that must not wait
        await (all_gone({self.task}) if self.is_told else asyncio.wait({self.task}))

    def stop(self) -> None:
        """Cancel the step, once: a second cancellation would cut its clean-up."""
        told, self.is_told = self.is_told, True
        if not told:
            with contextlib.suppress(RuntimeError):  # its event loop may be closed
                self.task.cancel()

    def stop_soon(self) -> None:
        """Cancel the step, from any thread."""
        with contextlib.suppress(RuntimeError):
            self.task.get_loop().call_soon_threadsafe(self.task.cancel)

    def when_over(self, tell: Callable[[], object]) -> None:
        """Let ``tell()`` be called when the step has ended."""
        self.task.add_done_callback(lambda _: tell())


def context_of(task: asyncio.Task[Any]) -> contextvars.Context:
    """Return a copy of the context variables of *task*, as they stand.

    Python tells them since 3.12.  Before, the collector knows what a task holds; its context is the first one.
    """
    get_context = getattr(task, "get_context", None)
    if get_context is not None:
        return get_context().copy()  # type: ignore[no-any-return]
    held = (each for each in gc.get_referents(task) if isinstance(each, contextvars.Context))
    return next(held, contextvars.copy_context()).copy()
