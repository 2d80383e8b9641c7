"""The death of a child is noticed when it happens, where the kernel has a descriptor for that."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from typing import Self

from unbreakable.runtime import BLOCKING


class Notice:
    """Wait for the death of the child *pid*, which is not reaped by that."""

    def __init__(self, pid: int) -> None:
        self._descriptor: int | None = None
        if sys.platform == "linux":
            with contextlib.suppress(OSError):  # an old kernel, no descriptor left: then one has to look
                self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Give the descriptor back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def wait(self, seconds: float) -> None:
        """Return as soon as it is dead, or after so many *seconds*; without a descriptor only then."""
        if self._descriptor is None:
            BLOCKING.world.sleep(seconds)
        else:
            _poll(self._descriptor, seconds)


def _poll(descriptor: int, seconds: float) -> None:
    poll = select.poll()  # select itself knows no descriptors beyond 1,023
    poll.register(descriptor, select.POLLIN)
    poll.poll(seconds * 1_000)
