"""A terminal that is closed ends what was started in it, also a deputy, of which the shell knows nothing.

A shell that has lost its job to ``kill -9`` takes the terminal back, and hands on to nobody that it is closed.
"""

from __future__ import annotations

import contextlib
import os
import select


class Terminal:
    """Notice, once it is ``watched``, when the terminal of this process is closed; many have none."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    def watch(self) -> None:
        """Notice it from now on."""
        if self._descriptor is None:
            with contextlib.suppress(OSError):
                self._descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)

    @property
    def is_closed(self) -> bool:
        """Whether there was one, and it is closed."""
        if self._descriptor is None:
            return False
        poll = select.poll()
        poll.register(self._descriptor, 0)  # only what is told unasked: that it was hung up
        return bool(poll.poll(0))
