"""Whether a stretch of calls went as predicted, within what chance and what was not known may make of it.

A figure holds if no more calls are beyond the end of its band, and no fewer beyond the other end, than it says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from unbreakable.simulation.prediction import Prediction

Z = 1.645  # standard deviations on either side that hold nine of ten stretches
FIGURES = {"p50": 0.5, "p99": 0.99}
OF_EACH = 3  # figures of a stretch that are compared: these, and success


class Leeway(NamedTuple):
    """Hold the ends of bands beside what is predicted, and how many calls tell no more than one would alone.

    Those of durations are factors, those of success are differences; ``together`` is for p50, p99 and success.
    """

    p50: tuple[float, float] = (1.0, 1.0)
    p99: tuple[float, float] = (1.0, 1.0)
    success: tuple[float, float] = (0.0, 0.0)
    together: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def wider(self, times: float) -> Leeway:
        """Return it that many times as wide."""
        return self._replace(
            p50=(self.p50[0] ** times, self.p50[1] ** times),
            p99=(self.p99[0] ** times, self.p99[1] ** times),
            success=(self.success[0] * times, self.success[1] * times),
        )

    def at_least(self, times: float) -> Leeway:
        """Return it with durations that may be so many *times* as long, or as short, in any case."""
        p50, p99 = ((min(low, 1.0 / times), max(high, times)) for low, high in (self.p50, self.p99))
        return self._replace(p50=p50, p99=p99)


class Stretch(NamedTuple):
    """Hold calls that went on under one prediction: the seconds of good ones, how many were lost, or answered no."""

    prediction: Prediction
    took: Sequence[float]
    lost: int
    answered: int = 0


def held(stretches: Sequence[Stretch], leeway: Leeway) -> int:
    """Return how many of median, p99 and success were as predicted."""
    of_p50, of_p99, _ = leeway.together
    good = _in_time(stretches, "p50", leeway.p50, of_p50), _in_time(stretches, "p99", leeway.p99, of_p99)
    return sum(good) + _success(stretches, leeway)


def _in_time(stretches: Sequence[Stretch], name: str, ends: tuple[float, float], together: float) -> bool:
    share, count = 1.0 - FIGURES[name], sum(len(each.took) for each in stretches)
    fewer = more = _beyond(stretches, name, ends[0])
    if ends[1] != ends[0]:
        fewer = _beyond(stretches, name, ends[1])
    chance = Z * math.sqrt(together * count * share * (1.0 - share)) + 0.5
    return fewer <= count * share + chance and more >= count * share - chance


def _beyond(stretches: Sequence[Stretch], name: str, times: float) -> int:
    """Return how many good calls took longer than that many times what is predicted."""
    ends = ((each, times * float(getattr(each.prediction, name))) for each in stretches)
    return sum(sum(map(end.__lt__, each.took)) for each, end in ends)


def _success(stretches: Sequence[Stretch], leeway: Leeway) -> bool:
    lost = sum(each.lost for each in stretches)
    fewest, most = (_failing(stretches, end) for end in reversed(leeway.success))
    together = leeway.together[2]
    return fewest - Z * math.sqrt(together * fewest) - 0.5 <= lost <= most + Z * math.sqrt(together * most) + 0.5


def _failing(stretches: Sequence[Stretch], more: float) -> float:
    """Return how many calls would fail, were success that much *more* than predicted."""
    shares = ((each, min(1.0, max(0.0, 1.0 - each.prediction.success - more))) for each in stretches)
    return sum(share * (len(each.took) + each.lost + each.answered) for each, share in shares)
