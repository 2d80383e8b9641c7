"""Which of several ways to do the same job are left in peace, since they failed lately, while another one works."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from unbreakable.runtime import new_lock

FAULTS = 3  # in a row, after which a way is left in peace; where there was nobody to talk to: at once
FIRST_REST, MOST_REST = 5.0, 60.0  # seconds; each rest without a success since is twice as long
AGAIN = 3.0  # seconds between two looks at a way that is down, where no other one works
LEAST_PATIENCE = 1.0  # seconds that a look may take; where successes take longer: three times as long as they do
CLEAR = 60.0  # seconds without a failure, after which a single one is news
MOST_KEPT = 256  # ways that failed lately


class Trouble:
    """Hold how often in a row a way has failed, how often it has rested since it worked, and until when.

    ``slow`` says that nothing worse is known of it than that it took longer than a learned limit allowed, and ``shaky``
    that it fails now and then.  ``last`` is when it last failed in earnest, in this run of failures or before, ``died``
    when it first did in this run, and ``looked`` when it was last used although it was down; ``successes`` is how often
    any way had worked by the later of ``last`` and ``looked``.  ``early`` is when it was last used before it had rested
    enough.  ``open_since`` is when that look at it began of which nothing has come since; nobody looks: ``math.inf``.
    """

    faults: int = 0
    rests: int = 0
    until: float = -math.inf
    last: float = -math.inf
    died: float = -math.inf
    looked: float = -math.inf
    early: float = -math.inf
    open_since: float = math.inf
    successes: int = 0
    shaky: bool  # nobody asks before the first failure in earnest
    slow: bool = True

    def rest(self, now: float) -> None:
        """Begin a rest, or a longer one."""
        self.until = max(self.until, now + min(MOST_REST, FIRST_REST * 2.0 ** min(10, self.rests - 1)))

    def fail(self, now: float, successes: int) -> None:
        """Take in a failure in earnest."""
        if self.slow:
            self.shaky, self.died = now - self.last < CLEAR, now
        self.last, self.successes, self.slow = now, successes, False

    def look(self, now: float, successes: int) -> None:
        """Take in that it is used although it is down; who looked before another way worked is not waited for."""
        if successes != self.successes:
            self.open_since = math.inf
        self.open_since = min(self.open_since, now)
        self.looked, self.successes = now, successes
        if self.until > now:
            self.early = now
        else:
            self.rests += 1
            self.rest(now)

    def recover(self) -> None:
        """Begin anew; when it failed last is remembered."""
        self.faults, self.rests, self.until, self.slow, self.open_since = 0, 0, -math.inf, True, math.inf

    def is_over(self) -> bool:
        """Return whether it worked since it failed."""
        return self.faults == 0

    def seems_dead(self) -> bool:
        """Return whether no success is expected, even of one that fails now and then.

        Of one that was well for a minute a single failure says so, of another one six in a row.
        """
        return not self.slow and (self.faults >= 2 * FAULTS or not self.shaky)

    def is_alone(self, now: float, successes: int) -> bool:
        """Return whether nobody has asked for a while; since another way worked, whether nobody has looked early."""
        return now - (self.early if successes != self.successes else max(self.last, self.looked)) >= AGAIN


class Rests:
    """Remember which ways rest, each by its name; moments are the caller's *now*, in seconds.

    >>> endpoints = Rests()
    >>> for _ in range(3):
    ...     endpoints.failed("a", now=0.0)
    >>> endpoints.choose(["a", "b"], now=1.0), endpoints.choose(["a", "b"], now=6.0)
    ('b', 'a')
    """

    __slots__ = ("_lock", "_longest", "_successes", "_troubles", "_under_way")

    def __init__(self) -> None:
        self._troubles: dict[str, Trouble] = {}  #: of the ways that failed, of late or not so long ago
        self._successes, self._longest = 0, 0.0  #: how many there were, and how many seconds the longest took of late
        self._under_way: dict[str, dict[object, float]] = {}  #: by way when what is not over yet began, oldest first
        self._lock = new_lock()

    def best(self, ranked: Sequence[str], now: float, *, anew: float = -math.inf) -> str:
        """Return the first of *ranked* that does not rest; when all are down, the one to look at next.

        That is one that was merely slow, if there is one, or fails now and then; else the one that nobody has asked for
        longest: whoever ranks first may have died last, and another be back.  Where all were asked just now it is one
        that was well within the last minute: the one that has rested enough soonest, of those that nobody waits for, a
        look being one call's, or that nobody has waited for for long.  Not just now is before *anew*, when it was begun
        to look whether any is back.
        """
        with self._lock:
            if not all(map(self.is_down, ranked)):
                return next(name for name in ranked if not self.is_resting(name, now))
            return min(ranked, key=lambda name: self._turn(self._troubles[name], now, anew))

    def replacement(self, ranked: Sequence[str], now: float) -> str:
        """Return which of *ranked* to ask in place of one that has just failed.

        That is the first that neither rests nor seems dead, else the one to look at next, as if all were down.
        """
        with self._lock:
            troubles = {name: self._troubles.get(name, Trouble()) for name in ranked}
            well = (name for name in ranked if not (self.is_resting(name, now) or troubles[name].seems_dead()))
            return next(well, None) or min(ranked, key=lambda name: self._turn(troubles[name], now))

    def take(self, name: str, now: float) -> None:
        """Take note that way *name* is used.

        One caller tries a way whose rest is over, or who may not wait for that; for the others it rests on, longer,
        until that one reports.
        """
        with self._lock:
            trouble = self._troubles.get(name)
            if trouble is not None and trouble.rests:
                trouble.look(now, self._successes)

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
        return trouble is not None and trouble.until > now

    def may_work(self, name: str, now: float, since: float) -> bool:
        """Return whether way *name*, as far as is known, could have done what was begun at *since*.

        It has not failed since it worked, or was merely slow; or it has rested enough, failed before *since*, and keeps
        nobody waiting for longer than it takes.
        """
        trouble = self._troubles.get(name)
        if trouble is None or trouble.slow:
            return True
        return trouble.rests > 0 and trouble.until <= now and trouble.last < since and not self._in_vain(trouble, now)

    def others_may(self, names: Iterable[str], name: str, now: float, *, since: float, anew: float = -math.inf) -> bool:
        """Return whether one of *names* other than *name*, which failed, could have done what was begun at *since*.

        Where *name* seems dead, or rests, that is also one that rests: nobody knows whether it is back, if it was not
        asked since any way worked, or since *anew*, when it was begun to look whether any is back.
        """
        trouble = self._troubles.get(name)
        hopes = trouble is not None and not trouble.slow and (trouble.rests > 0 or trouble.seems_dead())
        return any(
            self.may_work(other, now, since) or (hopes and self._may_be_back(other, now, anew))
            for other in names
            if other != name
        )

    def _may_be_back(self, name: str, now: float, anew: float) -> bool:
        trouble = self._troubles[name]  # of others it is known that they may work
        if trouble.successes != self._successes or max(trouble.last, trouble.looked) < anew:
            return True
        return trouble.open_since <= now and not self._in_vain(trouble, now)

    def _in_vain(self, trouble: Trouble, now: float) -> bool:
        """Return whether somebody who looks at a way waits for longer than it would take if it were back."""
        return now - trouble.open_since >= min(FIRST_REST, max(LEAST_PATIENCE, 3.0 * self._longest))

    def _turn(self, trouble: Trouble, now: float, anew: float = -math.inf) -> tuple[float, ...]:
        """Return the place in the order in which ways are looked at that are all down."""
        if trouble.slow:
            return 0, trouble.until
        if not (trouble.seems_dead() or self._in_vain(trouble, now)):
            return 1, trouble.until
        asked = max(trouble.last, trouble.looked)
        if asked < anew or trouble.is_alone(now, self._successes):
            return 2, asked
        # A herd asks who was well lately, and not who has been dead for long, which is looked at often enough above.
        is_hopeless = now - trouble.died >= CLEAR or self._in_vain(trouble, now)
        is_open = trouble.open_since < math.inf
        return 3, is_hopeless, is_open, -trouble.died if is_open else trouble.until

    def is_well(self, name: str) -> bool:
        """Return whether way *name* has worked since it failed last."""
        trouble = self._troubles.get(name)
        return trouble is None or trouble.is_over()

    def failed_once(self, name: str) -> bool:
        """Return whether way *name* had worked until it failed in earnest, once, and nothing is known of it since."""
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.faults == 1 and not trouble.slow and not trouble.rests

    def is_down(self, name: str) -> bool:
        """Return whether way *name* had to rest, and has not worked since."""
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.rests > 0

    def others_work(self, names: Iterable[str], name: str, now: float) -> bool:
        """Return whether one of *names* other than *name* does not rest, or rests because it was slow."""
        return any(other != name and (self._is_slow(other) or not self.is_resting(other, now)) for other in names)

    def may_be_replaced(self, name: str, names: Iterable[str], now: float) -> bool:
        """Return whether one of *names* is worth asking in place of *name*, which has just failed.

        It does not rest, or rests because it was slow; or, where *name* seems dead, or was cut as too slow, nobody has
        asked since any worked, or for three seconds: it rests as long as another one does the work.
        """
        trouble = self._troubles.get(name)
        if trouble is None or not (trouble.slow or trouble.seems_dead()):
            return self.others_work(names, name, now)
        return any(other != name and self.may_be_asked(other, now) for other in names)

    def may_be_asked(self, name: str, now: float) -> bool:
        """Return whether way *name*, which is wanted, may be asked, even if it rests: then once in three seconds."""
        trouble = self._troubles.get(name)
        if trouble is None or trouble.slow or not self.is_resting(name, now):
            return True
        return trouble.is_alone(now, self._successes)

    def _is_slow(self, name: str) -> bool:
        trouble = self._troubles.get(name)
        return trouble is not None and trouble.slow

    def worked(self, name: str, seconds: float = 0.0) -> None:
        """Take note of a success that took so many *seconds*; how long others took is forgotten little by little."""
        self._successes += 1
        self._longest = max(seconds, 0.99 * self._longest)
        trouble = self._troubles.get(name)
        if trouble is not None and not trouble.is_over():
            with self._lock:
                trouble.recover()

    def begin(self, name: str, now: float) -> object:
        """Take note that something begins by way *name*; return what stands for it."""
        one = object()
        with self._lock:
            self._under_way.setdefault(name, {})[one] = now
        return one

    def end(self, name: str, one: object) -> None:
        """Take note that *one* is over, however."""
        with self._lock:
            under_way = self._under_way.get(name, {})
            under_way.pop(one, None)
            if not under_way:
                self._under_way.pop(name, None)

    def look_at(self, name: str, now: float, *, patience: float) -> None:
        """Take each that has been out by way *name* for longer than *patience* for a failure by slowness, once.

        So a way where all hangs is left in peace although none has failed yet.
        """
        with self._lock:
            out = self._under_way.get(name, {})
            late = list(itertools.takewhile(lambda one: now - out[one] > patience, out))
            for one in late:
                del out[one]
        for _ in late:
            self.failed(name, now, slow=True)

    def late(self, name: str) -> None:
        """Take note that way *name* takes longer than a learned limit says; it may answer yet."""
        with self._lock:
            self._make_room(name)
            self._troubles.setdefault(name, Trouble())

    def _make_room(self, name: str) -> None:
        if name not in self._troubles and len(self._troubles) >= MOST_KEPT:
            over = (other for other, trouble in self._troubles.items() if trouble.is_over())
            self._troubles.pop(next(over, next(iter(self._troubles))))

    def failed(self, name: str, now: float, *, dead: bool = False, slow: bool = False) -> None:
        """Take note of a failure; *dead* when there was nobody to talk to, *slow* when a learned limit cut it short."""
        with self._lock:
            self._make_room(name)
            trouble = self._troubles.setdefault(name, Trouble())
            trouble.faults, trouble.open_since = trouble.faults + 1, math.inf
            if not slow:
                trouble.fail(now, self._successes)
            if dead or trouble.faults >= FAULTS or trouble.rests:
                trouble.rests = trouble.rests or 1
                trouble.rest(now)
