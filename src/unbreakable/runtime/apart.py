"""Work in a task of its own, which is left behind when it does not heed its cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

from unbreakable.log import log
from unbreakable.runtime.aio import ASYNCIO
from unbreakable.runtime.eager import PENDING, Eager
from unbreakable.runtime.mark import running_event_loop
from unbreakable.runtime.protocol import Step, TimeUp
from unbreakable.runtime.watch import Alarm

T = TypeVar("T")

#: Event loops on which nobody but the work itself cancels whoever waits for it: its time is not over for that.
alone: set[asyncio.AbstractEventLoop] = set()


class LeftTask:
    """A task that was left behind: whoever holds this holds the task, of which an event loop has a weak one only."""

    __slots__ = ("_loop", "_task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._loop, self._task = asyncio.get_running_loop(), task

    @property
    def is_alive(self) -> bool:
        """Whether it is still at work; not so if the event loop was closed under it."""
        return not (self._task.done() or self._loop.is_closed())

    def end(self) -> None:
        """End it where it awaits, as the end of its event loop would, unless that runs in another thread.

        What it leaves then is no CancelledError, which it swallows, but GeneratorExit; it cannot go on after that.
        Tasks that it has made itself are only cancelled, and may go on.
        """
        coroutine = self._task.get_coro()
        if coroutine is None or not self.is_alive or running_event_loop() is not self._loop:
            return
        try:
            coroutine.close()
        except Exception as error:  # what it raises when it is ended, or that it does not want to be
            log("%s was ended", self._task.get_name(), exc_info=error)
        finally:
            self._task.cancel()


class Limit(Alarm):
    """The moment after which work that *began* then is waited for no longer; the watch itself cuts nothing.

    When *warning* seconds have passed, *warn* is called: the event loop turns, and somebody may want to know that.
    """

    def __init__(
        self,
        news: asyncio.Future[None],
        began: float,
        seconds: float,
        warning: float,
        warn: Callable[[], object] | None,
    ) -> None:
        self._news, self._until, self._warn = news, began + seconds, warn
        self.due = self._until if warn is None else min(self._until, began + warning)

    @property
    def is_over(self) -> bool:
        """Whether that moment has come."""
        return self._until <= ASYNCIO.now()

    def tell(self, news: asyncio.Future[None]) -> None:
        """Tell *news* from now on."""
        self._news = news

    def respite(self) -> float:
        """Warn, or at the end tell whoever waits; nothing is cut."""
        warn, self._warn = self._warn, None
        if warn is not None:
            warn()
        if self._until > ASYNCIO.now():  # else the warning came late, or with the end
            return self._until
        _tell(self._news)
        return math.inf


async def apart(
    step: Step[T],
    seconds: float,
    leave: Callable[[LeftTask], object],
    name: str | None = None,
    *,
    warning: float = math.inf,
    warn: Callable[[], object] | None = None,
    hold: Callable[[Callable[[float], None] | None], object] | None = None,
    eager: Eager | None = None,
) -> T:
    """Run *step* as a task and return what it returns; after *seconds* cancel it, ``leave`` it and raise TimeUp.

    If it is still at work after *warning* seconds, ``warn`` is called then.  ``hold`` is given what cuts it sooner,
    from any thread: it cancels the task, and has it left after the seconds that it is called with; at the end None.

    Whoever is cancelled meanwhile hands the cancellation on, waits for the task as long as it takes, and is cancelled
    then; on an event loop that is ``alone`` no longer than those *seconds*, since the task itself has cancelled it.
    Others have their turn meanwhile.  With *eager* the work has no task, and nobody a turn, if it need not wait at all.
    """
    standby = None if eager is None else eager.standby()
    began = ASYNCIO.now()
    if standby is not None and (value := standby.begin(step)) is not PENDING:
        return value  # type: ignore[no-any-return]
    news = asyncio.get_running_loop().create_future()
    if standby is None or eager is None:
        task = asyncio.get_running_loop().create_task(_carried_out(step, news), name=name)
    else:
        task = eager.go_on(standby, functools.partial(_tell, news))
    try:
        return await _seen_through(task, news, Limit(news, began, seconds, warning, warn), leave, hold)
    finally:
        del task  # an exception's traceback holds this frame: do not hold the exception in turn


async def _seen_through(
    task: asyncio.Task[T],
    news: asyncio.Future[None],
    limit: Limit,
    leave: Callable[[LeftTask], object],
    hold: Callable[[Callable[[float], None] | None], object] | None,
) -> T:
    """Return what *task* returns, of whose end *news* tells; leave it behind when *limit* is over."""
    watched = ASYNCIO.watch(limit)
    if hold is not None:
        hold(functools.partial(_cut_soon, asyncio.get_running_loop(), task, news))
    try:
        if news.done():
            await asyncio.sleep(0)  # it ended at once, as the eager tasks of Python 3.12 may
        await news
        if not task.done():
            _part_with(task, leave)
            raise TimeUp
        return task.result()
    except asyncio.CancelledError:
        await _hand_on(task, limit)
        if not task.done():
            _part_with(task, leave)
        raise
    finally:
        watched.pop(limit, None)
        if hold is not None:
            hold(None)  # or the two would be a circle for the collector
        del task


def _cut_soon(
    loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], news: asyncio.Future[None], grace: float
) -> None:
    def cut() -> None:
        if not task.done():
            task.cancel()
            loop.call_later(grace, _tell, news)

    with contextlib.suppress(RuntimeError):  # it is closed by now
        loop.call_soon_threadsafe(cut)


def _part_with(task: asyncio.Task[Any], leave: Callable[[LeftTask], object]) -> None:
    task.cancel()
    task.add_done_callback(_take_note)
    leave(LeftTask(task))


async def _hand_on(task: asyncio.Task[Any], limit: Limit) -> None:
    """Cancel *task* and wait for its end, or, where that may be, for the end of its time."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()  # what was waited for before is cancelled
    limit.tell(over)
    while not task.done() and not (limit.is_over and loop in alone):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task, over} if loop in alone else {task}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        _take_note(task)


async def _carried_out(step: Step[T], news: asyncio.Future[None]) -> T:
    try:
        return await step()
    finally:
        _tell(news)  # in this very turn of the event loop, one before the task's own callbacks


def _tell(news: asyncio.Future[None]) -> None:
    if not news.done():
        with contextlib.suppress(RuntimeError):  # the event loop is closed, and nobody waits any more
            news.set_result(None)


def _take_note(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # nobody waits for it any more, so that it is nobody's
