"""How long to wait before the next attempt."""

from __future__ import annotations

from dataclasses import field

from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.record import Preset


class Backoff(Preset):
    """Wait *first* seconds, then *factor* times as long each time, at most *most*; with *jitter* 0 up to that.

    Full jitter after M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): of the ways to spread
    retries it makes the fewest calls collide.

    >>> [Backoff(jitter=False).pause(number, u=0.5) for number in (1, 2, 3, 99)]
    [0.1, 0.2, 0.4, 30.0]
    """

    first: float = field(default=0.1, kw_only=False)
    factor: float = 2.0
    most: float = 30.0
    jitter: bool = True

    def __post_init__(self) -> None:
        check.seconds("Backoff.first", self.first)
        check.seconds("Backoff.most", self.most)
        if self.most < self.first:
            raise refuse("Backoff.most", f"at least the first pause, {self.first} seconds", self.most)
        check.switch("Backoff.jitter", self.jitter)
        if not (check.is_number(self.factor) and self.factor >= 1):
            raise refuse("Backoff.factor", "1 or more", self.factor)

    def pause(self, number: int, u: float) -> float:
        """Return the seconds to wait after failed attempt *number* (from 1); *u* is uniform in [0, 1)."""
        longest = self.first if number == 1 else self._longest(number)
        return longest * u if self.jitter else longest

    def _longest(self, number: int) -> float:
        if not self.first:
            return 0.0  # whatever the factor: endless times nothing would be no number
        try:
            return min(self.most, self.first * self.factor ** (number - 1))
        except OverflowError:
            return self.most
