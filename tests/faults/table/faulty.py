"""A program whose loop has one bad iteration; a second loop runs beside it.

    faulty.py FAULT LEVEL FOLDER

What happens when is noted in FOLDER: a line ``begin``, ``fault`` or ``beside``, the process, and the moment on the
clock that all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import functools
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import unbreakable as ub

INTERVAL, DEADLINE = 0.02, 0.3  # seconds
AT = {"process": 100, "run": 100}  # the iteration that is bad: what is kept warm has had the time for it,
SOON = 20  # where there is something
HANG = 60.0


class Odd(BaseException):
    """Something that is no Exception."""


def note(folder: str, what: str) -> None:
    """Write down that something happens now; without a descriptor of its own, which may be what is missing."""
    line = f"{what} {os.getpid()} {time.monotonic()}\n".encode()
    os.write(_descriptor(folder), line)


@functools.cache
def _descriptor(folder: str) -> int:
    return os.open(Path(folder) / "notes.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def is_first(folder: str) -> bool:
    """Return whether the bad iteration has not been yet, in whichever process."""
    try:
        os.mkdir(Path(folder) / "injected")  # noqa: PTH102 - this one asks for nothing else
    except FileExistsError:
        return False
    return True


def raising(error: BaseException) -> Callable[[], None]:
    """Return what raises *error*."""

    def fault() -> None:
        raise error

    return fault


def recurse() -> None:
    """Call itself until Python says no."""
    recurse()


def ask_for_too_much() -> None:
    """Ask for more memory than there is: nobody has to fake a MemoryError."""
    bytearray(1 << 62)


def hold_the_gil() -> None:
    """Stay in C without letting any other thread run."""
    ctypes.PyDLL(None).sleep(int(HANG))


def crash() -> None:
    """Read where nothing is."""
    logging.disable()
    ctypes.string_at(0)


def take_all_descriptors() -> None:
    """Leave the process none to open anything with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass


taken: list[int] = []


def close_stdout() -> None:
    """Leave nobody to talk to."""
    for descriptor in (0, 1, 2):
        os.close(descriptor)


class Refusing(logging.Handler):
    """Raises whenever something is logged, and does not hand that to ``handleError``."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise."""
        raise OSError("the disk of the log is full")


def break_the_log() -> None:
    """Let everything that is logged raise, and have something to log."""
    logging.getLogger("unbreakable").addHandler(Refusing())
    raise ValueError("something to log")


PLAIN: dict[str, Callable[[], Any]] = {
    "exception": raising(ValueError("bad")),
    "base exception": raising(Odd("odd")),
    "SystemExit": raising(SystemExit(3)),
    "KeyboardInterrupt": raising(KeyboardInterrupt()),
    "CancelledError of its own": raising(asyncio.CancelledError()),
    "StopIteration": raising(StopIteration(1)),
    "GeneratorExit": raising(GeneratorExit()),
    "RecursionError": recurse,
    "MemoryError": ask_for_too_much,
    "blocking call": lambda: time.sleep(HANG),
    "GIL held": hold_the_gil,
    "os._exit": lambda: os._exit(7),
    "segfault": crash,
    "abort": os.abort,
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSTOP": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "no descriptors": take_all_descriptors,
    "closed stdout": close_stdout,
    "failing logger": break_the_log,
}


async def cancel_the_task() -> None:
    """Be cancelled as somebody from outside does it."""
    asyncio.current_task().cancel()  # type: ignore[union-attr]
    await asyncio.Event().wait()


async def swallow() -> None:
    """Hang, and heed no cancellation."""
    end = time.monotonic() + HANG
    while time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


ASYNC: dict[str, Callable[[], Any]] = {
    "cancelled from outside": cancel_the_task,
    "hang in await": lambda: asyncio.Event().wait(),
    "swallowed cancellation": swallow,
}


def leak(folder: str) -> None:
    """Take memory until there is none, where somebody says so from outside."""
    try:
        os.rmdir(Path(folder) / "leak")  # noqa: PTH106 - this one asks for nothing else
    except FileNotFoundError:
        return
    note(folder, "fault")
    while True:
        leaked.append(b"x" * 2**20)


leaked: list[bytes] = []


def step(fault: str, folder: str, at: int, ctx: Any) -> None:
    """Note that an iteration begins, and be bad in one of them."""
    note(folder, "begin")
    leak(folder)
    if fault in PLAIN and ctx.iteration >= at and is_first(folder):
        note(folder, "fault")
        PLAIN[fault]()


async def step_async(fault: str, folder: str, at: int, ctx: Any) -> None:
    """Do the same on an event loop."""
    note(folder, "begin")
    faults = {**PLAIN, **ASYNC}
    if fault in faults and ctx.iteration >= at and is_first(folder):
        note(folder, "fault")
        value = faults[fault]()
        if value is not None:
            await value


def engine(fault: str, level: str, folder: str) -> ub.QuantumLoopEngine:
    """Return the engine of the program."""
    level, _, colour = level.partition(" ")
    made = ub.QuantumLoopEngine(state=Path(folder) / "state" / "loops.db")
    made.create_loop(
        functools.partial(
            step_async if fault in ASYNC or colour == "async" else step, fault, folder, AT.get(level, SOON)
        ),
        name="faulty",
        interval=INTERVAL,
        deadline=DEADLINE,
        isolation=level if level in ("thread", "process") else "inline",  # type: ignore[arg-type]
    )
    made.create_loop(functools.partial(note, folder, "beside"), name="beside", interval=INTERVAL, durability="none")
    atexit.register(tell_the_ledger, made, folder)
    return made


def tell_the_ledger(engine: ub.QuantumLoopEngine, folder: str) -> None:
    """Write down what became of all ticks, as the process that ends knows it."""
    loop = engine.get_loops()[0]
    if loop.life is not None:
        ledger, ticks = loop.get_status().ledger, loop.life.control.seen
        (Path(folder) / "ledger.json").write_text(json.dumps({**ledger.to_dict(), "ticks": ticks}))


def main() -> None:
    """Run the program until somebody asks it to end."""
    engine(*sys.argv[1:]).run(grace=0.5)


if __name__ == "__main__":
    threading.stack_size(512 * 1024)
    from tests.faults.table import faulty  # so that operations are found where workers look for them

    faulty.main()
