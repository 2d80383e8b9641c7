"""How a service stands is told to systemd, and its watchdog fed as long as that is well, as sd_notify(3) has it.

Whoever is not run by systemd is told nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping
from typing import Self

from unbreakable.runtime import BLOCKING

ADDRESS, WATCHDOG, WATCHED = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Notify:
    """Tell what *environment* names, from which that is taken: a worker is not whom systemd knows."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        address = environment.pop(ADDRESS, "")
        every, watched = environment.pop(WATCHDOG, ""), environment.pop(WATCHED, "")
        self.seconds = 0.0  #: between two signs of life that systemd wants, 0.0 for none
        if every.isdigit() and watched in ("", str(os.getpid())):
            self.seconds = int(every) / 1e6
        self._socket: socket.socket | None = None
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._fed_at, self._told = 0.0, ""
        if address.startswith(("/", "@")):
            with contextlib.suppress(OSError):
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Tell nothing any more."""
        if self._socket is not None:
            self._socket.close()

    def stands(self, status: str, *, is_ready: bool) -> None:
        """Tell in a line how things stand, when that is news; and, the first time, that all is ready."""
        word = f"{'READY=1' if is_ready else ''}\nSTATUS={status}".lstrip()
        if word != self._told and self._tell(word):
            self._told = word

    def feed(self) -> None:
        """Give a sign of life, twice in the time that systemd waits for one."""
        now = BLOCKING.now()
        if self.seconds and now - self._fed_at >= self.seconds / 2.5 and self._tell("WATCHDOG=1"):
            self._fed_at = now

    def ending(self) -> None:
        """Tell that the end was asked for."""
        self._tell("STOPPING=1")

    def _tell(self, word: str) -> bool:
        """Return whether it was told; a manager that does not listen at this moment holds nobody up."""
        if self._socket is None:
            return True
        with contextlib.suppress(OSError):
            self._socket.sendto(word.encode("utf-8", "backslashreplace"), self._address)
            return True
        return False
