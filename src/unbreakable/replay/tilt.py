"""By how much attempts that are made after failures fail more often than others near them in time.

Where an outage is over, or failures have no cause in the request, a repeat fails as any attempt does.  Where the
request itself is at fault it fails again.  A *tilt* is what the failures before add to the log-odds of one more: such
that as many repeats would have failed as have, each among the attempts near it.  It is none as long as chance explains
what was recorded (a likelihood-ratio test, 1 %).  After more failures than were recorded each adds as much as the last
one, as evidence for one of two sorts of requests does by Bayes' rule; that is an assumption, and is told as one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

ENOUGH = 30  # repeats, to learn from
MOST = 7.0  # a thousand times the odds
TOLD = 6.63  # twice the logarithm of a likelihood ratio that chance exceeds one time in a hundred
HALVINGS = 40


class Attempt(Protocol):
    """Be an attempt that was recorded."""

    @property
    def was_cut(self) -> bool:
        """Return whether it was cut."""

    @property
    def failure(self) -> object:
        """Return how it failed; None for a success, or one that was cut."""


class Tilts(NamedTuple):
    """Hold what was *learned* of attempts after 1, 2, … failures."""

    learned: tuple[float, ...]

    def after(self, failures: int) -> tuple[float, bool]:
        """Return the tilt after so many *failures*, and whether it was learned."""
        if failures <= len(self.learned):
            return self.learned[failures - 1], True
        known = (0.0, *self.learned)
        step = known[-1] - known[-2] if self.learned else 0.0
        return min(MOST, max(0.0, known[-1] + step * (failures - len(self.learned)))), False


def tilts(again: Mapping[int, Sequence[tuple[Attempt, Sequence[Attempt]]]]) -> Tilts:
    """Return what is learned from the attempts made *again*, by failures before, each with those near it."""
    learned: list[float] = []
    while len(again.get(len(learned) + 1, ())) >= ENOUGH:
        ended = [(repeat, near) for repeat, near in again[len(learned) + 1] if not repeat.was_cut]
        shares = [_share(near) for _, near in ended]
        learned.append(tilt_of(shares, [repeat.failure is not None for repeat, _ in ended]))
    return Tilts(tuple(learned))


def tilt_of(shares: Sequence[float], failed: Sequence[bool]) -> float:
    """Return by how much to tilt the *shares* that fail elsewhere to have as many as have *failed*.

    >>> round(tilt_of([0.1] * 100, [True] * 50 + [False] * 50), 2)
    2.2
    >>> tilt_of([0.1] * 100, [True] * 12 + [False] * 88)
    0.0
    """
    wanted, low, high = sum(failed), -MOST, MOST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(_tilted(share, middle) for share in shares) < wanted else (low, middle)
    gain = _likelihood(shares, failed, low) - _likelihood(shares, failed, 0.0)
    return low if 2.0 * gain > TOLD else 0.0


def _share(near: Sequence[Attempt]) -> float:
    """Return the share that failed of those that ended; none and all are not certain."""
    ended = [each for each in near if not each.was_cut]
    return (sum(each.failure is not None for each in ended) + 0.5) / (len(ended) + 1.0)


def _tilted(share: float, tilt: float) -> float:
    odds = share / (1.0 - share) * math.exp(tilt)
    return odds / (1.0 + odds)


def _likelihood(shares: Sequence[float], failed: Sequence[bool], tilt: float) -> float:
    return math.fsum(
        math.log(_tilted(p, tilt) if bad else 1.0 - _tilted(p, tilt)) for p, bad in zip(shares, failed, strict=True)
    )
