"""What the model says that calls under a plan would be like."""

from __future__ import annotations

from unbreakable.record import Record


class Prediction(Record):
    """Say what calls under a plan are like in the model: share of successes, their duration in seconds, and the load.

    ``load`` is the mean number of requests that one call makes.
    """

    success: float
    p50: float
    p90: float
    p99: float
    p999: float
    load: float
