"""What was weighed for one target and what won, with the reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from unbreakable.record import Record
from unbreakable.simulation.weigh import Universe


class Decision(Record):
    """Say which strategy is best for *target*, of which *universes*, the winner first; nothing was executed for it.

    ``model_age`` is how many seconds ago the model last learned, None before it learned anything; then the universes
    rest on a guess of what targets are like, and the winner is "balanced", which is in force until something is known.
    ``plan`` holds the winner's settings; ``observations`` is the number of attempts that the model rests on.
    """

    target: str
    universes: tuple[Universe, ...]
    winner: str
    model_age: float | None
    observations: int
    plan: Mapping[str, Any]

    def explain(self) -> str:
        """Return the decision as a table in plain text."""
        seen = "a guess: nothing was learned yet" if self.model_age is None else f"{self.observations} attempts"
        lines = [f"{self.target}: {self.winner}, from {seen}"]
        lines.append(f"  {'strategy':<13} score   time  quality  risk   success      p50      p99   load")
        for each in self.universes:
            guess = each.prediction
            lines.append(
                f"  {each.strategy:<13} {each.score:5.1f}  {each.time_score:5.1f}   {each.quality_score:5.1f}  "
                f"{each.risk_score:5.1f}  {guess.success:7.3%}  {_time(guess.p50)}  {_time(guess.p99)}  "
                f"{guess.load:5.3f}  {each.why}"
            )
        return "\n".join(lines)


def _time(seconds: float) -> str:
    if seconds == math.inf:
        return "  never"
    return f"{seconds:5.2f} s" if seconds >= 1.0 else f"{seconds * 1e3:4.0f} ms"
