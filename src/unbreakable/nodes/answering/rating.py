"""How good an agent is, as far as people judged it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

WEIGHT = 20.0  # judged responses that the prior of the dna is worth: 850 is Beta(17, 3)
VERIFIED = 50  # judged responses from which a rating is more than its prior
Z = 1.959964  # standard deviations of a 95 % interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """Rate an agent from 0 to 1000: 1000 times the share of good responses, the prior included.

    ``low`` and ``high`` are its 95 % interval (E. B. Wilson, 1927).  ``judged`` is how many of the last 1,000 judged
    responses it rests on, ``verified`` whether they are at least 50.  Questions that nobody judges do not move it.
    """

    score: float
    low: float
    high: float
    judged: int
    verified: bool

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


def rate(prior: float, good: float, judged: int) -> Rating:
    """Return the rating after *judged* responses, *good* of them good, from a *prior* score of 0..1000.

    >>> rate(850, 0, 0).score, round(rate(850, 10, 20).score)
    (850.0, 675)
    """
    trials = WEIGHT + judged
    score = (prior * WEIGHT + 1000.0 * good) / trials
    share = score / 1000.0
    middle = share + Z**2 / (2 * trials)
    margin = Z * math.sqrt(max(0.0, share * (1 - share)) / trials + Z**2 / (4 * trials**2))
    whole = 1 + Z**2 / trials
    low, high = 1000.0 * (middle - margin) / whole, 1000.0 * (middle + margin) / whole
    return Rating(
        score=score,
        low=max(0.0, min(score, low)),
        high=min(1000.0, max(score, high)),
        judged=judged,
        verified=judged >= VERIFIED,
    )
