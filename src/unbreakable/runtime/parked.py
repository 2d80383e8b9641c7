"""A thread that waits in virtual time."""

from __future__ import annotations

import time
from collections.abc import Callable

from unbreakable.bell import Bell


class Parked:
    """Somebody who waits: until when, for what, and since when in real time."""

    __slots__ = ("bell", "member", "number", "patience", "ready", "since", "until")

    def __init__(self, until: float, number: int, ready: Callable[[], bool], patience: float, member: bool) -> None:
        self.until, self.number, self.ready, self.patience = until, number, ready, patience
        self.member, self.since = member, time.monotonic()
        self.bell: Bell | None = None

    def place(self) -> int:
        """Return the place in the order of those who may go on: when it was woken, else when it parked."""
        woken = None if self.bell is None else self.bell.number
        return self.number if woken is None else woken
