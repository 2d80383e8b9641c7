"""What a function that is run by `unbreakable run` does when it is asked to end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.faults.test_run_command_asked import effects, running, wait_until


def children(pid: int) -> list[int]:
    """Return the processes that process *pid* has started."""
    told = Path(f"/proc/{pid}/task/{pid}/children")
    if not told.exists():
        pytest.skip("the processes of a process are Linux's to tell")
    return [int(word) for word in told.read_text().split()]


pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]


@pytest.mark.parametrize(
    ("last", "heard"),
    [("sys.exit(0)", ""), ("return", ""), ("sys.exit('no disk')", ": no disk"), ("1 / 0", ": ZeroDivisionError")],
)
@pytest.mark.parametrize(
    ("colour", "wait", "end"),
    [
        ("async def", "await asyncio.sleep(100)", "asyncio.CancelledError"),
        ("def", "time.sleep(100)", "KeyboardInterrupt"),
    ],
)
def test_what_a_function_makes_of_its_end_is_heard(tmp_path, colour, wait, end, last, heard):
    """It may end by itself when it is asked to; what it says in its last moment is not lost."""
    program = f"""
{colour} main():
    try:
        note()
        {wait}
    except {end}:
        {last}
"""
    with running(tmp_path, program) as process:
        wait_until(lambda: effects(tmp_path))
        process.terminate()
        said, _ = process.communicate(timeout=20)

    assert (0, bool(heard)) == (process.returncode, "Error: main" in said), said
    assert heard in said
    assert "never retrieved" not in said


PLAIN = """
def main():
    with ub.QuantumSystem() as system:
        out = ub.StreamNode(lambda item: (time.sleep(0.02), note(item)), system=system)
        try:
            for item in range(40):
                out.put_sync(item)
            while True:
                time.sleep(1)
        finally:
            note("finally")
"""
RUNNER = """
async def amain():
    async with ub.QuantumSystem() as system:
        out = ub.StreamNode(lambda item: (time.sleep(0.02), note(item)), system=system)
        try:
            for item in range(40):
                await out.put(item)
            await asyncio.sleep(1000)
        finally:
            note("finally")

def main():
    asyncio.run(amain())
"""
HELD = """
system = None

def main():
    global held
    held = ub.QuantumSystem()
    out = ub.StreamNode(lambda item: (time.sleep(0.02), note(item)), system=held)
    for item in range(40):
        out.put_sync(item)
    try:
        while True:
            time.sleep(1)
    finally:
        note("finally")
"""
OWN = """
import signal, threading
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())

def main():
    for item in range(40):
        note(item)
    while not stop.wait(0.1):
        pass
    note("finally")
"""


@pytest.mark.parametrize("who", ["the supervisor", "everybody"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", [PLAIN, RUNNER, HELD, OWN], ids=["plain", "runner", "held", "own handler"])
def test_a_plain_function_that_waits_by_itself_ends_in_good_order(tmp_path, program, number, who):
    """Items that were taken in are handled, and its last words are said, as when it runs without the command."""
    with running(tmp_path, program) as process:
        wait_until(lambda: effects(tmp_path))
        workers = children(process.pid)
        process.send_signal(number)
        if who == "everybody":  # as systemd ends a service
            for worker in workers:
                os.kill(worker, signal.SIGTERM)
        said, _ = process.communicate(timeout=20)

    assert 0 == process.returncode, said
    assert {"finally", *map(str, range(40))} == set(effects(tmp_path)), said
