"""What the node asks of rooms that it does not know: a memory, somebody who chooses settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from unbreakable.policies import Plan
from unbreakable.stats import Quantile


class Memory(Protocol):
    """Keep what was learned about targets; records are JSON-ready and merge in any order.

    Every method is called in the background, never while a call waits.
    """

    def get(self, target: str) -> dict[str, Any] | None:
        """Return what is known about *target*, None for nothing."""

    def add(self, target: str, record: dict[str, Any], source: object) -> None:
        """Merge *record*, what *source* learned since its last one, into what is known, and tell the watchers."""

    def watch(self, target: str, told: Callable[[dict[str, Any], object], None]) -> None:
        """Call ``told(record, source)`` for every record that is added for *target*, as long as *told* lives."""


class Chooser(Protocol):
    """Turn what was learned into the settings that are in force."""

    def plan(self, before: Plan, latency: Quantile, observations: int) -> Plan:
        """Return the plan for a target whose successes took *latency*; *before* when nothing is to change."""
