"""A worker that hangs under `unbreakable run` is replaced, one that is only busy is not: real processes, real hangs."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

import pytest
from tests.faults.supervised import started
from tests.faults.test_run_command import running, wait_until
from tests.faults.test_run_restarts import bare_start, noted

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="it is seen in memory of Linux")]

HANGING = """
import ctypes, os, threading, time
import unbreakable as ub

def spin():
    while True:
        pass

{define} work():
    with open("effects.txt", "a") as file:
        file.write(f"{{os.getpid()}}@{{time.monotonic()}}\\n")
    if os.path.exists("hang"):
        os.remove("hang")
        {how}

engine = ub.QuantumLoopEngine()
engine.create_loop(work, interval=0.05, deadline=0.3)
"""
BUSY = "threading.Thread(target=spin, daemon=True).start(); time.sleep(1e6)"
BLOCKED, HELD, STOPPED = "time.sleep(1e6)", "ctypes.PyDLL(None).usleep(2_000_000_000)", "pass"


def next_one(tmp_path, fault) -> float:
    """Return how long it takes from the fault to an iteration in another process."""
    wait_until(lambda: len(noted(tmp_path)) > 3)
    worker = noted(tmp_path)[0][0]
    began = time.monotonic()
    fault(worker)
    wait_until(lambda: any(pid != worker for pid, _ in noted(tmp_path)))
    return next(at for pid, at in noted(tmp_path) if pid != worker) - began


@pytest.mark.parametrize(
    ("define", "how", "sign"),
    [
        ("async def", BLOCKED, "work is overdue"),
        ("def", BLOCKED, "work is overdue"),
        ("async def", BUSY, "work is overdue"),
        ("async def", HELD, "work is overdue"),
        ("async def", STOPPED, "was stopped"),
    ],
)
def test_a_worker_that_hangs_is_replaced(tmp_path, define, how, sign):
    """A blocked event loop or thread, one beside a busy one, an interpreter that is held, a process that is stopped."""
    with running(tmp_path, HANGING.format(define=define, how=how), start=started) as process:

        def fault(worker: int) -> None:
            if how == STOPPED:
                os.kill(worker, signal.SIGSTOP)
            else:
                (tmp_path / "hang").touch()

        took = next_one(tmp_path, fault)
        baseline = max(bare_start("import unbreakable as ub; ub.QuantumLoopEngine()") for _ in range(2))
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert 1.5 + 4 * baseline > took
    assert sign in said
    assert "it is started again at once" in said
    assert (how == STOPPED) != ("most recent call first" in said)


SLOW = """
import asyncio, os, time
import unbreakable as ub

os.nice(8)  # to those that it shares the machine with

def note():
    with open("effects.txt", "a") as file:
        file.write(f"{os.getpid()}@{time.monotonic()}\\n")

async def wait():
    note()
    await asyncio.sleep(0.2)

def count():
    note()
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        pass

async def main():
    engine = ub.QuantumLoopEngine()
    engine.create_loop(wait, interval=0.25, deadline=0.3)
    engine.create_loop(count, interval=0.6, deadline=0.3)
    return engine
"""


@contextlib.contextmanager
def busy(count: int):
    """Have so many programs that take all the time of a processor each."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in programs:
            each.kill()
            each.wait()


def ended(process) -> str:
    """Return what was said, to the end that is asked for now."""
    process.terminate()
    said, _ = process.communicate(timeout=60)
    return said


def test_a_worker_that_has_no_turn_is_not_killed(tmp_path):
    """Beside programs that take all the time there is, iterations last longer than they may, and nothing hangs."""
    with running(tmp_path, SLOW, start=started) as process, busy(5):
        began, before = time.monotonic(), len(noted(tmp_path))
        wait_until(lambda: time.monotonic() > began + 3.0 and len(noted(tmp_path)) > before + 5)
        said = ended(process)

    assert "started again" not in said
    assert 1 == len({pid for pid, _ in noted(tmp_path)})


def test_a_supervisor_that_had_no_turn_kills_nobody(tmp_path):
    """All stood still, as in a machine that is suspended; what was at work meanwhile has its time afterwards."""
    with running(tmp_path, SLOW, start=started) as process:
        wait_until(lambda: len(noted(tmp_path)) > 3)
        worker = noted(tmp_path)[0][0]
        for number in range(8):
            process.send_signal(signal.SIGSTOP)
            os.kill(worker, signal.SIGSTOP)
            time.sleep(0.5)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.03)
            os.kill(worker, signal.SIGCONT)
            time.sleep(0.2 + 0.03 * number)
        said = ended(process)

    assert "started again" not in said
    assert 1 == len({pid for pid, _ in noted(tmp_path)})


def test_a_worker_under_a_debugger_is_not_killed(tmp_path):
    """It stands still for as long as somebody looks at it, and goes on then."""
    attach, detach = 16, 17
    trace = ctypes.CDLL(None, use_errno=True).ptrace
    with running(tmp_path, SLOW, start=started) as process:
        wait_until(lambda: len(noted(tmp_path)) > 3)
        worker = noted(tmp_path)[0][0]
        if trace(attach, worker, None, None):
            pytest.skip(f"nobody may look at processes here: {os.strerror(ctypes.get_errno())}")
        os.waitpid(worker, 0x40000000)
        before = len(noted(tmp_path))
        time.sleep(1.5)
        assert before == len(noted(tmp_path))
        trace(detach, worker, None, None)
        wait_until(lambda: len(noted(tmp_path)) > before + 5)
        said = ended(process)

    assert "started again" not in said
    assert 1 == len({pid for pid, _ in noted(tmp_path)})


BESIDE = """
import asyncio, os, time
import unbreakable as ub

async def note():
    with open("effects.txt", "a") as file:
        file.write(f"{os.getpid()}@{time.monotonic()}\\n")

async def main():
    engine = ub.QuantumLoopEngine()
    engine.create_loop(note, interval=0.05).start()
    while not os.path.exists("hang"):
        await asyncio.sleep(0.01)
    os.remove("hang")
    time.sleep(1.5)
    await asyncio.sleep(1e6)
"""


def test_an_event_loop_that_something_else_blocks_is_replaced(tmp_path):
    """No loop has a deadline, none is at work: that they do not turn for --hang seconds is enough."""
    with running(tmp_path, BESIDE, start=started, options=["--hang", "0.5"]) as process:
        took = next_one(tmp_path, lambda _: (tmp_path / "hang").touch())
        said = ended(process)

    assert took > 0.5
    assert "its event loop is overdue" in said


def test_with_hang_off_it_may_be_blocked_for_as_long_as_it_takes(tmp_path):
    """Only deadlines that somebody gave count then."""
    with running(tmp_path, BESIDE, start=started, options=["--hang", "0"]) as process:
        wait_until(lambda: len(noted(tmp_path)) > 3)
        (tmp_path / "hang").touch()
        wait_until(lambda: not (tmp_path / "hang").exists())
        before = len(noted(tmp_path))
        wait_until(lambda: len(noted(tmp_path)) > before + 3)
        said = ended(process)

    assert "started again" not in said
    assert 1 == len({pid for pid, _ in noted(tmp_path)})


WISHING = """
import os, time
import unbreakable as ub
from unbreakable.loops.pulse import PULSE

def work():
    with open("effects.txt", "a") as file:
        file.write(f"{os.getpid()}@{time.monotonic()}\\n")
    if os.path.exists("hang"):
        os.remove("hang")
        PULSE.wish("loop work is stuck")

engine = ub.QuantumLoopEngine()
engine.create_loop(work, interval=0.05)
"""


def test_a_worker_that_wishes_it_is_replaced_in_good_order(tmp_path):
    """It is asked for its end, and the next one begins."""
    with running(tmp_path, WISHING, start=started) as process:
        next_one(tmp_path, lambda _: (tmp_path / "hang").touch())
        said = ended(process)

    assert "the worker wants to be replaced: loop work is stuck; it is started again at once" in said
