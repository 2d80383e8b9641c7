"""The figures of a run, and its score (research: 0.3 time, 0.5 quality, 0.2 risk; each 0 to 100, higher is better)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from benchmarks.truth.play import Run
from benchmarks.truth.worlds import World

POINTS = (0.5, 0.9, 0.99, 0.999)
TIME_WEIGHTS = (0.4, 0.2, 0.4)  # of the first three
HEADROOM = 0.25  # of extra load, which costs everything
LEARNED = 5_000  # calls after which load is counted once more
SMALLEST, CROWD = 1.0, 20.0  # a window of load holds a second at least, and so many calls on average
WELL = 0.99  # share of calls that succeed when a target has recovered


class Figures(NamedTuple):
    """Hold the figures of one run; times in seconds, of successes (*ok*) and of all, failures at the deadline."""

    success: float
    ok: tuple[float, ...]
    all: tuple[float, ...]
    load: float  #: requests a call
    late: float  #: the same of the calls after the first 5,000
    worst: float  #: the same in the worst second
    recovery: float  #: seconds from the end of what made servers slow to the first second that goes well


class Score(NamedTuple):
    """Hold a score and its three parts."""

    total: float
    time: float
    quality: float
    risk: float


def figures(run: Run, world: World) -> Figures:
    """Return the figures of *run*."""
    everyone = quantiles(np.where(run.fine, run.took, world.deadline), world.deadline)
    late = run.made[LEARNED:] if len(run.made) > 2 * LEARNED else run.made[len(run.made) // 2 :]
    return Figures(
        success=float(run.fine.mean()),
        ok=everyone if run.fine.all() else quantiles(run.took[run.fine], world.deadline),
        all=everyone,
        load=float(run.made.mean()),
        late=float(late.mean()),
        worst=worst(run, world.rate),
        recovery=math.nan if world.servers is None else recovery(run, world.servers.slow_until),
    )


def quantiles(took: Any, nothing: float) -> tuple[float, ...]:
    """Return the points of *took*; *nothing* where there is none."""
    if not len(took):
        return (nothing,) * len(POINTS)
    return tuple(float(each) for each in np.quantile(took, POINTS))


def worst(run: Run, rate: float) -> float:
    """Return requests a call in the worst second (of more, where few calls come)."""
    width = max(SMALLEST, CROWD / rate)
    count = int(float(run.comes[-1]) / width)  # a last one that is not whole would hold too few calls
    if not count:
        return math.nan
    came, made = (np.histogram(each, count, (0.0, count * width))[0] for each in (run.comes, run.begun))
    whole = came >= CROWD / 4.0
    return float((made[whole] / came[whole]).max()) if whole.any() else math.nan


def recovery(run: Run, ended: float) -> float:
    """Return how many seconds after *ended* calls go well again; infinite if they never do."""
    for after in range(int(run.comes[-1] - ended)):
        here = (run.comes >= ended + after) & (run.comes < ended + after + 1.0)
        if here.any() and run.fine[here].mean() >= WELL:
            return float(after)
    return math.inf


def score(mine: Figures, base: Figures, calls: int) -> Score:
    """Return the score of figures beside those of one attempt a call, both of *calls* calls with the same luck."""
    speed = (0.5 + 0.5 * math.log10(old / new) for old, new in zip(base.ok, mine.ok, strict=True))
    time = 100.0 * sum(weight * min(1.0, max(0.0, each)) for weight, each in zip(TIME_WEIGHTS, speed, strict=False))
    quality = 100.0 * min(1.0, max(0.0, -math.log10(1.0 - mine.success + 0.5 / calls) / 4.0))
    risk = 100.0 * (1.0 - min(1.0, max(0.0, mine.load - 1.0) / HEADROOM) ** 2)
    return Score(0.3 * time + 0.5 * quality + 0.2 * risk, time, quality, risk)
