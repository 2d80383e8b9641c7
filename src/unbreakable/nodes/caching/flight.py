"""A load is under way, and those who ask for the same value meanwhile wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any

from unbreakable.nodes.caching.circle import Mark
from unbreakable.nodes.caching.shelf import Entry
from unbreakable.outcome import Failure, Result, Success
from unbreakable.policies import Context
from unbreakable.policies.deeds import Deeds
from unbreakable.runtime import Waiter


class Flight:
    """One load: what it will bring, who carries it, and who waits.

    *late_at* is the moment by which it should have landed; *loop* is the event loop whose task carries it, None when
    the thread of its first caller does.
    """

    def __init__(self, entry: Entry, late_at: float, loop: asyncio.AbstractEventLoop | None) -> None:
        self.entry, self.late_at, self.loop = entry, late_at, loop
        self.task: asyncio.Task[None] | None = None
        self.mark = Mark()
        self.callers = 1
        self.line: dict[Waiter, None] = {}
        self.over = False
        self.end: tuple[Context, Result[Any]] | None = None  #: None before, and when it was broken off
        self.traceback: TracebackType | None = None
        self.spent: tuple[BaseException, ...] = ()  #: what was repeated in vain, and is not to be repeated outside
        self.passed: tuple[int, ...] = ()  #: whom what it ended in was told first
        self.deeds = Deeds()  #: what the load has done
        self.is_for_all = False  #: whether the end is an answer for those who did not begin the load, too

    def may_be_joined(self, now: float) -> bool:
        """Return whether who comes *now* may take what this load brings: it is not too old, and will land."""
        return now < self.entry.until and now < self.late_at and not (self.over or self.is_forsaken)

    @property
    def is_forsaken(self) -> bool:
        """Whether the event loop that carries it was closed under it."""
        return self.loop is not None and self.loop.is_closed()

    def end_in(self, ctx: Context, result: Result[Any], scope: Context) -> None:
        """Note how the load ended, and what it has said to the *scope* around it."""
        if isinstance(result, Success):
            self.entry.value = result.value
        else:
            self.traceback = result.error.__traceback__
        sound = isinstance(result, Success) and not result.makeshift
        # That its first caller's own time is up says nothing to those who have more.
        self.is_for_all = sound or ctx.runtime.now() < ctx.deadline or ctx.deadline_is_ours
        self.spent, self.passed, self.deeds = scope.spent, scope.passed, scope.deeds
        self.end = (ctx, result)  # last: what has an end has all of it

    @property
    def brought_a_value(self) -> bool:
        """Whether there is a value of the source's own, which may be kept."""
        return self._succeeded and not self.is_makeshift

    @property
    def is_makeshift(self) -> bool:
        """Whether there is a value that a fallback has given, or that may be made of what one gave."""
        return self.end is not None and isinstance(self.end[1], Success) and self.end[1].makeshift

    @property
    def _succeeded(self) -> bool:
        return self.end is not None and isinstance(self.end[1], Success)

    @property
    def has_failed(self) -> bool:
        """Whether there is no value at all, though the load was not broken off."""
        return self.end is not None and isinstance(self.end[1], Failure)

    def given(self) -> Any:
        """Return the value, or raise what the load ended with: to everybody as if it were raised for the first time."""
        result, traceback = self.ended()[1], self.traceback
        del self  # what is raised holds this frame, which must not hold it in turn
        if isinstance(result, Success):
            return result.value
        try:
            raise result.error.with_traceback(traceback)
        finally:
            del result, traceback

    def ended(self) -> tuple[Context, Result[Any]]:
        """Return how the load ended; raise what broke it off."""
        if self.end is None:
            if self.task is not None:
                self.task.result()
            raise asyncio.CancelledError
        return self.end

    def cancel(self) -> None:
        """Break the load off, from whichever thread: nobody waits for it."""
        if self.task is None or self.loop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed, and its tasks with it
            self.loop.call_soon_threadsafe(self.task.cancel)
