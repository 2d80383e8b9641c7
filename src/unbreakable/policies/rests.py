"""Which of several ways to do the same job are left in peace for a while, since they failed lately."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unbreakable.runtime import new_lock

FAULTS = 3  # in a row, after which a way is left in peace; where there was nobody to talk to: at once
FIRST_REST, MOST_REST = 5.0, 60.0  # seconds; each rest without a success since is twice as long
MOST_KEPT = 256  # ways that failed lately


@dataclass(slots=True)
class Trouble:
    """Hold how often in a row a way has failed, last when, how often it has rested since it worked, and until when.

    ``slow`` says that nothing worse is known of it than that it took longer than a learned limit allowed.
    """

    faults: int = 0
    rests: int = 0
    until: float = 0.0
    last: float = 0.0
    slow: bool = True

    def rest(self, now: float) -> None:
        """Begin a rest, or a longer one."""
        self.until = max(self.until, now + min(MOST_REST, FIRST_REST * 2.0 ** min(10, self.rests - 1)))


class Rests:
    """Remember which ways rest, each by its name; moments are the caller's *now*, in seconds.

    >>> endpoints = Rests()
    >>> for _ in range(3):
    ...     endpoints.failed("a", now=0.0)
    >>> endpoints.choose(["a", "b"], now=1.0), endpoints.choose(["a", "b"], now=6.0)
    ('b', 'a')
    """

    __slots__ = ("_lock", "_troubles")

    def __init__(self) -> None:
        self._troubles: dict[str, Trouble] = {}  #: of the ways whose last use failed
        self._lock = new_lock()

    def best(self, ranked: Sequence[str], now: float) -> str:
        """Return the first of *ranked* that does not rest; when all are down, the one to look at next.

        That is one that was merely slow, if there is one, else the one that has rested enough soonest: whoever ranks
        first may have died last, and another be back.
        """
        with self._lock:
            if not all(map(self.is_down, ranked)):
                return next(name for name in ranked if not self.is_resting(name, now))
            return min(ranked, key=lambda name: (not self._troubles[name].slow, self._troubles[name].until))

    def take(self, name: str, now: float) -> None:
        """Take note that way *name* is used.

        One caller tries a way whose rest is over; for the others it rests on, longer, until that one reports.
        """
        with self._lock:
            trouble = self._troubles.get(name)
            if trouble is not None and trouble.rests and trouble.until <= now:
                trouble.rests += 1
                trouble.rest(now)

    def choose(self, ranked: Sequence[str], now: float) -> str:
        """Return the best of *ranked*, and take note that it is used."""
        with self._lock:
            chosen = self.best(ranked, now)
            self.take(chosen, now)
            return chosen

    def is_resting(self, name: str, now: float) -> bool:
        """Return whether way *name* is left in peace."""
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.rests > 0 and trouble.until > now

    def may_work(self, name: str, now: float, since: float) -> bool:
        """Return whether way *name*, as far as is known, could have done what was begun at *since*.

        It has not failed since it worked, or was merely slow, or has rested enough, and it failed before *since*.
        """
        trouble = self._troubles.get(name)
        if trouble is None or trouble.slow:
            return True
        return trouble.rests > 0 and trouble.until <= now and trouble.last < since

    def others_may(self, names: Iterable[str], name: str, now: float, *, since: float) -> bool:
        """Return whether one of *names* other than *name* could have done what was begun at *since*."""
        return any(other != name and self.may_work(other, now, since) for other in names)

    def is_down(self, name: str) -> bool:
        """Return whether way *name* had to rest, and has not worked since."""
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.rests > 0

    def others_work(self, names: Iterable[str], name: str, now: float) -> bool:
        """Return whether one of *names* other than *name* does not rest, or rests because it was slow."""
        return any(other != name and (self._is_slow(other) or not self.is_resting(other, now)) for other in names)

    def _is_slow(self, name: str) -> bool:
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.slow

    def worked(self, name: str) -> None:
        """Take note of a success."""
        if name in self._troubles:
            with self._lock:
                self._troubles.pop(name, None)

    def failed(self, name: str, now: float, *, dead: bool = False, slow: bool = False) -> None:
        """Take note of a failure; *dead* when there was nobody to talk to, *slow* when a learned limit cut it short."""
        with self._lock:
            if name not in self._troubles and len(self._troubles) >= MOST_KEPT:
                self._troubles.pop(next(iter(self._troubles)))
            trouble = self._troubles.setdefault(name, Trouble())
            trouble.faults += 1
            trouble.last, trouble.slow = now, trouble.slow and slow
            if dead or trouble.faults >= FAULTS or trouble.rests:
                trouble.rests = trouble.rests or 1
                trouble.rest(now)
