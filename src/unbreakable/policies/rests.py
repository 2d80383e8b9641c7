"""Which of several ways to do the same job are left in peace, since they failed lately, while another one works."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unbreakable.runtime import new_lock

FAULTS = 3  # in a row, after which a way is left in peace; where there was nobody to talk to: at once
FIRST_REST, MOST_REST = 5.0, 60.0  # seconds; each rest without a success since is twice as long
AGAIN = 3.0  # seconds between two looks at a way that rests, when the one in use fails
LEAST_PATIENCE = 1.0  # seconds that a look may take; where successes take longer: three times as long as they do
MOST_KEPT = 256  # ways that failed lately


@dataclass(slots=True)
class Trouble:
    """Hold how often in a row a way has failed, how often it has rested since it worked, and until when.

    ``asked`` is when it last failed, or was used although it was down, ``early`` when that was before it had rested
    enough, and ``open_since`` when that look at it began of which nothing has come since; nobody looks: ``math.inf``.
    ``slow`` says that nothing worse is known of it than that it took longer than a learned limit allowed.
    """

    faults: int = 0
    rests: int = 0
    until: float = 0.0
    asked: float = -math.inf
    early: float = -math.inf
    open_since: float = math.inf
    slow: bool = True

    def fail(self, now: float, *, dead: bool, slow: bool) -> None:
        """Take in a failure; see ``Rests.failed``."""
        self.faults, self.asked, self.open_since, self.slow = self.faults + 1, now, math.inf, self.slow and slow
        if dead or self.faults >= FAULTS or self.rests:
            self.rests = self.rests or 1
            self.rest(now)

    def look(self, now: float) -> None:
        """Take in that it is used although it is down."""
        self.asked, self.open_since = now, min(now, self.open_since)
        if self.until > now:
            self.early = now
        else:
            self.rests += 1
            self.rest(now)

    def rest(self, now: float) -> None:
        """Begin a rest, or a longer one."""
        self.until = max(self.until, now + min(MOST_REST, FIRST_REST * 2.0 ** min(10, self.rests - 1)))

    def recover(self) -> None:
        """Begin anew; when it was asked last is remembered."""
        self.faults, self.rests, self.until, self.slow, self.open_since = 0, 0, 0.0, True, math.inf

    def is_over(self) -> bool:
        """Return whether it worked since it failed."""
        return self.faults == 0

    def may_be_back(self, now: float, worked: float) -> bool:
        """Return whether nobody has asked for a while; since another way *worked*, whether nobody has looked early."""
        return now - (self.early if worked > self.asked else self.asked) >= AGAIN


class Rests:
    """Remember which ways rest, each by its name; moments are the caller's *now*, in seconds.

    >>> endpoints = Rests()
    >>> for _ in range(3):
    ...     endpoints.failed("a", now=0.0)
    >>> endpoints.choose(["a", "b"], now=1.0), endpoints.choose(["a", "b"], now=6.0)
    ('b', 'a')
    """

    __slots__ = ("_lock", "_longest", "_troubles", "_worked")

    def __init__(self) -> None:
        self._troubles: dict[str, Trouble] = {}  #: of the ways that failed, of late or not so long ago
        self._worked, self._longest = -math.inf, 0.0  #: when any worked, and how many seconds the longest took of late
        self._lock = new_lock()

    def best(self, ranked: Sequence[str], now: float, *, anew: float = -math.inf) -> str:
        """Return the first of *ranked* that does not rest; when all are down, the one to look at next.

        That is one that was merely slow, if there is one; else the one that nobody has asked for longest: whoever ranks
        first may have died last, and another be back.  Where all were asked just now it is the
        one that has rested enough soonest, of those that nobody waits for, a look being one call's, or that nobody has
        waited for for long.  Not just now is before *anew*, when it was begun to look whether any is back.
        """
        with self._lock:
            if not all(map(self.is_down, ranked)):
                return next(name for name in ranked if not self.is_resting(name, now))
            return min(ranked, key=lambda name: self._turn(self._troubles[name], now, anew))

    def replacement(self, ranked: Sequence[str], now: float) -> str:
        """Return which of *ranked* to ask in place of one that has just failed, as if all were down."""
        with self._lock:
            return min(ranked, key=lambda name: self._turn(self._troubles.get(name, Trouble()), now))

    def take(self, name: str, now: float) -> None:
        """Take note that way *name* is used.

        One caller tries a way whose rest is over, or who may not wait for that; for the others it rests on, longer,
        until that one reports.
        """
        with self._lock:
            trouble = self._troubles.get(name)
            if trouble is not None and trouble.rests:
                trouble.look(now)

    def choose(self, ranked: Sequence[str], now: float, *, instead: bool = False, anew: float = -math.inf) -> str:
        """Return the best of *ranked* (since *anew*: see ``best``), and take note that it is used.

        *instead* says that the first is wanted in place of one that has just failed: it may be looked at early.
        """
        with self._lock:
            chosen = ranked[0] if instead and self.may_be_asked(ranked[0], now) else self.best(ranked, now, anew=anew)
            self.take(chosen, now)
            return chosen

    def is_resting(self, name: str, now: float) -> bool:
        """Return whether way *name* is left in peace."""
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.rests > 0 and trouble.until > now

    def is_down(self, name: str) -> bool:
        """Return whether way *name* had to rest, and has not worked since."""
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.rests > 0

    def others_work(self, names: Iterable[str], name: str, now: float) -> bool:
        """Return whether one of *names* other than *name* does not rest, or rests because it was slow."""
        return any(other != name and (self._is_slow(other) or not self.is_resting(other, now)) for other in names)

    def others_may(self, names: Iterable[str], name: str, now: float, *, since: float, anew: float = -math.inf) -> bool:
        """Return whether one of *names* other than *name*, which failed, could have done what was begun at *since*.

        That is one that was merely slow, or has rested enough and failed before *since*; or one of which nobody knows
        whether it is back: it was not asked since any way worked, or since *anew*, when it was begun to look whether
        any is back, or somebody looks just now.
        """
        with self._lock:
            others = [self._troubles.get(other) for other in names if other != name]
            return any(each is None or each.slow or self._may_work(each, now, since, anew) for each in others)

    def _may_work(self, trouble: Trouble, now: float, since: float, anew: float) -> bool:
        if trouble.asked < max(self._worked, anew):
            return True
        if trouble.open_since < math.inf:
            return now - trouble.open_since < min(FIRST_REST, max(LEAST_PATIENCE, 3.0 * self._longest))
        return trouble.rests > 0 and trouble.until <= now and trouble.asked < since

    def _turn(self, trouble: Trouble, now: float, anew: float = -math.inf) -> tuple[int, float, float]:
        """Return the place in the order in which ways are looked at that are all down; well ones come first."""
        if trouble.slow:
            return 0, trouble.until, 0.0
        if trouble.asked < anew or trouble.may_be_back(now, self._worked):
            return 1, trouble.asked, 0.0
        return 2, -trouble.open_since, trouble.until

    def may_be_replaced(self, name: str, names: Iterable[str], now: float) -> bool:
        """Return whether one of *names* is worth asking in place of *name*, which has just failed, or was slow."""
        return any(other != name and self.may_be_asked(other, now) for other in names)

    def may_be_asked(self, name: str, now: float) -> bool:
        """Return whether way *name*, which is wanted, may be asked: it rests as long as another one does the work.

        It does not rest, or rests because it was slow; else nobody has asked for three seconds or, since another way
        worked, nobody has looked early for three seconds.
        """
        trouble = self._troubles.get(name)
        if trouble is None or trouble.slow or not self.is_resting(name, now):
            return True
        return trouble.may_be_back(now, self._worked)

    def _is_slow(self, name: str) -> bool:
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.slow

    def worked(self, name: str, now: float, seconds: float = 0.0) -> None:
        """Take note of a success that took so many *seconds*; how long others took is forgotten little by little."""
        self._worked, self._longest = now, max(seconds, 0.99 * self._longest)
        trouble = self._troubles.get(name)
        if trouble is not None and not trouble.is_over():
            with self._lock:
                trouble.recover()

    def failed(self, name: str, now: float, *, dead: bool = False, slow: bool = False) -> None:
        """Take note of a failure; *dead* when there was nobody to talk to, *slow* when a learned limit cut it short."""
        with self._lock:
            if name not in self._troubles and len(self._troubles) >= MOST_KEPT:
                over = (other for other, trouble in self._troubles.items() if trouble.is_over())
                self._troubles.pop(next(over, next(iter(self._troubles))))
            self._troubles.setdefault(name, Trouble()).fail(now, dead=dead, slow=slow)
