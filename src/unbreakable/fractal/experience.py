"""What was learned of each sort of failure: what works against it, and whether anything does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from unbreakable.fractal.cases import (
    DARK,
    DOUBTED,
    FEW,
    NO_NEWS,
    NOTHING,
    SAID,
    SURE_ENOUGH,
    TRUSTED,
    Case,
    Score,
    draw,
    in_turn,
    is_proven,
    may_help,
    most_promising,
    name_of,
    prior_of,
    reason,
    until_final,
)
from unbreakable.fractal.pile import Pile, taken
from unbreakable.fractal.remedies import GIVE_UP, WAIT, Remedy
from unbreakable.runtime import new_lock

if TYPE_CHECKING:  # most nodes have nothing to foresee
    from unbreakable.fractal.outlook import Outlook

Row: TypeAlias = "list[Any]"
Try: TypeAlias = "tuple[int, int, float]"  # how often something worked and did not, and the seconds that took

MOST_SIGNATURES = 51  # the latest; what is kept of one takes some 500 bytes
MOST_UNHELPED = 24  # of them, against which only waiting has helped, if anything
MOST_FRESH = 64  # verdicts that wait until somebody asks: to take in several alike costs little more than one
MOST_SCORES = 256  # of remedies, over all signatures
EXPLORE = 0.05  # share of first choices that may go to what is not known to be best
GONE = 0.835  # how likely repeats have to be in vain, so that there are none: 5 calls in a row, or 2 that say why
LOOK = 20  # of so many calls for which nothing more is done, one looks whether that is in vain still


WAITING = name_of(None), prior_of(None)
NOT_YET: Mapping[str, int] = {}


class Choice(NamedTuple):
    """What is to be tried, None for waiting or nothing; why; whether its call looks if what was in vain helps now."""

    remedy: Remedy | None
    why: str
    looks: bool | None = None


NO_USE = "nothing at hand promises to help"


class Owed(NamedTuple):
    """Say which remedy was applied for the next call, when, after how many successes; and whether none had helped."""

    remedy: Remedy
    at: float
    successes: int
    is_lasting: bool


class Experience:
    """How often each remedy worked for each signature: bounded, fading; what is new are counts, which add up.

    Choices follow the cheapest way to a success: what is known to work goes by its likelihood per cost, which is the
    best order to try things in (Mitten, "An Analytic Solution to the Least Cost Testing Sequence Problem", 1960); what
    was never tried by what is believed of it.  One first choice in twenty may be Thompson's (1933): each share is drawn
    from what is known of it, and the best draw is tried.
    """

    _fresh = Pile[tuple[str, str, float, bool, float]]()  # verdicts that are not yet

    def __init__(self) -> None:
        self._taken_in: dict[str, Case] = {}  # the one used last at the end
        self._owed: dict[str, Owed] = {}  # verdicts that only the next failure can give
        self._lasting: dict[str, bool] = {}  # whether nothing has succeeded between the latest two failures
        self._scores = 0
        self._lock = new_lock()
        self._may_be_in_vain = False  # whether it was ever learned of any that repeats are, or may be
        self.is_grim = False  #: whether there is a signature against which no repeat has helped
        self.outlook: Outlook | None = None  #: when failures come back, once something has been mended
        self.foreseen = math.inf  #: the moment from which calls have to ask it what is due
        self.counted = math.inf  #: the number of successes from which they have to
        self.worked_at = -math.inf  #: when an attempt by the script began that succeeded

    # ── what works ───────────────────────────────────────────────────────────────────────────────────────────────

    def update(self, signature: str, remedy: Remedy | None, *, worked: bool, seconds: float = 0.0) -> None:
        """Take the verdict of the attempt after *remedy* (None: after waiting), a try that took *seconds*."""
        name, prior = WAITING if remedy is None else (remedy.name, remedy.prior)
        self._fresh.append((signature, name, prior, worked, seconds))
        if len(self._fresh) >= MOST_FRESH:
            self._catch_up()

    def blame(self, signature: str, remedy: Remedy | None, seconds: float) -> None:
        """Take in a call that was lost in another way than *signature* after *remedy*, a try that took *seconds*.

        That is a miss, so that others have their turn; but none that it is passed over for, where nothing else helps:
        the call may have been lost all the same.
        """
        if self.value(signature, remedy) >= DOUBTED:
            self.update(signature, remedy, worked=False, seconds=seconds)

    def owe(self, signature: str, remedy: Remedy, now: float, successes: int) -> None:
        """Remember that *remedy* was applied *now*, after so many *successes*, with no attempt after it to judge it."""
        for known in (self._owed, self._lasting):
            if len(known) >= MOST_SIGNATURES:
                known.clear()
        self._owed[signature] = Owed(remedy, now, successes, is_lasting=self._lasting.pop(signature, False))

    def settle(self, signature: str, began: float, count: Callable[[], int]) -> None:
        """Judge what is owed by the next failure of that *signature*, of an attempt that *began* after it.

        A success in between is its doing only where there had been none since the failure before it: else others may
        succeed all the time.
        """
        owed = self._owed.get(signature)
        if owed is not None and began >= owed.at and self._owed.pop(signature, None) is owed:
            has_worked = count() > owed.successes
            self._lasting[signature] = not has_worked
            if owed.is_lasting or not has_worked:
                self.update(signature, owed.remedy, worked=has_worked)

    @property
    def _cases(self) -> dict[str, Case]:
        if vars(self).get("_fresh"):
            self._catch_up()
        return self._taken_in

    def _catch_up(self) -> None:
        with self._lock:
            for (signature, name, prior), alike in groupby(taken(self._fresh), key=itemgetter(0, 1, 2)):
                tries = [(int(worked), int(not worked), seconds) for *_, worked, seconds in alike]
                self._take(signature, name, prior, tries, is_news=True)

    def _give_up(self, signature: str, prior: float, *, right: bool) -> None:
        """Take the verdict on giving up; others are told of it only where the target says so: it may be an outage."""
        with self._lock:
            self._catch_up()
            self._take(signature, GIVE_UP, prior, [(int(right), int(not right), 0.0)], is_news=prior >= SAID)

    def absorb(self, lessons: Iterable[Row], lives: Iterable[Row]) -> None:
        """Take in what is known elsewhere."""
        with self._lock:
            self._catch_up()
            for signature, name, prior, worked, failed, micros in lessons:
                if name == GIVE_UP and prior < SAID:
                    continue  # was told by an older version
                self._take(signature, name, prior, [(worked, failed, micros / 1e6)], is_news=False)
        self._look_back()
        for signature, remedy, *life in lives:
            self.looks_ahead().recall(signature, remedy, life)

    def take_news(self) -> tuple[list[Row], list[Row]]:
        """Return the lessons and the lives since last time, as far as they are still known."""
        with self._lock:
            lessons = [[signature, *row] for signature, case in self._cases.items() for row in case.take_news()]
        return lessons, [] if self.outlook is None else self.outlook.take_news()

    def looks_ahead(self) -> Outlook:
        """Return the outlook, made when it is first needed."""
        from unbreakable.fractal.outlook import Outlook

        with self._lock:
            self.outlook = self.outlook or Outlook()
        return self.outlook

    def look_ahead(self, successes: int) -> None:
        """See from when on calls have to ask what is due, the target having had so many *successes*."""
        outlook = self.looks_ahead()
        self.foreseen, self.counted = outlook.next(successes), outlook.near(successes)

    def _case(self, signature: str) -> Case:
        case = self._taken_in.pop(signature, None)
        if case is None:
            case = Case()
            self._make_room()
        self._taken_in[signature] = case
        return case

    def _make_room(self) -> None:
        """Let go of the oldest case, first of those that are not worth keeping: a flood of errors drowns no lesson."""
        cases = self._taken_in
        unhelped = [signature for signature, case in cases.items() if not case.is_worth_keeping]
        while len(unhelped) >= MOST_UNHELPED or len(cases) >= MOST_SIGNATURES or self._scores >= MOST_SCORES:
            oldest = unhelped.pop(0) if unhelped else next(iter(cases))
            self._scores -= len(cases.pop(oldest))

    def _take(self, signature: str, name: str, prior: float, tries: Sequence[Try], *, is_news: bool) -> None:
        case = self._case(signature)
        score = case.score(name)
        if score is None:
            score = Score(prior)
            self._scores += 1
            self._may_be_in_vain = self._may_be_in_vain or name == GIVE_UP
        score.learn(tries)
        worked, failed, seconds = map(sum, zip(*tries, strict=True))
        case.put(name, score, (worked, failed, seconds) if is_news else NO_NEWS)
        case.is_worth_keeping = case.is_worth_keeping or (worked > 0 and name not in (WAIT, GIVE_UP))

    def value(self, signature: str, remedy: Remedy | None) -> float:
        """Return how likely *remedy* is to work for *signature*."""
        return self._cases.get(signature, NOTHING).estimate(remedy)

    def trusts(self, signature: str, remedy: Remedy | None) -> bool:
        """Return whether *remedy* is more likely to work for *signature* than not."""
        return self.value(signature, remedy) >= TRUSTED

    def surely_mends(self, signature: str, remedy: Remedy) -> bool:
        """Return whether *remedy* mends what has that *signature*, and not by chance; at first it is believed."""
        score = self._cases.get(signature, NOTHING).score(remedy.name)
        if score is None or score.value() >= SURE_ENOUGH:
            return True
        return score.tried < FEW and score.value() >= TRUSTED

    def is_known_to_work(self, signature: str, remedy: Remedy) -> bool:
        """Return whether *remedy* was seen to work for *signature* lately, more often than not."""
        return is_proven(self._cases.get(signature, NOTHING), remedy)

    def choose(
        self,
        signature: str,
        candidates: Sequence[Remedy],
        dice: Callable[[], float],
        tried: Mapping[str, int] = NOT_YET,
        *,
        can_wait: bool = True,
        is_judged: bool = True,
        looks: bool | None = None,
    ) -> Choice:
        """Return the most promising candidate, None for waiting or for nothing, and why.

        Of the candidates those are asked that were *tried* least often in this call; waiting is one of them unless
        nobody repeats such a failure for having waited.  Where it is not, those without hope are passed over when it
        is their turn, but for one call in twenty, which *looks* whether they help by now (None: this call was not asked
        yet).  What *is_judged* by no attempt after it is never passed over, and nobody waits before none.
        """
        case = self._cases.get(signature, NOTHING)
        left, final = until_final(candidates, tried)
        waits = can_wait and is_judged and final is None
        turn = in_turn(left, tried)
        if turn and is_judged and not waits and not any(may_help(case, each, tried) for each in turn):
            looks = not self._is_denied(case) if looks is None else looks
            left = [each for each in left if may_help(case, each, tried) or (looks and not tried.get(each.name))]
            turn = in_turn(left, tried)
        pool: list[Remedy | None] = [*turn, *[None] * waits]
        if not pool:
            return Choice(final, NO_USE if final is None else "the remedies before it were tried, if any", looks)
        best = most_promising(case, pool)
        is_doubted = looks and best is not None and not may_help(case, best, tried)
        why = reason(case, best) + "; to see whether it does now" * bool(is_doubted)
        if case is NOTHING or tried or len(pool) < 2:
            return Choice(best, why, looks)
        with self._lock:
            case.credit = min(1.0, case.credit + EXPLORE)
            if case.credit < 1.0:
                return Choice(best, why, looks)
            drawn = max(pool, key=lambda option: draw(case, option, dice))
            case.credit -= drawn is not best
        if drawn is not best:
            why = reason(case, drawn) + "; to see whether it is the better one"
        return Choice(drawn, why, looks)

    def _is_denied(self, case: Case) -> bool:
        """Return whether a call does without what has been in vain; each twentieth one looks again."""
        with self._lock:
            case.denied += 1
            return case.denied % LOOK > 0

    # ── whether anything works ───────────────────────────────────────────────────────────────────────────────────

    def lost(self, signature: str, successes: int) -> None:
        """Take in a call that failed by *signature* after repeats; the target has had so many *successes* by now."""
        with self._lock:
            self._catch_up()
            case = self._case(signature)
            case.lose(successes)
        if case.dark <= max(DARK.values()):
            from unbreakable.fractal.wording import is_final

            is_said = is_final(signature)
            if case.dark <= DARK[is_said]:
                self._give_up(signature, SAID if is_said else 0.5, right=True)
        if case.in_vain(successes) >= GONE:
            self.is_grim = case.is_worth_keeping = True

    def healed(self, signatures: Iterable[str]) -> None:
        """Take in a call that succeeded after failures of these *signatures*: it was right not to give up."""
        for signature in signatures if self._may_be_in_vain else ():
            case = self._taken_in.get(signature, NOTHING)  # that is all: what is fresh says nothing of giving up
            score = case.score(GIVE_UP)
            if score is not None:
                case.dark = 0
                score.relieve()
                case.put(GIVE_UP, score)
                self._give_up(signature, score.prior, right=False)
                self._look_back()

    def _look_back(self, successes: int | None = None) -> None:
        with self._lock:
            cases = list(self._cases.values())
            gone = [case for case in cases if case.in_vain(case.seen if successes is None else successes) >= GONE]
            self.is_grim = bool(gone)
            for case in gone:
                case.is_worth_keeping = True

    def gives_up(self, signature: str, candidates: Sequence[Remedy], successes: Callable[[], int]) -> bool | None:
        """Return whether there is no repeat where all are in vain; None where they are not.

        Each twentieth call looks again.
        """
        case = self._cases.get(signature, NOTHING)
        if not self.is_grim:
            return None
        so_far = successes()
        if case.in_vain(so_far) < GONE or case.is_hopeful(candidates):
            self._look_back(so_far)
            return None
        if not self._is_denied(case):
            return False
        with self._lock:
            case.deny(so_far)
        return True

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────

    def to_dict(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return by signature and remedy how often it was tried and worked, as far as not faded, and the estimate."""
        with self._lock:
            return {
                signature: {
                    name: {"tried": score.tried, "worked": score.worked, "estimate": score.value()}
                    for name, score in case.scores().items()
                }
                for signature, case in self._cases.items()
            }

    def __len__(self) -> int:
        """Return how many signatures are known."""
        return len(self._cases)
