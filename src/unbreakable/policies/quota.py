"""How long a target accepts all calls, again and again, until it refuses some: as one with a quota does."""

from __future__ import annotations

LONGER = 2.0  # times as long as the rows of a quota is what no quota explains: a window may pass without a refusal
ROWS = 2  # that are needed: one alone is as well an outage that came back
LONGEST_ROW = 15.0  # seconds: what was accepted for longer was health between two outages, not the window of a quota
REMEMBERED = 300.0  # seconds: of windows of a minute there are a few in it


class Quota:
    """Remember the two longest rows of accepted calls that began while calls were shed, and ended in a refusal.

    A target that takes so many calls a second accepts a row of them as each second begins, however full it is.

    >>> quota = Quota()
    >>> for second in (1.0, 2.0):
    ...     quota.begin(second, shedding=True)
    ...     quota.end(second + 0.5)
    >>> quota.begin(3.0, shedding=True)
    >>> quota.explains(now=3.9), quota.explains(now=4.1)
    (True, False)
    """

    __slots__ = ("began", "rows", "shedding")

    def __init__(self) -> None:
        self.began, self.shedding = 0.0, False
        self.rows: list[tuple[float, float]] = []  #: how many seconds each took and when it ended, the longest first

    def begin(self, now: float, *, shedding: bool) -> None:
        """Take the first call of a row, accepted while calls were shed, or not: then what comes is health."""
        self.began, self.shedding = now, shedding

    def end(self, now: float) -> None:
        """Take the refusal that ended the row."""
        seconds = now - self.began
        if self.shedding and seconds <= LONGEST_ROW:
            self.rows = sorted([*self._remembered(now), (seconds, now)], reverse=True)[:ROWS]

    def explains(self, now: float) -> bool:
        """Return whether the row that lasts until now may be that of a quota."""
        rows = self._remembered(now)
        return len(rows) == ROWS and now - self.began < LONGER * min(rows)[0]

    def _remembered(self, now: float) -> list[tuple[float, float]]:
        return [row for row in self.rows if now - row[1] < REMEMBERED]
