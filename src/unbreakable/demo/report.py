"""The one table that says what protection was worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from unbreakable.columns import in_columns
from unbreakable.demo.figures import Figures, learning
from unbreakable.demo.state import Settings
from unbreakable.simulation import Speedup, speedup


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a demo found that took up a run which had been killed."""

    ended: int
    in_flight: int
    not_begun: int

    def text(self) -> str:
        """Say it in a line."""
        return (
            f"resumed a demo that was cut off: {self.ended:,} bookings had ended, {self.in_flight:,} were in flight "
            f"and are finished now, {self.not_begun:,} had not begun"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The two runs beside each other."""

    settings: Settings
    unprotected: Figures
    protected: Figures
    resumed: Resumed | None = None
    remembered: Mapping[str, str] = field(default_factory=dict)

    @property
    def speedup(self) -> Speedup | None:
        """How much faster the median booking is with protection; None when that cannot be told."""
        return speedup(self.unprotected.later, self.protected.later, "the same bookings without protection")

    @property
    def passed(self) -> bool:
        """Whether no protected booking failed, was lost or left anything behind, and none was charged twice."""
        run = self.protected
        return run.balanced and run.failed == run.lost == run.stranded == run.double_charges == self._uncalled_for == 0

    @property
    def _uncalled_for(self) -> int:
        """Protected bookings that were undone without a crash of ours to excuse it."""
        excused = self.resumed.in_flight if self.resumed else 0
        return max(self.protected.compensated - excused, 0)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            **asdict(self.settings),
            "speedup": None if self.speedup is None else dict(vars(self.speedup)),
            "remembered": dict(self.remembered),
            "resumed": None if self.resumed is None else asdict(self.resumed),
            "unprotected": self.unprotected.to_dict(),
            "protected": self.protected.to_dict(),
            "passed": self.passed,
        }

    def text(self) -> str:
        """Return the table, the learned settings and the accounts as plain text."""
        resumed = "" if self.resumed is None else self.resumed.text()
        table, learned = _table(self.unprotected, self.protected), _learned(self.protected.settings)
        parts = [resumed, table, learned, self._gain(), self._accounts()]
        return "\n\n".join(filter(None, parts))

    def _gain(self) -> str:
        gain, first = self.speedup, learning(self.protected.bookings)
        measured = "no measurable speed-up"
        if gain is not None:
            measured = f"speed-up of the median booking {gain} (95 % interval {gain.low:.1f}x to {gain.high:.1f}x)"
        runs = (self.unprotected, self.protected)
        before, after = ("none" if run.p50_later is None else _seconds(run.p50_later) for run in runs)
        lines = [f"{measured}, after the first {first}: {after} against {before}"]
        if self.remembered:
            known = ", ".join(f"{name} {strategy}" for name, strategy in self.remembered.items())
            lines.append(f"strategies in force from the first call on, learned by an earlier demo: {known}")
        return "\n".join(lines)

    def _accounts(self) -> str:
        run = self.protected
        parts = f"{run.done} done + {run.compensated} compensated + {run.failed} failed"
        lines = [f"protected bookings: {parts} = {run.bookings}"]
        lines += [f"  {count} x {why}" for why, count in run.reasons.items()]
        verdict = "nothing lost, nothing charged twice" if self.passed else "NOT what was promised"
        return "\n".join([*lines, f"seed {self.settings.seed}: {verdict}"])


def _table(unprotected: Figures, protected: Figures) -> str:
    rows = [("", "unprotected", "protected")]
    rows += [(name, show(unprotected), show(protected)) for name, show in _ROWS]
    heals = sorted({*unprotected.heals, *protected.heals}, key=lambda heal: -protected.heals.get(heal, 0))
    at = 1 + _HEALS_ROW
    rows[at:at] = [
        (f"  {heal}", _count(unprotected.heals.get(heal, 0)), _count(protected.heals.get(heal, 0))) for heal in heals
    ]
    return "\n".join(f"{name:<38}{left:>13}{right:>13}" for name, left, right in rows)


def _count(number: int) -> str:
    return f"{number:,}"


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds < 1.0 else f"{seconds:,.2f} s"


_ROWS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("requests (bookings)", lambda run: _count(run.bookings)),
    ("failures", lambda run: _count(run.failures)),
    ("downtime", lambda run: f"{run.downtime} s"),
    ("p50 from due time", lambda run: _seconds(run.p50)),
    ("p99 from due time", lambda run: _seconds(run.p99)),
    ("heals", lambda run: _count(sum(run.heals.values()))),
    ("extra load on the partners", lambda run: f"{run.extra_load:.1%}"),
    ("double charges (payments' own count)", lambda run: _count(run.double_charges)),
    ("left behind at partners, not booked", lambda run: _count(run.stranded)),
)
_HEALS_ROW = 6


def _setting(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g} s" if isinstance(value, float) else str(value)


def _learned(settings: Mapping[str, Mapping[str, Any]]) -> str:
    if not settings:
        return ""
    columns = list(dict.fromkeys(name for values in settings.values() for name in values))
    rows = [["learned settings", *columns]]
    rows += [[target, *(_setting(values.get(name)) for name in columns)] for target, values in settings.items()]
    return in_columns(rows)
