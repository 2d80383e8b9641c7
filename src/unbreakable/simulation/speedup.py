"""How much faster calls are than the operation alone would have been: measured, with an interval, or not said."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from unbreakable.record import Record

MOST_KEPT = 1_000  # durations of each side, the newest
LEAST = 8  # durations of each side below which nothing is said: no interval of a median is as sure as we want it
Z = 2.24  # 97.5 % for each side, so that together at least 95 % is kept


class Speedup(Record):
    """Say how many times faster the median call is than the median of *baseline*, with its 95 % interval.

    *n* is the number of durations of the side of which fewer are known.
    """

    ratio: float
    low: float
    high: float
    n: int
    baseline: str

    def __str__(self) -> str:
        """Return the ratio as it is said, such as "10.5x"."""
        return f"{self.ratio:.1f}x"

    def __repr__(self) -> str:
        """Return it as it is said, with what it rests on."""
        return f"<{self}, {self.low:.1f}x to {self.high:.1f}x, of {self.n} calls, than {self.baseline}>"


class Stopwatch:
    """Keep how long the operation alone took, and how long calls took; not locked, since a lost entry is no harm."""

    def __init__(self, baseline: str) -> None:
        self.baseline = baseline
        self.alone: deque[float] = deque(maxlen=MOST_KEPT)
        self.calls: deque[float] = deque(maxlen=MOST_KEPT)

    def value(self) -> Speedup | None:
        """Return the speed-up; None when it cannot be told from none."""
        return speedup(list(self.alone), list(self.calls), self.baseline)


def speedup(alone: Sequence[float], calls: Sequence[float], baseline: str) -> Speedup | None:
    """Return how much faster *calls* are than *alone*, both in seconds; None when the interval contains 1.

    The interval is that of the two medians by order statistics, which need no assumption about how durations are
    distributed (H. David, H. Nagaraja, "Order Statistics", 7.1), put together so that both hold at once.
    """
    before, after = median(alone), median(calls)
    if before is None or after is None or min(before.low, after.low) <= 0.0:
        return None
    found = Speedup(
        ratio=before.middle / after.middle,
        low=before.low / after.high,
        high=before.high / after.low,
        n=min(len(alone), len(calls)),
        baseline=baseline,
    )
    return None if found.low <= 1.0 <= found.high else found


def together(found: Sequence[Speedup]) -> Speedup | None:
    """Return the geometric mean of several speed-ups, its interval wide enough for each of theirs."""
    if not found:
        return None

    def mean(values: Sequence[float]) -> float:
        return math.exp(sum(map(math.log, values)) / len(values))

    baselines = {each.baseline for each in found}
    return Speedup(
        ratio=mean([each.ratio for each in found]),
        low=mean([each.low for each in found]),
        high=mean([each.high for each in found]),
        n=sum(each.n for each in found),
        baseline=baselines.pop() if len(baselines) == 1 else "each operation alone",
    )


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
