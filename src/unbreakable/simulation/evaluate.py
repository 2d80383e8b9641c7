"""What would become of a thousand requests under each of several plans: played in the model, never on the target.

Every plan meets the same universes (common random numbers), so that differences between plans are theirs and not
luck's.  Whether an attempt fails is not left to luck: both ends are played on, each with the weight of its chance
(conditional Monte Carlo), so that a thousand universes tell one failure in a million calls.  What is likely after a
failure follows by Bayes's rule from the model's spells of trouble.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unbreakable.policies import Plan, Retry
from unbreakable.simulation.affordable import afforded
from unbreakable.simulation.attempts import attempts_of, kinds_of, race
from unbreakable.simulation.durations import Durations
from unbreakable.simulation.model import FOR_EVER, Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.universes import MOST_ATTEMPTS, UNIVERSES, universes

LONG = 1e9  # seconds: no deadline
NONE, NEVER = np.float32(0.0), 1e30


def evaluate(model: Model, plans: Sequence[Plan], deadline: float, count: int = UNIVERSES) -> list[Prediction]:
    """Return what each of *plans* would do to calls that have *deadline* seconds, played in *count* universes."""
    different = {_settings(plan): plan for plan in plans}

    def play(plans: list[Plan]) -> _Played:
        return _Played(model, plans, min(deadline, LONG), count)

    asked = list(different.values())
    played = play(asked)
    mass, load = afforded(asked, *played.rows(), lambda plans: play(plans).rows())
    success, quantiles = played.told.summary(mass)
    told = dict(zip(different, zip(success.tolist(), load.tolist(), quantiles.tolist(), strict=True), strict=True))
    return [_prediction(*told[_settings(plan)]) for plan in plans]


def _settings(plan: Plan) -> tuple[Any, ...]:
    """Return what is the same of plans that differ in nothing but their names: the very same policies."""
    return id(plan.retry), id(plan.timeout), id(plan.hedge), id(plan.budget), plan.effects


def _prediction(success: float, load: float, quantiles: list[float]) -> Prediction:
    p50, p90, p99, p999 = quantiles
    return Prediction(success=min(1.0, success), load=max(1.0, load), p50=p50, p90=p90, p99=p99, p999=p999)


class _Failed(NamedTuple):
    """Hold what goes on after the first attempt, a row for each plan: how likely it is, and its time by then."""

    chance: Any
    clock: Any


class _Later(NamedTuple):
    """Hold how later attempts go, by kind, attempt and column; *late* and *over* are None where none is cut.

    ``sent`` are how many requests are made beside them in the columns ``at``; in others there are none.
    """

    best: Any
    sent: Any
    at: Any
    late: Any
    over: Any


class _Played:
    """Play calls under *plans*; ``told`` are the durations of those that end well, ``load`` are requests per call."""

    def __init__(self, model: Model, plans: Sequence[Plan], deadline: float, count: int) -> None:
        self.model, self.plans, self.deadline = model, plans, deadline
        self.kinds = kinds_of(plans, deadline)
        self.met = met = universes(count, cuts=self.kinds.cut)
        self.most = min(MOST_ATTEMPTS, max(map(attempts_of, plans)))
        fails = bool(model.fails) or self.kinds.cut
        trouble = model.trouble
        self.bad = trouble.share * trouble.fails_in_trouble / max(model.fails, 1e-9)  # after a failure, by Bayes's rule
        beside_good, after = (self._failing(share) for share in (trouble.share, self.bad))
        columns = count + fails * (met.failed + (self.most - 1) * met.pauses.shape[1])
        self.races = race(model, self.kinds, met, columns, (beside_good, self._stubbornly(after), after))
        shortest = min(float(model.answers[0]), float(model.faults[0]))
        self.told = Durations(shortest, deadline, len(self.kinds.hard), len(plans))
        self.load = self._good()[self.kinds.of_plan]
        if fails:
            failed, more = self._failed()
            self.load = self.load + more[self.kinds.of_plan]
            if self.most > 1:
                self.load += self._repeated(failed)

    def rows(self) -> tuple[Any, Any]:
        """Return how likely calls end well after how long, and how many requests they make: a row for each plan."""
        return self.told.mass(self.kinds.of_plan), self.load

    def _failing(self, bad: Any) -> Any:
        """Return how often requests fail when that large a share of the times is *bad*."""
        trouble = self.model.trouble
        return trouble.fails_well + (trouble.fails_in_trouble - trouble.fails_well) * bad

    def _stubbornly(self, fails: Any) -> Any:
        """Return how likely a request fails that follows one that did, or is beside it."""
        return self.model.stubborn + (1.0 - self.model.stubborn) * fails

    def _good(self) -> Any:
        """Tell of good first attempts; return how many requests calls make that have one, times their share."""
        races, count, fine = self.races, len(self.met.weights), np.float32(1.0 - self.model.fails)
        raced = int(np.searchsorted(races.at, count))
        weights = self.met.weights * fine
        self.told.of_all(races.own[: count - raced], weights[: count - raced])
        self.told.of_kinds(races.best[:, :raced], weights[count - raced :])
        return fine + races.sent[:, :raced] @ weights[count - raced :]

    def _failed(self) -> tuple[_Failed, Any]:
        """Return what goes on after first attempts, by kind, and their requests; tell of those that copies save."""
        kinds, met, races, fails = self.kinds, self.met, self.races, np.float32(self.model.fails)
        count, failed = len(met.weights), met.failed
        clock = np.zeros((len(kinds.hard), met.pauses.shape[1]), np.float32)
        chance, load = np.zeros_like(clock), np.full(len(kinds.hard), fails)
        clock[:, :failed], chance[:, :failed] = races.own[count : count + failed], fails / np.float32(failed)
        begin, end = np.searchsorted(races.at, (count, count + failed))
        if end > begin:
            at, best, weight = races.at[begin:end] - count, races.best[:, begin:end], fails / np.float32(failed)
            self.told.of_kinds(best, np.full(len(at), weight))
            clock[:, at], chance[:, at] = races.over[:, begin:end], np.where(best < FOR_EVER, NONE, weight)
            load += weight * races.sent[:, begin:end].sum(axis=1)
        if kinds.cut and begin:
            raced = np.minimum(np.searchsorted(races.at[:begin], met.cut), begin - 1)
            here = (races.best[:, raced] == FOR_EVER) & (races.at[raced] == met.cut) & (kinds.hard < self.deadline)
            chance[:, failed:] = np.where(here, (1 - fails) * met.weights_of_cut, NONE)
            clock[:, failed:] = races.over[:, raced]
        return _Failed(chance, clock), load

    def _repeated(self, failed: _Failed) -> Any:
        """Tell of the repeats that are good; return how many there are, with what they send besides."""
        of_plan, cut = self.kinds.of_plan, self.kinds.cut
        later, start = self._later(), self._pauses()
        goes_on = np.array([[plan.effects != "unknown"] for plan in self.plans])
        lasts = self.model.faults.take(self.met.faults[1 : self.most])
        lasts = np.where(later.late, later.over, lasts)[of_plan] if cut else lasts[None]
        start[:, 0] += failed.clock[of_plan]
        for number in range(1, self.most - 1):
            start[:, number] += start[:, number - 1]
            start[:, number] += lasts[:, number - 1]
        likely = self._likely(start)
        chance = np.empty(start.shape, np.float32)
        chance[:, 0] = failed.chance[of_plan]
        if cut:
            chance[:, 0, self.met.failed :] *= goes_on
        for number in range(1, self.most - 1):
            fails = likely[:, number - 1] if np.ndim(likely) else likely
            if cut:  # an answer that is late is one that would have been good
                late = later.late[of_plan, number - 1] & goes_on
                fails = fails + late * (1 - fails) * self.met.weights_later[number - 1]
            np.multiply(chance[:, number - 1], fails, out=chance[:, number])
        chance *= start < np.float32(self.deadline)
        good = chance * (1 - likely)
        good *= self.met.weights_later[: self.most - 1]
        start += later.best[of_plan]
        good = good.reshape(len(good), -1)
        self.told.of_plans(start.reshape(good.shape), good)
        load = chance.reshape(good.shape).sum(axis=1)
        return load + (good.take(later.at, axis=1) * later.sent[of_plan]).sum(axis=1)

    def _pauses(self) -> Any:
        """Return the pauses before repeats, by plan, repeat and column; for ever after a plan's last attempt."""
        longest, full = [], self.met.pauses[1 : self.most]
        for plan in self.plans:
            backoff, repeats = (plan.retry or Retry()).backoff, min(self.most, attempts_of(plan)) - 1
            pauses = [backoff.pause(number, 1.0) for number in range(1, 1 + repeats)]
            longest.append([*pauses, *[NEVER] * (self.most - 1 - repeats)])
        steady = [plan.retry is not None and not plan.retry.backoff.jitter for plan in self.plans]
        luck = np.where(np.array(steady)[:, None, None], np.float32(1.0), full) if any(steady) else full
        return np.array(longest, np.float32)[:, :, None] * luck

    def _later(self) -> _Later:
        """Return how later attempts go."""
        races, kinds, first = self.races, self.kinds, len(self.met.weights) + self.met.failed
        shape = (len(kinds.hard), self.most - 1, self.met.pauses.shape[1])
        begin = int(np.searchsorted(races.at, first))
        best, at = np.repeat(races.own[None, first:], shape[0], axis=0), races.at[begin:] - first
        best[:, at] = races.best[:, begin:]
        late = over = None
        if kinds.cut:
            over = best.copy()
            over[:, at] = races.over[:, begin:]
            late, over = ((best == FOR_EVER) & (kinds.hard < self.deadline)).reshape(shape), over.reshape(shape)
        return _Later(best.reshape(shape), races.sent[:, begin:], at, late, over)

    def _likely(self, start: Any) -> Any:
        """Return how likely each repeat fails, which begins at *start* and follows on those before it."""
        trouble = self.model.trouble
        if not trouble.share:
            return np.float32(self._stubbornly(trouble.fails_well))
        share, ill = np.float32(trouble.share), np.float32(trouble.fails_in_trouble)
        likely, bad = np.empty(start.shape, np.float32), np.float32(self.bad)
        kept = np.exp(np.diff(start, axis=1, prepend=NONE) / np.float32(-trouble.memory))
        for number in range(start.shape[1]):
            bad = share + (bad - share) * kept[:, number]
            likely[:, number] = fails = self._failing(bad)
            bad = bad * ill / fails
        return self._stubbornly(likely)
