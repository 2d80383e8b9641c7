"""Work whose parts can be left behind and are no tasks: what hangs keeps the task, and the rest goes on in another one.

A task for each part would cost more than all else that a loop does in an iteration.  To the rest a part is what a task
of its own would be: it has its own context variables, and what it cancels is itself.  A cancellation is asked for from
outside, and so meant for all of the work, unless code of the part itself asks for it, or a time limit of ours.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable, Coroutine, Generator
from types import CodeType
from typing import Any

from unbreakable.runtime.limit import Limit
from unbreakable.runtime.mark import Mark, OwnTask, running_event_loop
from unbreakable.runtime.protocol import TimeUp
from unbreakable.runtime.watch import cut

_CUT = cut.__code__
_here: contextvars.ContextVar[object] = contextvars.ContextVar("unbreakable_part", default=None)  # its key


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

    def _is_asked_by(self, code: CodeType) -> None:
        super()._is_asked_by(code)
        relay, self.is_shaken = self.relay, True
        if relay is not None and code is not _CUT and (relay.at_work is None or relay.at_work is not _here.get()):
            relay.asked += 1


class Relay:
    """Do *work* on the running event loop, in a task of that *name*.

    ``moved(before, after)`` is told when it goes on in another one.
    """

    def __init__(
        self, work: Coroutine[Any, Any, Any], name: str, moved: Callable[[RelayTask, RelayTask], object]
    ) -> None:
        self.asked = 0  #: how often it was asked from outside that all of it is cancelled
        self.at_work: object = None  #: the key of the part that is
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
        before, seat = self.task, self._seat
        rest = seat.work
        seat.put(part.work, part.run)
        before.relay = self.at_work = None
        other = Seat(rest)
        other.put_an_end_to_its_wait(rest)
        self.task = self._begin(other)
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
        self.key = relay.at_work = object()  # and not this itself, which holds the context that is to hold the key

    def over(self) -> None:
        """Leave it behind."""
        if self.relay.at_work is self.key and not self.is_cancelled:
            self.is_left = True
            self.relay.go_on_without(self)

    @property
    def is_cancelled(self) -> bool:
        """Whether all of the work was cancelled since the part began."""
        return self.relay.asked > self.asked

    async def settle(self) -> None:
        """Take back what it has asked of the task; raise CancelledError if that has not come up yet.

        That is raised, too, where all of the work was cancelled, whatever the part has made of it.
        """
        self.host.is_shaken = False
        try:
            await asyncio.sleep(0)
        finally:
            if not self.is_cancelled:
                self.host.forgive()
        if self.is_cancelled:
            raise asyncio.CancelledError

    def __await__(self) -> Generator[Any, Any, Any]:
        """Do it step by step, as a task does."""
        run, work = self.run, self.work
        run(_here.set, self.key)
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
