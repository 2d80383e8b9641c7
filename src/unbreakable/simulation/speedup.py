"""How much faster calls are than the operation alone would have been: measured, with an interval, or not said."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from unbreakable.record import Preset

MOST_KEPT = 1_000  # durations of each side, the newest
LEAST = 8  # durations of each side below which nothing is said: no interval of a median is as sure as we want it
PAIRED, TWO_SAMPLES = "paired", "two samples"
Z = 2.24  # 97.5 % for each side, so that together at least 95 % is kept


class Speedup(Preset):
    """Say how many times faster calls are than *baseline* at one *quantile*, the median or p99, with its 95 % interval.

    *n* is the number of calls compared, of two samples that of the smaller one.  *estimator* says how: "paired" sets
    each call against what its own first attempt came to, "two samples" compares others with others.  *rescued* is the
    share of the calls that succeeded though their first attempt failed, *extra_load* that of requests beyond one for
    each call; both are None where nobody counted them.
    """

    ratio: float
    low: float
    high: float
    n: int
    baseline: str
    quantile: float = 0.5
    estimator: str = TWO_SAMPLES
    rescued: float | None = None
    extra_load: float | None = None

    @property
    def is_measurable(self) -> bool:
        """Whether it can be told from none: the interval leaves 1 out."""
        return not self.low <= 1.0 <= self.high

    def __str__(self) -> str:
        """Return the ratio as it is said, such as "10.5x"."""
        return f"{self.ratio:.1f}x"

    def __repr__(self) -> str:
        """Return it as it is said, with what it rests on."""
        at = "" if self.quantile == 0.5 else f" at p{100.0 * self.quantile:g}"
        how = [f"{self.low:.1f}x to {self.high:.1f}x", f"of {self.n} calls", f"than {self.baseline}", self.estimator]
        if self.rescued is not None:
            how.append(f"{self.rescued:.1%} rescued")
        if self.extra_load is not None:
            how.append(f"{self.extra_load:.1%} extra load")
        return f"<{self}{at}, {', '.join(how)}>"


class Stopwatch:
    """Keep how long the operation alone took, and how long calls took; not locked, since a lost entry is no harm."""

    def __init__(self, baseline: str) -> None:
        self.baseline = baseline
        self.alone: deque[float] = deque(maxlen=MOST_KEPT)
        self.calls: deque[float] = deque(maxlen=MOST_KEPT)

    def estimate(self) -> Speedup | None:
        """Return how the calls compare, be it measurable or not; None while there are too few."""
        return estimate(list(self.alone), list(self.calls), self.baseline)

    def value(self) -> Speedup | None:
        """Return the speed-up; None when it cannot be told from none."""
        return speedup(list(self.alone), list(self.calls), self.baseline)


def speedup(alone: Sequence[float], calls: Sequence[float], baseline: str) -> Speedup | None:
    """Return how much faster *calls* are than *alone*, both in seconds; None when that cannot be told from none."""
    found = estimate(alone, calls, baseline)
    return found if found is not None and found.is_measurable else None


def estimate(alone: Sequence[float], calls: Sequence[float], baseline: str) -> Speedup | None:
    """Return how *calls* compare with *alone*, other calls, both in seconds; None when there are too few.

    The interval is that of the two medians by order statistics, which need no assumption about how durations are
    distributed (H. David, H. Nagaraja, "Order Statistics", 7.1), put together so that both hold at once: it is wider
    than it had to be.
    """
    before, after = median(alone), median(calls)
    if before is None or after is None or min(before.low, after.low) <= 0.0:
        return None
    return Speedup(
        ratio=before.middle / after.middle,
        low=before.low / after.high,
        high=before.high / after.low,
        n=min(len(alone), len(calls)),
        baseline=baseline,
    )


def together(found: Sequence[Speedup]) -> Speedup | None:
    """Return the geometric mean of several estimates at one quantile; None when that cannot be told from none.

    Those that cannot be told from none by themselves belong to it: without them it would be a mean of the lucky ones.
    The interval is that of a mean of independent estimates, each side by itself.
    """
    if not found:
        return None
    whole = math.exp(sum(math.log(each.ratio) for each in found) / len(found))
    below = math.hypot(*(math.log(each.ratio / each.low) for each in found)) / len(found)
    above = math.hypot(*(math.log(each.high / each.ratio) for each in found)) / len(found)
    mean = Speedup(
        ratio=whole,
        low=whole * math.exp(-below),
        high=whole * math.exp(above),
        n=sum(each.n for each in found),
        baseline=_one_of({each.baseline for each in found}, "each operation alone"),
        quantile=found[0].quantile,
        estimator=_one_of({each.estimator for each in found}, f"{PAIRED}, or {TWO_SAMPLES}"),
        rescued=_share([(each.rescued, each.n) for each in found]),
        extra_load=_share([(each.extra_load, each.n) for each in found]),
    )
    return mean if mean.is_measurable else None


def _one_of(words: set[str], otherwise: str) -> str:
    return words.pop() if len(words) == 1 else otherwise


def _share(shares: Iterable[tuple[float | None, int]]) -> float | None:
    """Return the mean of the *shares* that are known, each weighed by its number of calls."""
    known = [(share, calls) for share, calls in shares if share is not None]
    return sum(share * calls for share, calls in known) / sum(calls for _, calls in known) if known else None


class Median(NamedTuple):
    """Hold a median and the order statistics that enclose it, with 97.5 % certainty."""

    low: float
    middle: float
    high: float


def median(durations: Sequence[float]) -> Median | None:
    """Return the median of *durations* and its interval; None when there are too few of them."""
    rising, count = sorted(durations), len(durations)
    if count < LEAST:
        return None
    reach = Z * math.sqrt(count) / 2.0
    below, above = max(0, math.floor(count / 2.0 - reach) - 1), min(count - 1, math.ceil(count / 2.0 + reach))
    return Median(rising[below], (rising[(count - 1) // 2] + rising[count // 2]) / 2.0, rising[above])
