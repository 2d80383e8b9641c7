"""What the next calls at a target are expected to be like."""

from __future__ import annotations

from unbreakable.record import Record


class Forecast(Record):
    """Say what the next calls are expected to be like: share of good ones, median and 99th percentile in seconds."""

    success_rate: float | None
    p50: float | None
    p99: float | None
