"""How many restarts are too many, as OTP counts them."""

from __future__ import annotations

import math


class Intensity:
    """Say whether restarts come too fast: more than *most* of them within *seconds*, both ends included.

    The moments of the latest *most* are kept, in a ring that is made once: a restart is too many when the one that its
    moment takes the place of is not older than *seconds*.  So it is one comparison, whatever has happened before.

    >>> intensity = Intensity(2, 10.0)
    >>> [intensity.exceeded_at(moment) for moment in (0.0, 5.0, 10.0, 20.5)]
    [False, False, True, False]
    """

    __slots__ = ("_moments", "_oldest", "most", "seconds")

    def __init__(self, most: int, seconds: float) -> None:
        self.most, self.seconds = most, seconds
        self.clear()

    def clear(self) -> None:
        """Forget all restarts."""
        self._moments = [-math.inf] * self.most
        self._oldest = 0

    def exceeded_at(self, now: float) -> bool:
        """Take in a restart; return whether it is one too many."""
        if not self._moments:
            return True
        before, self._moments[self._oldest] = self._moments[self._oldest], now
        self._oldest = (self._oldest + 1) % self.most
        return now - before <= self.seconds

    def recent(self, now: float) -> int:
        """Return how many of the latest restarts count at this moment."""
        return sum(now - moment <= self.seconds for moment in self._moments)
