"""What would become of a thousand requests under each of several plans: played in the model, never on the target.

Every plan meets the same universes (common random numbers), so that differences between plans are theirs and not
luck's.  Whether an attempt fails is not left to luck: both ends are played on, each with the weight of its chance
(conditional Monte Carlo), so that a thousand universes tell one failure in a million calls.  First attempts are played
by kind, and by kind it is told how later ones go; what plans make of that is in ``repeats``.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from unbreakable.policies import Plan
from unbreakable.simulation.affordable import Calls, afforded
from unbreakable.simulation.attempts import attempts_of, kinds_of, race
from unbreakable.simulation.durations import Durations
from unbreakable.simulation.model import FOR_EVER, Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.repeats import Failed, Later, repeated
from unbreakable.simulation.universes import MOST_ATTEMPTS, UNIVERSES, universes

LONG = 1e9  # seconds: no deadline
NONE = np.float32(0.0)


def evaluate(model: Model, plans: Sequence[Plan], deadline: float, count: int = UNIVERSES) -> list[Prediction]:
    """Return what each of *plans* would do to calls that have *deadline* seconds, played in *count* universes."""
    return Played(model, plans, deadline, count).told(plans)


def _settings(plan: Plan) -> tuple[Any, ...]:
    """Return what is the same of plans that differ in nothing but their names: the very same policies."""
    return id(plan.retry), id(plan.timeout), id(plan.hedge), id(plan.budget), plan.effects


def _prediction(success: float, load: float, quantiles: list[float]) -> Prediction:
    p50, p90, p99, p999 = quantiles if success > 0.0 else [math.inf] * 4
    return Prediction(success=min(1.0, max(0.0, success)), load=max(1.0, load), p50=p50, p90=p90, p99=p99, p999=p999)


class Played:
    """Play the first attempts of calls under *plans*, and tell of these plans.

    It also tells of others whose attempts are of the same kinds, up to so many *attempts*.
    """

    def __init__(
        self, model: Model, plans: Sequence[Plan], deadline: float, count: int = UNIVERSES, *, attempts: int = 1
    ) -> None:
        self.model, self.plans, self.deadline = model, plans, min(deadline, LONG)
        self.kinds = kinds_of(plans, self.deadline)
        self.met = met = universes(count, cuts=self.kinds.cut)
        self.most = min(MOST_ATTEMPTS, max(attempts, *map(attempts_of, plans)))
        self.fails = bool(model.fails) or self.kinds.cut
        columns = count + self.fails * (met.failed + (self.most - 1) * met.pauses.shape[1])
        bad = model.bad_after_failure
        beside_good, after = model.failing(model.trouble.share), model.failing(bad)
        self.again = model.fails_again
        self.races = race(model, self.kinds, met, columns, (beside_good, self.again, after))
        shortest = min(float(model.answers[0]), float(model.faults[0]))
        self.durations = Durations(shortest, self.deadline, len(self.kinds.hard))
        self.known: dict[tuple[Any, ...], Calls] = {}  #: what was played, by policies
        self.load = self._good()
        if self.fails:
            self.failed = self._failed()

    def plays(self, plan: Plan) -> bool:
        """Return whether it can tell of *plan*."""
        return attempts_of(plan) <= self.most and self.kinds.has(plan)

    def told(self, plans: Sequence[Plan]) -> list[Prediction]:
        """Return what each of *plans* would do to calls."""
        settings = [_settings(plan) for plan in plans]
        different = dict(zip(settings, plans, strict=True))
        played = list(different.values())
        plain = [replace(plan, hedge=None) for plan in played if self._may_be_dear(plan)]
        mass = self.play(different | {_settings(plan): plan for plan in plain if self.plays(plan)})[: len(played)]
        found = [self.known[each] for each in different]
        load = [calls.load for calls in found]
        cheaper = afforded(played, found, self._all_known)
        mass = mass.copy() if cheaper else mass  # its rows are what is known
        for place, calls in cheaper.items():
            mass[place], load[place] = calls.mass, calls.load
        success, quantiles = self.durations.summary(mass)
        told = dict(zip(different, zip(success.tolist(), load, quantiles.tolist(), strict=True), strict=True))
        return [_prediction(*told[each]) for each in settings]

    def play(self, plans: dict[tuple[Any, ...], Plan]) -> Any:
        """Return how likely calls end well after how long, a row for each plan, and keep it by their settings."""
        found = list(plans.values())
        kind, more = self.kinds.of(found), None
        load, attempts = self.load[kind], [min(self.most, attempts_of(plan)) for plan in found]
        if self.fails and max(attempts) > 1:
            more = repeated(self.model, self.met, found, attempts, kind, self.failed, self.later, self.deadline)
            load = load + more.load
        mass = self.durations.mass(kind, more)
        rows = zip(mass, mass.sum(axis=1).tolist(), load.tolist(), strict=True)
        self.known.update(zip(plans, itertools.starmap(Calls, rows), strict=True))
        self.plans = [*self.plans, *found]  # whose policies are known by their identity while they are kept
        return mass

    def _all_known(self, plans: Sequence[Plan]) -> list[Calls]:
        """Return what calls under *plans* come to; what is known of the very same policies is not played again."""
        settings = [_settings(plan) for plan in plans]
        new = {each: plan for each, plan in zip(settings, plans, strict=True) if each not in self.known}
        if new:
            here, found = all(map(self.plays, new.values())), list(new.values())
            player = self if here else Played(self.model, found, self.deadline, len(self.met.weights))
            player.play(new)
            self.known, self.plans = self.known | player.known, [*self.plans, *player.plans]
        return [self.known[each] for each in settings]

    def _may_be_dear(self, plan: Plan) -> bool:
        """Return whether *plan* may cost more than is earned, so that it is wanted what it comes to without copies."""
        if plan.hedge is None or plan.budget is None or not self.fails:
            return False
        repeats = sum(self.again**number for number in range(min(self.most, attempts_of(plan)) - 1))
        load = self.load.item(self.kinds.number(plan)) * (1.0 + self.model.fails * repeats)
        return bool(load - 1.0 > plan.budget.ratio * (1.0 - self.model.fails))

    def _good(self) -> Any:
        """Take in good first attempts; return how many requests calls make that have one, times their share."""
        races, count, fine = self.races, len(self.met.weights), np.float32(1.0 - self.model.fails)
        raced = int(races.at.searchsorted(count))
        weights = self.met.weights * fine
        self.durations.of_all(races.own[: count - raced], weights[: count - raced])
        self.durations.of_kinds(races.best[:, :raced], weights[count - raced :])
        return fine + races.sent[:, :raced] @ weights[count - raced :]

    def _failed(self) -> Failed:
        """Return what goes on after first attempts, by kind; take in those that copies save, and their requests."""
        kinds, met, races, fails = self.kinds, self.met, self.races, np.float32(self.model.fails)
        count, failed = len(met.weights), met.failed
        weight = fails / np.float32(failed)
        clock = np.zeros((len(kinds.hard), met.pauses.shape[1]), np.float32)
        chance = np.zeros(clock.shape, np.float32)
        clock[:, :failed], chance[:, :failed] = races.own[count : count + failed], weight
        self.load += fails
        begin, end = races.at.searchsorted((count, count + failed))
        if end > begin:
            at, best = races.at[begin:end] - count, races.best[:, begin:end]
            self.durations.of_kinds(best, np.full(len(at), weight))
            clock[:, at], chance[:, at] = races.over[:, begin:end], np.where(best < FOR_EVER, NONE, weight)
            self.load += weight * races.sent[:, begin:end].sum(axis=1)
        if kinds.cut and begin:
            raced = np.minimum(races.at[:begin].searchsorted(met.cut), begin - 1)
            here = (races.best[:, raced] == FOR_EVER) & (races.at[raced] == met.cut) & (kinds.hard < self.deadline)
            chance[:, failed:] = np.where(here, (1 - fails) * met.weights_of_cut, NONE)
            clock[:, failed:] = races.over[:, raced]
        return Failed(chance, clock)

    @functools.cached_property
    def later(self) -> Later:
        """How later attempts go."""
        races, kinds, columns = self.races, self.kinds, self.met.pauses.shape[1]
        first = len(self.met.weights) + self.met.failed
        begin = int(races.at.searchsorted(first))
        at = races.at[begin:] - first
        best = np.empty((len(kinds.hard), (self.most - 1) * columns), np.float32)
        best[:] = races.own[first:]
        best[:, at] = races.best[:, begin:]
        late: Any = None
        over: Any = None
        if kinds.cut:
            over = best.copy()
            over[:, at] = races.over[:, begin:]
            late, over = (
                ((best == FOR_EVER) & (kinds.hard < self.deadline)).reshape(-1, columns),
                over.reshape(-1, columns),
            )
        sent = np.zeros(best.shape, np.float32)
        sent[:, at] = races.sent[:, begin:]
        sending = races.sent[:, begin:].any(axis=1).repeat(self.most - 1)
        own = races.own[first:].reshape(-1, columns)
        return Later(self.most - 1, own, best.reshape(-1, columns), sent.reshape(-1, columns), sending, late, over)
