"""Who is started in place of a supervisor that was killed takes over from its deputy, so that there are never two.

A service manager that knows nothing of the deputy starts the program again, and so does a person.  A deputy that goes
on can be found under a name of Linux's own for sockets, which no file stands for and which is free as soon as nobody
holds it; it ends in good order when it is asked to there, and the end of the conversation is its end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import socket
import struct

PATIENCE = 8.0  # seconds that the one before has to end, with all that it supervises


class Claim:
    """Be found under *name* once it is ``open``; who has no name is not found."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._socket: socket.socket | None = None
        self._claimants: list[socket.socket] = []  # they wait for the end, which closes them

    def open(self) -> None:
        """Be found from now on, by who starts the same program; a second one of its kind is not."""
        if self._name and self._socket is None:
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            try:
                listening.bind(self._name)
                listening.listen()
                listening.setblocking(False)
            except OSError:
                listening.close()
            else:
                self._socket = listening

    @property
    def is_made(self) -> bool:
        """Whether somebody is there who goes on in place of this process."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                claimant, _ = self._socket.accept()
                if _is_ours(claimant):
                    self._claimants.append(claimant)
        return bool(self._claimants)


def name_of(*words: str) -> str:
    """Return under which name a deputy is found that runs what *words* say, for this user and in this container."""
    told = "\0".join((str(os.getuid()), _container(), *words))
    return f"\0unbreakable-{hashlib.sha256(told.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}"


def claim(name: str) -> bool:
    """Have the deputy of *name* end, if there is one, and return when it has, or its time is up."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        asking.connect(name)
        if _is_ours(asking):
            poll = select.poll()
            poll.register(asking, select.POLLIN)
            return bool(poll.poll(PATIENCE * 1_000))
    return False


def _container() -> str:
    """Return what stands for all processes that are seen from here: containers may share a network, and so names."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it names no path
    return ""


def _is_ours(other: socket.socket) -> bool:
    """Return whether it is a process of the same user at the other end."""
    told = other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return bool(struct.unpack("3i", told)[1] == os.getuid())
