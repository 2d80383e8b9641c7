"""Whether failures come in spells: a target that is now well, now in trouble, as it shows in how repeats would fare.

Two states that follow one another at random (E. N. Gilbert, "Capacity of a burst-noise channel", BSTJ 39, 1960) make
failures follow failures the less often the later: c(lag) = f + A exp(-lag / tau), fitted by weighted least squares.
With g, how often attempts fail in quiet, the rest follows: x = A f / (f - g) + (f - g) more fail in trouble.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unbreakable.stats import Lags
from unbreakable.stats.lags import BINS, ROWS, SHORTEST, UNIT

PAIRED = 15.0  # failures after failures that it takes to see any spell
EVIDENCE = 16.0  # of chi squared: four standard deviations, as an attempt counts after each of several failures
ENOUGH = 1_500.0  # attempts at a lag: more are of the same few spells, and do not tell as much more
LUCK = 0.1  # variance of an attempt at any lag, at least: where few fail, those are of few spells
LEAST = 0.03  # by which failures have to be likelier right after others
TAUS = 0.01 * 2.0 ** np.arange(0.0, 14.0, 0.25)
SURE_TO_FAIL = 0.999
FEW_QUIET = 3.0  # failures out of quiet that it takes to say how often attempts fail there
BEGIN_NONE = 0.5  # share of failures out of quiet that begin no spell: nobody knows, and half is never far

_BEGIN = SHORTEST * 2.0 ** np.arange(float(BINS))  # of each bin, which ends at twice that
# What is left of the worth of knowing a failure, as a mean over each bin, where attempts come evenly.
_SHAPE = (np.exp(-_BEGIN / TAUS[:, None]) - np.exp(-2.0 * _BEGIN / TAUS[:, None])) * TAUS[:, None] / _BEGIN
_SQUARES = _SHAPE**2


class Spells(NamedTuple):
    """Describe a target's trouble: its share of the time, how likely attempts fail without and within, its memory.

    ``memory`` is in seconds: after so many, what is known of the state has lost two thirds of its worth.
    """

    share: float
    fails_well: float
    fails_in_trouble: float
    memory: float


def spells(lags: Lags, fails: float) -> Spells | None:
    """Return the spells of a target whose attempts fail that often; None: it fails at any time, or nobody knows."""
    if fails <= 0.0:
        return None
    seen, failed = (np.array(lags.units()).reshape(2, ROWS) / UNIT)[:, :BINS]
    if failed.sum() < PAIRED:
        return None
    excess = (failed + fails) / (seen + 1.0) - fails
    certainty = seen / np.maximum(LUCK, (excess + fails) * (1.0 - excess - fails))
    weight = certainty / (1.0 + seen / ENOUGH)
    explained, steep = _SHAPE @ (weight * excess), np.maximum(_SQUARES @ weight, 1e-12)
    height = np.minimum(np.maximum(explained / steep, 0.0), 1.0 - fails)
    best = int((height * (height * steep - 2.0 * explained)).argmin())  # of the misfit, what hangs on the choice
    misfit = (excess - height[best] * _SHAPE[best]) ** 2
    if height[best] < LEAST or (certainty * (excess**2 - misfit)).sum() < EVIDENCE:
        return None
    quiet, quiet_failed = lags.quiet
    most = fails * max(0.0, 1.0 - float(height[best]) / (1.0 - fails))  # else more than all would fail in trouble
    well = BEGIN_NONE * min(most, quiet_failed / quiet if quiet_failed >= FEW_QUIET else fails)
    trouble = min(SURE_TO_FAIL, well + float(height[best]) * fails / (fails - well) + (fails - well))
    return Spells((fails - well) / (trouble - well), well, trouble, float(TAUS[best]))
