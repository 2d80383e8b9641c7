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
NEAR = 16  # calls before the end of such a life, from which on each asks whether it has come
LEAST_CALLS = 3  # in a life that is counted in calls
ALIKE = 0.1  # of the shortest, by which ages may differ
SAME = 0.02  # of the shortest, by which counts may differ, and of a period of the calendar, by which times may
EARLY = 0.98  # of the age at which it was seen to work last; then the remedy is due
PERIODS = (604_800.0, 86_400.0, 43_200.0, 21_600.0, 7_200.0, 3_600.0, 1_800.0, 900.0, 600.0, 300.0, 60.0)
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
        *("abstained", "applied", "claimed_until", "died", "falls", "fell_at", "lives", "missed"),
        *("remedy", "rule", "skips", "survived"),
    )

    def __init__(self, remedy: str) -> None:
        self.remedy = remedy
        self.lives: list[Life] = []
        self.falls: list[tuple[float, float]] = []  #: between which moments it happened, however it was mended before
        self.rule: Rule | None = None
        self.fell_at = self.claimed_until = -math.inf
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
        self.missed += foreseen
        self.died += self.skips
        self.skips = False
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
        """Return the longest period of the calendar that all the times it happened fit, None when there is none."""
        if len(self.falls) <= LEAST_LIVES:
            return None
        return next((period for period in PERIODS if self._fits(period)), None)

    def _fits(self, period: float) -> bool:
        moments = [found for _, found in self.falls]
        turns = [round((later - earlier) / period) for earlier, later in itertools.pairwise(moments)]
        is_known_well = all(found - worked < period / 4.0 for worked, found in self.falls)
        if not is_known_well or not all(1 <= turn <= MOST_TURNS for turn in turns):
            return False
        worked, found = self._turned(period)
        return worked <= found + SAME * period

    def _turned(self, period: float) -> tuple[float, float]:
        """Return when it worked still, and when it was found dead, in the latest period, as all falls together tell."""
        last = self.falls[-1][1]
        turned = [round((last - found) / period) * period for _, found in self.falls]
        return (
            max(fall[0] + turn for fall, turn in zip(self.falls, turned, strict=True)),
            min(fall[1] + turn for fall, turn in zip(self.falls, turned, strict=True)),
        )

    # ── when it is due ───────────────────────────────────────────────────────────────────────────────────────────

    def near(self, mended: Mended) -> float:
        """Return after how many successes calls begin to ask for it; ``math.inf`` where no count decides."""
        if self.rule is not Rule.COUNT or mended.at < self.fell_at or mended.at == -math.inf:
            return math.inf
        return mended.successes + self._due_after() - NEAR

    def _due_after(self) -> float:
        fewest = self._calls() or 0
        return LATE * fewest if self.skips else fewest

    def due_at(self, mended: Mended, successes: int) -> float:
        """Return the moment from which a call is to apply the remedy first; -inf for now, ``math.inf`` for never."""
        if self.rule is None or mended.at < self.fell_at or mended.at == -math.inf:
            return math.inf
        if self.rule is Rule.COUNT:
            return -math.inf if successes >= self.near(mended) else math.inf
        if self.rule is Rule.AGE:
            longest = LATE * max(life.most for life in self.lives)
            return mended.at + (longest if self.skips else EARLY * (self._age() or math.inf))
        period = self._period()
        assert period is not None  # noqa: S101 - the rule says so
        moment = self._next_turn(mended.at, period)
        return moment + (LATE - 1.0) * period if self.skips else moment

    def _next_turn(self, mended_at: float, period: float) -> float:
        """Return the next moment by the calendar from which it may have happened again: just after it still worked."""
        worked, _ = self._turned(period)
        return math.nextafter(worked + math.floor((mended_at - worked) / period + 1.0) * period, math.inf)

    def is_due(self, now: float, mended: Mended, successes: int) -> bool:
        """Return whether the remedy is to be applied now; nobody else is to do so for a while."""
        if now < self.due_at(mended, successes) or now < self.claimed_until:
            return False
        return self.rule is not Rule.COUNT or successes - mended.successes >= self._due_after()

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

    def count(self) -> None:
        """Count a remedy that was applied before it was needed."""
        self.applied += 1
        self.claimed_until = -math.inf

    @property
    def prevented(self) -> float:
        """Return how many failures were prevented, as far as those tell that were left to happen."""
        died = LEAST_LIVES + self.died  # those that showed the rule have happened, too
        return max(0, self.applied - self.missed) * died / (died + self.survived)

    def to_dict(self) -> dict[str, float | str | None]:
        """Return it JSON-ready."""
        counts = {name: getattr(self, name) for name in ("applied", "missed", "abstained", "died", "survived")}
        return {"remedy": self.remedy, "rule": self.rule and self.rule.value, **counts, "prevented": self.prevented}
