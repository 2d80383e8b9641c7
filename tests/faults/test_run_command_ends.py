"""What a function that is run by `unbreakable run` does when it is asked to end."""

from __future__ import annotations

import os
import signal

import pytest
from tests.faults.test_run_command_asked import effects, running, wait_until

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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_plain_function_that_waits_by_itself_closes_what_it_holds(tmp_path, number):
    """Items that were taken in are handled, and its last words are said, as when it runs without the command."""
    program = """
def main():
    with ub.QuantumSystem() as system:
        out = ub.StreamNode(lambda item: (time.sleep(0.05), note(item)), system=system)
        try:
            for item in range(10):
                out.put_sync(item)
            while True:
                time.sleep(1)
        finally:
            note("finally")
"""
    with running(tmp_path, program) as process:
        wait_until(lambda: effects(tmp_path))
        process.send_signal(number)
        process.communicate(timeout=20)

    assert 0 == process.returncode
    assert {"finally", *map(str, range(10))} == set(effects(tmp_path))
