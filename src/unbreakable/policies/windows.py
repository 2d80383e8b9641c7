"""How the last attempts went: how many failed and how many were slow, of so many calls or of so many seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from unbreakable.stats import Window

if TYPE_CHECKING:
    from unbreakable.policies.terms import Terms

FAILED, SLOW = 1, 2  # bits of what is kept of one attempt


class Tally(NamedTuple):
    """Say how many attempts there were, how many of them failed, and how many were slow, whatever they came to."""

    calls: int
    failed: int
    slow: int


class Recent(Protocol):
    """Count attempts, and forget those that are no longer recent; moments are the caller's *now*, in seconds."""

    def update(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count an attempt that ended *now*."""

    def value(self, now: float) -> Tally:
        """Return how the recent ones went."""


class LastCalls:
    """Count the last *most* attempts; each costs a byte.

    >>> recent = LastCalls(2)
    >>> for failed in (True, True, False):
    ...     recent.update(0.0, failed=failed, slow=False)
    >>> recent.value(0.0)
    Tally(calls=2, failed=1, slow=0)
    """

    __slots__ = ("_failed", "_marks", "_next", "_slow", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._marks = bytearray()
        self._next = self._failed = self._slow = 0

    def update(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count an attempt in place of the oldest."""
        mark = FAILED * failed | SLOW * slow
        if len(self._marks) < self.most:
            self._marks.append(mark)
        else:
            old, self._marks[self._next] = self._marks[self._next], mark
            self._next = (self._next + 1) % self.most
            self._failed -= bool(old & FAILED)
            self._slow -= bool(old & SLOW)
        self._failed += failed
        self._slow += slow

    def value(self, now: float) -> Tally:
        """Return how the last ones went."""
        return Tally(len(self._marks), self._failed, self._slow)


class LastSeconds:
    """Count the attempts of the last *seconds*, in tenths of them, of which the oldest is forgotten whole.

    The tenths begin with the first attempt: a story is the same at any time of day.
    """

    __slots__ = ("_failed", "_since", "_slow")

    def __init__(self, seconds: float, *, watches_slowness: bool) -> None:
        self._failed = Window(seconds)
        self._slow = Window(seconds) if watches_slowness else None
        self._since: float | None = None

    def update(self, now: float, *, failed: bool, slow: bool) -> None:
        """Count an attempt that ended *now*."""
        if self._since is None:
            self._since = now
        self._failed.update(not failed, now - self._since)
        if self._slow is not None:
            self._slow.update(not slow, now - self._since)

    def value(self, now: float) -> Tally:
        """Return how those of the last seconds went."""
        if self._since is None:
            return Tally(0, 0, 0)
        fine, failed = self._failed.value(now - self._since)
        slow = 0 if self._slow is None else self._slow.value(now - self._since)[1]
        return Tally(fine + failed, failed, slow)


def nothing_recent(terms: Terms) -> Recent | None:
    """Return what counts the attempts that are recent by these *terms*; None where nothing depends on them."""
    if not terms.counts_shares:
        return None
    if terms.last is not None:
        return LastCalls(terms.last)
    return LastSeconds(terms.window, watches_slowness=terms.slow is not None)
