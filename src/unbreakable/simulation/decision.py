"""What was weighed for one target and what won, with the reasons."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

from unbreakable.plain import on_a_line
from unbreakable.record import Record
from unbreakable.simulation.score import ScoreWeights, exchange_rates
from unbreakable.simulation.weigh import Universe


class Decision(Record):
    """Say which strategy is best for *target*, of which *universes*, the winner first; nothing was executed for it.

    Predictions come with bands, in brackets in tables, which hold nine of ten targets of which as much is known.

    ``plan`` holds the winner's settings; ``observations`` is the number of attempts that the model rests on.  If there
    are none the universes rest on a guess of what targets are like, and the winner is "balanced", which is in force
    until something is known.  ``model_age`` is how many seconds ago the model last learned, None before it did: nobody
    can tell how old that is which a memory knew.
    ``weights`` are those that scores were weighed with; tables end with what they make changes worth, in points.
    ``distrust`` is which share of the latest medians, p99s and success rates was within the bands that should hold
    90 % of them, if that is below 80 %: then the model is not trusted, and the winner is "balanced"; None where it is.
    """

    target: str
    universes: tuple[Universe, ...]
    winner: str
    model_age: float | None
    observations: int
    plan: Mapping[str, Any]
    distrust: float | None
    weights: ScoreWeights

    def _repr_html_(self) -> str:
        """Return the decision as a table for a notebook."""
        heads = ("strategy", "score", "time", "quality", "risk", "success", "p50", "p99", "load", "why")
        cells = (map(html.escape, _cells(each)) for each in self.universes)
        rows = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
        head = "".join(f"<th>{each}</th>" for each in heads)
        foot = f'<tfoot><tr><td colspan="{len(heads)}">{html.escape(self._worth())}</td></tr></tfoot>'
        return f"<table><caption>{html.escape(self._title())}</caption><tr>{head}</tr>{rows}{foot}</table>"

    def explain(self) -> str:
        """Return the decision as a table in plain text."""
        lines = [self._title()]
        lines.append(
            f"  {'strategy':<13} score   time  quality  risk  {'success':<25}  p50      {'p99':<22} load   why"
        )
        for each in self.universes:
            name, score, time, quality, risk, success, p50, p99, load, why = _cells(each)
            lines.append(
                f"  {name:<13} {score:>5}  {time:>5}   {quality:>5}  {risk:>5}  {success:<25}  {p50:<7}  {p99:<22} "
                f"{load}  {why}"
            )
        return "\n".join([*lines, f"  {self._worth()}"])

    def _worth(self) -> str:
        rates = exchange_rates(self.weights)
        return "points: " + ", ".join(f"{change} {points:+.1f}" for change, points in rates.items())

    def _title(self) -> str:
        seen = f"{self.observations} attempts" if self.observations else "a guess: nothing was learned yet"
        return on_a_line(f"{self.target}: {self.winner}, from {seen}")


def _cells(universe: Universe) -> tuple[str, ...]:
    scores = (universe.score, universe.time_score, universe.quality_score, universe.risk_score)
    guess = universe.prediction
    success, p99 = f"{guess.success:.3%}", _time(guess.p99)
    if guess.low is not None and guess.high is not None:
        success += f" ({guess.low.success:.2%} to {guess.high.success:.2%})"
        p99 += f" ({_time(guess.low.p99)} to {_time(guess.high.p99)})"
    shares = success, _time(guess.p50), p99, f"{guess.load:.3f}"
    return on_a_line(universe.strategy), *(f"{score:.1f}" for score in scores), *shares, on_a_line(universe.why)


def _time(seconds: float) -> str:
    if seconds == math.inf:
        return "never"
    return f"{seconds:.2f} s" if seconds >= 1.0 else f"{seconds * 1e3:.0f} ms"
