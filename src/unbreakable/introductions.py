"""Rooms that do not know each other are introduced: nodes to the simulation that chooses their settings."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from unbreakable.fractal import introduced

if TYPE_CHECKING:  # there are no nodes yet
    from unbreakable.fractal import Chooser
    from unbreakable.fractal.settings import Settings


def introduce() -> None:
    """Let every node without an engine of its own be planned by the simulation; before there are any."""
    introduced.usual = _simulating


def _simulating(settings: Settings) -> Chooser:
    """Return the chooser of a node that was given none; the simulation is loaded when the first plan is made."""
    from unbreakable.simulation import Simulating

    return Simulating(settings, *_shared())


@functools.cache
def _shared() -> tuple[Any, Any]:
    """Return the rules and the ledger that all nodes without an engine of their own have in common."""
    from unbreakable.simulation import Ledger, Rules, ScoreWeights

    return Rules(weights=ScoreWeights(), universe_count=5, strategies=()), Ledger()
