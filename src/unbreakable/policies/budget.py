"""How many repeats a target is asked to bear: a share of its real traffic."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from unbreakable.policies import check
from unbreakable.runtime import new_lock


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudget:
    """Allow repeats for *ratio* of the successes, and *floor* a second; begin with *start* tokens, keep *most*.

    A token bucket as in gRPC (proposal A6) and Finagle's RetryBudget: it lets a few failures be retried at once and
    holds retries down to a share of the traffic when everything fails.  Retries, hedges and healing all pay from it.
    """

    ratio: float = field(default=0.2, kw_only=False)
    floor: float = 0.1
    start: float = 10.0
    most: float = 100.0

    def __post_init__(self) -> None:
        for name in ("ratio", "floor", "start", "most"):
            check.amount(f"RetryBudget.{name}", getattr(self, name))


def small(budget: RetryBudget) -> RetryBudget:
    """Return *budget* without savings: it never holds more than it begins with, or than one repeat costs."""
    return replace(budget, most=min(max(1.0, budget.start), budget.most))


class Budget:
    """The tokens of one target.

    Deposits are not made when calls succeed but credited when a repeat asks: the sum is the same, success pays nothing.
    """

    __slots__ = ("at", "lock", "seen", "settings", "tokens")

    def __init__(self, settings: RetryBudget, now: float) -> None:
        self.settings, self.tokens = settings, settings.start  # no more than the most, once it is asked for
        self.seen, self.at, self.lock = 0, now, new_lock()

    @property
    def reserve(self) -> float:
        """Return the tokens that are kept for what has failed already: half of those that it began with."""
        return min(self.settings.start, self.settings.most) / 2

    def spend(self, successes: int, now: float, *, keep: float = 0.0) -> bool:
        """Take one token unless fewer than *keep* would be left; *successes* is the target's count so far."""
        with self.lock:
            self._credit(successes, now)
            if self.tokens < 1.0 + keep:
                return False
            self.tokens -= 1.0
            return True

    def give_back(self) -> None:
        """Put back one token that was taken and not needed."""
        with self.lock:
            self.tokens += 1.0  # no more than the most, once it is asked for

    def level(self, successes: int, now: float) -> float:
        """Return the tokens at hand."""
        with self.lock:
            self._credit(successes, now)
            return self.tokens

    def _credit(self, successes: int, now: float) -> None:
        earned = self.settings.ratio * max(0, successes - self.seen) + self.settings.floor * max(0.0, now - self.at)
        self.tokens = min(self.settings.most, self.tokens + earned)
        self.seen, self.at = max(successes, self.seen), max(now, self.at)
