"""A roll of the dice that depends on its labels alone, so a story can be told again in another process."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from statistics import NormalDist

_NORMAL = NormalDist()


def uniforms(*labels: object) -> Iterator[float]:
    """Yield eight numbers strictly between 0 and 1, the same for the same labels on any machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, labels)).encode(), digest_size=64).digest()
    for start in range(0, 64, 8):
        yield (int.from_bytes(digest[start : start + 8], "big") + 0.5) / 2.0**64


def exponential(u: float, mean: float) -> float:
    """Return the exponential draw of this mean that belongs to the uniform number."""
    return -math.log1p(-u) * mean


def lognormal(u: float, median: float, sigma: float) -> float:
    """Return the lognormal draw that belongs to the uniform number; `sigma` is the spread of its logarithm."""
    return median * math.exp(sigma * _NORMAL.inv_cdf(min(max(u, 1e-12), 1.0 - 1e-12)))


def pareto(u: float, least: float, alpha: float) -> float:
    """Return the Pareto draw that belongs to the uniform number: heavy-tailed, never below `least`."""
    return float(least * (1.0 - u) ** (-1.0 / alpha))
