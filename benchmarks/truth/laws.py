"""How long requests take: laws that draw once for each of many calls.

A law takes dice and what is inherent in the calls, a uniform number each, and returns seconds, one a call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Law = Callable[[np.random.Generator, Any], Any]


def lognormal(mean: float, sd: float) -> Law:
    """Return the log-normal law with that mean and standard deviation."""
    spread = math.log(1.0 + (sd / mean) ** 2)
    return lambda dice, inherent: dice.lognormal(math.log(mean) - spread / 2.0, math.sqrt(spread), len(inherent))


def pareto(least: float, shape: float, most: float) -> Law:
    """Return the Pareto law from *least* seconds on, cut at *most*."""
    return lambda dice, inherent: np.minimum(least * (1.0 - dice.random(len(inherent))) ** (-1.0 / shape), most)


def exponential(mean: float) -> Law:
    """Return the exponential law."""
    return lambda dice, inherent: dice.exponential(mean, len(inherent))


def mixture(one: Law, other: Law, share: float) -> Law:
    """Return the law of *other* for that *share* of the requests, of *one* for the rest."""

    def law(dice: np.random.Generator, inherent: Any) -> Any:
        first, second = one(dice, inherent), other(dice, inherent)
        return np.where(dice.random(len(inherent)) < share, second, first)

    return law


def stragglers(body: Law, share: float, factor: float) -> Law:
    """Let that *share* of the requests take *factor* times as long."""

    def law(dice: np.random.Generator, inherent: Any) -> Any:
        return body(dice, inherent) * np.where(dice.random(len(inherent)) < share, factor, 1.0)

    return law


def inherent_stragglers(body: Law, share: float, factor: float) -> Law:
    """Let every request of that *share* of the calls take *factor* times as long: no copy escapes it."""
    return lambda dice, inherent: body(dice, inherent) * np.where(inherent < share, factor, 1.0)


def shifted(law: Law, by: float) -> Law:
    """Return the same law, with so many seconds on top."""
    return lambda dice, inherent: by + law(dice, inherent)
