"""The terms on which a circuit opens, rests and closes."""

from __future__ import annotations

from dataclasses import field

from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.record import Preset

MOST_LAST = 10_000  # attempts that a window of calls may hold: each costs a byte, for each key
MOST_WAITING = 1_000  # calls in line for a circuit
# What holds of a learned one, which bears more failures in a row than the cold one, but not for as long as it takes.
FEW, LASTING = 5, 5.0  # failures in a row, and seconds from the first to the last, which are an outage in any case
FEW_WAITING = 16  # calls in line: as many as any target takes at once when it is back


class Slow(Preset):
    """Open a circuit when a share of *ratio* of its recent attempts, failed or not, took more than *seconds*.

    Recent is what it is for ``CircuitBreaker.ratio``: at least ``minimum`` attempts of the last ``window`` seconds or
    ``last`` calls.
    """

    seconds: float = field(kw_only=False)
    ratio: float = 0.5

    def __post_init__(self) -> None:
        check.seconds("Slow.seconds", self.seconds, positive=True)
        check.share("Slow.ratio", self.ratio, positive=True)


class Terms(Preset):
    """Hold them, checked; they are explained at ``CircuitBreaker``."""

    failures: int = field(default=5, kw_only=False)
    ratio: float | None = None
    window: float = 30.0
    last: int | None = None
    minimum: int = 10
    rest: float = 30.0
    most_rest: float | None = None
    jitter: float = 0.0
    permits: int = 1
    ramp: float = 0.0
    slow: float | Slow | None = None
    wait: float = 0.0
    learned: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("failures", "minimum", "permits"):
            check.whole(f"CircuitBreaker.{name}", getattr(self, name), least=1)
        for name in ("window", "rest"):
            check.seconds(f"CircuitBreaker.{name}", getattr(self, name), positive=True)
        check.seconds("CircuitBreaker.ramp", self.ramp)
        check.seconds("CircuitBreaker.wait", self.wait, endless=True)
        check.share("CircuitBreaker.jitter", self.jitter)
        if self.ratio is not None:
            check.share("CircuitBreaker.ratio", self.ratio, positive=True)
        if not (self.slow is None or isinstance(self.slow, Slow)):
            check.seconds("CircuitBreaker.slow", self.slow, positive=True)
        check.switch("CircuitBreaker.learned", self.learned)
        self._check_last()
        self._check_most_rest()

    def _check_last(self) -> None:
        if self.last is None:
            return
        check.whole("CircuitBreaker.last", self.last, least=1)
        if self.last > MOST_LAST:
            raise refuse("CircuitBreaker.last", f"{MOST_LAST} or less", self.last)
        if not self.counts_shares:
            raise refuse(
                "CircuitBreaker.last", "None without ratio or ub.Slow(…): a share is what it is for", self.last
            )

    def _check_most_rest(self) -> None:
        if self.most_rest is None:
            return
        check.seconds("CircuitBreaker.most_rest", self.most_rest, positive=True)
        if self.most_rest < self.rest:
            raise refuse("CircuitBreaker.most_rest", f"at least the first rest, {self.rest!r} s", self.most_rest)

    def is_outage(self, failures: int, seconds: float) -> bool:
        """Return whether so many *failures* in a row, in so many *seconds*, are too many."""
        if failures >= self.failures and (seconds >= self.answering or failures < FEW):
            return True
        return self.learned and failures >= FEW and seconds >= LASTING

    @property
    def answering(self) -> float:
        """Return how many seconds a row of failures has to last: half of a learned rest, in which answers come.

        Where failures come at once, and answers take their time, dozens fail before the first answer is back.
        """
        return self.rest / 2.0 if self.learned else 0.0

    @property
    def whole_rest(self) -> float:
        """Return the seconds that a target is left alone for at once, if it has to be: a learned rest begins short."""
        return self.longest_rest if self.learned else self.rest

    @property
    def longest_rest(self) -> float:
        """Return the seconds of the last of many rests in vain, before any jitter."""
        return self.rest if self.most_rest is None else self.most_rest

    @property
    def most_waiting(self) -> int:
        """Return how many calls may stand in line for it."""
        return FEW_WAITING if self.learned else MOST_WAITING

    @property
    def counts_shares(self) -> bool:
        """Return whether a share of the recent attempts can open it."""
        return self.ratio is not None or isinstance(self.slow, Slow)

    @property
    def shares_of(self) -> tuple[bool, int | None, float, bool]:
        """Return what the recent attempts are that shares are counted of."""
        return self.counts_shares, self.last, self.window, self.slow is not None

    @property
    def least(self) -> int:
        """Return how many recent attempts it takes to speak of a share of them."""
        return self.minimum if self.last is None else min(self.minimum, self.last)

    @property
    def fails_if_slower(self) -> float | None:
        """Return the seconds beyond which a success counts as a failure; None when none does."""
        return None if isinstance(self.slow, Slow) else self.slow

    @property
    def watches_successes(self) -> bool:
        """Return whether a success can change anything while all is well."""
        return self.ratio is not None or self.slow is not None

    def is_slow(self, seconds: float) -> bool:
        """Return whether an attempt that took so many *seconds* is one of the slow ones that are counted."""
        return isinstance(self.slow, Slow) and seconds > self.slow.seconds

    def rest_after(self, vain: int, u: float) -> float:
        """Return the seconds of a rest after *vain* others; *u*, in 0..1, says how much of the jitter it gets."""
        return min(self.longest_rest, self.rest * 2.0 ** min(vain, 64)) * (1.0 + self.jitter * u)

    def is_too_much(self, calls: int, failed: int, slow: int, *, failing: float | None) -> bool:
        """Return whether of so many *calls* a share of *failing*, if any is set, failed, or too many were slow."""
        if failing is not None and failed >= failing * calls:
            return True
        return isinstance(self.slow, Slow) and slow >= self.slow.ratio * calls
