"""A loop goes on, whatever its operation raises."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys

import pytest
from tests.dense import most


class Odd(BaseException):
    """Something that is no Exception, of the user's own."""


RAISED = [
    ValueError("broken"),
    RecursionError("too deep"),
    MemoryError(),
    StopIteration("stray"),
    StopAsyncIteration(),
    TimeoutError(),
    Odd("odd"),
    SystemExit(3),
    KeyboardInterrupt(),
    GeneratorExit(),
    asyncio.CancelledError("my own"),
    BaseExceptionGroup("both", [SystemExit(1), ValueError()]),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at once", "after a pause"])
def test_whatever_is_raised_is_a_failed_iteration(play, error, pause):
    """No exception ends a loop, not even those that end programs and tasks; the next tick is on time."""

    async def story(stage):
        moments = []

        async def work(ctx):
            moments.append(stage.now())
            if pause:
                await stage.work_for(pause)
            if ctx.iteration == 2:
                raise error

        loop = stage.loop(work, interval=10.0, max_iterations=4, effects="once")
        loop.start()
        await stage.wait(loop)
        return moments, loop.get_status()

    moments, status = play(story)

    assert [0.0, 10.0, 20.0, 30.0] == moments
    assert 0.75 == status.performance.success_rate
    assert 0 == status.consecutive_errors
    assert type(error).__name__ in status.last_error


@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_an_operation_that_calls_a_signal_s_handler_ends_nothing(play, isolation):
    """The way out of a program that its author wrote for SIGTERM is, called by hand, a failed iteration."""

    def shut_down(*_):
        sys.exit(0)

    async def story(stage):
        async def work(ctx):
            shut_down()

        loop = stage.loop(work, interval=1.0, max_iterations=3, isolation=isolation)
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    before = signal.signal(signal.SIGTERM, shut_down)
    try:
        status = play(story)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert (3, 3) == (status.current_iteration, status.consecutive_errors)
    assert "StrayExit: the operation raised SystemExit: 0" == status.last_error


def test_a_future_of_the_operation_s_that_holds_what_ends_programs_ends_nothing(play):
    """What was put in a future is raised by whoever awaits it."""

    async def story(stage):
        async def work(ctx):
            failed = asyncio.get_running_loop().create_future()
            failed.set_exception(KeyboardInterrupt())
            await failed

        loop = stage.engine.create_loop(work, interval=1.0, max_iterations=3)
        loop.start()
        await stage.wait(loop)
        return loop.get_status().current_iteration, loop.get_status().consecutive_errors

    assert (3, 3) == play(story)


@pytest.mark.parametrize("effects", ["idempotent", "unknown"])
def test_what_ends_programs_is_raised_once_in_an_iteration(play, effects):
    """An operation that wants out is not asked twice more at once: the next tick is the next try."""

    async def story(stage):
        moments = []

        async def work(ctx):
            moments.append(stage.now())
            raise SystemExit("no config found")

        loop = stage.loop(work, interval=10.0, max_iterations=2, effects=effects)
        loop.start()
        await stage.wait(loop)
        return moments

    assert [0.0, 10.0] == play(story)


def test_goes_on_after_hundreds_of_errors(play):
    """Every tick is tried, for ever."""

    times = most(1_000, 300)

    async def story(stage):
        async def work(ctx):
            raise OSError("down")

        loop = stage.loop(work, interval=1.0, max_iterations=times, effects="once")
        loop.start()
        await stage.wait(loop)
        return loop.get_status()

    status = play(story)

    assert (times, times, 0.0) == (status.current_iteration, status.consecutive_errors, status.performance.success_rate)
    assert "OSError: down" == status.last_error


def test_a_failure_that_may_be_repeated_is_healed_within_its_iteration(play):
    """An iteration is run by a node: what fails once and then works is a healed iteration, not a failed one."""

    async def story(stage):
        calls = []

        async def work(ctx):
            calls.append(ctx.attempt)
            if ctx.attempt == 1 and ctx.iteration == 2:
                raise ConnectionError("dropped")

        loop = stage.loop(work, interval=60.0, max_iterations=3, effects="idempotent")
        loop.start()
        await stage.wait(loop)
        return calls, loop.get_status().performance

    calls, performance = play(story)

    assert [1, 1, 2, 1] == calls
    assert (1.0, 1.0) == (performance.success_rate, performance.heal_rate)


def test_a_remedy_registered_with_the_loop_s_node_heals_its_iterations(play):
    """What is known to help is applied within the iteration that needs it."""

    async def story(stage):
        tokens = ["stale"]

        async def work(ctx):
            if tokens[-1] == "stale":
                raise PermissionError(tokens[-1])

        loop = stage.loop(work, interval=60.0, max_iterations=2, effects="idempotent")

        @loop.node.remedy(PermissionError)
        def refresh(failure):
            tokens.append("fresh")

        loop.start()
        await stage.wait(loop)
        return tokens, loop.get_status().performance

    tokens, performance = play(story)

    assert ["stale", "fresh"] == tokens
    assert (1.0, 1.0) == (performance.success_rate, performance.heal_rate)


def test_ten_failures_in_a_row_still_call_the_operation_in_every_iteration(play):
    """A loop rests between its ticks anyway: no circuit keeps it from finding out that all is well again."""

    async def story(stage):
        called = set()

        async def work(ctx):
            called.add(ctx.iteration)
            if ctx.iteration <= 10:
                raise ConnectionError("down")

        loop = stage.loop(work, interval=1.0, max_iterations=11, effects="once")
        loop.start()
        await stage.wait(loop)
        return sorted(called), loop.get_status().consecutive_errors

    assert (list(range(1, 12)), 0) == play(story)


def test_an_iteration_beyond_its_deadline_is_cut_and_the_loop_goes_on(play):
    """A hung iteration costs its deadline, as does a plain one that looks at it; ticks meanwhile are skipped."""

    async def story(stage):
        moments = []

        async def work(ctx):
            moments.append(stage.now())
            if ctx.iteration == 1:
                await stage.work_for(1e6 if stage.can_cancel else ctx.remaining())

        loop = stage.loop(work, interval=2.0, max_iterations=3, deadline=5.0)
        loop.start()
        await stage.wait(loop)
        return moments

    assert [0.0, 6.0, 8.0] == play(story)


def test_the_next_tick_is_the_repeat_that_costs_no_wait(play):
    """A loop of 20 ms does not pause for longer before it asks again; one of ten seconds repeats as all calls do."""

    async def story(stage):
        begun = []

        async def work(ctx):
            begun.append(stage.now())
            if len(begun) % 5 == 1:
                raise ConnectionResetError

        loops = [stage.loop(work, name=f"every {interval}", interval=interval) for interval in (0.02, 10.0)]
        longest = []
        for loop in loops:
            begun.clear()
            loop.start()
            await stage.sleep(50 * loop.interval)
            await stage.stop(loop)
            longest.append(max(after - fault for fault, after in itertools.pairwise(begun)))
        return longest

    quick, slow = play(story)

    assert quick < 0.0201
    assert 9.0 < slow <= 10.1
