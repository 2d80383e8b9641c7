"""What a function that is run by `unbreakable run` does when it is asked to end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from tests.dense import crossed
from tests.faults.test_run_command_asked import effects, running, wait_until


def is_worker(process: Path) -> bool:
    """Return whether it is one, and not a canary, which bears its words."""
    words = (process / "cmdline").read_bytes().split(b"\0")
    return b"--worker" in words and b"--canary" not in words


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
        said, _ = process.communicate(timeout=60)

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
SERVES = """
    for item in range(40):
        note(item)
    while not stop:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    note("finally")
"""
# Whoever's handler it is, the worker hears SIGTERM.
LOADED_ASYNC = (
    """
import signal
stop = False
def on_term(number, frame):
    global stop
    assert number == signal.SIGTERM
    stop = True
signal.signal(signal.SIGTERM, on_term)

async def main():"""
    + SERVES
)
INSIDE_ASYNC = (
    """
import signal

async def main():
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))"""
    + SERVES
)
ON_ITS_LOOP = """
import signal

async def main():
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    for item in range(40):
        note(item)
    await stop.wait()
    await asyncio.sleep(0.3)
    note("finally")
"""
WAITS = """
    for item in range(40):
        note(item)
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.3)
        note("finally")
"""
EXITS_ASYNC = (
    """
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

async def main():"""
    + WAITS
)
EXITS_INSIDE = """
import signal

async def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    asyncio.get_running_loop().call_later(0.1, note, " ".join(map(str, range(40))))  # main itself is not interrupted
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.3)
        note("finally")
"""
AS_A_SERVER_DOES = (
    """
import signal

async def main():
    stop = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: stop.append(number))"""
    + SERVES
    + """
    signal.signal(signal.SIGTERM, before)
    signal.raise_signal(stop[0])
    await asyncio.sleep(1000)
"""
)
CANCELS = (
    """
import signal

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asyncio.current_task().cancel)"""
    + WAITS
)
PLAIN_EXITS = """
import signal

def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        note(" ".join(map(str, range(40))))
        time.sleep(1000)
    finally:
        time.sleep(0.3)
        note("finally")
"""
INTERRUPTED = PLAIN_EXITS.replace("def main", "async def main").replace("time.sleep(0", "await asyncio.sleep(0")
GIVES_UP_ITS_OWN = ON_ITS_LOOP.replace("stop.wait()\n", "stop.wait()\n    loop.remove_signal_handler(signal.SIGTERM)\n")
PROGRAMS = {
    "plain": PLAIN,
    "runner": RUNNER,
    "held": HELD,
    "own handler": OWN,
    "async, loaded": LOADED_ASYNC,
    "async, inside": INSIDE_ASYNC,
    "async, on its loop": ON_ITS_LOOP,
    "async, exits": EXITS_ASYNC,
    "async, exits inside": EXITS_INSIDE,
    "async, raised again": AS_A_SERVER_DOES,
    "async, interrupts": EXITS_ASYNC.replace("lambda *_: sys.exit(0)", "signal.default_int_handler"),
    "plain, exits inside": PLAIN_EXITS,
    "async, exits interrupted": INTERRUPTED,
    "async, gives up its own": GIVES_UP_ITS_OWN,
    "async, cancels": CANCELS,
    "async, interrupts inside": EXITS_INSIDE.replace("lambda *_: sys.exit(0)", "signal.default_int_handler"),
}


# For the worker it is all the same which one the supervisor was sent.
ASKED = [(signal.SIGTERM, "everybody"), (signal.SIGINT, "the supervisor")]


@pytest.mark.parametrize(("name", "asked"), crossed(PROGRAMS, ASKED))
def test_a_function_that_waits_by_itself_ends_in_good_order(tmp_path, name, asked):
    """Items that were taken in are handled, and its last words are said, as when it runs without the command."""
    number, who = asked
    with running(tmp_path, PROGRAMS[name]) as process:
        wait_until(lambda: effects(tmp_path))
        others = children(process.pid)
        process.send_signal(number)
        if who == "everybody":  # as systemd ends a service
            for other in others:
                os.kill(other, number)
        said, _ = process.communicate(timeout=60)

    assert (0, False, False) == (process.returncode, "Error" in said, "killed" in said), said
    assert {"finally", *map(str, range(40))} == set(effects(tmp_path)), said


@pytest.mark.parametrize(
    ("program", "heard"),
    [
        (EXITS_ASYNC.replace("sys.exit(0)", "1 / 0"), ": ZeroDivisionError"),
        (EXITS_INSIDE.replace("sys.exit(0)", "1 / 0"), ": ZeroDivisionError"),
    ],
    ids=["loaded", "inside"],
)
def test_a_handler_of_its_own_may_end_main_in_any_way(tmp_path, program, heard):
    """What is raised ends it in good order, as it does without the command, and is told."""
    with running(tmp_path, program) as process:
        wait_until(lambda: effects(tmp_path))
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert (0, "finally", bool(heard)) == (process.returncode, effects(tmp_path)[-1], "Error" in said), said
    assert heard in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_handler_for_the_signal_that_the_worker_hears_is_called_alone(tmp_path, number):
    """SIGINT that is sent to the worker itself is the program's, too, when the program has a handler for it."""
    program = INSIDE_ASYNC.replace("SIGTERM", number.name)
    with running(tmp_path, program) as process:
        wait_until(lambda: "39" in effects(tmp_path))
        [worker] = (each for each in children(process.pid) if is_worker(Path(f"/proc/{each}")))
        os.kill(worker, number)
        said, _ = process.communicate(timeout=60)

    assert (0, "finally", False) == (process.returncode, effects(tmp_path)[-1], "Error" in said), said


LEAVES = "    engine = ub.QuantumLoopEngine()\n    engine.create_loop(lambda: note('never'), interval=0.05)\n"
LEAVING = {
    "plain": """
import signal, threading
def main():
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    note()
    while not stop.wait(0.02):
        pass
""",
    "async, loaded": LOADED_ASYNC,
    "async, inside": INSIDE_ASYNC,
    "async, on its loop": ON_ITS_LOOP,
}


@pytest.mark.parametrize("program", LEAVING.values(), ids=LEAVING)
def test_what_is_left_open_is_not_run_after_a_handler_of_the_programs_own(tmp_path, program):
    """A main that has ended since it was asked to has ended all."""
    with running(tmp_path, program + LEAVES) as process:
        wait_until(lambda: effects(tmp_path))
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert (0, False) == (process.returncode, "killed" in said), said
    assert "never" not in effects(tmp_path)


@pytest.mark.parametrize("program", [INSIDE_ASYNC, ON_ITS_LOOP, LOADED_ASYNC], ids=["inside", "on its loop", "loaded"])
def test_what_runs_after_a_main_with_a_handler_of_its_own_ends_when_it_is_asked_to(tmp_path, program):
    """The handler was for main, which is over."""
    early = program.replace("not stop:", "False:").replace("await stop.wait()", "pass")
    with running(tmp_path, early + LEAVES.replace("never", "loop")) as process:
        wait_until(lambda: "loop" in effects(tmp_path))
        process.terminate()
        said, _ = process.communicate(timeout=60)

    assert (0, False) == (process.returncode, "killed" in said), said


@pytest.mark.parametrize(("name", "who"), crossed(LEAVING, ["the supervisor", "everybody"]))
def test_who_ends_by_a_handler_of_its_own_has_not_returned_nothing(tmp_path, name, who):
    """Nothing is said against a main that makes nothing of ours, serves by itself and ends in its first seconds."""
    with running(tmp_path, LEAVING[name]) as process:
        wait_until(lambda: effects(tmp_path))
        others = children(process.pid)
        process.terminate()
        if who == "everybody":
            for other in others:
                os.kill(other, signal.SIGTERM)
        said, _ = process.communicate(timeout=60)

    assert (0, False) == (process.returncode, "Error" in said), said
