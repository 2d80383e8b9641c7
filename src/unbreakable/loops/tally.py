"""How the iterations of a loop went so far."""

from __future__ import annotations

from unbreakable.loops.status import Performance
from unbreakable.outcome import in_one_line
from unbreakable.stats import Counts


class Tally:
    """Count iterations and their time; everything is kept over restarts of the loop but the rate per second."""

    __slots__ = ("begun", "consecutive_errors", "counts", "ended", "last_error", "last_time", "since", "time", "until")

    def __init__(self) -> None:
        self.counts = Counts()
        self.begun = 0
        self.consecutive_errors = 0
        self.last_error: str | None = None
        self.last_time = 0.0
        self.time = 0.0
        self.ended = 0
        self.since = 0.0
        self.until: float | None = None

    def start(self, now: float) -> None:
        """Measure the rate from *now* on."""
        self.since, self.until, self.ended = now, None, 0

    def stop(self, now: float) -> None:
        """Measure the rate up to *now*."""
        self.until = now

    def succeeded(self, seconds: float, *, healed: bool, degraded: bool = False, trouble: str | None = None) -> None:
        """Count an iteration that went well, at once or with *trouble* healed; *degraded*: the substitute did."""
        self.last_error = trouble or self.last_error
        if degraded:
            self.counts.degraded += 1
        elif healed:
            self.counts.healed += 1
        else:
            self.counts.ok += 1
        if not degraded:
            self.consecutive_errors = 0
        self._add_time(seconds)

    def failed(self, error: BaseException, seconds: float) -> str:
        """Count an iteration that ended in *error*; return that in one line."""
        self.counts.failed += 1
        self.consecutive_errors += 1
        self.last_error = told = in_one_line(error)
        self._add_time(seconds)
        return told

    def performance(self, now: float) -> Performance:
        """Return the figures as at *now*."""
        counts, finished = self.counts, self.counts.finished
        elapsed = (now if self.until is None else self.until) - self.since
        success_rate, heal_rate = counts.value(), counts.heal_rate
        return Performance(
            success_rate=1.0 if success_rate is None else success_rate,
            heal_rate=0.0 if heal_rate is None else heal_rate,
            iterations_per_second=self.ended / elapsed if elapsed > 0 else 0.0,
            avg_iteration_time=self.time / finished if finished else 0.0,
            last_iteration_time=self.last_time,
        )

    def _add_time(self, seconds: float) -> None:
        self.ended += 1
        self.last_time = seconds
        self.time += seconds
