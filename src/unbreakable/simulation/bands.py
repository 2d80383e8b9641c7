"""How sure predictions are: between which figures nine of ten targets are of which as much is known.

What was learned is moved as far as chance may have moved it, one part of the model at a time, and the plans are played
again (the delta method): answers by the error of order statistics, by more where slow ones come together; failures by
that of a share, or of spells where they come in spells.  What remains is what no count tells: the twin's own luck, bad
times that were not seen, what the model leaves out.  For that bands are as much wider as it took to hold nine of ten
truths in drawn worlds (split conformal prediction; J. Lei et al., "Distribution-Free Predictive Inference for
Regression", JASA 113, 2018).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from unbreakable.policies import Plan
from unbreakable.runtime import breathe
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.leeway import Leeway
from unbreakable.simulation.model import LONG_AGO, POINTS, Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.simulation.slowness import Slowness
from unbreakable.simulation.spells import BEGIN_NONE, Spells
from unbreakable.simulation.weigh import Weighed
from unbreakable.stats import Traffic

Z = 1.645  # standard deviations on either side that hold nine of ten
# What no count tells, of success and load as it is, of a duration as a share: so much that nine of ten truths are held
# in the worlds that ``benchmarks.twin --random 20`` draws with seeds 1 to 5.
FLOOR = {"success": 1e-4, "p50": 0.0005, "p90": 0.001, "p99": 0.005, "p999": 0.01, "load": 0.0002}
OF_MEDIAN = 0.13  # as much more does the number beyond the median vary than that of the slowest tenth
MUCH = 200_000  # attempts that FLOOR is for: it is more where fewer were seen
FEW = 3.0  # times as much as bad times vary that were seen: they are few, and as many come again
LONG = 1e9  # seconds: never
MOST = 0.9  # share of the time that trouble has
MEMORY_STEP = 0.055  # by which the memory of spells is off since few are tried
_DURATIONS = slice(1, -1)  # of the figures
_P = (np.arange(POINTS) + 0.5) / POINTS


def with_bands(weighed: Sequence[Weighed], traffic: Traffic, times: float = 1.0) -> list[Weighed]:
    """Return what was *weighed* in the model of that *traffic*, with bands, that many *times* as wide."""
    plans, found = [one.plan for one in weighed], [one.prediction for one in weighed]
    told = banded(Model(traffic), traffic, plans, found, plans[0].deadline, times)
    return [one._replace(prediction=prediction) for one, prediction in zip(weighed, told, strict=True)]


def leeway(traffic: Traffic, plan: Plan) -> Leeway:
    """Return how far off the figures of calls under *plan* may be in the model of that *traffic*."""
    model = Model(traffic)
    (told,) = banded(model, traffic, [plan], evaluate(model, [plan], plan.deadline), plan.deadline)
    assert told.low is not None  # noqa: S101 - it has just got its bands
    assert told.high is not None  # noqa: S101 - as well
    slow, late = traffic.slow.value(), traffic.late.value()
    begun = max(1.0, BEGIN_NONE * traffic.lags.quiet[1])
    failing = max(1.0, traffic.failed.count / begun) if model.trouble.share else 1.0  # in each spell
    return Leeway(
        p50=(_ratio(told.low.p50, told.p50), _ratio(told.high.p50, told.p50)),
        p99=(_ratio(told.low.p99, told.p99), _ratio(told.high.p99, told.p99)),
        success=(told.low.success - told.success, told.high.success - told.success),
        together=(1.0 + OF_MEDIAN * (slow - 1.0), max(slow, late, failing), failing),
    )


def _ratio(end: float, middle: float) -> float:
    return end / middle if 0.0 < middle < math.inf and end < math.inf else 1.0


def banded(
    model: Model,
    traffic: Traffic,
    plans: Sequence[Plan],
    found: Sequence[Prediction],
    deadline: float,
    wider: float = 1.0,
) -> list[Prediction]:
    """Return what was *found* for *plans* in the *model* of that *traffic*, with bands, as many times *wider*."""
    middle = _table(found)
    down, up = np.zeros(middle.shape), np.zeros(middle.shape)
    for pair in _moved(model, traffic):
        breathe()
        away = np.array([_table(evaluate(each, plans, deadline)) for each in pair]) - middle
        down += np.minimum(away, 0.0).min(axis=0) ** 2
        up += np.maximum(away, 0.0).max(axis=0) ** 2
    floor = np.array(list(FLOOR.values()))
    floor *= math.sqrt(max(1.0, MUCH / max(1, traffic.count)))
    low, high = middle - wider * np.sqrt(down + floor**2), middle + wider * np.sqrt(up + floor**2)
    for end in (low, high):
        end[:, _DURATIONS] = np.maximum.accumulate(np.minimum(end[:, _DURATIONS], _latest(middle, deadline)), axis=1)
    return [
        replace(one, low=_figures(least), high=_figures(most))
        for one, least, most in zip(found, low, high, strict=True)
    ]


def _table(found: Sequence[Prediction]) -> Any:
    """Return the figures as rows, durations as their logarithms."""
    rows = np.array([[getattr(one, name) for name in FLOOR] for one in found])
    rows[:, _DURATIONS] = np.log(np.clip(rows[:, _DURATIONS], 1e-9, LONG))
    return rows


def _latest(middle: Any, deadline: float) -> Any:
    """Return by when calls that succeed have ended, as logarithms: those of a plan under which some do."""
    return np.maximum(middle[:, _DURATIONS], math.log(min(LONG, deadline)))


def _figures(row: Any) -> Prediction:
    success, *durations, load = row.tolist()
    p50, p90, p99, p999 = map(_seconds, durations)
    return Prediction(success=min(1.0, max(0.0, success)), p50=p50, p90=p90, p99=p99, p999=p999, load=max(1.0, load))


def _seconds(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < math.log(LONG / 2.0) else math.inf


# ── moving one part of the model as far as chance may have moved it ─────────────────────────────────────────────────


def _moved(model: Model, traffic: Traffic) -> Iterator[tuple[Model, ...]]:
    """Yield pairs of models in which one part is less, and more."""
    error = Z * np.sqrt((_P * (1.0 - _P) + _together(traffic)) / max(1, traffic.ok.count))
    yield tuple(_at_places(model, _P + side * error) for side in (-1.0, 1.0))
    ended = traffic.count + traffic.answered
    yield from _failing(model, traffic) if model.trouble.share else [_failing_anytime(model, ended)]
    yield tuple(_slower(model, slow) for slow in model.slow_between)
    if model.in_vain:
        failed = traffic.failed.count - traffic.repeats_failed
        yield tuple(_with(model, in_vain=share) for share in _share(model.in_vain, max(1, failed)))


def _failing_anytime(model: Model, count: int) -> tuple[Model, ...]:
    shares = _share(model.fails, max(1, count))
    return tuple(_with(model, fails=share, trouble=Spells(0.0, share, share, LONG_AGO)) for share in shares)


def _failing(model: Model, traffic: Traffic) -> Iterator[tuple[Model, ...]]:
    """Yield models with fewer spells, and more; shorter and longer ones; and those in which fewer fail, and more."""
    spells, begun = model.trouble, max(1.0, BEGIN_NONE * traffic.lags.quiet[1])
    ill, well = spells.fails_in_trouble, spells.fails_well
    yield tuple(_troubled(model, share=times * spells.share) for times in _times(math.sqrt(2.0 / begun)))
    lasting = _times(math.sqrt(1.4 / begun + MEMORY_STEP**2))
    yield tuple(_troubled(model, memory=times * spells.memory) for times in lasting)
    away = Z * 0.75 * math.sqrt(max(0.01, ill * (1.0 - ill)) / begun)
    yield tuple(_sicker(model, min(1.0, max(well + 0.01, each))) for each in (ill - away, ill + away))


def _with(model: Model, **changed: Any) -> Model:
    """Return a copy of *model* with that changed."""
    found = copy.copy(model)
    vars(found).update(changed)
    return found


def _slower(model: Model, slow: Slowness) -> Model:
    found = _with(model)
    found.take(slow)
    return found


def _at_places(model: Model, places: Any) -> Model:
    """Return *model* with the answers that are now at these *places*."""
    at = np.clip(places * POINTS, 0, POINTS - 1).astype(np.intp)
    return _with(model, **{name: getattr(model, name).take(at) for name in ("answers", "quick", "slowly", "again")})


def _together(traffic: Traffic) -> Any:
    """Return by how much the variance of a share of answers is more than by chance, as slow ones come together."""
    slow, late = FEW * 0.09 * (traffic.slow.value() - 1.0), FEW * 0.0099 * (traffic.late.value() - 1.0)
    within = np.interp(np.log(1.0 - _P), np.log([0.01, 0.1]), [late, slow])
    return np.where(_P < 0.9, slow * (_P / 0.9) ** 2, np.where(_P < 0.99, within, late * ((1.0 - _P) / 0.01) ** 2))


def _share(share: float, count: int) -> tuple[float, float]:
    """Return between which shares the true one is (E. B. Wilson, JASA 22, 1927)."""
    middle, away = (
        share + Z * Z / (2.0 * count),
        Z * math.sqrt(share * (1.0 - share) / count + (Z / (2.0 * count)) ** 2),
    )
    return max(0.0, middle - away) / (1.0 + Z * Z / count), (middle + away) / (1.0 + Z * Z / count)


def _times(error: float) -> tuple[float, float]:
    return math.exp(-Z * error), math.exp(Z * error)


def _troubled(model: Model, **changed: float) -> Model:
    """Return *model* with other spells, and as many more or fewer failures."""
    spells = model.trouble._replace(**changed)
    share, well, ill, _ = spells = spells._replace(share=min(MOST, spells.share))
    return _with(model, trouble=spells, fails=well + (ill - well) * share)


def _sicker(model: Model, ill: float) -> Model:
    """Return *model* with spells in which so many fail, of as many failures in all."""
    well, memory = model.trouble.fails_well, model.trouble.memory
    return _with(model, trouble=Spells(min(MOST, (model.fails - well) / (ill - well)), well, ill, memory))
