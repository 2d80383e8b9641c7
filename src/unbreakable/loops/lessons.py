"""What was learned of each failure of a loop: which rung heals it, and how long a rest it needs.

A failure is known by its signature: type, code, words without details, place.  Of a rung its first try in a spell of
failures counts: it has worked when GOOD good iterations followed before the failure came back.  A spell that no rung
has healed was healed by time, and the rest before the iteration that was good says how much of it was needed.

Two things can come of that, and both are for the time before a rung's turn:

- A rung that has worked is tried as soon as the failure is there, if the time that this may save is worth its price.
  It delays no iteration.  The likeliest per cost goes first, the best order to try things in (Mitten, 1960).
- A rest is taken at once that each of the latest ALIKE spells of this failure has needed.  It may be too long by now,
  so it is paid from an account: into that goes a SHARE of the time that spells take without such a rest.  What it was
  longer than the table's rest is given back when the iteration after it fails, since the table's own would have failed,
  too.  After USES of them one spell is left to the table, to look: if it needs the rest still, all is given back.

Counts add up, so what several processes have learned can be merged; they are halved now and then, so that what has
changed is noticed.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from unbreakable.loops.rungs import Rung

MOST = 32  # failures that are remembered,
MOST_WORDS = 200  # by so many characters
MOST_TRIES = 16  # of one rung: then its counts are halved
LEAST = 0.25  # how likely a rung has to work, so that it is tried before its turn
PRICES = {Rung.SAFE_STATE_RESET: 1.0, Rung.QUANTUM_REFRESH: 4.0}  # in intervals: work that is lost, paths that are cold
ALIKE, USES = 3, 4
SHARE = 0.2
MOST_SAVED = 128.0  # intervals, on an account
SURVIVED = 1e9  # the rest of a spell that only ended in survival mode


class Choice(NamedTuple):
    """A rung to try before its turn, and why; *rest* is how many intervals it rests before the next iteration."""

    rung: Rung
    why: str
    rest: float = 0.0


class Score:
    """How often a rung was tried first, and has worked; the seconds that healing took then."""

    __slots__ = ("seconds", "tried", "worked")

    def __init__(self, tried: int = 0, worked: int = 0, seconds: float = 0.0) -> None:
        self.tried, self.worked, self.seconds = tried, worked, seconds

    @property
    def likelihood(self) -> float:
        """How likely it works the next time."""
        return (self.worked + 0.5) / (self.tried + 1.0)

    def add(self, tried: int, worked: int, seconds: float) -> None:
        """Count more tries."""
        self.tried, self.worked, self.seconds = self.tried + tried, self.worked + worked, self.seconds + seconds
        while self.tried > MOST_TRIES:
            self.tried, self.worked, self.seconds = self.tried // 2, self.worked // 2, self.seconds / 2


class Lesson:
    """What is known of one failure."""

    __slots__ = ("account", "paid", "rests", "scores", "uses")

    def __init__(self) -> None:
        self.scores: dict[Rung, Score] = {}
        self.rests: deque[float] = deque(maxlen=ALIKE)  #: that the latest spells needed which were left to the table
        self.account = 0.0  #: intervals that rests in advance may cost
        self.paid = 0.0  #: that they have cost since one was looked
        self.uses = 0  #: how many there were since

    @property
    def is_worth_keeping(self) -> bool:
        """Whether something is known to help."""
        return self.rest > 1.0 or any(score.worked for score in self.scores.values())

    @property
    def rest(self) -> float:
        """The intervals that each of the latest spells needed; 1 when that is not known."""
        return min(self.rests) if len(self.rests) == ALIKE else 1.0

    # ── what happened ────────────────────────────────────────────────────────────────────────────────────────────────

    def judge(self, rung: Rung, *, worked: bool, seconds: float = 0.0) -> None:
        """Take the verdict on *rung*; *seconds* is what healing took."""
        self.scores.setdefault(rung, Score()).add(1, int(worked), seconds)

    def healed_by_table(self, rest: float, took: float) -> None:
        """Take in a spell of *took* intervals without a rest in advance; it needed one of *rest* intervals, 1 for none.

        That is where one looks whether rests in advance were needed.
        """
        back = self.paid if rest >= self.rest else 0.0
        self.account = min(MOST_SAVED, self.account + SHARE * took + back)
        self.paid, self.uses = 0.0, 0
        self.rests.append(rest)

    def pay(self, cost: float) -> None:
        """Take a rest in advance that is longer than the table's by *cost* intervals."""
        self.account, self.paid, self.uses = self.account - cost, self.paid + cost, self.uses + 1

    def in_vain(self, cost: float) -> None:
        """Take in that the iteration after that rest has failed: nothing was lost, but a rest is not what it needs.

        Survival mode is for the time in which iterations fail.
        """
        self.account, self.paid = self.account + cost, max(0.0, self.paid - cost)
        if self.rest < SURVIVED:
            self.rests.clear()

    # ── what follows ─────────────────────────────────────────────────────────────────────────────────────────────────

    def promising(self, sooner: Mapping[Rung, float], cold: float) -> list[tuple[float, Choice]]:
        """Return what is worth being tried before its turn, each with its worth.

        *sooner* says how many intervals it is until the turn of each rung that can be; *cold* is how many a refresh
        takes.
        """
        found = []
        for rung, saved in sooner.items():
            score = self.scores.get(rung)
            if score is None or not score.worked:
                continue
            price = PRICES[rung] + (cold if rung is Rung.QUANTUM_REFRESH else 0.0)
            likely = score.likelihood
            if likely >= LEAST and likely * saved > (1.0 - likely) * price:
                times = f"{score.worked} of {score.tried} times"
                why = f"it has healed this failure {times}, and its turn is {saved:g} intervals away"
                found.append((likely / (1.0 + price), Choice(rung, why)))
        return found

    def resting(self, step: float, longest: float, turns: float) -> tuple[float, float, Choice] | None:
        """Return the rest to take at once instead of one of *step* intervals: its worth, its cost, and the choice.

        *longest* is the longest rest; survival mode looks after *turns* of them.
        """
        survives = self.rest >= SURVIVED
        rest = min(self.rest, longest)
        lasts = rest * turns if survives else rest
        cost = max(0.0, lasts - step)
        if (rest <= step and not survives) or self.uses >= USES or cost > self.account:
            return None
        rung = Rung.SURVIVAL_MODE if survives else Rung.ADAPTIVE_BACKOFF
        needed = "ended in survival mode" if survives else f"needed a rest of {rest:g} intervals"
        why = f"the latest {ALIKE} times that this failure was left to the table it {needed}"
        return ALIKE / (ALIKE + 1) / lasts, cost, Choice(rung, why, rest)


class Lessons:
    """What is known of the failures that came lately, by their signatures; ``version`` says that it has changed."""

    def __init__(self) -> None:
        self.version = 0
        self._known: dict[str, Lesson] = {}  # the one used last at the end

    def __len__(self) -> int:
        """Return how many failures are known."""
        return len(self._known)

    def find(self, signature: str) -> Lesson | None:
        """Return what is known of a failure, if anything."""
        return self._known.get(key_of(signature))

    def of(self, signature: str) -> Lesson:
        """Return the lesson of a failure, about which something was learned just now."""
        self.version += 1
        key = key_of(signature)
        lesson = self._known.pop(key, None)
        if lesson is None:
            lesson = Lesson()
            self._make_room()
        self._known[key] = lesson
        return lesson

    def every(self) -> list[tuple[str, Lesson]]:
        """Return all that is known, what came last at the end."""
        return list(self._known.items())

    def _make_room(self) -> None:
        """Let go of the oldest one, first of those that help nobody: a flood of failures drowns no lesson."""
        while len(self._known) >= MOST:
            useless = (key for key, lesson in self._known.items() if not lesson.is_worth_keeping)
            del self._known[next(useless, next(iter(self._known)))]

    # ── kept elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def text(self) -> str:
        """Return them as JSON."""
        return json.dumps([_row(key, lesson) for key, lesson in self.every()], separators=(",", ":"))

    def absorb(self, text: str) -> None:
        """Take in what ``text`` of others says; ValueError if it is no such thing."""
        rows = [_read(row) for row in _listed(json.loads(text))]
        for signature, scores, rests, (account, paid, uses) in rows:
            lesson = self.of(signature)
            for rung, score in scores:
                lesson.scores.setdefault(rung, Score()).add(*score)
            lesson.rests.extend(rests)
            lesson.account = min(MOST_SAVED, lesson.account + account)
            lesson.paid, lesson.uses = lesson.paid + paid, max(lesson.uses, int(uses))


Row = tuple[str, list[tuple[Rung, tuple[int, int, float]]], list[float], tuple[float, float, float]]


def key_of(signature: str) -> str:
    """Return by what a failure is known: the end of a long signature says most."""
    return signature[-MOST_WORDS:]


def _row(key: str, lesson: Lesson) -> list[Any]:
    scores = {
        rung.value: [score.tried, score.worked, round(score.seconds, 3)] for rung, score in list(lesson.scores.items())
    }
    return [key, scores, list(lesson.rests), round(lesson.account, 3), round(lesson.paid, 3), lesson.uses]


def _listed(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError("these are not a loop's lessons")
    return found


def _read(row: Any) -> Row:
    try:
        key, scores, rests, account, paid, uses = row
        counts = [(Rung(name), _counts(*score)) for name, score in scores.items()]
        needed = [_amount(rest) for rest in rests][-ALIKE:]
        return str(key), counts, needed, (_amount(account), _amount(paid), _amount(uses))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError("this is not a loop's lesson") from error


def _counts(tried: Any, worked: Any, seconds: Any) -> tuple[int, int, float]:
    if type(tried) is not int or type(worked) is not int or not 0 <= worked <= tried:
        raise ValueError("these are no counts")
    return tried, worked, _amount(seconds)


def _amount(number: Any) -> float:
    if not isinstance(number, (int, float)) or not math.isfinite(number) or number < 0:
        raise ValueError("this is no amount")
    return float(number)


def parsed(text: str) -> str:
    """Return *text* if it holds lessons; ValueError otherwise."""
    Lessons().absorb(text)
    return text


def in_order(choices: Iterable[tuple[float, Choice]]) -> list[Choice]:
    """Return *choices*, the worthiest first."""
    return [choice for _, choice in sorted(choices, key=lambda each: -each[0])]
