"""Operations that do to the process they run in what operations do on a bad day."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import unbreakable as ub

HANGS = 1_000.0


class Refuses(Exception):
    """An exception that cannot be sent: it holds a lock."""

    def __init__(self, text):
        super().__init__(text)
        self.lock = threading.Lock()
        self.retry_after = 7.0


class Needy(Exception):
    """An exception that can be sent but not read: it is made of two things and remembers one."""

    def __init__(self, one, other):
        super().__init__(one)


class Odd(BaseException):
    """Something that is no Exception."""


def throw(error):
    raise error


def recurse():
    return recurse()


def unpicklable_state(ctx):
    ctx.state["lock"] = threading.Lock()


def huge_state(ctx):
    ctx.state["bytes"] = bytes(64 * 2**20)


def leaves_threads(ctx):
    threading.Thread(target=time.sleep, args=(HANGS,)).start()


def closes_everything(ctx):
    os.closerange(3, 256)


def signal_me(number):
    os.kill(os.getpid(), number)


FAULTS = {
    "exception": lambda ctx: throw(ValueError("broken")),
    "base exception": lambda ctx: throw(Odd("odd")),
    "sys.exit": lambda ctx: sys.exit(3),
    "keyboard interrupt": lambda ctx: throw(KeyboardInterrupt()),
    "cancelled": lambda ctx: throw(asyncio.CancelledError("my own")),
    "recursion": lambda ctx: recurse(),
    "cannot be sent": lambda ctx: throw(Refuses("locked")),
    "cannot be read": lambda ctx: throw(Needy("one", "other")),
    "state cannot be sent": unpicklable_state,
    "state too big": huge_state,
    "os._exit": lambda ctx: os._exit(9),
    "segfault": lambda ctx: ctypes.string_at(0),
    "abort": lambda ctx: os.abort(),
    "kill -9": lambda ctx: signal_me(signal.SIGKILL),
    "kill -STOP": lambda ctx: signal_me(signal.SIGSTOP),
    "hang": lambda ctx: time.sleep(HANGS),
    "closes everything": closes_everything,
}
NAMES = list(FAULTS)

# What is no fault at all, though it may look like one.
ODDITIES = {
    "result cannot be sent": lambda ctx: threading.Lock(),
    "huge result": lambda ctx: bytes(64 * 2**20),
    "kill -TERM": lambda ctx: signal_me(signal.SIGTERM),
    "kill -INT": lambda ctx: signal_me(signal.SIGINT),
    "leaves threads": leaves_threads,
}


def battery(ctx):
    """Do one harm after another, and well in between."""
    number, harmless = divmod(ctx.iteration - 1, 2)
    return None if harmless else FAULTS[NAMES[number]](ctx)


async def battery_async(ctx):
    await asyncio.sleep(0)
    if (ctx.iteration - 1) // 2 == NAMES.index("hang"):
        while ctx.iteration % 2:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(HANGS)
    return battery(ctx)


def oddities(ctx):
    return ODDITIES[list(ODDITIES)[ctx.iteration - 1]](ctx)


def tell_pid(path):
    """Add the number of this process to the file at *path*."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")


def tell_and_hang(path):
    tell_pid(path)
    time.sleep(HANGS)


def tell_and_count(path, ctx):
    """Note what this process knows of itself and of the iteration."""
    ctx.state["runs"] = ctx.state.get("runs", 0) + 1
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()} {ctx.iteration} {ctx.tick.number} {ctx.state['runs']} {ctx.idempotency_key}\n")


def meet(path, most, ctx):
    """Go on when so many are at work, and write something of one's own."""
    tell_pid(path)
    while len(Path(path).read_text().splitlines()) < most:
        time.sleep(0.01)
    ctx.state[ctx.iteration] = os.getpid()


def hold_the_gil(path):
    tell_pid(path)
    ctypes.PyDLL(None).sleep(int(HANGS))


poison = []


def poisoned(path, ctx):
    """Fail for good in a process in which it has failed once."""
    tell_pid(path)
    if ctx.iteration == 1 or poison:
        poison.append(1)
        raise ValueError("poisoned")


def start_a_child(path):
    """Start a process of its own, which Ctrl-C and SIGTERM end as any other."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    child.terminate()
    with Path(path).open("a") as file:
        file.write(f"{child.wait(10)}\n")


def wait_for_a_child(path):
    """Wait for a process of its own, and start another one in the background."""
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({HANGS})"])
        with Path(path).open("a") as file:
            file.write(f"{child.pid}\n")
    child.wait()


def leave_a_child(path):
    wait_for = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({HANGS})"])
    with Path(path).open("a") as file:
        file.write(f"{wait_for.pid}\n")
    os._exit(9)


def fork_and(path, how, ctx):
    """Fork; the child ends in one way or another, the parent tells how."""
    ctx.state["runs"] = ctx.state.get("runs", 0) + 1
    child = os.fork()
    if not child:
        ctx.state["runs"] = -1000
        if how == "fails":
            raise ValueError("in the child")
        if how == "leaves":
            sys.exit(7)
        return
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with Path(path).open("a") as file:
        file.write(f"{ctx.iteration} {ctx.state['runs']} {code}\n")


def tell_and_exit(path):
    tell_pid(path)
    os._exit(9)


def tell_twice(path):
    tell_pid(path)
    time.sleep(0.5)
    tell_pid(path)


def down():
    raise ConnectionError("down")


def tell_and_fail_in_doubt(path):
    """Pay, lose the answer, and fail with an error that says nothing of it."""

    @ub.protect("pay", effects="once")
    def pay():
        tell_pid(path)
        raise ConnectionResetError

    if not pay.outcome().ok:
        raise RuntimeError("no luck")


def tell_and_fail_protected(path):
    """Fail in a protected call, which repeats it as often as it may."""

    @ub.protect("inner", effects="idempotent")
    def inner():
        tell_pid(path)
        raise ConnectionError("down")

    inner()
