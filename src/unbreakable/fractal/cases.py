"""What is known of one sort of failure, and what that says of the remedies against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from unbreakable.fractal.remedies import GIVE_UP, WAIT, Remedy
from unbreakable.stats import Beta

WEIGHT = 2.0  # trials that a first belief is worth
FORGET = 0.95  # what each new experience leaves of the older ones
MOST_TRIALS = 20  # that are remembered; more would take long to be unlearned
SURE = 0.8  # how likely a remedy has to be to work, so that a failure is a surprise
SURPRISE = 0.5  # what a surprise leaves of the successes before it
TRUSTED = 0.5  # how likely a remedy has to be to work, so that it need not be doubted
PROVEN = 0.5  # successes remembered, from which on a remedy counts as known to work
TRY_COST = 0.5  # seconds that a try costs besides the time it takes: a failed attempt is never free
HOPEFUL = 0.2  # how likely any remedy has to be to work, so that there are repeats all the same
DARK = 2  # lost calls between two successes of the target that count for long: an outage is no proof for afterwards
RELIEF = 0.25  # what a call that was healed leaves of the evidence that none can be


class Score(Beta):
    """Know how often a remedy worked for a signature, lately, and what a try with it costs in seconds."""

    __slots__ = ("seconds",)

    def __init__(self, prior: float) -> None:
        super().__init__(prior, WEIGHT)
        self.seconds = 0.0

    def learn(self, worked: int, failed: int, seconds: float) -> None:
        """Take in so many tries, which took *seconds* together; the last ones of their sort, so older ones fade."""
        if failed > worked and self.value() > SURE:
            self._worked, self._tried = self._without(SURPRISE)
        self._fade(FORGET ** min(MOST_TRIALS, worked + failed))
        self.seconds += seconds
        self.update(True, worked)
        self.update(False, failed)
        if self.tried > MOST_TRIALS:
            self._fade(MOST_TRIALS / self.tried)

    def relieve(self) -> None:
        """Forget most of the successes."""
        self._worked, self._tried = self._without(1.0 - RELIEF)

    def _without(self, share: float) -> tuple[int, int]:
        gone = int(self._worked * share)
        return self._worked - gone, self._tried - gone

    def _fade(self, factor: float) -> None:
        self.discount(factor)
        self.seconds *= factor

    @property
    def cost(self) -> float:
        """Return the seconds that a try takes on average."""
        return self.seconds / self.tried if self.tried else 0.0


class Case:
    """Keep what is known of one signature."""

    __slots__ = ("credit", "dark", "scores", "seen")

    def __init__(self) -> None:
        self.scores: dict[str, Score] = {}
        self.credit = 0.0  #: explorations that are allowed by now
        self.seen, self.dark = -1, 0  #: successes of the target at the latest lost call; lost calls since it had one

    def estimate(self, remedy: Remedy | None) -> float:
        """Return how likely *remedy* is to work."""
        score = self.scores.get(name_of(remedy))
        return prior_of(remedy) if score is None else score.value()

    def is_hopeful(self, candidates: Iterable[Remedy]) -> bool:
        """Return whether something worked now and then, or has never been tried."""
        if any(remedy.name not in self.scores for remedy in candidates):
            return True
        tried = [score for name, score in self.scores.items() if name != GIVE_UP]
        return any(score.worked >= PROVEN and score.value() >= HOPEFUL for score in tried)

    def in_vain(self, successes: int) -> float:
        """Return how likely repeats are to be in vain; lost calls count in full while the target has no success."""
        score = self.scores.get(GIVE_UP)
        if score is None:
            return 0.0
        dark = max(0, self.dark - DARK) if self.seen == successes else 0
        return (score.worked + dark + score.prior * WEIGHT) / (score.tried + dark + WEIGHT)


NOTHING = Case()


def name_of(remedy: Remedy | None) -> str:
    """Return the name of *remedy*; None is waiting."""
    return WAIT if remedy is None else remedy.name


def prior_of(remedy: Remedy | None) -> float:
    """Return what is believed of *remedy* before it was tried."""
    return 0.5 if remedy is None else remedy.prior


def times(remedy: Remedy, tried: Mapping[str, int]) -> int:
    """Return how often *remedy* was *tried*; what goes on where it stopped, such as to halve a batch, always may."""
    return 0 if remedy.goes_on else tried.get(remedy.name, 0)


def most_promising(case: Case, pool: Sequence[Remedy | None]) -> Remedy | None:
    """Return what to try first: the best of what is known to work, unless more is believed of something untried."""

    def promise(remedy: Remedy | None) -> float:
        score = case.scores.get(name_of(remedy))
        return case.estimate(remedy) / (TRY_COST + (0.0 if score is None else score.cost))

    known = [remedy for remedy in pool if is_proven(case, remedy)]
    others = [remedy for remedy in pool if not is_proven(case, remedy)]
    best = [max(known, key=promise)] if known else []
    best += [max(others, key=case.estimate)] if others else []
    return max(best, key=case.estimate)


def is_proven(case: Case, remedy: Remedy | None) -> bool:
    """Return whether *remedy* has worked lately, and more often than not."""
    score = case.scores.get(name_of(remedy))
    return score is not None and score.worked >= PROVEN and score.value() >= TRUSTED


def draw(case: Case, remedy: Remedy | None, dice: Callable[[], float]) -> float:
    """Return a likelihood per cost, drawn from what is known of *remedy*."""
    score = case.scores.get(name_of(remedy)) or Score(prior_of(remedy))
    return score.draw(dice) / (TRY_COST + score.cost)


def reason(case: Case, remedy: Remedy | None) -> str:
    """Return in plain words what is known of *remedy*."""
    score = case.scores.get(name_of(remedy))
    if score is None or not score.tried:
        return "not tried against this before"
    worked, tried = max(0, round(score.worked)), max(1, round(score.tried))
    return f"worked {worked} of the last {tried} times against this"
