"""Which of several ways to do the same job is used for the next call: the best one, and now and then a doubtful one.

What is compared is what a score compares (see there), in units of the logarithm of seconds: how long a way takes, at
the median and in the tail, what is spent on attempts that fail, and what it costs that calls do: all that fail, where
they are not repeated, else those that the budget cannot pay for.

Discounted Thompson sampling with Gaussian beliefs: W. R. Thompson, "On the likelihood that one unknown probability
exceeds another", Biometrika 25 (1933); S. Agrawal, N. Goyal, "Further Optimal Regret Bounds for Thompson Sampling"
(AISTATS 2013); discounting after V. Raj, S. Kalyani, "Taming Non-stationary Bandits" (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from unbreakable.errors import Kind
from unbreakable.fractal.signature import is_named
from unbreakable.outcome import Failure
from unbreakable.policies import Context, RetryBudget
from unbreakable.policies.rests import Rests
from unbreakable.simulation.score import HEADROOM
from unbreakable.stats import Arms

KEPT = 0.995  # what each use of an arm leaves of older evidence on it: its last 200 uses count
IDLE = 0.5 ** (1.0 / 10_000)  # what one of another arm leaves: half of it after so many
CHANGED = 0.02  # what is left of it when it is not what it used to be
FASTEST = 1e-6  # seconds: below that no difference is made
LEAST_SPREAD = 0.3  # of the logarithm of the duration: no target is steadier than that for long
LONGEST = math.log(60.0)  # who was given up is thought to take a minute at most
FAR = 12.0  # standard deviations
DOUBT = 2.0  # how far off, in the same unit, an arm that was never used is thought to be
FEW = 3.0  # observations from which on something can be said of how long an arm takes
ENOUGH = 30.0  # observations of an arm, of late, with which it is not looked at for its own sake
MOST_LOOKS = 0.02  # share of the calls that look at an arm of which nothing is known
# A score has 15 points for a tenth of the time, 0.4 of them at the median, 0.2 at p90 and 0.4 at p99: of a normal
# distribution of the logarithm these are the mean and so many standard deviations.
TAIL = 0.2 * 1.2816 + 0.4 * 2.3263
UNIT = 15.0 / math.log(10.0)  # points
WASTE = 20.0 / UNIT  # a quarter of requests in vain costs 20 points; what is beyond, in proportion
LOST = 12.5 / UNIT / math.log(10.0)  # ten times as many lost calls cost 12.5 points
BORNE = 0.5 * RetryBudget().ratio  # share of the calls that can be repeated, with as many left for copies
UNPAID = 0.02  # share of what is beyond that is thought to be lost: little, to be sure of the order of two ways only
FEWEST_LOST = 1e-4  # share of calls below which no difference is made
PRIOR = 2.0  # uses of an arm that are thought to have been well


def learn(arms: Arms, name: str, seconds: float, *, ok: bool) -> None:
    """Take in how one use of arm *name* went: it took so many *seconds*, and succeeded or not.

    Who fails makes his caller wait for another one, too.
    """
    cost = math.log(max(FASTEST, seconds if ok else seconds + _quickest(arms)))
    changed = ok and arms.has_changed(name, cost, LEAST_SPREAD)
    arms.discount(IDLE, {name: CHANGED if changed else KEPT})
    arms.update(name, cost, failed=not ok)


def _quickest(arms: Arms) -> float:
    """Return how many seconds the arm usually takes that is the quickest one."""
    means = [
        seen[0] for name in arms.names() if (seen := arms.value(name)) is not None and arms.share_failed(name) < 1.0
    ]
    return math.exp(min(means)) if means else 0.0


def outlasted(arms: Arms, name: str, seconds: float) -> None:
    """Take in that one use of arm *name* was given up after so many *seconds*, since another one was sooner.

    It would have taken longer, on the average by what the tail of the arm's own belief beyond that age comes to
    (J. Buckley, I. James, "Linear regression with censored data", Biometrika 66 (1979)): taken for as fast as the
    winner, the slower of two arms that are raced would seem as good.
    """
    age, seen, spread = math.log(max(FASTEST, seconds)), arms.value(name), arms.spread(LEAST_SPREAD)
    mean = age if seen is None else seen[0]
    arms.discount(IDLE, {name: KEPT})
    arms.update(name, min(LONGEST, mean + spread * _beyond((age - mean) / spread)))


def _beyond(z: float) -> float:
    """Return the mean of a standard normal variable that is known to be more than *z*.

    >>> [round(_beyond(z), 2) for z in (-9.0, 0.0, 3.0, 40.0)]
    [0.0, 0.8, 3.28, 40.02]
    """
    if z > FAR:  # there nothing is left of the probability, and of the series two terms are enough
        return z + 1.0 / z
    return math.sqrt(2.0 / math.pi) * math.exp(-z * z / 2.0) / math.erfc(z / math.sqrt(2.0))


def order(
    arms: Arms, names: Sequence[str], dice: Callable[[], float], *, after: float = 0.0, repeated: bool = True
) -> list[str]:
    """Return *names*, the one to use first; as given until so many uses are known of all together.

    *dice* gives uniform numbers in [0, 1).  Nothing is drawn where there is nothing to choose.  *repeated* says that a
    failure is not yet the call's.
    """
    known = {name: seen for name in names if (seen := arms.value(name)) is not None}
    if len(names) < 2 or not known or sum(weight for _, weight in known.values()) < after:
        return list(names)
    pooled = arms.spread(LEAST_SPREAD)
    common = sum(mean for mean, _ in known.values()) / len(known)
    faith = (pooled / DOUBT) ** 2  # observations that the common mean is worth

    def drawn(name: str) -> float:
        mean, weight = known.get(name, (common, 0.0))
        own = arms.spread(LEAST_SPREAD, name)
        spread = math.sqrt((weight * own**2 + ENOUGH / 3.0 * pooled**2) / (weight + ENOUGH / 3.0))
        believed = (mean * weight + common * faith) / (weight + faith)
        failing = _failing(arms, name, weight, dice)
        return believed + spread / math.sqrt(weight + faith) * _normal(dice) + TAIL * spread + _price(failing, repeated)

    return sorted(names, key=drawn)


def _failing(arms: Arms, name: str, weight: float, dice: Callable[[], float]) -> float:
    """Return the share of the uses of arm *name* that is believed to fail."""
    share = arms.share_failed(name) * weight / (weight + PRIOR)
    doubt = math.sqrt(share * (1.0 - share) / (weight + PRIOR))
    return min(1.0, max(0.0, share + doubt * _normal(dice))) if doubt else share


def _price(failing: float, repeated: bool) -> float:
    """Return what it costs that so large a share of the attempts fail.

    Failures are not yet the call's where that is *repeated*.

    >>> [round(_price(share, True), 2) for share in (0.0, 0.03, 0.25, 1.0)]
    [0.0, 0.04, 5.93, 25.82]
    """
    beyond = max(0.0, failing - HEADROOM) / HEADROOM
    lost = UNPAID * max(0.0, failing - BORNE) if repeated else failing
    return WASTE * (min(1.0, failing / HEADROOM) ** 2 + 2.0 * beyond) + LOST * math.log1p(lost / FEWEST_LOST)


def doubted(arms: Arms, names: Sequence[str], dice: float) -> str | None:
    """Return which arm of *names* to look at for its own sake, if any: the less is known of it, the more often."""
    weights = {name: seen[1] if (seen := arms.value(name)) is not None else 0.0 for name in names}
    least = min(weights, key=weights.__getitem__, default=None)
    if least is None or dice >= MOST_LOOKS * (1.0 - weights[least] / ENOUGH):
        return None
    return least


def would_have_answered(arms: Arms, name: str) -> float | None:
    """Return after how many seconds arm *name* would have answered nine times of ten; None if it is not known yet."""
    seen = arms.value(name)
    if seen is None or seen[1] < FEW:
        return None
    return math.exp(seen[0] + 1.2816 * arms.spread(LEAST_SPREAD, name))


def is_worth_again(failure: Failure, name: str, others: Iterable[str], rests: Rests, ctx: Context) -> bool:
    """Return whether to ask *name* again, which has just failed: once, if it is well and much sooner than *others*.

    Not where it asks to be left alone for a while, or such a failure is not repeated: then only others may help.  Nor
    where its answer, after the pause that is due on the average, would come later than that of another one.
    """
    retry = ctx.plan.retry
    if retry is None or ctx.attempt + 1 >= retry.attempts or not rests.failed_once(name):
        return False
    if failure.retry_after is not None or failure.kind is Kind.THROTTLED:
        return False
    is_wanted = retry.wants(failure, remedied=False, named=is_named(failure, retry.on))
    return is_wanted and is_far_sooner(ctx.target.arms, name, others, after=retry.pause(failure, 0.5))


def is_far_sooner(arms: Arms, name: str, others: Iterable[str], *, after: float = 0.0) -> bool:
    """Return whether arm *name*, which has just failed, is to be asked again: as if every other time it failed again.

    It is well known, and takes less than half as long as any of the *others*; *after* so many seconds, still less.
    """
    mine, rest = arms.value(name), [arms.value(other) for other in others if other != name]
    if mine is None or mine[1] < ENOUGH or arms.share_failed(name) > HEADROOM:
        return False
    least = max(mine[0] + math.log(2.0), math.log(after + math.exp(mine[0])))
    return all(other is not None and other[0] > least for other in rest)


def _normal(dice: Callable[[], float]) -> float:
    """Return a number from the standard normal distribution (G. Box, M. Muller, 1958)."""
    return math.sqrt(-2.0 * math.log(1.0 - dice())) * math.cos(2.0 * math.pi * dice())
