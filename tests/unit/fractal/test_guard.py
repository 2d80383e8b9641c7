"""What may come out of an operation, and what may not."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

import pytest

from unbreakable.errors import StrayExit
from unbreakable.fractal.guard import Guard, guarded, guarded_sync, is_from_signal
from unbreakable.runtime.blocking import BranchOver
from unbreakable.runtime.mark import Mark


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize(
    "error", [Odd(), SystemExit(2), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()]
)
def test_what_is_no_exception_becomes_one_that_names_it(error):
    """The cause is kept; its type can be read."""
    with pytest.raises(StrayExit, match=f"the operation raised {type(error).__name__}") as raised, Guard():
        raise error

    assert error is raised.value.__cause__


@pytest.mark.parametrize("error", [StopIteration(7), StopAsyncIteration(7)])
def test_the_end_of_an_iteration_is_a_mistake(error):
    """Nobody iterates here, so that it would be taken for a value."""
    with pytest.raises(RuntimeError, match=f"the operation raised {type(error).__name__}: 7") as raised, Guard():
        raise error

    assert error is raised.value.__cause__


@pytest.mark.parametrize("error", [ValueError("x"), BranchOver()])
def test_exceptions_and_our_own_branch_ends_pass(error):
    """What is ordinary, or ours, is let through as it is."""
    with pytest.raises(type(error)) as raised, Guard():
        raise error

    assert error is raised.value


async def test_a_cancellation_from_outside_passes():
    """Whoever cancels the task means it."""

    async def work():
        with Guard():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.to_thread(lambda: None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert task.cancelled()


async def test_a_child_s_cancellation_is_not_ours():
    """Awaiting a task that was cancelled is a failure, not a cancellation of who awaits."""
    child = asyncio.ensure_future(asyncio.Event().wait())
    child.cancel()

    with pytest.raises(StrayExit), Guard():
        await child


async def test_a_time_limit_within_the_work_is_its_own_business():
    """What was cancelled and taken back inside leaves no mark."""
    mark = Mark()
    with pytest.raises(TimeoutError), Guard():
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    assert not mark.is_cancelled


async def test_a_coroutine_that_is_closed_is_let_go():
    """Closing a suspended coroutine, as the collector may do from anywhere, must not meet an answer."""

    async def work():
        with Guard():
            await asyncio.Event().wait()

    coroutine = work()
    next(coroutine.__await__())

    assert None is await asyncio.to_thread(coroutine.close)


def interrupt_by_hand() -> None:
    raise KeyboardInterrupt


def interrupt_by_signal() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("interrupt", "expected"), [(interrupt_by_hand, False), (interrupt_by_signal, True)])
def test_tells_ctrl_c_from_work_that_raises_the_same(interrupt, expected):
    """Python's own handler leaves no frame, but the work was not raising anything itself."""
    with pytest.raises(KeyboardInterrupt) as raised:
        interrupt()

    assert expected is is_from_signal(raised.value)


def leave(number, frame):
    raise SystemExit(number)


class Service:
    def leave(self, number, frame):
        raise SystemExit(number)


@pytest.mark.parametrize("handler", [leave, Service().leave, partial(leave)], ids=["function", "method", "partial"])
def test_tells_an_exit_by_a_handler_from_an_exit_by_the_work(handler):
    """A handler written in Python is seen in the traceback, whatever it is wrapped in."""
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(SystemExit) as by_signal:
            signal.raise_signal(signal.SIGUSR1)
        with pytest.raises(SystemExit) as by_hand:
            raise SystemExit(1)

        assert (True, False) == (is_from_signal(by_signal.value), is_from_signal(by_hand.value))
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("given", [(), (signal.SIGUSR1, None)], ids=["nothing", "a signal's number"])
def test_work_that_calls_a_handler_itself_raises_as_any_other_work(given):
    """A function is no signal, though one would have called it, too."""

    def shut_down(*_):
        raise SystemExit(0)

    before = signal.signal(signal.SIGUSR1, shut_down)
    try:
        with pytest.raises(SystemExit) as raised:
            shut_down(*given)

        assert not is_from_signal(raised.value)
    finally:
        signal.signal(signal.SIGUSR1, before)


async def test_nothing_that_is_raised_in_another_thread_is_from_a_signal():
    """Python runs handlers in the main thread only."""
    pending = asyncio.get_running_loop().create_future()
    pending.set_exception(KeyboardInterrupt())

    async def wait():
        return await pending

    def told():
        try:
            wait().send(None)
        except KeyboardInterrupt as error:
            return is_from_signal(error)

    assert False is await asyncio.to_thread(told)


def test_an_error_that_was_raised_and_caught_before_tells_nothing():
    """Re-raising by name keeps it the work's own."""

    def again():
        try:
            interrupt_by_hand()
        except KeyboardInterrupt as error:  # noqa: TRY203 - this is the point
            raise error  # noqa: TRY201 - by name, too

    with pytest.raises(KeyboardInterrupt) as raised:
        again()

    assert not is_from_signal(raised.value)


def with_context(ctx, *, more=0):
    """Return what it is given, or raise it."""
    if isinstance(ctx, BaseException):
        raise ctx
    return ctx, more


@pytest.mark.parametrize("guard", [guarded_sync, lambda *given: lambda **more: asyncio.run(guarded(*given)(**more))])
def test_an_operation_of_either_colour_is_given_its_context_and_what_was_changed(guard):
    """As it takes them; what it raises that ends programs is a failure."""
    assert ("context", 3) == guard(with_context, lambda: "context")(more=3)
    assert 4 == guard(lambda *, more: more, lambda: "context")(more=4)
    for error, comes in ((SystemExit(2), StrayExit), (ValueError(2), ValueError)):
        with pytest.raises(comes):
            guard(with_context, partial(lambda error: error, error))()


def test_an_async_operation_is_awaited():
    """Where it is one, and where it only returns what is one."""

    async def later(ctx):
        return ctx

    ends = [asyncio.run(guarded(each, lambda: "context")()) for each in (later, partial(later), len)]

    assert ["context", "context", 7] == ends
