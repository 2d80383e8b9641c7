"""Forked processes that each do one thing, a few at a time, within a limit."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

PATIENCE = 4  # times as long as its limit of processor time may one take: the machine has other things to do
HANGS = "timeout"


@dataclass
class Child:
    """A process at work on *task*; what it says is read from *pipe*."""

    task: Any
    pid: int
    pipe: int
    until: float


def each_forked(
    tasks: Iterable[Any], work: Callable[[Any], str], limit: Callable[[Any], float], jobs: int
) -> Iterator[tuple[Any, str]]:
    """Yield each task with what *work* said of it in a process of its own.

    HANGS is said of one that took longer than its *limit* of seconds, and nothing by one that died.
    """
    running: dict[int, Child] = {}
    left = iter(tasks)
    try:
        while True:
            while len(running) < jobs and (task := next(left, left)) is not left:
                child = start(task, work, limit(task))
                running[child.pipe] = child
            if not running:
                return
            now = time.monotonic()  # noqa: TID251 - these are real processes
            late = [child for child in running.values() if child.until <= now]
            soonest = min(child.until for child in running.values()) - now
            for pipe in [child.pipe for child in late] or wait(list(running), max(0.0, soonest)):
                child = running.pop(pipe)
                yield child.task, HANGS if child in late else end(child)
                stop(child)
    finally:
        for child in running.values():
            stop(child)


def start(task: Any, work: Callable[[Any], str], limit: float) -> Child:
    """Fork a process that says what *work* returns, and has no other way to end."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return Child(task, pid, reader, time.monotonic() + PATIENCE * limit)  # noqa: TID251
    try:
        os.setsid()
        seconds = int(limit) + 1 + int(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        signal.signal(signal.SIGXCPU, lambda *_: (os.write(writer, HANGS.encode()), os._exit(3)))
        silence(writer)
        said = work(task)
        os.write(writer, said.encode())
    finally:
        os._exit(0)


def silence(writer: int) -> None:
    """Print nothing any more, and read nothing."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        if descriptor != writer:
            os.dup2(nowhere, descriptor)


def end(child: Child) -> str:
    """Return what the child said last."""
    return os.read(child.pipe, 65_536).decode()


def stop(child: Child) -> None:
    """Kill it, and all that it has started."""
    os.close(child.pipe)
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)
