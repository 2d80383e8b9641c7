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
from typing import Any

import numpy as np

from unbreakable.policies import Plan
from unbreakable.runtime import breathe
from unbreakable.simulation.affordable import Calls, afforded
from unbreakable.simulation.attempts import kinds_of, race
from unbreakable.simulation.durations import Durations
from unbreakable.simulation.manner import NONE, Manner, manners
from unbreakable.simulation.model import FOR_EVER, Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.repeats import Failed, Later, repeated
from unbreakable.simulation.universes import UNIVERSES, universes

LONG = 1e9  # seconds: no deadline
NOTHING = np.float32(0.0)


def evaluate(model: Model, plans: Sequence[Plan], deadline: float, count: int = UNIVERSES) -> list[Prediction]:
    """Return what each of *plans* would do to calls that have *deadline* seconds, played in *count* universes."""
    ways = manners(plans, deadline)
    return Played(model, ways, deadline, count).told(ways)


def _prediction(success: float, load: float, quantiles: list[float]) -> Prediction:
    p50, p90, p99, p999 = quantiles if success > 0.0 else [math.inf] * 4
    return Prediction(success=min(1.0, max(0.0, success)), load=max(1.0, load), p50=p50, p90=p90, p99=p99, p999=p999)


class Played:
    """Play the first attempts of calls that are made in some *manners*, and tell what becomes of these calls.

    It also tells of others whose attempts are of the same kinds, up to so many *attempts*.
    """

    def __init__(
        self, model: Model, manners: Sequence[Manner], deadline: float, count: int = UNIVERSES, *, attempts: int = 1
    ) -> None:
        self.model, self.deadline = model, min(deadline, LONG)
        self.kinds = kinds_of(manners, self.deadline)
        self.met = met = universes(count, cuts=self.kinds.cut)
        self.most = max(attempts, *[manner.attempts for manner in manners])
        self.fails = bool(model.fails) or self.kinds.cut
        columns = count + self.fails * (met.failed + (self.most - 1) * met.pauses.shape[1])
        bad, again = model.bad_after_failure, model.fails_beside(1.0, good=False)
        beside_good, after = (model.fails_beside(share, good=True) for share in (model.trouble.share, bad))
        breathe()
        self.races = race(model, self.kinds, met, columns, (beside_good, again, after))
        breathe()
        chances = [model.fails * again**number for number in range(self.most - 1)]
        self.repeats = list(
            itertools.accumulate(chances, initial=0.0)
        )  #: no more than so many of a call, by their most
        shortest = min(float(model.answers[0]), float(model.faults[0]))
        self.durations = Durations(shortest, self.deadline, len(self.kinds.hard))
        self.known: dict[Manner, Calls] = {}  #: what was played
        self.load = self._good()
        if self.fails:
            breathe()
            self.failed = self._failed()

    def plays(self, manner: Manner) -> bool:
        """Return whether it can tell of calls that are made in this *manner*."""
        return manner.attempts <= self.most and self.kinds.has(manner)

    def told(self, manners: Sequence[Manner]) -> list[Prediction]:
        """Return what becomes of calls in each of the *manners*, as many of them as can be paid."""
        different = list(dict.fromkeys(manners))
        dear = [manner for manner in different if self._may_be_dear(manner)]
        cheaper = [each for manner in dear for each in (manner.plain(), manner.once()) if self.plays(each)]
        self._play(list(dict.fromkeys(different + cheaper)))
        breathe()
        calls = afforded({manner: self.known[manner] for manner in different}, self.play)
        success, quantiles = self.durations.summary(np.array([each.mass for each in calls]))
        figures = zip(success.tolist(), [each.load for each in calls], quantiles.tolist(), strict=True)
        told = dict(zip(different, itertools.starmap(_prediction, figures), strict=True))
        return [told[manner] for manner in manners]

    def play(self, manners: Sequence[Manner]) -> list[Calls]:
        """Return what would become of calls in each of the *manners* without a budget; play what is not known yet."""
        new = [manner for manner in dict.fromkeys(manners) if manner not in self.known]
        if all(map(self.plays, new)):
            self._play(new)
        else:
            player = Played(self.model, new, self.deadline, len(self.met.weights))
            player._play(new)
            self.known |= player.known
        return [self.known[manner] for manner in manners]

    def _play(self, manners: list[Manner]) -> None:
        """Keep what becomes of calls in each of the *manners*, which are of these kinds."""
        if not manners:
            return
        kind, more = self.kinds.of(manners), None
        load, attempts = self.load[kind], [manner.attempts for manner in manners]
        if self.fails and max(attempts) > 1:
            breathe()
            more = repeated(self.model, self.met, manners, attempts, kind, self.failed, self.later, self.deadline)
            load = load + more.load
        breathe()
        mass = self.durations.mass(kind, more)
        rows = zip(mass, mass.sum(axis=1).tolist(), load.tolist(), strict=True)
        self.known.update(zip(manners, itertools.starmap(Calls, rows), strict=True))

    def _may_be_dear(self, manner: Manner) -> bool:
        """Return whether calls may cost more than is earned: then it is wanted what comes of them without copies."""
        if not self.fails or (manner.attempts == 1 and manner.copied == NONE) or manner.ratio == math.inf:
            return False
        load = self.load.item(self.kinds.numbers[manner.kind]) * (1.0 + self.repeats[len(manner.pauses)])
        return bool(load - 1.0 > manner.ratio * (1.0 - self.model.fails))

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
            clock[:, at], chance[:, at] = races.over[:, begin:end], np.where(best < FOR_EVER, NOTHING, weight)
            self.load += weight * races.sent[:, begin:end].sum(axis=1)
        chance[:, :failed] *= np.float32(1.0 - self.model.in_vain)
        if kinds.cut and begin:
            raced = np.minimum(races.at[:begin].searchsorted(met.cut), begin - 1)
            here = (races.best[:, raced] == FOR_EVER) & (races.at[raced] == met.cut) & (kinds.hard < self.deadline)
            chance[:, failed:] = np.where(here, (1 - fails) * met.weights_of_cut, NOTHING)
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
        own = races.own[first:].reshape(-1, columns)
        return Later(self.most - 1, own, best.reshape(-1, columns), sent.reshape(-1, columns), late, over)
