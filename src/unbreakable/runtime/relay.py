"""Work whose parts can be left behind and are no tasks: what hangs keeps the task, and the rest goes on in another one.

A task for each part would cost more than all else that a loop does in an iteration.  To the rest a part is what a task
of its own would be: it has its own context variables, and what it cancels is itself.  A cancellation is asked for from
outside, and so meant for all of the work, unless code of a part asks for it, or a time limit of ours.

Whoever has held the task while a part was in it, and still does, may mean the part, though that has ended: a time limit
that was never left, say.  So the task is left to them, and what comes goes on in another one.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Coroutine, Generator
from sys import getrefcount
from types import CodeType
from typing import Any

from unbreakable.runtime.limit import Limit
from unbreakable.runtime.mark import Mark, OwnTask, running_event_loop
from unbreakable.runtime.protocol import TimeUp
from unbreakable.runtime.watch import cut

_CUT = cut.__code__
_here: contextvars.ContextVar[object] = contextvars.ContextVar("unbreakable_part", default=None)  # of whom


class Seat:
    """Be the coroutine that a task runs, and hand on all of it to *work*, in whose place other work can be put."""

    __slots__ = ("close", "send", "throw", "work")

    send: Callable[[Any], Any]
    throw: Callable[[BaseException], Any]
    close: Callable[[], None]

    def __init__(self, work: Any) -> None:
        self.put(work)

    def put(self, work: Any, run: Callable[..., Any] | None = None) -> None:
        """Go on with *work*, by way of *run*."""
        self.work, self.send, self.throw, self.close = work, work.send, work.throw, work.close
        if run is not None:
            self.send, self.throw = functools.partial(run, work.send), functools.partial(run, work.throw)
            self.close = functools.partial(run, work.close)

    def put_an_end_to_its_wait(self, work: Any) -> None:
        """Go on with *work* by raising TimeUp where it waits."""

        def send(_: object) -> Any:
            self.put(work)
            return work.throw(TimeUp())

        self.put(work)
        self.send = send

    def __await__(self) -> Generator[Any, Any, Any]:
        raise TypeError("this is for a task")

    @property
    def cr_frame(self) -> Any:
        """Return where the work is, for those who look at the task."""
        return self.work.cr_frame


Coroutine.register(Seat)


class RelayTask(OwnTask):
    """A task that knows who asked to cancel it, as long as *relay* goes on in it."""

    relay: Relay | None = None
    is_shaken = False  #: whether anybody has, or a time limit, since somebody looked

    def _is_asked_by(self, code: CodeType) -> bool:
        relay, is_of_a_part = self.relay, False
        if relay is not None and code is not _CUT:
            is_of_a_part = _here.get() is relay.key
            relay.asked += not is_of_a_part
            if is_of_a_part and relay.at_work is None:
                return False  # what it may mean has ended
        self.is_shaken = True
        return super()._is_asked_by(code)


class Relay:
    """Do *work* on the running event loop, in a task of that *name*.

    ``moved(before, after)`` is told when it goes on in another one, and may wait for the end of that.
    """

    def __init__(
        self, work: Coroutine[Any, Any, Any], name: str, moved: Callable[[RelayTask, RelayTask], object]
    ) -> None:
        self.asked = 0  #: how often it was asked from outside that all of it is cancelled
        self.at_work: Part | None = None  #: the part that is
        self.key = object()  #: in the context of its parts, and of what these have begun
        self._name, self._moved = name, moved
        self._context = contextvars.copy_context()
        self._context.run(_here.set, None)
        self._loop = asyncio.get_running_loop()
        self.task = self._begin(Seat(work))

    def cancel(self) -> None:
        """Cancel the work, on its event loop."""
        self.asked, self.task.is_shaken = self.asked + 1, True
        asyncio.Task.cancel(self.task)

    def go_on_without(self, part: Part) -> None:
        """Leave the task to *part*, and go on in another one, with TimeUp for whoever waits for the part."""
        before, other = self._seat, Seat(self._seat.work)
        before.put(part.work, part.run)
        self.at_work = None
        other.put_an_end_to_its_wait(other.work)
        self._move(other)

    @property
    def is_awaited(self) -> bool:
        """Whether others than who was told of the task wait for its end: to them it is all of the work."""
        return len(self.task._callbacks or ()) > 1  # noqa: SLF001

    async def change_task(self) -> None:
        """Go on in another task; this one ends."""
        before, other = self._seat, Seat(self._seat.work)
        before.put(_nothing())
        self._move(other)
        await asyncio.sleep(0)  # from here to there

    def _move(self, seat: Seat) -> None:
        before, before.relay = self.task, None
        self.task = self._begin(seat)
        self._moved(before, self.task)

    def _begin(self, seat: Seat) -> RelayTask:
        self._seat, what = seat, seat  # in two names: to a checker of types it is no coroutine
        task = RelayTask(what, loop=self._loop, name=self._name, context=self._context)  # type: ignore[arg-type]
        task.relay = self
        return task


class Part(Limit):
    """A part of the work of *relay*, with its own context variables, in the task that it has to itself once it is left.

    Awaited it is done; it is left after so many *seconds*, unless all of the work was cancelled: then it is waited for.
    """

    def __init__(
        self,
        relay: Relay,
        work: Coroutine[Any, Any, Any],
        seconds: float,
        warning: float,
        warn: Callable[[], object] | None,
    ) -> None:
        super().__init__(seconds, warning, warn)
        self.relay, self.asked, self.host = relay, relay.asked, relay.task
        self.work, self.is_left = work, False
        self.run = contextvars.copy_context().run
        relay.at_work = self
        self._held = getrefcount(self.host)

    def over(self) -> None:
        """Leave it behind."""
        if self.relay.at_work is self and not self.is_cancelled:
            self.is_left = True
            self.relay.go_on_without(self)

    @property
    def is_cancelled(self) -> bool:
        """Whether all of the work was cancelled since the part began."""
        return self.relay.asked > self.asked

    @property
    def is_unsettled(self) -> bool:
        """Whether its end leaves anything behind in the task: what was asked of it, or who has come to hold it."""
        return self.host.is_shaken or getrefcount(self.host) > self._held

    async def settle(self) -> None:
        """Take back what it has asked of the task; raise CancelledError if that has not come up yet.

        That is raised, too, where all of the work was cancelled, whatever the part has made of it.
        """
        comes_up: tuple[object, ...] | None = None
        if self.host.is_shaken:
            self.host.is_shaken = False
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError as error:
                comes_up = error.args
            if not self.is_cancelled:
                self.host.forgive()
        if self.is_unsettled and not self.is_cancelled and not self.relay.is_awaited:
            await self.relay.change_task()
        if comes_up is not None or self.is_cancelled:
            raise asyncio.CancelledError(*(comes_up or ()))

    def __await__(self) -> Generator[Any, Any, Any]:
        """Do it step by step, as a task does."""
        run, work = self.run, self.work
        run(_here.set, self.relay.key)
        try:
            given = run(work.send, None)
            while True:
                thrown = None
                try:
                    got = yield given
                except BaseException as error:
                    if self.is_left:
                        raise
                    if isinstance(error, GeneratorExit):
                        run(work.close)
                        raise
                    thrown = error
                try:
                    given = run(work.send, got) if thrown is None else run(work.throw, thrown)
                finally:
                    del thrown  # its traceback holds this frame
        except StopIteration as end:
            return end.value


def _nothing() -> Generator[None, None, None]:
    yield from ()


class RelayMark(Mark):
    """Tell a cancellation of all the work of *relay* from what happens within a part of it."""

    __slots__ = ("_asked", "relay")

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self.relay, self._asked = relay, relay.asked

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody from outside asked for it since."""
        relay: Relay = self.relay
        return relay.asked > self._asked

    def is_from_outside(self, error: BaseException) -> bool:
        """Return whether *error* was thrown into the work, by a cancellation or because its coroutine is closed."""
        if isinstance(error, GeneratorExit):
            return running_event_loop() is None or asyncio.current_task() is not self.relay.task
        return isinstance(error, asyncio.CancelledError) and self.is_cancelled
