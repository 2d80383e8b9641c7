"""What Linux tells of a process: whether it is there, or how long until it is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Return whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter, if it goes between the opening and the reading
        return False


def gone(pids: list[int], seconds: float = 60.0) -> bool:
    """Return whether all these processes are gone in time."""
    end = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(is_alive, pids))


def at_work_in(folder: Path) -> list[int]:
    """Return the processes whose folder this is, but those whose end nobody has asked for."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _works_in(entry, folder)]


def kill_all(folder: Path) -> None:
    """Kill all of them, at the same time, until there is none: each may be somebody's who starts it again."""
    for _ in range(100):
        pids = at_work_in(folder)
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def supervisors(folder: Path) -> list[int]:
    """Return who supervises a program that runs in *folder*, and then, if there is one, the deputy."""
    parents = {}
    for pid in at_work_in(folder):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"run" in words and b"--worker" not in words:
                status = Path(f"/proc/{pid}/status").read_text()
                parents[pid] = int(status.partition("PPid:")[2].split()[0])
    return sorted(parents, key=lambda pid: parents[pid] in parents)


def kill_supervisors(folder: Path) -> None:
    """Kill all of them as at one moment: while they are stopped none makes another one."""
    stopped: list[int] = []
    while (found := supervisors(folder)) != stopped:
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
        stopped = found
    for pid in stopped:
        os.kill(pid, signal.SIGKILL)


def _works_in(entry: Path, folder: Path) -> bool:
    try:
        return (entry / "cwd").readlink() == folder and bool((entry / "cmdline").read_bytes())
    except OSError:
        return False
