"""How sure predictions are: what they would be, had the same target been seen at another time.

Each count of the model is drawn anew as often as chance would change it (B. Efron, "Bootstrap Methods: Another Look at
the Jackknife", Annals of Statistics 7, 1979), and the plans are played in each of the models.  Failures that come in
spells count as often as there were spells.  What nobody has counted is not in it: that a target has slow times, of
which a few were seen, makes bands wider than these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unbreakable.policies import Plan
from unbreakable.simulation.evaluate import evaluate
from unbreakable.simulation.model import Model
from unbreakable.simulation.prediction import Prediction
from unbreakable.stats import Traffic
from unbreakable.stats.traffic import HISTOGRAMS

ROUNDS = 40  # a plan takes some 2 ms in each: bands are for reports, not for each plan
WITHIN = 0.9  # of the truths
GRAIN = 0.005  # of a duration: half a bucket, and what a thousand universes leave open
SEED = 7_919


class Band(NamedTuple):
    """Hold the least and the most of each figure that is likely, in 90 % of the cases."""

    low: Prediction
    high: Prediction


def bands(traffic: Traffic, plans: Sequence[Plan], deadline: float, rounds: int = ROUNDS) -> list[Band]:
    """Return how far off the predictions for *plans* may be that rest on *traffic*; takes some 100 ms."""
    dice = np.random.default_rng(SEED)
    drawn = [evaluate(Model(_again(traffic, dice)), plans, deadline) for _ in range(rounds)]
    return [_band([each[number] for each in drawn]) for number in range(len(plans))]


def _band(drawn: list[Prediction]) -> Band:
    low, high = {}, {}
    for name in vars(drawn[0]):
        values = np.array([getattr(each, name) for each in drawn], float)
        grain = GRAIN if name.startswith("p") else 0.0
        low[name] = float(np.quantile(values, 0.5 - WITHIN / 2, method="lower")) * (1.0 - grain)
        high[name] = float(np.quantile(values, 0.5 + WITHIN / 2, method="higher")) * (1.0 + grain)
    return Band(Prediction(**low), Prediction(**high))


def _again(traffic: Traffic, dice: np.random.Generator) -> Traffic:
    """Return *traffic* as it might have been."""
    record = traffic.to_dict()
    more = _more_or_fewer_spells(traffic, dice)
    for name in HISTOGRAMS:
        rows = record[name]["buckets"]
        counts = np.array([count for _, count in rows], float) * (more if name == "failed" else 1.0)
        record[name]["buckets"] = [
            [bucket, int(count)] for (bucket, _), count in zip(rows, dice.poisson(counts), strict=True) if count
        ]
    return Traffic.from_dict(record)


def _more_or_fewer_spells(traffic: Traffic, dice: np.random.Generator) -> Any:
    """Return how many times as many failures there might have been, for the number of spells they came in."""
    alone, begun = traffic.failed.count, traffic.lags.quiet[1]
    if not Model(traffic).trouble.share or not 1.0 <= begun < alone:
        return 1.0
    return dice.gamma(begun / 2.0, 2.0 / begun)
