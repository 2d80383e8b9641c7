"""Which of several ways to do the same job is used for the next call: the best one, and now and then a doubtful one.

Discounted Thompson sampling with Gaussian beliefs: W. R. Thompson, "On the likelihood that one unknown probability
exceeds another", Biometrika 25 (1933); S. Agrawal, N. Goyal, "Further Optimal Regret Bounds for Thompson Sampling"
(AISTATS 2013); discounting after V. Raj, S. Kalyani, "Taming Non-stationary Bandits" (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from unbreakable.stats import Arms

KEPT = 0.99  # what each use leaves of older evidence: the last 100 uses count, and one use in 50 goes to a poor arm
FAILURE = math.log(60.0)  # a failure costs as much as an answer that takes a minute
FASTEST = 1e-6  # seconds: below that no difference is made
LEAST_SPREAD = 0.3  # of the logarithm of the duration: no target is steadier than that for long
FAR = 12.0  # standard deviations
DOUBT = 2.0  # how far off, in the same unit, an arm that was never used is thought to be


def learn(arms: Arms, name: str, seconds: float, *, ok: bool) -> None:
    """Take in how one use of arm *name* went: it took so many *seconds*, and succeeded or not."""
    arms.discount(KEPT)
    arms.update(name, math.log(max(FASTEST, seconds)) if ok else FAILURE)


def outlasted(arms: Arms, name: str, seconds: float) -> None:
    """Take in that one use of arm *name* was given up after so many *seconds*, since another one was sooner.

    It would have taken longer, on the average by what the tail of the arm's own belief beyond that age comes to
    (J. Buckley, I. James, "Linear regression with censored data", Biometrika 66 (1979)): taken for as fast as the
    winner, the slower of two arms that are raced would seem as good.
    """
    age, seen, spread = math.log(max(FASTEST, seconds)), arms.value(name), arms.spread(LEAST_SPREAD)
    mean = age if seen is None else seen[0]
    arms.discount(KEPT)
    arms.update(name, min(FAILURE, mean + spread * _beyond((age - mean) / spread)))


def _beyond(z: float) -> float:
    """Return the mean of a standard normal variable that is known to be more than *z*.

    >>> [round(_beyond(z), 2) for z in (-9.0, 0.0, 3.0, 40.0)]
    [0.0, 0.8, 3.28, 40.02]
    """
    if z > FAR:  # there nothing is left of the probability, and of the series two terms are enough
        return z + 1.0 / z
    return math.sqrt(2.0 / math.pi) * math.exp(-z * z / 2.0) / math.erfc(z / math.sqrt(2.0))


def order(arms: Arms, names: Sequence[str], dice: Callable[[], float], *, after: float = 0.0) -> list[str]:
    """Return *names*, the one to use first; as given until so many uses are known of all together.

    *dice* gives uniform numbers in [0, 1).  Nothing is drawn where there is nothing to choose.
    """
    known = {name: seen for name in names if (seen := arms.value(name)) is not None}
    if len(names) < 2 or not known or sum(weight for _, weight in known.values()) < after:
        return list(names)
    spread = arms.spread(LEAST_SPREAD)
    common = sum(mean for mean, _ in known.values()) / len(known)
    faith = (spread / DOUBT) ** 2  # observations that the common mean is worth

    def drawn(name: str) -> float:
        mean, weight = known.get(name, (common, 0.0))
        believed = (mean * weight + common * faith) / (weight + faith)
        return believed + spread / math.sqrt(weight + faith) * _normal(dice)

    return sorted(names, key=drawn)


def _normal(dice: Callable[[], float]) -> float:
    """Return a number from the standard normal distribution (G. Box, M. Muller, 1958)."""
    return math.sqrt(-2.0 * math.log(1.0 - dice())) * math.cos(2.0 * math.pi * dice())
