"""Loops in real processes: signals that end them, signals that must get through, forks, a process put to sleep."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import textwrap
import time

import pytest
from tests.nursery import SOURCE, Child

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="these are signals of POSIX")]

PROLOGUE = """
import asyncio, os, signal, sys, time, warnings
warnings.filterwarnings("ignore", "This process", DeprecationWarning)  # Python 3.12 advises against fork
from unbreakable.loops import QuantumLoopEngine
engine = QuantumLoopEngine()
def say(*words): print(*words, flush=True)
"""


@contextlib.contextmanager
def program(code: str):
    """Run *code* as a program of its own; whatever happens, it does not outlive the test."""
    process = Child(
        ["-c", PROLOGUE + textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SOURCE},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: Child) -> tuple[int, list[str], str]:
    """Return the exit code, the lines not yet read and the last line of the error output."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out.split("\n")[:-1], (err.strip().split("\n") or [""])[-1]


def ask_again(process: Child, number: int) -> None:
    """Send the signal once more until it is heard: it is one with the first as long as that was not."""
    while process.poll() is None:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5.0)


ITERATIONS = {
    "plain": "def work(): say('begun'); time.sleep(0.4); say('done')",
    "async": "async def work(): say('begun'); await asyncio.sleep(0.4); say('done')",
}


@pytest.mark.parametrize("work", ITERATIONS.values(), ids=ITERATIONS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_of_loops_drains_and_exits_in_good_order(work, number):
    """SIGTERM and SIGINT let the iteration in progress finish; then run returns, and the program goes on to its end."""
    with program(
        f"{work}\nengine.create_loop(work, interval=0.5)\nengine.run()\nsay(engine.get_status().active_loops)"
    ) as it:
        assert "begun\n" == it.stdout.readline()
        it.send_signal(number)

        assert (0, ["done", "0"], "") == ended(it)


def test_draining_has_a_bound():
    """An iteration that hangs in a thread holds the program up for its grace, no longer."""
    with program(
        """
        def work(): say('begun'); time.sleep(60)
        engine.create_loop(work)
        engine.run(grace=0.3)
        say('over')
        """
    ) as it:
        it.stdout.readline()
        began = time.monotonic()
        it.send_signal(signal.SIGTERM)

        assert (0, ["over"], "") == ended(it)
        assert time.monotonic() - began < 5.0


def test_a_second_signal_does_not_wait():
    """Who asks twice means it: the second SIGTERM ends the program as it would without us."""
    with program(
        """
        def work(): say('begun'); time.sleep(60)
        engine.create_loop(work)
        engine.run(grace=60)
        """
    ) as it:
        it.stdout.readline()
        it.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert it.poll() is None
        ask_again(it, signal.SIGTERM)

        assert -signal.SIGTERM == ended(it)[0]


def test_a_hung_iteration_on_an_idle_event_loop_is_cancelled_from_another_thread():
    """An event loop that sleeps in its selector is woken to see the cancellation."""
    with program(
        """
        begun = []
        async def work(): begun.append(say('begun')); await asyncio.Event().wait()
        loop = engine.create_loop(work)
        loop.start()
        while not begun: time.sleep(0.01)
        time.sleep(0.3)
        say(loop.stop_sync(grace=0.1))
        """
    ) as it:
        assert (0, ["begun", "True"], "") == ended(it)


def test_loops_in_threads_do_not_keep_a_finished_program_alive():
    """A program that reaches its end ends, whatever its loops are doing."""
    with program("engine.create_loop(lambda: time.sleep(60)).start()\ntime.sleep(0.1)\nsay('end')") as it:
        assert (0, ["end"], "") == ended(it)


BUSY = """
        def work():
            say('begun')
            until = time.monotonic() + 60
            while time.monotonic() < until: pass
"""


def test_a_real_ctrl_c_gets_through_an_operation_that_computes():
    """Python's own KeyboardInterrupt, raised inside an operation on the main thread's event loop, ends the program."""
    with program(
        BUSY
        + """
        async def main():
            loop = engine.create_loop(work)
            loop.start()
            await loop.wait()
        asyncio.new_event_loop().run_until_complete(main())
        """
    ) as it:
        it.stdout.readline()
        it.send_signal(signal.SIGINT)

        assert (-signal.SIGINT, [], "KeyboardInterrupt") == ended(it)


def test_ctrl_c_gets_through_asyncio_run_and_an_operation_that_swallows_cancellation():
    """The first Ctrl-C cancels the main task; the loop, cancelled with it, ends whatever its operation does."""
    with program(
        """
        async def work():
            say('begun')
            while True:
                try: await asyncio.sleep(60)
                except asyncio.CancelledError: return
        async def main():
            engine.create_loop(work).start()
            await asyncio.sleep(60)
        asyncio.run(main())
        """
    ) as it:
        it.stdout.readline()
        it.send_signal(signal.SIGINT)

        assert (-signal.SIGINT, [], "KeyboardInterrupt") == ended(it)


def test_the_second_ctrl_c_gets_through_an_operation_that_blocks_the_event_loop():
    """When the event loop is blocked, asyncio's handler raises inside the operation the second time, and passes."""
    with program(
        BUSY
        + """
        async def main():
            loop = engine.create_loop(work)
            loop.start()
            await loop.wait()
        asyncio.run(main())
        """
    ) as it:
        it.stdout.readline()
        it.send_signal(signal.SIGINT)
        time.sleep(0.3)
        ask_again(it, signal.SIGINT)

        assert (-signal.SIGINT, [], "KeyboardInterrupt") == ended(it)


def test_a_handler_that_exits_the_program_exits_the_program():
    """A user's own signal handler may call sys.exit wherever it interrupts, an operation included."""
    with program(
        BUSY
        + """
        class Service:
            def leave(self, number, frame): sys.exit(7)
        signal.signal(signal.SIGTERM, Service().leave)
        async def main():
            loop = engine.create_loop(work)
            loop.start()
            await loop.wait()
        asyncio.run(main())
        """
    ) as it:
        it.stdout.readline()
        it.send_signal(signal.SIGTERM)

        assert 7 == ended(it)[0]


def test_an_operation_that_merely_raises_what_signals_raise_ends_nothing():
    """The same exceptions without a signal are failures of the operation, in the main thread as elsewhere."""
    with program(
        """
        async def work(ctx):
            if ctx.iteration == 1: raise KeyboardInterrupt
            if ctx.iteration == 2: sys.exit(7)
            if ctx.iteration == 3: await asyncio.to_thread(sys.exit, 7)
            if ctx.iteration == 4: await asyncio.get_running_loop().run_in_executor(None, interrupt)
            say(ctx.iteration)
        def interrupt(): raise KeyboardInterrupt
        async def main():
            loop = engine.create_loop(work, interval=0.01, max_iterations=5, effects='once')
            loop.start()
            await loop.wait()
        asyncio.run(main())
        """
    ) as it:
        assert (0, ["5"], "") == ended(it)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork with")
def test_a_forked_child_has_no_loops_running_but_may_start_them():
    """What carried a loop stays in the parent; the child's own status says so, and the parent's loop goes on."""
    with program(
        """
        loop = engine.create_loop(lambda: None, interval=0.01)
        loop.start()
        while loop.get_status().current_iteration < 3: time.sleep(0.01)
        if os.fork() == 0:
            say('child', loop.state.value, loop.is_running)
            loop.start()
            before = loop.get_status().current_iteration
            while loop.get_status().current_iteration < before + 3: time.sleep(0.01)
            say('child', loop.state.value, loop.stop_sync())
            os._exit(0)
        os.wait()
        before = loop.get_status().current_iteration
        while loop.get_status().current_iteration < before + 3: time.sleep(0.01)
        say('parent', loop.state.value, loop.stop_sync())
        """
    ) as it:
        assert (0, ["child new False", "child running True", "parent running True"], "") == ended(it)


@pytest.mark.parametrize("asynchronous", ["", "async "], ids=["plain", "async"])
def test_a_process_that_slept_runs_once_and_knows_what_it_missed(asynchronous):
    """After a stop and a continue there is one late iteration, not a burst; ticks between are counted as missed."""
    with program(
        f"""
        {asynchronous}def work(ctx): say(ctx.tick.number, ctx.tick.missed)
        engine.create_loop(work, interval=0.2)
        engine.run()
        """
    ) as it:
        first = it.stdout.readline()
        it.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        it.send_signal(signal.SIGCONT)
        ticks = [tuple(map(int, it.stdout.readline().split())) for _ in range(3)]

    assert "0 0\n" == first
    assert all(later[0] == earlier[0] + 1 + later[1] for earlier, later in zip([(0, 0), *ticks], ticks, strict=False))
    assert sum(missed for _, missed in ticks) >= 4
