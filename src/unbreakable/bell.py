"""What threads wait for, and what wakes them wherever a signal's handler has interrupted its own thread."""

from __future__ import annotations

import contextlib
import itertools
import threading

numbers = itertools.count()  # the order in which things came about: who parked when, who was woken when


class Bell:
    """Let threads wait until it is rung; remember when that was first, so that the woken go on in that order.

    Whoever rings waits for nobody.  An event of Python's own has a lock, and a handler of signals may come while its
    thread holds that and is about to wait: then it would be waited for in vain by all that the handler waits for.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._has_rung = False
        self._waiting: dict[threading.Lock, None] = {}

    def is_set(self) -> bool:
        """Return whether it was rung."""
        return self._has_rung

    def ring(self) -> None:
        """Let those go on who wait, and those who come later."""
        if self.number is None:
            self.number = next(numbers)
        self._has_rung = True
        for lock in list(self._waiting):
            with contextlib.suppress(RuntimeError):  # somebody else has opened it
                lock.release()

    def clear(self) -> None:
        """Let those wait who come later."""
        self.number, self._has_rung = None, False

    def wait(self, seconds: float) -> bool:
        """Wait until it is rung, at most *seconds*; return whether it was."""
        lock = threading.Lock()
        lock.acquire()
        try:
            self._waiting[lock] = None  # be there to be woken first, then look
            if not self._has_rung:
                lock.acquire(timeout=-1 if seconds > threading.TIMEOUT_MAX else max(0.0, seconds))
            return self._has_rung
        finally:
            self._waiting.pop(lock, None)
