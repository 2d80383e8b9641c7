"""Work that begins at once, in the name of a task that stands by: only what has to wait for something needs the task.

Python 3.12's eager tasks are the same, but for one task that is made for each piece of work.
"""

from __future__ import annotations

import asyncio
from asyncio import _enter_task, _leave_task  # for tasks of one's own; documented in asyncio's "Extending"
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any

from unbreakable.runtime.mark import running_event_loop
from unbreakable.runtime.protocol import Step

FIRST, MOST = 16, 1024  # pieces of work that are tasks of their own after one, after ever more, that had to wait
PENDING = object()  #: stands for what work that has to wait has not come to yet


class Eager:
    """Begin work at once, as long as it ends without having to wait for anything; all of it is named *name*."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._standby: Standby | None = None
        self._left, self._next = 0, FIRST  # how many are tasks of their own from now on, and after the next that waits

    def standby(self) -> Standby | None:
        """Return a task in whose name the next piece of work may begin, None where it is to be one of its own."""
        standby = self._standby
        if standby is not None and standby.is_there:
            return standby
        if self._left:
            self._left -= 1
            return None
        self.close()
        self._standby = Standby(self._name)
        return None

    def go_on(self, standby: Standby, over: Callable[[], object]) -> asyncio.Task[Any]:
        """Return the task of *standby*, which goes on with what had to wait, as more will have to; tell *over* then."""
        self._standby = None
        self._left, self._next = self._next, min(2 * self._next, MOST)
        return standby.go_on(over)

    def close(self) -> None:
        """Let the task that stands by end."""
        standby, self._standby = self._standby, None
        if standby is not None:
            standby.dismiss()


class Standby:
    """A task that waits until work which was begun in its name has to wait for something, and then goes on with it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._call: asyncio.Future[None] = self._loop.create_future()
        self._is_parked = False
        self._rest: Rest | None = None
        self._over: Callable[[], object] = _nothing
        self.task = self._loop.create_task(self._stand_by(), name=name)
        self.task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001 - nothing is lost with it

    @property
    def is_there(self) -> bool:
        """Whether work may begin in its name: it waits, on the event loop that runs, and nobody has cancelled it."""
        return self._is_parked and not self._call.done() and running_event_loop() is self._loop

    def begin(self, step: Step[Any]) -> Any:
        """Return what *step*, a coroutine function, returns if it need not wait; else PENDING: it is to ``go_on``."""
        coroutine: Any = step()
        context, caller = copy_context(), asyncio.current_task(self._loop)
        assert caller is not None  # noqa: S101 - it awaits this
        waits_for: Any = None
        _leave_task(self._loop, caller)
        _enter_task(self._loop, self.task)
        try:
            waits_for = context.run(coroutine.send, None)
        except StopIteration as end:
            if self._call.cancelled():  # as a task whose work has asked for that, and never waited to hear of it
                raise asyncio.CancelledError from None
            return end.value
        except (KeyboardInterrupt, SystemExit) as error:  # a signal's: it ends the event loop, as out of any task
            coroutine = _raising(error)
        finally:
            _leave_task(self._loop, self.task)
            _enter_task(self._loop, caller)
            if getattr(self.task, "_callbacks", None):  # somebody wants to be told of its end
                self._go()
        self._rest = Rest(coroutine, waits_for, context)
        return PENDING

    def go_on(self, over: Callable[[], object]) -> asyncio.Task[Any]:
        """Return the task, which goes on with what was begun, and calls *over* at its end."""
        self._over = over
        self.task._log_destroy_pending = True  # type: ignore[attr-defined] # noqa: SLF001 - now something is lost
        self._go()
        return self.task

    def dismiss(self) -> None:
        """Let the task end; nothing was begun in its name."""
        if running_event_loop() is self._loop:  # else that is closed by now
            self._go()

    def _go(self) -> None:
        if not self._call.done():
            self._call.set_result(None)

    async def _stand_by(self) -> Any:
        self._is_parked = True
        try:
            await self._call
        except asyncio.CancelledError as error:
            if self._rest is None:
                raise
            self._rest.cancel(error)
        if self._rest is None:
            return None
        try:
            return await self._rest
        finally:
            self._over()


class Rest:
    """What is left of a coroutine that was begun elsewhere, in *context*, and that *waits_for* something by now."""

    __slots__ = ("_context", "_error", "_is_begun", "_waits_for", "coroutine")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any, context: Context) -> None:
        self.coroutine = coroutine
        self._waits_for, self._context = waits_for, context
        self._is_begun = False
        self._error: asyncio.CancelledError | None = None

    def cancel(self, error: asyncio.CancelledError) -> None:
        """Be cancelled before it is waited for: what it waits for itself is, or else it is told by *error*."""
        waits_for = self._waits_for
        if not (asyncio.isfuture(waits_for) and waits_for.cancel(*error.args)):
            self._error = error

    def __await__(self) -> Rest:
        """Be waited for."""
        return self

    def __iter__(self) -> Rest:
        """Be waited for."""
        return self

    def __next__(self) -> Any:
        """Return the next thing that the coroutine waits for."""
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Return what the coroutine waits for, at first what it did when it came here."""
        if self._is_begun:
            return self._context.run(self.coroutine.send, value)
        if self._error is not None:
            return self.throw(self._error)
        self._is_begun = True
        return self._waits_for

    def throw(self, *error: Any) -> Any:
        """Return what the coroutine waits for after that *error*."""
        self._is_begun = True
        return self._context.run(self.coroutine.throw, *error)

    def close(self) -> None:
        """End the coroutine where it is."""
        self._context.run(self.coroutine.close)


async def _raising(error: BaseException) -> None:
    raise error


def _nothing() -> None:
    pass
