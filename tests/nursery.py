"""Processes with the library loaded already, forked from one that loads it once for a whole run of tests.

To start Python and to load the library takes ten times as long as most programs of tests run.  What is forked is a
process like any other: it can be killed, it leaves orphans, it has a number, and Python ends in it as in any other.
What Python itself does at its start is left to tests that start one: where modules are found, what is loaded, options.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import unbreakable
from unbreakable.runtime import BLOCKING

CRADLE = Path(__file__).with_name("cradle.py")
SOURCE = str(Path(unbreakable.__file__).parents[1])
ROOM = "room for the words of whom it becomes, which are as long as a few paths and the code of a worker " * 100


class Child:
    """A forked process, seen as a ``subprocess.Popen`` of a Python that was called with these *words*."""

    def __init__(
        self,
        words: Sequence[object],
        *,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = None,
        stderr: int | None = None,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        start_new_session: bool = False,
    ) -> None:
        self.args = [sys.executable, *map(str, words)]
        self.returncode: int | None = None
        self._readers: list[_Reader] = []
        order = {
            "words": self.args[1:],
            "called": self.args[:1],
            "cwd": str(cwd or Path.cwd()),
            "env": dict(os.environ if env is None else env),
            "start_new_session": start_new_session,
        }
        with contextlib.ExitStack() as theirs:
            self.stdin, source = _way(stdin, theirs, 0)
            self.stdout, sink = _way(stdout, theirs, 1)
            self.stderr, errors = (None, sink) if stderr == subprocess.STDOUT else _way(stderr, theirs, 2)
            reader, writer = os.pipe()
            theirs.callback(os.close, writer)
            self._report = os.fdopen(reader, "rb", buffering=0)
            _nursery().order(order, [source, sink, errors, writer])
        self.pid = int(self._report.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self.wait()

    def poll(self) -> int | None:
        """Return how it has ended, if it has."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ends."""
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = int(self._report.read())
            self._report.close()
        return self.returncode

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Write *input*, read all that is said until nobody can say more, and wait for its end."""
        end = None if timeout is None else BLOCKING.now() + timeout
        if self.stdin is not None and not self.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.stdin.write(input or "")
                self.stdin.close()
        self._readers = self._readers or [_Reader(stream) for stream in (self.stdout, self.stderr)]
        for reader in self._readers:
            reader.join(_left(end))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(_left(end))
        self._close()
        return self._readers[0].told, self._readers[1].told

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)

    def _close(self) -> None:
        """Close our ends of its files."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


def run(words: Sequence[object], timeout: float = 60.0, **how: Any) -> subprocess.CompletedProcess[str]:
    """Return what a child said, and how it ended; it is killed when that takes too long."""
    with Child(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how) as child:
        try:
            told, errors = child.communicate(timeout=timeout)
        except BaseException:
            child.kill()
            raise
    return subprocess.CompletedProcess(child.args, child.wait(), told, errors)


class _Reader(threading.Thread):
    """Read *stream* to its end."""

    def __init__(self, stream: IO[str] | None) -> None:
        super().__init__(daemon=True)
        self.told: str | None = None
        self._stream = stream
        self.start()

    def run(self) -> None:
        """Read."""
        if self._stream is not None:
            self.told = self._stream.read()


class _Nursery:
    """Hold the process that all are forked from, and give it orders."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            words = [sys.executable, "-P", str(CRADLE), str(theirs.fileno()), ROOM]
            environment = {**os.environ, "PYTHONPATH": SOURCE, "OPENBLAS_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=environment, cwd=SOURCE
            )
        atexit.register(self._end)

    def order(self, order: Mapping[str, Any], files: Sequence[int]) -> None:
        """Have a process forked for *order* with these files."""
        message = json.dumps(order).encode()
        with self._lock:
            socket.send_fds(self._connection, [len(message).to_bytes(8)], files)
            self._connection.sendall(message)

    def _end(self) -> None:
        self._connection.close()
        self._process.wait()


@functools.cache
def _nursery() -> _Nursery:
    return _Nursery()


def _left(end: float | None) -> float | None:
    return None if end is None else max(0.0, end - BLOCKING.now())


def _way(wanted: int | None, theirs: contextlib.ExitStack, number: int) -> tuple[Any, int]:
    """Return our end, as an open file, and theirs, which *theirs* closes, of what is to be file *number* there."""
    if wanted == subprocess.PIPE:
        reader, writer = os.pipe()
        ours, there = (writer, reader) if number == 0 else (reader, writer)
        theirs.callback(os.close, there)
        return os.fdopen(ours, "w" if number == 0 else "r"), there
    if wanted == subprocess.DEVNULL:
        there = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, there)
        return None, there
    return None, number if wanted is None else wanted
