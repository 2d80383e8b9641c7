"""Calls are recorded on request: what they were like, in a file of bounded size that `unbreakable whatif` reads."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unbreakable.bell import Bell
from unbreakable.errors import StateError
from unbreakable.events import CallEnded
from unbreakable.fractal.listening import Listening
from unbreakable.fractal.node import living_nodes
from unbreakable.lock import new_lock
from unbreakable.log import log
from unbreakable.observe.calls.file import TraceFile
from unbreakable.observe.calls.lines import Lines
from unbreakable.outcome import in_one_line
from unbreakable.policies.check import refuse
from unbreakable.runtime import ASYNCIO
from unbreakable.storage.stamp import time_of_day

PAUSE = 1.0  # seconds between two writes, at most
MOST_WAITING = 10_000  # calls that wait to be written; when more come the oldest are left out, and counted
MANY_WAITING = 2_000  # from which on they are written at once
AT_A_TIME = 500  # calls that are written in one go
LEAST_BYTES = 64_000
MOST_BYTES = 8_000_000

_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()


class Recorder:
    """Write to the file at *path* what the calls were that it is told of, at most *most_bytes* of them.

    ``lost`` counts the calls that came too fast to be written, or could not be; ``trouble`` says why the last write
    failed, None when it did not.  A crash costs what was recorded in the last second.  A forked child goes on in the
    same file.  Raises StateError when the file cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], most_bytes: int = MOST_BYTES) -> None:
        if isinstance(most_bytes, bool) or not isinstance(most_bytes, int) or most_bytes < LEAST_BYTES:
            raise refuse("record_trace: most_bytes", f"a whole number of at least {LEAST_BYTES}", most_bytes)
        if not isinstance(path, str | os.PathLike):
            raise refuse("record_trace: path", "the path of a file", path)
        self.trouble: str | None = None
        self._lost = 0
        self._file = TraceFile(Path(path).absolute(), most_bytes)
        self._wall = time_of_day() - ASYNCIO.now()  # so that the order in a process does not hang on its clock's steps
        self._starting = new_lock()
        self.after_fork()
        _recorders.add(self)

    @property
    def lost(self) -> int:
        """Return how many calls are missing in the file."""
        return self._lost + self._missing

    def note(self, call: CallEnded) -> None:
        """Take in a call; this is what nodes call."""
        waiting = self._waiting
        if len(waiting) >= MOST_WAITING:
            self._missing += 1
        waiting.append(call)
        if self._thread is None:
            self._start()
        if len(waiting) >= MANY_WAITING and not self._wake.is_set():
            self._wake.ring()

    def after_fork(self) -> None:
        """Begin with nothing, as another process: what waits is its parent's to write."""
        self._waiting: deque[CallEnded] = deque(maxlen=MOST_WAITING)
        self._taken: list[CallEnded] = []
        self._missing = 0
        self._lines = Lines(f"{os.getpid():x}-{os.urandom(3).hex()}")
        self._wake, self._over = Bell(), False
        self._thread: threading.Thread | None = None

    def flush(self) -> bool:
        """Write now; return whether everything is in the file."""
        while self._waiting or self._taken or self._missing:
            if not self._write():
                return False
        return True

    def close(self) -> None:
        """Write what is left."""
        self._over = True
        self._wake.ring()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self.flush()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._over:
                self._thread = threading.Thread(target=self._write_on, name="unbreakable trace", daemon=True)
                self._thread.start()

    def _write_on(self) -> None:
        while not self._over:
            self._wake.wait(PAUSE)
            self._wake.clear()
            self.flush()

    def _write(self) -> bool:
        with self._starting:
            while self._waiting and len(self._taken) < AT_A_TIME:
                self._taken.append(self._waiting.popleft())
            missing, written = self._missing, 0

            def lines(room: int, is_new: bool) -> bytes:
                nonlocal written
                if is_new:
                    self._lines.forget()
                text, written = self._lines.of(self._taken, self._wall, missing, room)
                return text if written or not self._taken else b""

            try:
                self._file.append(lines)
            except StateError as error:
                self._missing += len(self._taken)
                self._taken = []
                self._complain(error)
                return False
            del self._taken[:written]
            self._lost, self._missing = self._lost + missing, self._missing - missing
        self.trouble = None
        return True

    def _complain(self, error: StateError) -> None:
        if self.trouble is None:
            log("calls are not recorded for now: %s", error)
        self.trouble = in_one_line(error)


@contextlib.contextmanager
def record_trace(path: str | os.PathLike[str], *nodes: Any, most_bytes: int = MOST_BYTES) -> Iterator[Recorder]:
    """Record in this block what the calls of *nodes* are like, in the file at *path*, for ``unbreakable whatif``.

    *nodes* are nodes or protected functions; without any, every node that there is or will be.  For each call: when it
    began, its deadline, the settings in force, and of each attempt and copy how long it took and how it ended.  No
    arguments, results or messages.  The file, with ``PATH.old`` beside it, has at most *most_bytes*: the oldest calls
    make room.  Several processes may write to it.  Whoever calls waits for no disk: what cannot be written in time is
    left out and counted (``lost`` of what the block is given).

    Raises ConfigurationError for what is no node, and StateError when the file cannot be used or is no trace.
    """
    heard = list(dict.fromkeys(_node_of(each) for each in nodes))  # two functions may be one node's
    recorder = Recorder(path, most_bytes)
    entry = (CallEnded, recorder.note)
    try:
        for node in heard:
            node.on(*entry)
        if not nodes:
            Listening.born_with = (*Listening.born_with, entry)
            heard = [node for node in living_nodes() if entry not in node.listeners]
            for node in heard:
                node.on(*entry)
        yield recorder
    finally:
        if not nodes:
            Listening.born_with = tuple(each for each in Listening.born_with if each != entry)
            heard = list(living_nodes())
        for node in heard:
            node.off(recorder.note)
        recorder.close()


def _node_of(given: Any) -> Any:
    """Return the node of *given*, a protected function or a node itself."""
    node = getattr(given, "node", given)
    if isinstance(node, type) or not (callable(getattr(node, "on", None)) and callable(getattr(node, "off", None))):
        raise refuse("record_trace: nodes", "nodes or protected functions", given)
    return node


def _flush_all() -> None:
    for recorder in list(_recorders):
        with contextlib.suppress(Exception):
            recorder.close()


def _after_fork() -> None:
    for recorder in list(_recorders):
        recorder.after_fork()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
    os.register_at_fork(after_in_child=_after_fork)
