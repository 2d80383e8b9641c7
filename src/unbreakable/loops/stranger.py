"""A worker that another supervisor has started: the kernel tells its death to who has a descriptor, but not how it was.

It has the methods of a ``subprocess.Popen`` that its supervisor calls.
"""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess


class Stranger:
    """Know the process behind *descriptor*, which cannot become another one's; without one it is held to be gone."""

    returncode = None  #: nobody can tell

    def __init__(self, pid: int, descriptor: int | None) -> None:
        self.pid, self._descriptor = pid, descriptor

    def poll(self) -> int | None:
        """Return None as long as it lives."""
        return 0 if self._is_gone(0.0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Return when it is gone; raise TimeoutExpired if it is not in time."""
        if not self._is_gone(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return 0

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it."""
        self._send(signal.SIGKILL)

    def _is_gone(self, seconds: float | None) -> bool:
        if self._descriptor is None:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(None if seconds is None else seconds * 1_000))

    def _send(self, number: int) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)
