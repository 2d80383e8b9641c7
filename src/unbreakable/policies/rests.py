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
    """Hold how often in a row a way has failed, how often it has rested since it worked, and until when it rests."""

    faults: int = 0
    rests: int = 0
    until: float = 0.0

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

    def choose(self, ranked: Sequence[str], now: float) -> str:
        """Return the first of *ranked* that does not rest; when all are down, the one that has rested enough soonest.

        One caller tries a way whose rest is over; for the others it rests on, longer, until that one reports.
        """
        with self._lock:
            if all(map(self.is_down, ranked)):  # whoever ranks first may have died last, and another be back
                chosen = min(ranked, key=lambda name: self._troubles[name].until)
            else:
                chosen = next(name for name in ranked if not self.is_resting(name, now))
            trouble = self._troubles.get(chosen)
            if trouble is not None and trouble.rests and trouble.until <= now:
                trouble.rests += 1
                trouble.rest(now)
            return chosen

    def is_resting(self, name: str, now: float) -> bool:
        """Return whether way *name* is left in peace."""
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.rests > 0 and trouble.until > now

    def is_well(self, name: str) -> bool:
        """Return whether way *name* has not failed since it last worked."""
        return name not in self._troubles

    def is_down(self, name: str) -> bool:
        """Return whether way *name* had to rest, and has not worked since."""
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.rests > 0

    def others_work(self, names: Iterable[str], name: str, now: float) -> bool:
        """Return whether one of *names* other than *name* does not rest."""
        return any(other != name and not self.is_resting(other, now) for other in names)

    def worked(self, name: str) -> None:
        """Take note of a success."""
        if name in self._troubles:
            with self._lock:
                self._troubles.pop(name, None)

    def failed(self, name: str, now: float, *, dead: bool = False) -> None:
        """Take note of a failure; *dead* when there was nobody to talk to."""
        with self._lock:
            if name not in self._troubles and len(self._troubles) >= MOST_KEPT:
                self._troubles.pop(next(iter(self._troubles)))
            trouble = self._troubles.setdefault(name, Trouble())
            trouble.faults += 1
            if dead or trouble.faults >= FAULTS or trouble.rests:
                trouble.rests = trouble.rests or 1
                trouble.rest(now)
