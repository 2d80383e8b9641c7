"""Whatever an operation raises is a failure of that operation, never the end of its loop.

``SystemExit``, ``KeyboardInterrupt``, ``GeneratorExit``, a ``CancelledError`` of its own and all else that is no
``Exception`` become a StrayExit, and so an ordinary failure.  They must not even reach the task: asyncio lets the first
two end the whole event loop.  What passes did not come from the operation: a cancellation from outside, a signal.
"""

from __future__ import annotations

import inspect
import signal
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from opcode import opname
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeAlias

from unbreakable.errors import StrayExit
from unbreakable.fractal.ended import NO_MORE
from unbreakable.fractal.operation import Work, takes_context
from unbreakable.outcome import in_one_line
from unbreakable.policies import Context
from unbreakable.runtime import is_async
from unbreakable.runtime.blocking import BranchOver
from unbreakable.runtime.mark import Mark
from unbreakable.runtime.thread import runs_signal_handlers

Strays: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]


def is_stray(error: BaseException, mark: Mark) -> bool:
    """Return whether *error* came out of work that began at *mark*, though it is no ``Exception``."""
    return not (isinstance(error, (Exception, BranchOver)) or mark.is_from_outside(error) or is_from_signal(error))


def guarded(operation: Callable[..., Any], enter: Callable[[], Context]) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return *operation*, of either colour, for an event loop; ``enter()`` is called first and gives the context."""
    wants_context, known = takes_context(operation), is_async(operation)

    async def work(**changed: Any) -> Any:
        mark = Mark()
        try:
            ctx = enter()
            value = operation(ctx, **changed) if wants_context else operation(**changed)
            if known or (value is not None and inspect.isawaitable(value)):
                return await value
        except BaseException as error:
            raise_as_failure(error, mark)
            raise
        return value

    return work


def guarded_sync(operation: Callable[..., Any], enter: Callable[[], Context]) -> Callable[..., Any]:
    """Return *operation*, a plain function, for a thread; otherwise as ``guarded``."""
    wants_context = takes_context(operation)

    def work(**changed: Any) -> Any:
        mark = Mark()
        try:
            ctx = enter()
            return operation(ctx, **changed) if wants_context else operation(**changed)
        except BaseException as error:
            raise_as_failure(error, mark)
            raise

    return work


def guarded_work(work: Work, strays: Strays = BaseException) -> Work:
    """Return what makes the same attempts as *work*, each guarded against *strays*, in its own colour."""

    def attempt(ctx: Context) -> Callable[[], Any]:
        call = work(ctx)
        if is_async(call):
            return partial(_awaited_under_guard, call, strays)
        return partial(_called_under_guard, call, strays, is_awaited=ctx.runtime.preemptive)

    return attempt


async def _awaited_under_guard(call: Callable[[], Any], strays: Strays) -> Any:
    with Guard(strays):
        return await call()


def _called_under_guard(call: Callable[[], Any], strays: Strays, *, is_awaited: bool) -> Any:
    with Guard(strays):
        value = call()
    return _awaited_under_guard(lambda: value, strays) if is_awaited and inspect.isawaitable(value) else value


class Guard:
    """A block out of which only exceptions come, and what is from outside; or no *strays* of the block's own."""

    __slots__ = ("mark", "strays")

    def __init__(self, strays: Strays = BaseException) -> None:
        self.strays = strays

    def __enter__(self) -> None:
        self.mark = Mark()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if error is not None:
            raise_as_failure(error, self.mark, self.strays)


def raise_as_failure(error: BaseException, mark: Mark, strays: Strays = BaseException) -> None:
    """Raise what stands for *error*, of work that began at *mark*, where it is one of *strays* and no failure."""
    if isinstance(error, NO_MORE):  # here nobody iterates, so that it is no answer
        raise RuntimeError(f"the operation raised {in_one_line(error)}") from error
    if isinstance(error, strays) and is_stray(error, mark):
        raise StrayExit(f"the operation raised {in_one_line(error)}") from error


def is_from_signal(error: BaseException) -> bool:
    """Return whether *error* was raised by a signal's handler that happened to run inside the work.

    Python runs handlers in the main thread only.  One written in Python shows in the traceback, called with the frame
    that it interrupted; the work may call the same function itself, but not with that.  Python's own for Ctrl-C does
    not show: it makes the interpreter raise wherever it is.  Work that raises KeyboardInterrupt itself is known by the
    instruction that was running.
    """
    if not runs_signal_handlers():
        return False
    handlers = set(_signal_handlers())
    traceback = error.__traceback__
    innermost = traceback
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code in handlers and _was_given(frame, frame.f_back):
            return True
        innermost, traceback = traceback, traceback.tb_next
    if not isinstance(error, KeyboardInterrupt) or innermost is None:
        return False
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    instruction = innermost.tb_frame.f_code.co_code[innermost.tb_lasti]
    return opname[instruction] not in ("RAISE_VARARGS", "RERAISE")


def _was_given(frame: FrameType, thing: object) -> bool:
    """Return whether *thing* is among the arguments that the function running in *frame* was called with."""
    names, extra, _, values = inspect.getargvalues(frame)
    given = [values.get(name) for name in names]
    given += values.get(extra, ()) if extra is not None else ()
    return any(each is thing for each in given)


def _signal_handlers() -> Iterator[CodeType]:
    for number in signal.valid_signals():
        function: Any = signal.getsignal(number)
        function = getattr(function, "func", function)  # a partial, as asyncio's own for Ctrl-C
        if isinstance(code := getattr(function, "__code__", None), CodeType):
            yield code
