"""How much of the traffic a target gets that has just come back: a share that grows while it bears it."""

from __future__ import annotations

from unbreakable.policies.windows import Tally

SHARES = (10, 20, 40, 80)  # per cent of the attempts, step by step
WHOLE = 100


class Ramp:
    """Let a growing share of the attempts through, in four steps that take *seconds* together; nothing is rolled.

    At the end of a step it goes on to the next one, or back to the last one where too much of what was let through
    failed.  A step without traffic went well.  Moments are the caller's *now*.

    >>> ramp = Ramp(40.0, now=0.0)
    >>> sum(ramp.admit() for _ in range(100)), ramp.share
    (10, 10)
    """

    __slots__ = ("_calls", "_credit", "_failed", "_pace", "_slow", "step", "until")

    def __init__(self, seconds: float, now: float) -> None:
        self.step = 0
        self._pace = seconds / len(SHARES)
        self.until = now + self._pace  #: when the step ends
        self._credit = WHOLE - SHARES[0]  # the first one that comes goes through
        self._calls = self._failed = self._slow = 0

    @property
    def share(self) -> int:
        """Return how many of a hundred attempts go through."""
        return SHARES[self.step]

    def admit(self) -> bool:
        """Return whether the attempt that comes now goes through: they are spread evenly."""
        self._credit += SHARES[self.step]
        if self._credit < WHOLE:
            return False
        self._credit -= WHOLE
        return True

    def update(self, *, failed: bool, slow: bool) -> None:
        """Count what an attempt that went through came to."""
        self._calls += 1
        self._failed += failed
        self._slow += slow

    @property
    def tally(self) -> Tally:
        """Return how the attempts of this step went."""
        return Tally(self._calls, self._failed, self._slow)

    def climb(self) -> bool:
        """Go on to the next step; return whether there is one."""
        return self._go(self.step + 1)

    def descend(self) -> bool:
        """Go back to the last step; return whether there is one."""
        return self._go(self.step - 1)

    def _go(self, step: int) -> bool:
        if not 0 <= step < len(SHARES):
            return False
        self.step, self.until = step, self.until + self._pace
        self._calls = self._failed = self._slow = 0
        return True
