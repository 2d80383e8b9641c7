"""A worker process, seen from inside: it makes one attempt after another for a loop, and dies with it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from queue import SimpleQueue
from types import FrameType

from unbreakable.errors import StrayExit, Unsendable
from unbreakable.fractal import FractalNode
from unbreakable.fractal.trying import is_exhausted
from unbreakable.loops import schedule  # noqa: F401 - of which a tick is: who stands by has it before the first attempt
from unbreakable.loops.bench import Bench
from unbreakable.loops.errand import Answer, Request
from unbreakable.loops.program import Program
from unbreakable.loops.slate import checked_state
from unbreakable.loops.wire import Gone, pack, receive, send, unpack
from unbreakable.outcome import in_one_line
from unbreakable.policies.policy import enter
from unbreakable.runtime import BLOCKING
from unbreakable.runtime.loading import loading
from unbreakable.runtime.signals import ASKING, take

LAST_WORDS = 1.0  # seconds from the end of the conversation to the end of the process, whatever it does
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def main(descriptor: str, parent: str) -> None:
    """Make the attempts that are asked for through the socket *descriptor*, as long as process *parent* lives."""
    _die_with(int(parent))
    for number in ASKING:
        take(number, _leave_to_the_parent)  # a handler, which unlike SIG_IGN our own children do not inherit
    with contextlib.suppress(Gone):
        _serve(socket.socket(fileno=int(descriptor)))


def _serve(connection: socket.socket) -> None:
    itself = os.getpid()
    number, message = receive(connection)
    program: Program = unpack(message)
    requests: SimpleQueue[tuple[int, bytearray] | None] = SimpleQueue()
    BLOCKING.world.spawn(lambda: _listen(connection, requests), "unbreakable worker")
    try:
        bench = Bench(program.load())
    except BaseException as error:
        _end_if_forked(itself, error)
        send(connection, in_one_line(error, 2_000).encode(), number)
        return
    _end_if_forked(itself)
    send(connection, b"", number)
    node = FractalNode("worker", breaker=False, retry=False, budget=False)
    while (request := requests.get()) is not None:
        number, message = request
        send(connection, pack(_attempt(node, bench, message, itself)), number)
    bench.close()


def _attempt(node: FractalNode, bench: Bench, message: bytearray, itself: int) -> Answer:
    ctx = node.open(BLOCKING, None, None)
    try:
        with loading():  # what the state is made of may be in modules that were not needed before
            request: Request = unpack(message)
    except Exception as error:
        return Answer.to(None, Unsendable(f"what the operation is given cannot be read: {in_one_line(error)}"))
    request.open_in(ctx)
    enter(ctx)
    state = ctx.state
    try:
        bench.run(ctx.arguments)
        state = checked_state(ctx.state)
    except BaseException as error:
        _end_if_forked(itself, error)
        exhausted = isinstance(error, Exception) and is_exhausted(error, ctx)
        return Answer.to(state, error, exhausted=exhausted, deeds=ctx.deeds.settle())
    finally:
        ctx.end()
        enter(None)
    _end_if_forked(itself)
    return Answer.to(state, None, deeds=ctx.deeds.settle())


def _end_if_forked(itself: int, error: BaseException | None = None) -> None:
    """End a child that the user's code has forked where that code ends: it must not go on as a second worker."""
    if os.getpid() == itself:
        return
    raised = error.__cause__ if isinstance(error, StrayExit) else error
    code = raised.code if isinstance(raised, SystemExit) else raised
    os._exit(code & 0xFF if isinstance(code, int) else int(code is not None))


def _listen(connection: socket.socket, requests: SimpleQueue[tuple[int, bytearray] | None]) -> None:
    """Pass on what is asked for; when the other side is gone, let the work end, and then the process in any case."""
    try:
        while True:
            requests.put(receive(connection))
    except Gone:
        requests.put(None)
    BLOCKING.world.sleep(LAST_WORDS)
    os._exit(0)


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies, where it knows how to; elsewhere the socket tells."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it died before that


def _leave_to_the_parent(number: int, frame: FrameType | None) -> None:
    """Do nothing: whether SIGTERM or SIGINT ends anything is for the loop's process to say."""
