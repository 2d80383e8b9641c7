"""What was learned of each sort of failure: what works against it, and whether anything does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from unbreakable.fractal.cases import (
    DARK,
    NOTHING,
    TRUSTED,
    Case,
    Score,
    draw,
    most_promising,
    name_of,
    prior_of,
    reason,
    times,
)
from unbreakable.fractal.remedies import GIVE_UP, Remedy
from unbreakable.runtime import new_lock

if TYPE_CHECKING:  # most nodes have nothing to foresee
    from unbreakable.fractal.outlook import Outlook

Row: TypeAlias = "list[Any]"

MOST_SIGNATURES = 64  # the latest; what is kept of one takes some 700 bytes
MOST_SCORES = 256  # of remedies, over all signatures
MOST_NEWS = 64  # of either sort, that wait to be handed to the memory
EXPLORE = 0.05  # share of first choices that may go to what is not known to be best
GONE = 0.84  # how likely repeats have to be in vain, so that there are none: 5 calls in a row, or 2 that say why
PROBE = 0.05  # share of calls that look whether repeats are in vain still


NOT_YET: Mapping[str, int] = {}


class Experience:
    """How often each remedy worked for each signature: bounded, fading; what is new are counts, which add up.

    Choices follow the cheapest way to a success: what is known to work goes by its likelihood per cost, which is the
    best order to try things in (Mitten, "An Analytic Solution to the Least Cost Testing Sequence Problem", 1960); what
    was never tried by what is believed of it.  One first choice in twenty may be Thompson's (1933): each share is drawn
    from what is known of it, and the best draw is tried.
    """

    def __init__(self) -> None:
        self._cases: dict[str, Case] = {}  # the one used last at the end
        self._scores = 0
        self._news: dict[tuple[str, str], Row] = {}
        self._lock = new_lock()
        self.is_grim = False  #: whether there is a signature against which no repeat has helped
        self.tells = False  #: whether somebody takes the news
        self.outlook: Outlook | None = None  #: when failures come back, once something has been mended
        self.foreseen = math.inf  #: the moment from which calls have to ask it what is due
        self.worked_at = -math.inf  #: when an attempt by the script began that succeeded

    # ── what works ───────────────────────────────────────────────────────────────────────────────────────────────

    def update(self, signature: str, remedy: Remedy | None, *, worked: bool, seconds: float = 0.0) -> None:
        """Take the verdict of the attempt after *remedy* (None: after waiting), a try that took *seconds*."""
        self._learn(signature, name_of(remedy), prior_of(remedy), worked, seconds)

    def _learn(self, signature: str, name: str, prior: float, worked: bool, seconds: float = 0.0) -> None:
        with self._lock:
            self._score(signature, name, prior).learn(worked, not worked, seconds)
            if not self.tells:
                return
            row = self._news.setdefault((signature, name), [signature, name, prior, 0, 0, 0])
            row[3 if worked else 4] += 1
            row[5] += round(1e6 * seconds)
            while len(self._news) > MOST_NEWS:
                del self._news[next(iter(self._news))]

    def absorb(self, lessons: Iterable[Row], lives: Iterable[Row]) -> None:
        """Take in what is known elsewhere."""
        with self._lock:
            for signature, name, prior, worked, failed, micros in lessons:
                self._score(signature, name, prior).learn(worked, failed, micros / 1e6)
        self._look_back()
        for signature, remedy, *life in lives:
            self.looks_ahead().recall(signature, remedy, life)

    def take_news(self) -> tuple[list[Row], list[Row]]:
        """Return the lessons and the lives since last time, the newest 64 of each."""
        with self._lock:
            lessons, self._news = list(self._news.values()), {}
        return lessons, [] if self.outlook is None else self.outlook.take_news()

    def looks_ahead(self) -> Outlook:
        """Return the outlook, made when it is first needed."""
        from unbreakable.fractal.outlook import Outlook

        with self._lock:
            self.outlook = self.outlook or Outlook()
        return self.outlook

    def _case(self, signature: str) -> Case:
        case = self._cases.pop(signature, None) or Case()
        self._cases[signature] = case
        while len(self._cases) > MOST_SIGNATURES or (self._scores > MOST_SCORES and len(self._cases) > 1):
            oldest = next(iter(self._cases))
            self._scores -= len(self._cases.pop(oldest).scores)
        return case

    def _score(self, signature: str, name: str, prior: float) -> Score:
        case = self._case(signature)
        score = case.scores.get(name)
        if score is None:
            score = case.scores[name] = Score(prior)
            self._scores += 1
        return score

    def value(self, signature: str, remedy: Remedy | None) -> float:
        """Return how likely *remedy* is to work for *signature*."""
        return self._cases.get(signature, NOTHING).estimate(remedy)

    def trusts(self, signature: str, remedy: Remedy | None) -> bool:
        """Return whether *remedy* is more likely to work for *signature* than not."""
        return self.value(signature, remedy) >= TRUSTED

    def choose(
        self,
        signature: str,
        candidates: Sequence[Remedy],
        dice: Callable[[], float],
        tried: Mapping[str, int] = NOT_YET,
    ) -> tuple[Remedy | None, str]:
        """Return the most promising candidate, None for waiting, and why.

        Of the candidates those are asked that were *tried* least often in this call.
        """
        least = min((times(option, tried) for option in candidates), default=0)
        pool = [*(option for option in candidates if times(option, tried) == least), None]
        case = self._cases.get(signature, NOTHING)
        best = most_promising(case, pool)
        if case is NOTHING or least or len(pool) < 2:
            return best, reason(case, best)
        with self._lock:
            case.credit = min(1.0, case.credit + EXPLORE)
            if case.credit < 1.0:
                return best, reason(case, best)
            drawn = max(pool, key=lambda option: draw(case, option, dice))
            case.credit -= drawn is not best
        return drawn, reason(case, drawn) + ("" if drawn is best else "; to see whether it is the better one")

    # ── whether anything works ───────────────────────────────────────────────────────────────────────────────────

    def lost(self, signature: str, successes: int) -> None:
        """Take in a call that failed by *signature* after repeats; the target has had so many *successes* by now."""
        with self._lock:
            case = self._case(signature)
            case.seen, case.dark = successes, case.dark + 1 if case.seen == successes else 1
        if case.dark <= DARK:
            from unbreakable.fractal.wording import is_final

            self._learn(signature, GIVE_UP, 0.75 if is_final(signature) else 0.5, worked=True)
        self._look_back()

    def healed(self, signatures: Iterable[str]) -> None:
        """Take in a call that succeeded after failures of these *signatures*: it was right not to give up."""
        for signature in signatures:
            score = self._cases.get(signature, NOTHING).scores.get(GIVE_UP)
            if score is not None:
                self._cases[signature].dark = 0
                score.relieve()
                self._learn(signature, GIVE_UP, score.prior, worked=False)
                self._look_back()

    def _look_back(self) -> None:
        with self._lock:
            self.is_grim = any(case.in_vain(case.seen) >= GONE for case in self._cases.values())

    def gives_up(
        self, signature: str, candidates: Sequence[Remedy], successes: Callable[[], int], dice: Callable[[], float]
    ) -> str | None:
        """Return why there is to be no repeat; None where there is one, be it to see whether it is in vain still."""
        case = self._cases.get(signature, NOTHING)
        if GIVE_UP not in case.scores or case.in_vain(successes()) < GONE or case.is_hopeful(candidates):
            return None
        if dice() < PROBE:
            return None
        return "no repeat has helped against this, call after call"

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def to_dict(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return by signature and remedy how often it was tried and worked, as far as not faded, and the estimate."""
        with self._lock:
            return {
                signature: {
                    name: {"tried": score.tried, "worked": score.worked, "estimate": score.value()}
                    for name, score in case.scores.items()
                }
                for signature, case in self._cases.items()
            }

    def __len__(self) -> int:
        """Return how many signatures are known."""
        return len(self._cases)
