"""How many repeats a target is asked to bear: a share of its real traffic."""

from __future__ import annotations

import functools
from dataclasses import field

from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.record import Preset
from unbreakable.runtime import new_lock

PRICE = 1.0  # tokens that a repeat costs
OF_A_REPEAT = 2.0  # tokens that a repeat costs which is made inside another one: the layers must not multiply
ROUNDING = 1e-9  # of a token: five fifths are one, in whatever order they came
START = 10.0  # tokens; a smaller *most* begins with less
MOST_LAYERS = 1  # of calls that repeat around one that wants to, too; inside more of them nothing is repeated


class RetryBudget(Preset):
    """Allow repeats for *ratio* of the calls; begin with *start* tokens, keep *most*.

    A call that succeeds earns *ratio* of a token, and so does one that is answered by a no, such as a 404, or ends by
    what ``Retry.on`` leaves out, also where a fallback answers for it.  One that fails earns as much, but all of them
    together no more than *floor* a second: so a target that is down is asked little more than without repeats, and a
    quiet one is repeated all the same.  Beyond the *start*, repeats are never more than *ratio* of the calls.

    A token bucket as in gRPC (proposal A6) and Finagle's RetryBudget: it lets a few failures be retried at once and
    holds retries down to a share of the traffic when everything fails.  Retries, hedges and healing all pay from it,
    one token each; two inside a call that is itself a repeat.
    """

    ratio: float = field(default=0.2, kw_only=False)
    floor: float = 0.1
    start: float = START
    most: float = 100.0

    def __post_init__(self) -> None:
        check.share("RetryBudget.ratio", self.ratio)
        for name in ("floor", "start", "most"):
            check.amount(f"RetryBudget.{name}", getattr(self, name))
        if self.start > max(self.most, START):  # as it is, more than the most is not kept
            raise refuse("RetryBudget.most", f"at least the {self.start} tokens to start with", self.most)


@functools.lru_cache(64)  # most nodes have the same one
def small(budget: RetryBudget) -> RetryBudget:
    """Return *budget* without savings: it never holds more than it begins with, or than one repeat costs."""
    known = {name: getattr(budget, name) for name in budget.fields}  # ``replace`` would make a dataclass of it, in 2 ms
    return type(budget)(**{**known, "most": min(max(1.0, budget.start), budget.most)})


def price(layers: int) -> float | None:
    """Return what a repeat costs in a call around which so many *layers* are repeating; None: it is not to be made.

    >>> price(0), price(1), price(2)
    (1.0, 2.0, None)
    """
    if layers > MOST_LAYERS:
        return None
    return OF_A_REPEAT if layers else PRICE


class Budget:
    """The tokens of one target.

    Deposits are not made when calls succeed but credited when a repeat asks: the sum is the same, success pays nothing.
    """

    __slots__ = ("at", "lock", "pending", "seen", "settings", "tokens")

    def __init__(self, settings: RetryBudget, now: float) -> None:
        self.settings, self.tokens = settings, min(settings.start, settings.most)
        self.pending = 0.0  #: what failed calls have earned and the floor has not let through yet
        self.seen, self.at, self.lock = 0, now, new_lock()

    @property
    def reserve(self) -> float:
        """Return the tokens that are kept for what has failed already: half of those that it began with."""
        return min(self.settings.start, self.settings.most) / 2

    def spend(self, successes: int, now: float, *, keep: float = 0.0, price: float = 1.0) -> bool:
        """Take the *price* unless fewer than *keep* would be left; *successes* is the target's count so far."""
        with self.lock:
            self._credit(successes, now)
            if self.tokens < price + keep - ROUNDING:
                return False
            self.tokens -= price
            return True

    def give_back(self, tokens: float) -> None:
        """Put back *tokens* that were taken and not needed."""
        with self.lock:
            self.tokens = min(self.settings.most, self.tokens + tokens)

    def bear(self, now: float, *, answered: bool = False) -> None:
        """Take note of a call that reached its target and failed all the same: it was real traffic, too.

        One that was *answered*, as by a 404 or what ``Retry.on`` leaves out, earns as much as a success, and as soon.
        """
        with self.lock:
            self._trickle(now)
            if answered:
                self.tokens = min(self.settings.most, self.tokens + self.settings.ratio)
                return
            self.pending = min(self.settings.most, self.pending + self.settings.ratio)

    def level(self, successes: int, now: float) -> float:
        """Return the tokens at hand."""
        with self.lock:
            self._credit(successes, now)
            return self.tokens

    def _credit(self, successes: int, now: float) -> None:
        self._trickle(now)
        if successes > self.seen:
            earned = self.settings.ratio * (successes - self.seen)
            self.tokens, self.seen = min(self.settings.most, self.tokens + earned), successes

    def _trickle(self, now: float) -> None:
        """Let through what failed calls have earned, at the pace of the floor."""
        if now <= self.at:
            return  # the clock of another thread
        if self.pending:
            through = min(self.pending, self.settings.floor * (now - self.at))
            self.pending -= through
            self.tokens = min(self.settings.most, self.tokens + through)
        self.at = now
