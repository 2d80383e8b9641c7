"""What only loops on event loops meet."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.dense import most

from unbreakable.errors import DeadlineExceeded
from unbreakable.fractal import FractalNode
from unbreakable.loops import LoopState, QuantumLoopEngine
from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.testing import virtual_time

# ── what only event loops have ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("swallows", [False, True], ids=["passes it on", "swallows it"])
def test_a_cancellation_from_outside_ends_the_loop(swallows):
    """Who cancels all tasks, as asyncio.run does at its end, means loops too, whatever the operation makes of it."""
    engine = QuantumLoopEngine()

    async def work():
        try:
            await asyncio.sleep(1000.0)  # noqa: TID251 - user code
        except asyncio.CancelledError:
            if not swallows:
                raise

    async def main():
        loop = engine.create_loop(work)
        loop.start()
        await ASYNCIO.sleep(1.0)
        return loop

    with virtual_time():
        loop = asyncio.run(main())

    assert LoopState.STOPPED is loop.state
    assert "the loop was cancelled from outside" == loop.get_status().last_error


@pytest.mark.parametrize("swallows", [False, True], ids=["passes it on", "swallows it"])
def test_an_operation_that_cancels_all_tasks_does_not_end_its_loop_in_plain_code(swallows):
    """There it has an event loop of its own, on which nobody is outside; each iteration is cut, and counted."""
    begun = []

    async def work():
        begun.append(asyncio.current_task())
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        try:
            await ASYNCIO.sleep(0.5)
        except asyncio.CancelledError:
            if not swallows:
                raise

    with virtual_time() as clock:
        loop = QuantumLoopEngine().create_loop(work, interval=1.0, effects="once")
        loop.start()
        clock.advance(4.5)
        status = loop.get_status()
        loop.stop_sync()

    assert LoopState.RUNNING is status.state
    assert 5 == len(begun) == status.current_iteration
    assert "its operation has cancelled it" in status.last_error
    assert LoopState.STOPPED is loop.state


@pytest.mark.parametrize("overlap", ["skip", "allow_all"])
def test_an_operation_that_cancels_all_tasks_and_hangs_is_left_behind(overlap):
    """Who swallows the cancellation that comes back to it, for ever, has no more time than any other that hangs."""
    hung = []

    async def work(ctx):
        if ctx.iteration > 1:
            return
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        until = ASYNCIO.now() + 1e6
        while ASYNCIO.now() < until:
            try:
                await ASYNCIO.sleep(until - ASYNCIO.now())
            except asyncio.CancelledError:
                hung.append(ctx.iteration)

    with virtual_time() as clock:
        loop = QuantumLoopEngine().create_loop(work, interval=1.0, deadline=3.0, overlap=overlap, effects="once")
        loop.start()
        clock.advance(9.5)
        status = loop.get_status()
        loop.stop_sync()

    assert hung
    assert not status.is_stuck
    assert 1 == status.left_behind == status.ledger.interrupted + status.ledger.failed
    assert (6 if overlap == "skip" else 9) == status.ledger.run
    assert LoopState.STOPPED is loop.state


def test_a_thousand_loops_share_an_event_loop():
    """Loops are cheap: they cost no thread, and end together."""
    engine, count = QuantumLoopEngine(), most(3_000, 1_000)
    ran = []

    async def work(ctx):
        ran.append(ctx.iteration)

    async def main():
        before = threading.active_count()
        for number in range(count):
            engine.create_loop(work, name=str(number), interval=60.0).start()
        await ASYNCIO.sleep(90.0)
        await engine.aclose()
        return threading.active_count() - before

    with virtual_time():
        more_threads = asyncio.run(main())

    assert 2 * count == len(ran)
    assert 0 >= more_threads
    assert 0 == engine.get_status().active_loops


def test_a_loop_can_move_to_the_next_event_loop():
    """A loop that ended with one event loop starts again on another."""
    engine = QuantumLoopEngine()
    loop = engine.create_loop(lambda: None, interval=1.0)

    async def main():
        loop.start()
        await ASYNCIO.sleep(2.5)

    with virtual_time():
        asyncio.run(main())
        asyncio.run(main())

    assert 6 == loop.get_status().current_iteration


def test_a_loop_whose_event_loop_was_closed_under_it_does_not_look_alive():
    """A closed event loop cancels nobody; the status tells the truth all the same, and waiting for it ends."""
    engine = QuantumLoopEngine()
    loop = engine.create_loop(lambda: None, interval=1.0)

    async def main():
        loop.start()
        await ASYNCIO.sleep(2.5)

    event_loop = asyncio.new_event_loop()
    with virtual_time():
        event_loop.run_until_complete(main())
        task = loop.life.carrier._task
        event_loop.close()
        loop.wait_sync()
    status = loop.get_status()
    task._log_destroy_pending = False  # asyncio would complain of what this test does on purpose

    assert (LoopState.STOPPED, False, None) == (status.state, status.is_running, status.next_run)
    assert loop.stop_sync()


def test_who_waits_in_another_thread_learns_that_the_event_loop_was_closed():
    """A wait across threads does not outlive what it waits for by more than a second."""
    engine = QuantumLoopEngine()
    loop = engine.create_loop(lambda: None, interval=10.0)
    ended, has_ended = [], threading.Event()

    async def main():
        loop.start()
        BLOCKING.world.spawn(lambda: (loop.wait_sync(), ended.append(clock.now()), has_ended.set()), "waits")
        await ASYNCIO.sleep(2.5)

    event_loop = asyncio.new_event_loop()
    with virtual_time() as clock:
        event_loop.run_until_complete(main())
        loop.life.carrier._task._log_destroy_pending = False
        event_loop.close()
        clock.advance(5.0)

    assert has_ended.wait(60)
    assert [3.0] == [round(moment, 3) for moment in ended]


def test_a_task_that_outlives_its_iteration_may_stop_the_loop():
    """Only the iteration itself cannot wait for the end of its loop; what it left behind can."""
    engine = QuantumLoopEngine()
    answers, tasks = [], []

    async def later():
        await ASYNCIO.sleep(1.5)
        answers.append(await loop.stop())

    async def work():
        tasks.append(asyncio.create_task(later()))

    loop = engine.create_loop(work, interval=10.0)

    async def main():
        loop.start()
        await loop.wait()
        await asyncio.gather(*tasks)

    with virtual_time():
        asyncio.run(main())

    assert [True] == answers


def test_blocking_the_event_loop_that_carries_it_is_refused():
    """Waiting in a way that could never end says so at once."""
    engine = QuantumLoopEngine()

    async def main():
        loop = engine.create_loop(lambda: None)
        loop.start()
        for act in (loop.stop_sync, loop.wait_sync, engine.aclose_sync):
            with pytest.raises(RuntimeError, match="use the awaited form"):
                act()
        with pytest.raises(RuntimeError, match=r"run\(\) would block the event loop"):
            engine.run()
        return await loop.stop()

    with virtual_time():
        assert asyncio.run(main())


def test_a_loop_is_stopped_from_another_thread():
    """Wishes come from any thread, and who waits for the end is told across threads."""
    engine = QuantumLoopEngine()
    loop = engine.create_loop(lambda: None, interval=1.0)

    async def main():
        loop.start()
        await ASYNCIO.sleep(2.5)
        return await asyncio.to_thread(loop.stop_sync)

    with virtual_time():
        assert asyncio.run(main())
    assert LoopState.STOPPED is loop.state


def test_a_loop_in_a_block_runs_as_long_as_the_block():
    """Entering starts, leaving stops."""
    engine = QuantumLoopEngine()

    async def main():
        async with engine, engine.create_loop(lambda: None, interval=1.0) as loop:
            await ASYNCIO.sleep(2.5)
            running = loop.state
        return running, loop.state, loop.get_status().current_iteration

    with virtual_time():
        assert (LoopState.RUNNING, LoopState.STOPPED, 3) == asyncio.run(main())


def test_a_plain_function_that_returns_something_to_await_is_awaited():
    """A lambda around a coroutine is guarded like the coroutine itself."""
    engine = QuantumLoopEngine()

    async def leave():
        raise SystemExit

    async def main():
        loop = engine.create_loop(lambda: leave(), max_iterations=2)  # noqa: PLW0108 - that it is a lambda is the point
        loop.start()
        await loop.wait()
        return loop.get_status()

    with virtual_time():
        status = asyncio.run(main())

    assert (2, 2, LoopState.FINISHED) == (status.current_iteration, status.consecutive_errors, status.state)


# ── the end of a program ────────────────────────────────────────────────────────────────────


def test_run_starts_what_is_new_and_returns_when_all_is_done():
    """A program that is nothing but loops is one line; what has ended before is left alone."""
    engine = QuantumLoopEngine()
    done = []
    for number in range(3):
        engine.create_loop(lambda number=number: done.append(number), name=str(number), interval=0.01, max_iterations=2)
    with virtual_time() as clock:
        engine.run()
        engine.run()

        assert 0.01 == pytest.approx(clock.now())
    assert [0, 0, 1, 1, 2, 2] == sorted(done)


def test_the_deadline_error_is_ours_to_tell():
    """An iteration that outlives its deadline ends in DeadlineExceeded."""
    engine = QuantumLoopEngine()

    async def main():
        loop = engine.create_loop(lambda: ASYNCIO.sleep(100.0), deadline=2.0, max_iterations=1)
        loop.start()
        await loop.wait()
        return loop.get_status().last_error

    with virtual_time():
        assert DeadlineExceeded.__name__ in asyncio.run(main())


def test_a_loop_is_not_bound_by_the_call_in_which_it_was_started():
    """The call is over when it runs: that call's deadline says nothing of what it has left behind."""
    engine = QuantumLoopEngine()
    loop = engine.create_loop(lambda: None, interval=2.0, max_iterations=3)

    async def main():
        outcome = await FractalNode("starter", deadline=1.0).execute(loop.start)
        await loop.wait()
        await engine.aclose()
        return outcome

    with virtual_time():
        assert asyncio.run(main()).ok

    status = loop.get_status()
    assert (3, 1.0) == (status.current_iteration, status.performance.success_rate)


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "gone"])
def test_a_time_limit_that_an_iteration_never_left_cuts_no_later_one(keeps):
    """A generator that was left half way has it: it is over in a later iteration, in which it cuts nothing."""
    kept = []

    async def pages():
        async with asyncio.timeout(3.5):
            yield 1
            yield 2

    async def work(ctx):
        if ctx.iteration == 1:
            generator = pages()
            await anext(generator)
            kept.extend([generator] * keeps)
        await ASYNCIO.sleep(0.75)

    async def main():
        engine = QuantumLoopEngine()
        loop = engine.create_loop(work)
        loop.start()
        await ASYNCIO.sleep(9.9)
        ledger, state = loop.get_status().ledger, loop.state
        await engine.aclose()
        return ledger.run, ledger.total, state

    with virtual_time():
        assert (10, 10, LoopState.RUNNING) == asyncio.run(main())
