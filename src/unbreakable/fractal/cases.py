"""What is known of one sort of failure, and what that says of the remedies against it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from sys import intern
from typing import Any

from unbreakable.fractal.remedies import GIVE_UP, WAIT, Remedy
from unbreakable.stats.beta import drawn

WEIGHT = 2.0  # trials that a first belief is worth
FORGET = 0.95  # what each new experience leaves of the older ones
MOST_TRIALS = 20  # that are remembered; more would take long to be unlearned
SURE = 0.8  # how likely a remedy has to be to work, so that a failure is a surprise
SURPRISE = 0.5  # what a surprise leaves of the successes before it
TRUSTED = 0.5  # how likely a remedy has to be to work, so that it need not be doubted
SURE_ENOUGH = 0.9  # how likely a remedy has to be to work, so that it does not work by chance
FEW = 10.0  # tries, of which one that is unlucky says little: the attempt may have begun before it was mended
PROVEN = 0.5  # successes remembered, from which on a remedy counts as known to work
TRY_COST = 0.5  # seconds that a try costs besides the time it takes: a failed attempt is never free
HOPEFUL = 0.2  # how likely any remedy has to be to work, so that there are repeats all the same
DOUBTED = 0.25  # how likely a remedy has to be to work, so that a call lost in another way counts: hope stays after it
SAID = 0.75  # how likely repeats are in vain before it was tried, where the target says so itself
DARK = {True: 2, False: 1}  # lost calls that count for long, of those between two successes: an outage is no proof
HEALTH = 200.0  # successes of the target that leave half of the evidence that repeats are in vain, unless it says so
LATEST, USUAL_GAPS = 0.2, 4.0  # what the latest gap between lost calls counts; such gaps that say nothing of health
RELIEF = 0.25  # what a call that was healed leaves of the evidence that none can be, or not by what did it


KNOWN = 4  # numbers that a score consists of
NO_NEWS = (0, 0, 0.0)  # how often it worked and did not, and the seconds that took


class Score:
    """Know how often a remedy worked for a signature, lately, and what a try with it costs in seconds."""

    __slots__ = ("prior", "seconds", "tried", "worked")

    def __init__(self, prior: float, worked: float = 0.0, tried: float = 0.0, seconds: float = 0.0) -> None:
        self.prior, self.worked, self.tried, self.seconds = prior, worked, tried, seconds

    def learn(self, tries: Iterable[tuple[int, int, float]]) -> None:
        """Take in *tries*: how many worked, how many failed and their seconds together; older ones fade each time."""
        believed = self.prior * WEIGHT
        good, all_, spent = self.worked, self.tried, self.seconds
        for worked, failed, seconds in tries:
            likely, tried = (good + believed) / (all_ + WEIGHT), worked + failed
            if failed > worked and likely > SURE:
                good, all_ = good - SURPRISE * good, all_ - SURPRISE * good
            elif worked > failed and likely < HOPEFUL:
                good, all_, spent = RELIEF * good, RELIEF * all_, RELIEF * spent
            left = FORGET if tried == 1 else FORGET ** min(MOST_TRIALS, tried)
            good, all_, spent = left * good + worked, left * all_ + tried, left * spent + seconds
            if all_ > MOST_TRIALS:
                share = MOST_TRIALS / all_
                good, all_, spent = share * good, share * all_, share * spent
        self.worked, self.tried, self.seconds = good, all_, spent

    @property
    def is_said(self) -> bool:
        """Return whether it is of giving up, and the target says so itself."""
        return self.prior >= SAID

    def relieve(self) -> None:
        """Forget most of the successes."""
        gone = (1.0 - RELIEF) * self.worked
        self.worked, self.tried = self.worked - gone, self.tried - gone

    def fade(self, factor: float) -> None:
        """Let all that is remembered count for a *factor* of it."""
        self.worked, self.tried, self.seconds = factor * self.worked, factor * self.tried, factor * self.seconds

    def value(self, more: float = 0.0) -> float:
        """Return how likely it is to work, had it worked so many times *more*."""
        return (self.worked + more + self.prior * WEIGHT) / (self.tried + more + WEIGHT)

    def draw(self, dice: Callable[[], float]) -> float:
        """Return a likelihood drawn from what is known (Thompson)."""
        failed = self.tried - self.worked + (1.0 - self.prior) * WEIGHT
        return drawn(self.worked + self.prior * WEIGHT, failed, dice)

    @property
    def cost(self) -> float:
        """Return the seconds that a try takes on average."""
        return self.seconds / self.tried if self.tried else 0.0


class Case:
    """Keep what is known of one signature, in little room: seven numbers for each remedy."""

    __slots__ = ("_names", "_numbers", "credit", "dark", "denied", "gap", "is_worth_keeping", "seen")

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._numbers = array("f")
        self.credit = 0.0  #: explorations that are allowed by now
        self.denied = 0  #: calls for which there was little hope, those that looked again included
        self.seen, self.dark = -1, 0  #: successes of the target at the latest lost call; lost calls since it had one
        self.gap = 0.0  #: its successes between two such calls, lately
        self.is_worth_keeping = False  #: whether anything but waiting has ever helped, or is known not to

    def __len__(self) -> int:
        """Return of how many remedies something is known."""
        return len(self._names)

    def score(self, name: str) -> Score | None:
        """Return what is known of the remedy of that *name*."""
        return Score(*self._numbers[self._place(name)][:KNOWN]) if name in self._names else None

    def put(self, name: str, score: Score, news: tuple[int, int, float] = NO_NEWS) -> None:
        """Keep what is known now of the remedy of that *name*; *news* are what others have not been told of it."""
        if name not in self._names:
            self._numbers.extend((score.prior, *(0.0,) * (KNOWN + len(NO_NEWS) - 1)))
            self._names = (*self._names, intern(name))  # last: who reads meanwhile holds no lock
        place = self._place(name)
        told = [before + new for before, new in zip(self._numbers[place][KNOWN:], news, strict=True)]
        self._numbers[place] = array("f", (score.prior, score.worked, score.tried, score.seconds, *told))

    def _place(self, name: str) -> slice:
        first = self._names.index(name) * (KNOWN + len(NO_NEWS))
        return slice(first, first + KNOWN + len(NO_NEWS))

    def scores(self) -> dict[str, Score]:
        """Return what is known by remedy."""
        return {name: Score(*self._numbers[self._place(name)][:KNOWN]) for name in self._names}

    def take_news(self) -> list[list[Any]]:
        """Return what is new by remedy: its prior, how often it worked and did not, in millionths of seconds."""
        rows = []
        for name in self._names:
            prior, _, _, _, worked, failed, seconds = self._numbers[self._place(name)]
            if worked or failed:
                rows.append([name, round(prior, 6), int(worked), int(failed), round(1e6 * seconds)])
                self._numbers[self._place(name)] = array("f", (*self._numbers[self._place(name)][:KNOWN], *NO_NEWS))
        return rows

    def estimate(self, remedy: Remedy | None) -> float:
        """Return how likely *remedy* is to work."""
        score = self.score(name_of(remedy))
        return prior_of(remedy) if score is None else score.value()

    def is_hopeful(self, candidates: Iterable[Remedy]) -> bool:
        """Return whether something worked now and then, or has never been tried."""
        if any(self.score(remedy.name) is None for remedy in candidates if not remedy.final):
            return True
        tried = [score for name, score in self.scores().items() if name != GIVE_UP]
        return any(score.worked >= PROVEN and score.value() >= HOPEFUL for score in tried)

    def in_vain(self, successes: int) -> float:
        """Return how likely repeats are to be in vain; lost calls count in full while the target has no success."""
        score = self.score(GIVE_UP)
        if score is None:
            return 0.0
        if self.seen == successes:
            return score.value(max(0, self.dark - DARK[score.is_said]))
        self._recover(score, successes - self.seen)
        return score.value()

    def lose(self, successes: int) -> None:
        """Take in a call that was lost; the target has had so many *successes* by now."""
        score = self.score(GIVE_UP)
        if score is not None:
            self._recur(score, successes - self.seen, successes - self.seen)
        self.seen, self.dark = successes, self.dark + 1 if self.seen == successes else 1

    def deny(self, successes: int) -> None:
        """Take in a call that was not repeated, since that is in vain; the target has had so many *successes* by now.

        It shows that the failure is still there, so nothing fades, unless it has become rarer than it was.
        """
        score, gap, usual = self.score(GIVE_UP), successes - self.seen, USUAL_GAPS * self.gap + 1.0
        if score is not None and gap:
            self._recur(score, min(gap, usual), gap - usual)
            self.seen, self.dark = successes, 0

    def _recur(self, score: Score, gap: float, health: float) -> None:
        """Take in that the failure is back after such a *gap*, so much of which was *health*, in successes."""
        self.gap += (gap - self.gap) * LATEST
        self._recover(score, health)
        self.put(GIVE_UP, score)

    def _recover(self, score: Score, health: float) -> None:
        if not score.is_said:
            score.fade(0.5 ** (max(0.0, health) / HEALTH))


NOTHING = Case()


def name_of(remedy: Remedy | None) -> str:
    """Return the name of *remedy*; None is waiting."""
    return WAIT if remedy is None else remedy.name


def prior_of(remedy: Remedy | None) -> float:
    """Return what is believed of *remedy* before it was tried."""
    return 0.5 if remedy is None else remedy.prior


def in_turn(remedies: Sequence[Remedy], tried: Mapping[str, int]) -> list[Remedy]:
    """Return those of *remedies* that were *tried* least often."""
    least = min((tried.get(each.name, 0) for each in remedies), default=0)
    return [each for each in remedies if tried.get(each.name, 0) == least]


def until_final(remedies: Sequence[Remedy], tried: Mapping[str, int]) -> tuple[Sequence[Remedy], Remedy | None]:
    """Return those that come before the first *final* one and were not yet *tried*, and that; all where there is none.

    What is final mends nothing, and so it does not compete: it is what is done once nothing else is left.
    """
    final = next((each for each in remedies if each.final), None)
    if final is None:
        return remedies, None
    return [each for each in remedies[: remedies.index(final)] if not tried.get(each.name)], final


def may_help(case: Case, remedy: Remedy, tried: Mapping[str, int]) -> bool:
    """Return whether there is hope in *remedy*.

    What serves one instance is judged by all of them, so that each call tries it once, whatever became of others.
    """
    serves_one = remedy.turns is not None and not tried.get(remedy.name)
    return serves_one or case.estimate(remedy) >= HOPEFUL


def most_promising(case: Case, pool: Sequence[Remedy | None]) -> Remedy | None:
    """Return what to try first: the best of what is known to work, unless more is believed of something untried."""

    def promise(remedy: Remedy | None) -> float:
        score = case.score(name_of(remedy))
        return case.estimate(remedy) / (TRY_COST + (0.0 if score is None else score.cost))

    known = [remedy for remedy in pool if is_proven(case, remedy)]
    others = [remedy for remedy in pool if not is_proven(case, remedy)]
    best = [max(known, key=promise)] if known else []
    best += [max(others, key=case.estimate)] if others else []
    return max(best, key=case.estimate)


def is_proven(case: Case, remedy: Remedy | None) -> bool:
    """Return whether *remedy* has worked lately, and more often than not."""
    score = case.score(name_of(remedy))
    return score is not None and score.worked >= PROVEN and score.value() >= TRUSTED


def draw(case: Case, remedy: Remedy | None, dice: Callable[[], float]) -> float:
    """Return a likelihood per cost, drawn from what is known of *remedy*."""
    score = case.score(name_of(remedy)) or Score(prior_of(remedy))
    return score.draw(dice) / (TRY_COST + score.cost)


def reason(case: Case, remedy: Remedy | None) -> str:
    """Return in plain words what is known of *remedy*."""
    score = case.score(name_of(remedy))
    if score is None or not score.tried:
        return "not tried against this before"
    worked, tried = max(0, round(score.worked)), max(1, round(score.tried))
    return f"worked {worked} of the last {tried} times against this"
