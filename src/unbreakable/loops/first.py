"""Something happens for the first time in a process, and somebody wants to know."""

from __future__ import annotations

from collections.abc import Callable


class FirstTime:
    """Remember whether it has happened, and call each of ``listeners`` when it does.

    >>> first, told = FirstTime(), []
    >>> first.listeners.append(lambda: told.append("now"))
    >>> first.happened(); first.happened()
    >>> told, first.has_happened
    (['now'], True)
    """

    __slots__ = ("has_happened", "listeners")

    def __init__(self) -> None:
        self.has_happened = False
        self.listeners: list[Callable[[], object]] = []

    def happened(self) -> None:
        """Say that it happens now."""
        if self.has_happened:
            return
        self.has_happened = True
        for listener in self.listeners:
            listener()
