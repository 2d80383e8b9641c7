"""Every strategy is weighed in the model, and the best one is chosen; nothing is executed."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from unbreakable.policies import Plan, Retry
from unbreakable.record import Record
from unbreakable.runtime import breathe
from unbreakable.simulation.evaluate import Played
from unbreakable.simulation.manner import manners
from unbreakable.simulation.model import Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.score import Scores, ScoreWeights, score
from unbreakable.simulation.strategies import Free, candidates, patient
from unbreakable.simulation.universes import MOST_ATTEMPTS

ONCE = Retry(1)
HYSTERESIS = 0.5  # points that it takes to leave the strategy in force: less is noise
TIE = 0.05  # points that make no difference: then the strategy comes first that is safer against what was not seen yet
TOLERATED = 0.005  # share of calls that a plan may fail more than the surest one: no load saved is worth more than that
SAFEST_FIRST = ("adaptive", "balanced", "pessimistic", "aggressive", "conservative", "optimistic", "random")
PLACE = {name: number for number, name in enumerate(SAFEST_FIRST)}


class Universe(Record):
    """Show one strategy as it was evaluated: what is predicted, the three scores, the total, and why it won or lost.

    The total is the weighted mean of the three.  No total is above the winner's, unless the winner was named by its
    user: what lost all the same (what it is better by is noise, or a guess, or it fails noticeably more calls) has its
    scores cut in proportion; what is predicted of it stays as it is.
    """

    strategy: str
    prediction: Prediction
    time_score: float
    quality_score: float
    risk_score: float
    score: float
    why: str


class Weighed(NamedTuple):
    """Hold a plan, what is predicted of it, its scores, and whether it fails no more calls than the surest one."""

    plan: Plan
    prediction: Prediction
    scores: Scores
    sure: bool


def weigh(
    model: Model, before: Plan, free: Free, *, weights: ScoreWeights, u: float, others: Iterable[Plan] = ()
) -> list[Weighed]:
    """Return each strategy's best plan, the best first; *others* are plans of the user's own strategies.

    What fails noticeably more calls than the surest plan comes after all that do not, whatever its score.
    """
    alone = replace(before, retry=ONCE, timeout=None, hedge=None)
    breathe()
    plans = [alone, *candidates(model, before, free, u, weights), *others]
    breathe()
    waits = free("retry") and model.trouble.share > 0.0  # then patient plans are weighed, too
    ways = manners(plans, before.deadline)
    played = Played(model, ways, before.deadline, attempts=MOST_ATTEMPTS if waits else 1)
    told = played.told(ways)
    baseline = told[0]

    def scored(plans: list[Plan], told: list[Prediction]) -> list[tuple[Plan, Prediction, Scores]]:
        found = zip(plans, told, strict=True)
        return [
            (plan, each, score(each, baseline, model.observations, weights, model.hopeless)) for plan, each in found
        ]

    found = scored(plans[1:], told[1:])
    adaptive = max((one for one in found if one[0].strategy == "adaptive"), key=lambda one: one[2].total)
    waiting = list(patient(adaptive[0], model, free))
    if waiting:
        ways = manners(waiting, before.deadline)
        if not played.plays(ways[0]):
            played = Played(model, ways, before.deadline)
        found += scored(waiting, played.told(ways))
    breathe()
    least = max(one[1].success for one in found) - TOLERATED
    best: dict[str, tuple[tuple[bool, int], Weighed]] = {}
    for plan, told_of, scores in found:
        sure = told_of.success >= least
        rank, had = (sure, round(scores.total / TIE)), best.get(plan.strategy)
        if had is None or rank > had[0]:
            best[plan.strategy] = rank, Weighed(plan, told_of, scores, sure)
    safest_first = sorted(best.values(), key=lambda each: PLACE.get(each[1].plan.strategy, 0))
    return [one for _, one in sorted(safest_first, key=operator.itemgetter(0), reverse=True)]


def pick(weighed: list[Weighed], incumbent: str) -> Weighed:
    """Return the winner: the best, unless the strategy in force is as good but for noise; never the random one."""
    fit = [one for one in weighed if one.plan.strategy != "random"] or weighed
    now = next((one for one in fit if one.plan.strategy == incumbent and one.sure), None)
    return now if now is not None and fit[0].scores.total - now.scores.total < HYSTERESIS else fit[0]


def shown(
    weighed: list[Weighed],
    winner: Weighed,
    count: int,
    *,
    learned: bool,
    named: bool = False,
    distrust: float | None = None,
) -> tuple[Universe, ...]:
    """Return *count* universes, the winner first, then the best, each with the reason of its place.

    Before anything was *learned*, those are preferred that need no learning; *named*: the winner is its user's choice;
    *distrust*: so few of the latest figures were within their bands.
    """
    last = ("random",) if learned else ("adaptive", "random")
    kept = sorted(weighed, key=lambda one: (one is not winner, one.plan.strategy in last))[:count]
    universes = []
    for one in [winner, *(other for other in weighed if other is not winner)]:
        if any(one is each for each in kept):
            scores = one.scores if named or distrust is not None else _cut(one.scores, winner.scores.total)
            universes.append(
                Universe(
                    strategy=one.plan.strategy,
                    prediction=one.prediction,
                    time_score=scores.time,
                    quality_score=scores.quality,
                    risk_score=scores.risk,
                    score=scores.total,
                    why=_won(one, weighed[0], learned, named, distrust)
                    if one is winner
                    else _lost(one, winner, learned and distrust is None),
                )
            )
    return tuple(universes)


def _cut(scores: Scores, most: float) -> Scores:
    """Return *scores* with a total of at most so much."""
    if scores.total <= most:
        return scores
    share = most / scores.total
    return Scores(scores.time * share, scores.quality * share, scores.risk * share, most)


def _won(winner: Weighed, best: Weighed, learned: bool, named: bool, distrust: float | None) -> str:
    if named:
        return "named by its user"
    if distrust is not None:
        return f"the model is not trusted: {distrust:.0%} of figures were within bands for 90 %"
    if not learned:
        return "in force as long as nothing was learned"
    return "won" if winner is best else f"kept: {best.plan.strategy} would be no better but for noise"


def _lost(one: Weighed, winner: Weighed, learned: bool) -> str:
    if one.plan.strategy == "random":
        return "finds out; is not chosen by its score"
    if winner.sure and not one.sure:
        return f"fails more often ({winner.prediction.success - one.prediction.success:.1%} of calls)"
    parts = {
        "slower": winner.scores.time - one.scores.time,
        "fails more often": winner.scores.quality - one.scores.quality,
        "burdens the target more": winner.scores.risk - one.scores.risk,
    }
    word, points = max(parts.items(), key=lambda part: part[1])
    behind = winner.scores.total - one.scores.total
    if behind < -TIE:
        return "no better but for noise" if learned else "may be better, by what is only a guess"
    return "as good" if points <= 0.0 or behind <= TIE else f"{word} ({behind:.1f} behind)"
