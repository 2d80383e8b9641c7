"""What an async main and its other tasks do when the end is asked for: all of it has one time, then it is left."""

from __future__ import annotations

import os
import time

import pytest
from tests.faults.supervised import started
from tests.faults.test_run_command_asked import effects, ended, running, wait_until

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]

FLUSHING = """
async def flush():
    try:
        await asyncio.sleep(100)
    finally:
        await asyncio.sleep(0.5)
        note("flushed")

async def main():
    task = asyncio.create_task(flush())
    try:
        await asyncio.sleep(0.1)
        note("begun")
        await asyncio.sleep(100)
    finally:
        await asyncio.sleep(2.2)
        note("finally")
"""
STUBBORN = """
async def swallow():
    while True:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            note("swallowed")

async def main():
    task = asyncio.create_task(swallow())
    await asyncio.sleep(0.1)
    note("begun")
    await swallow()
"""
DYING = """
def work():
    if not os.path.exists("effects.txt"):
        note()
        print("it was printed")
        os._exit(3)

engine = ub.QuantumLoopEngine()
engine.create_loop(work, interval=0.05, max_iterations=1)
"""


def test_main_and_then_the_other_tasks_have_time_to_clean_up(tmp_path):
    """Where nothing is open that must be closed after it, main has all the time there is."""
    with running(tmp_path, FLUSHING) as process:
        wait_until(lambda: effects(tmp_path))
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert (0, ["begun", "finally", "flushed"], "") == (process.returncode, effects(tmp_path), said)


def test_what_swallows_its_cancellation_is_left_and_named(tmp_path):
    """The worker ends by itself, in time, and says what it has left."""
    with running(tmp_path, STUBBORN) as process:
        wait_until(lambda: effects(tmp_path))
        began = time.monotonic()
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert 5.0 > time.monotonic() - began
    assert (0, 1) == (process.returncode, len(said.splitlines())), said
    assert said.startswith("main in program.py: main at program.py:"), said
    assert ", swallow at program.py:" in said


def test_what_a_worker_has_printed_before_it_dies_is_seen(tmp_path, monkeypatch):
    """Python keeps what goes to a file or a pipe until there is much of it, or the process ends in good order."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    code, said = ended(tmp_path, DYING, start=started)

    assert (0, ["note"]) == (code, effects(tmp_path))
    assert "it was printed\n" in said
