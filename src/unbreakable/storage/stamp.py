"""The time of day, for people who read what is stored; nothing is decided by it."""

from __future__ import annotations

import time


def time_of_day() -> float:
    """Return seconds since 1970."""
    return time.time()  # noqa: TID251 - the one place where records get their stamp
