"""What the model says that calls under a plan would be like."""

from __future__ import annotations

from unbreakable.record import Preset


class Prediction(Preset):
    """Say what calls under a plan are like in the model: share of successes, their duration in seconds, and the load.

    ``load`` is the mean number of requests that one call makes.  ``low`` and ``high`` are the ends of the band that
    holds nine of ten targets of which as much is known, for each figure by itself; None where nobody asked for it.
    """

    success: float
    p50: float
    p90: float
    p99: float
    p999: float
    load: float
    low: Prediction | None = None
    high: Prediction | None = None
