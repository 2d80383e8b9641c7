"""The settings of a node come from weighing strategies in a model of its targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from unbreakable.errors import ConfigurationError
from unbreakable.fractal.learned_breaker import with_learned_breaker
from unbreakable.fractal.ports import Gone
from unbreakable.fractal.settings import Settings
from unbreakable.fractal.target import COLD
from unbreakable.fractal.tuner import Tuner, with_learned_deadline
from unbreakable.policies import Plan, Strategy
from unbreakable.policies.strategy import NAMES
from unbreakable.record import Record
from unbreakable.simulation import numbers
from unbreakable.simulation.gains import Gains
from unbreakable.simulation.ledger import Known, Ledger
from unbreakable.simulation.leeway import Leeway
from unbreakable.simulation.score import ScoreWeights
from unbreakable.stats import Traffic

if TYPE_CHECKING:  # what needs numpy comes when the first plan is made
    from unbreakable.simulation.decision import Decision
    from unbreakable.simulation.model import Model
    from unbreakable.simulation.weigh import Weighed

FIRST = "balanced"  # in force while nothing was learned
# What a target is thought to be like before anything was seen of it, in seconds.
LIKELY, FAILING = [0.05] * 40 + [0.1] * 40 + [0.2] * 15 + [0.5] * 4 + [2.0], [0.05] * 2


class Rules(Record):
    """Hold how strategies are weighed: the weights, how many universes are shown, strategies of the user's own."""

    weights: ScoreWeights
    universe_count: int
    strategies: tuple[Strategy, ...]


class Simulating:
    """Choose the plans of one node; a strategy that its user named is taken as it is."""

    def __init__(self, settings: Settings, rules: Rules, ledger: Ledger, gains: Gains | None = None) -> None:
        self.settings, self.rules, self.ledger = settings, rules, ledger
        self.gains = gains  #: where it is kept what was gained; None: nobody asks, or it is measured elsewhere
        self.tuner = Tuner(settings)  # serves until numpy is there
        self._self = object()  # another node may have targets of the same names

    def plan(self, target: str, before: Plan, traffic: Traffic, dice: Callable[[], float]) -> Plan:
        """Return the plan of the best strategy; before enough was seen, the cold settings under their name.

        Until numpy is there it is a plan by fixed factors, which rests on no observations: it is made anew.
        """
        if traffic.ok.count < COLD:
            first = FIRST if self.settings.strategy == "adaptive" else self.settings.strategy
            self.ledger.note(self.known(target), first, None)
            return replace(before, strategy=first)
        if not numbers.at_hand():
            return replace(self.tuner.plan(target, before, traffic, dice), observations=0)  # as good as none
        winner = self._weigh(target, before, traffic, dice())[1]
        self.ledger.note(self.known(target), winner.plan.strategy, winner.prediction, winner.plan)
        return winner.plan

    def compare(self, target: str, took: Sequence[float], lost: int, traffic: Traffic, answered: int = 0) -> None:
        """Take in how calls went that began after the last plan."""

        def leeway(plan: Plan) -> Leeway:
            from unbreakable.simulation import bands

            return bands.leeway(traffic, plan)

        self.ledger.compare(self.known(target), took, lost, leeway, answered)

    def measure(self, target: str, quick: Sequence[float], detours: Sequence[Gone], lost: int) -> None:
        """Take in calls beside what their first attempts came to."""
        if self.gains is not None:
            self.gains.take(target, quick, detours, lost)

    def decide(self, target: str, before: Plan, traffic: Traffic, age: float | None) -> Decision:
        """Return what would be chosen now, and why; ConfigurationError without numpy."""
        try:
            from unbreakable.simulation.bands import with_bands
            from unbreakable.simulation.decision import Decision
            from unbreakable.simulation.weigh import shown
        except ImportError as error:
            raise ConfigurationError(numbers.in_words(error)) from error

        cold = traffic.ok.count < COLD
        seen = Traffic() if cold else traffic
        if cold:
            seen.update(ok=LIKELY, failed=FAILING)
        weighed, winner = self._weigh(target, before, seen, 0.5)
        named = self.settings.strategy != "adaptive"
        if cold and not named:
            winner = named_first(weighed)
        distrust = None if cold or named else self.ledger.distrust(self.known(target))
        place = next(number for number, one in enumerate(weighed) if one is winner)
        weighed = with_bands(weighed, seen, self.ledger.times(self.known(target)))
        winner = weighed[place]
        return Decision(
            target=target,
            universes=shown(
                weighed, winner, self.rules.universe_count, learned=not cold, named=named, distrust=distrust
            ),
            winner=winner.plan.strategy,
            model_age=None if cold else age,
            observations=0 if cold else traffic.count,
            plan=(before if cold else winner.plan).to_dict(),
            distrust=distrust,
            weights=self.rules.weights,
        )

    def _weigh(self, target: str, before: Plan, traffic: Traffic, u: float) -> tuple[list[Weighed], Weighed]:
        from unbreakable.simulation.model import Model
        from unbreakable.simulation.weigh import pick, weigh

        settings, model = self.settings, Model(traffic)
        cold = replace(settings.cold(), effects=before.effects)  # nothing of the plan in force but its name counts
        base = with_learned_deadline(settings, cold, traffic.ok.value(0.99) or 0.0)
        base = with_learned_breaker(settings, base, traffic)
        others = self._own(model, base) if self.rules.strategies else ()
        weighed = weigh(model, base, settings.leaves, weights=self.rules.weights, u=u, others=others)
        if settings.strategy == "adaptive":
            trusted = self.ledger.distrust(self.known(target)) is None
            return weighed, pick(weighed, before.strategy) if trusted else named_first(weighed)
        if settings.strategy in NAMES or settings.strategy in {one.name for one in self.rules.strategies}:
            return weighed, next(one for one in weighed if one.plan.strategy == settings.strategy)
        best = pick(weighed, before.strategy)  # what a Strategy of the user's own leaves free
        own = best._replace(plan=replace(best.plan, strategy=settings.strategy))
        return [own if one is best else one for one in weighed], own

    def known(self, target: str) -> Known:
        """Return by what the ledger knows *target*."""
        return target, self._self

    def _own(self, model: Model, base: Plan) -> list[Plan]:
        """Return the plans of the user's own strategies; what these leave open is as in the first one."""
        from unbreakable.simulation.strategies import SHAPES, shaped

        left_open = shaped(FIRST, SHAPES[FIRST], model, base, self.settings.leaves)
        return [replace(left_open, strategy=one.name, **self._set_by(one)) for one in self.rules.strategies]

    def _set_by(self, strategy: Strategy) -> dict[str, Any]:
        """Return what *strategy* sets of that which was not pinned."""
        return {name: value or None for name, value in strategy.pinned().items() if self.settings.leaves(name)}


def named_first(weighed: list[Weighed]) -> Weighed:
    """Return the strategy that is in force while nothing is known, or what is known is not to be trusted."""
    return next(one for one in weighed if one.plan.strategy == FIRST)
