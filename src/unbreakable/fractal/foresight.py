"""When a failure that comes back by a rule is due, so that it can be mended before it happens.

Three rules are looked for.  By age: what a remedy mended dies again after the same time, as a token does.  By count: it
dies after the same number of calls, as a quota does.  By the calendar: it dies at the same times, whenever it was
mended, as by a restart every night.  A life is known only by an age at which it was seen to work, and one at which it
was found dead; the truth lies between.  Pure decisions: clocks, counts and dice come in as arguments.

Whether a failure that did not happen was prevented, nobody can see.  So one due remedy in fifty is left out, at most,
and what is claimed is the share of those that were dead then, times the number of remedies that were applied in time.
"""

from __future__ import annotations

import enum
import itertools
import math
from typing import NamedTuple

LIVES = 4  # the latest, which decide
LEAST_LIVES = 2
MOST_TURNS = 100  # of a period, between two times it was seen to happen
LEAST_CALLS = 3  # in a life that is counted in calls
ALIKE = 0.1  # of the shortest, by which ages may differ
SAME = 0.02  # of the shortest, by which counts may differ, and of a period of the calendar, by which times may
EARLY = 0.98  # of the age at which it was seen to work last; then the remedy is due
PERIODS = (60.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 43_200.0, 86_400.0, 604_800.0)
LATE = 1.25  # times the longest life, after which what was left to die is alive
MOST_ABSTAINED = 0.02  # share of due remedies that are left out, as a control
ABSTAINS = 0.1  # chance of that, where the share allows it
PATIENCE = 0.05  # of a life, for which nobody else applies the remedy when somebody has begun to


class Rule(enum.StrEnum):
    """Say by what a failure comes back."""

    AGE = "age"
    COUNT = "count"
    CALENDAR = "calendar"


class Life(NamedTuple):
    """Hold how long it worked after it was mended: seconds at least, and at most; calls that succeeded."""

    least: float
    most: float
    calls: int


class Mended(NamedTuple):
    """Hold when a remedy went through last, and how many calls had succeeded by then."""

    at: float
    successes: int


NEVER = Mended(-math.inf, 0)


class Foresight:
    """Know how one sort of failure, which *remedy* mends, comes back."""

    __slots__ = (
        *("abstained", "applied", "claimed_until", "counted_at", "died", "falls", "fell_at", "lives", "missed"),
        *("remedy", "rule", "skips", "survived"),
    )

    def __init__(self, remedy: str) -> None:
        self.remedy = remedy
        self.lives: list[Life] = []
        self.falls: list[tuple[float, float]] = []  #: between which moments it happened, however it was mended before
        self.rule: Rule | None = None
        self.fell_at = self.claimed_until = self.counted_at = -math.inf
        self.skips = False  #: whether this time it is left to happen
        self.applied = self.missed = 0  #: remedies applied in time; failures that came all the same
        self.abstained = self.died = self.survived = 0  #: remedies left out; failures that came when due; that did not

    # ── what happened ────────────────────────────────────────────────────────────────────────────────────────────

    def fell(self, now: float, worked_at: float, mended: Mended, successes: int) -> Life | None:
        """Take in a failure at *now*, after calls that worked until *worked_at*; return the life that ended, if any."""
        if mended.at < self.fell_at or now <= self.fell_at:
            return None  # it was not mended since: the same failure, seen by another call
        self.fell_at, life, foreseen = now, None, self.rule is not None and not self.skips
        self.falls = [*self.falls, (worked_at, now)][-LIVES:]
        if worked_at > mended.at > -math.inf:
            life = Life(worked_at - mended.at, now - mended.at, successes - mended.successes)
            self.add(life)
        self.skips = False
        self.missed += foreseen
        self.died += life is not None and not foreseen
        if self.missed > LIVES and self.missed > self.applied / 2:
            self.forget()
        self.rule = self._rule()
        return life

    def add(self, life: Life) -> None:
        """Take in a life that may be of another process."""
        self.lives = [*self.lives, life][-LIVES:]
        self.rule = self._rule()

    def forget(self) -> None:
        """Foresee nothing more before enough is seen again."""
        self.lives, self.falls, self.rule, self.skips = [], [], None, False
        self.applied = self.missed = 0

    # ── by which rule it comes back ──────────────────────────────────────────────────────────────────────────────

    def _rule(self) -> Rule | None:
        if len(self.lives) >= LEAST_LIVES:
            if self._age() is not None:
                return Rule.AGE
            if self._calls() is not None:
                return Rule.COUNT
        return None if self._period() is None else Rule.CALENDAR

    def _age(self) -> float | None:
        """Return an age up to which it lives, None when lives differ too much."""
        shortest = min(self.lives, key=lambda life: life.most)
        longest_seen = max(life.least for life in self.lives)
        if longest_seen < shortest.most:
            return longest_seen  # one age fits them all
        longest = max(life.most for life in self.lives)
        return shortest.least if longest - shortest.most <= ALIKE * shortest.most else None

    def _calls(self) -> int | None:
        fewest, most = min(life.calls for life in self.lives), max(life.calls for life in self.lives)
        return fewest if fewest >= LEAST_CALLS and most - fewest <= SAME * fewest else None

    def _period(self) -> float | None:
        """Return the period of the calendar that all the times it happened fit, None when there is none."""
        moments = [found for _, found in self.falls]
        gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
        if len(gaps) < LEAST_LIVES or min(gaps) <= 0.0:
            return None
        fits = [each for each in PERIODS if all(_is_multiple(gap, each) for gap in gaps)]
        return max(fits, default=None)

    # ── when it is due ───────────────────────────────────────────────────────────────────────────────────────────

    def due_at(self, mended: Mended) -> float:
        """Return the moment from which a call is to apply the remedy first; -inf by count, ``math.inf`` for never."""
        if self.rule is None or mended.at < self.fell_at or mended.at == -math.inf:
            return math.inf
        if self.rule is Rule.COUNT:
            return -math.inf
        if self.rule is Rule.AGE:
            longest = LATE * max(life.most for life in self.lives)
            return mended.at + (longest if self.skips else EARLY * (self._age() or math.inf))
        period = self._period()
        if period is None:
            return math.inf
        moment = self._window(mended.at, period)
        return moment + (LATE - 1.0) * period if self.skips else moment

    def _window(self, mended_at: float, period: float) -> float:
        """Return the next moment by the calendar: from when it may, and from when it must have happened again."""
        last = self.falls[-1][1]
        turns = [round((last - found) / period) * period for _, found in self.falls]
        seen = max(fall[0] + turn for fall, turn in zip(self.falls, turns, strict=True))
        found = min(fall[1] + turn for fall, turn in zip(self.falls, turns, strict=True))
        if seen > found:
            seen, found = self.falls[-1]
        turn = math.floor((mended_at - seen) / period)
        moments = [moment + each * period for each in (turn, turn + 1, turn + 2) for moment in (seen, found)]
        return min(moment for moment in moments if moment > mended_at)

    def is_due(self, now: float, mended: Mended, successes: int) -> bool:
        """Return whether the remedy is to be applied now; nobody else is to do so for a while."""
        if now < self.due_at(mended) or now < self.claimed_until:
            return False
        if self.rule is Rule.COUNT:
            fewest = self._calls() or 0
            return successes - mended.successes >= (LATE * fewest if self.skips else fewest)
        return True

    def claim(self, now: float, mended: Mended, u: float) -> bool:
        """Return whether the remedy, which is due, is to be applied; *u*, uniform, may decide to leave it out."""
        if self.skips:  # and it did not happen
            self.survived += 1
            self.forget()
            return False
        if self.abstained + 1 <= MOST_ABSTAINED * (self.applied + self.abstained + 1) and u < ABSTAINS:
            self.abstained += 1
            self.skips = True
            return False
        self.claimed_until = now + PATIENCE * max(0.0, now - mended.at)
        return True

    def count(self, now: float) -> None:
        """Count a remedy that was applied at *now*, before it was needed; by the calendar, once in a period."""
        period = self._period() if self.rule is Rule.CALENDAR else None
        if period is None or now - self.counted_at > period / 2.0:
            self.applied += 1
            self.counted_at = now
        self.claimed_until = -math.inf

    @property
    def prevented(self) -> float:
        """Return how many failures were prevented, as far as those tell that were left to happen."""
        looked = self.died + self.survived
        return max(0, self.applied - self.missed) * self.died / looked if looked else 0.0

    def to_dict(self) -> dict[str, float | str | None]:
        """Return it JSON-ready."""
        counts = {name: getattr(self, name) for name in ("applied", "missed", "abstained", "died", "survived")}
        return {"remedy": self.remedy, "rule": self.rule and self.rule.value, **counts, "prevented": self.prevented}


def _is_multiple(gap: float, period: float) -> bool:
    """Return whether *gap* is one period, or a few."""
    times = round(gap / period)
    return 1 <= times <= MOST_TURNS and abs(gap - times * period) <= SAME * period
