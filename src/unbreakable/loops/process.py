"""A worker process, seen from the loop: started when it is needed, killed when it does not answer, replaced."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import Any, ClassVar

from unbreakable.errors import BulkheadFull, WorkerLost
from unbreakable.loops.complaints import hush
from unbreakable.loops.errand import Answer, Request
from unbreakable.loops.group import ProcessGroup
from unbreakable.loops.hand import Hand
from unbreakable.loops.program import Program, let_main_be_found, refuse_while_loading
from unbreakable.loops.slate import is_same, write_changes
from unbreakable.loops.start import command
from unbreakable.loops.wire import Gone, pack, receive, send, unpack
from unbreakable.policies import Context
from unbreakable.runtime import Runtime, TimeUp

LAST_WORDS = 0.5  # seconds that an idle worker has to end by itself before it is killed

MODULE = "unbreakable.loops.worker"

_alive: set[ProcessWorker] = set()


class ProcessWorker:
    """Run attempts in a process of its own, which dies with this one, and whatever it started in its group with it.

    A thread of ours starts it, talks to it and sees it buried: whoever waits for an answer blocks nothing else.
    """

    shares_state: ClassVar[bool] = False

    def __init__(self, name: str, program: Program) -> None:
        self._name = name
        self._program = program
        self._hand = Hand(f"unbreakable {name}", self._end)
        self._process: ProcessGroup | None = None
        self._asked = 0  # the number of the latest message; its answer bears the same
        self._connection: socket.socket | None = None
        self._trouble: WorkerLost | None = None
        self.has_loaded = False  #: whether the process has found its operation
        self._is_ready = False
        self._is_cut = False

    # ── as every worker ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def pid(self) -> int:
        """The number of the process, 0 before it is started."""
        return 0 if self._process is None else self._process.pid

    @property
    def is_fit(self) -> bool:
        """Whether another attempt can be given to it."""
        return not self._hand.is_let_go and self._trouble is None and (self._process is None or self._process.is_there)

    @property
    def is_alive(self) -> bool:
        """Whether its process, or our thread for it, is still there."""
        return self._hand.is_alive

    @property
    def left_undone(self) -> bool:
        """Whether an attempt was in progress when it was let go of."""
        return self._hand.left_undone

    def begin(self) -> None:
        """Start the process and let it find the operation, while nobody waits; ``ready`` tells how that went."""
        with contextlib.suppress(BulkheadFull):
            self._hand.begin(self._start_once)

    async def ready(self, runtime: Runtime, seconds: float) -> int:
        """Start the process and let it find the operation; raise WorkerLost if that fails or takes too long."""
        if self._is_ready:
            return 0
        refuse_while_loading()
        try:
            await self._hand.do(runtime, self._start_once, seconds)
        except BaseException as error:
            stopped = self._is_cut  # whether we wait for it no longer or its end is noticed first
            why = "was stopped before it was ready" if stopped else f"was not ready within {seconds:.3g} s"
            self.cut()
            if isinstance(error, TimeUp) or (stopped and isinstance(error, Exception)):
                raise WorkerLost(f"worker process {self.pid} {why}") from None
            raise
        self._is_ready = True
        return self.pid

    async def attempt(self, runtime: Runtime, ctx: Context) -> Any:
        """Run the operation in the process, and take over the state as it has become there."""
        held = dict(ctx.state)
        request = Request.of(ctx, held)
        state, error, answer, sent = await self._hand.do(runtime, lambda: self._ask(request), ctx.remaining())
        if state is not None and is_same(ctx.state, held):
            ctx.state.clear()
            ctx.state.update(state)
        elif state is not None:  # another iteration has written in it meanwhile
            write_changes(ctx.state, unpack(sent).scope["state"], state)
        if answer.deeds is not None:
            ctx.deeds.take(answer.deeds)
        if error is None:
            return
        if answer.exhausted:
            ctx.spent = (*ctx.spent, error)
        try:
            raise error
        finally:
            del error  # its traceback holds this frame

    def cut(self) -> None:
        """Kill the process and what it has started; our thread sees it buried."""
        self._is_cut = True
        self._hand.let_go()
        self._kill()

    def close(self) -> None:
        """Ask the process to end, and kill it if it does not."""
        self._hand.let_go()

    async def end(self, runtime: Runtime, seconds: float) -> None:
        """Wait until the process is gone."""
        await self._hand.end(runtime, seconds)

    def forget(self) -> None:
        """Leave the process to the parent, of which this one was forked."""
        if self._connection is not None:
            self._connection.close()

    # ── in our thread ────────────────────────────────────────────────────────────────────────────────────────────────

    def _start_once(self) -> None:
        if self._process is None:
            self._start()
        elif self._trouble is not None:
            raise self._trouble

    def _start(self) -> None:
        let_main_be_found()
        try:
            self._connection, theirs = socket.socketpair()
            with theirs:
                words = [str(theirs.fileno()), str(os.getpid())]
                self._process = ProcessGroup(
                    command(_python(), MODULE, words, [*map(str, sys.path)]), [theirs.fileno()]
                )
        except OSError as error:
            raise WorkerLost(f"no worker process can be started: {error}") from error
        _alive.add(self)
        if self._is_cut:
            self._kill()  # meanwhile
        try:
            trouble = self._exchange(pack(self._program))
            if trouble:
                raise WorkerLost(f"worker process {self.pid} cannot load the operation: {trouble.decode()}")
        except WorkerLost as error:
            self._trouble = error
            raise
        self.has_loaded = True

    def _ask(self, request: Request) -> tuple[dict[Any, Any] | None, Exception | None, Answer, bytes]:
        sent = request.pickled()
        answer: Answer = unpack(self._exchange(sent))
        return answer.read_state(), answer.failure(), answer, sent

    def _exchange(self, message: bytes) -> bytearray:
        """Return the answer to *message*; one to anything else is dropped."""
        assert self._connection is not None  # noqa: S101 - it was started
        self._asked += 1
        try:
            send(self._connection, message, self._asked)
            while True:
                number, answer = receive(self._connection, self._is_there)
                if number == self._asked:
                    return answer
        except Gone:
            raise WorkerLost(f"worker process {self.pid} {self._bury()}") from None

    def _is_there(self) -> bool:
        return self._process is not None and self._process.is_there

    def _end(self) -> None:
        """Let the process end by itself, unless it was cut, and see to it that it does."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            self._connection.close()
        if self._process is not None:
            self._wait(0.0 if self._is_cut else LAST_WORDS)
            self._bury()

    def _bury(self) -> str:
        """See to it that the process is dead, and all that it started in its group; return how it died."""
        assert self._process is not None  # noqa: S101 - it was started
        code = self._process.bury()
        _alive.discard(self)
        return _in_words(code)

    def _wait(self, seconds: float) -> None:
        if self._process is not None:
            self._process.wait(seconds)

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()


def _in_words(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _python() -> list[str]:
    """Return this interpreter with its own options, as the standard library starts its workers."""
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined] # noqa: SLF001
    return [sys.executable, *options]


def _kill_all() -> None:
    hush()
    for act in (ProcessWorker._kill, lambda worker: worker._wait(LAST_WORDS)):  # noqa: SLF001 - their at-exit part
        for worker in list(_alive):
            act(worker)


atexit.register(_kill_all)
