"""One budget for what all loops of a process make anew, so that loops which fail together do not start all at once.

A worker process that replaces another, or comes beside it, costs one token; a thread in its place, a refresh, and a
probe in survival mode a tenth.  A probe that is good gets its share back: when the trouble is over, all are back soon.
Who is denied waits its pause and asks again; no loop ends by it.  A worker that did its work has a purse of a fifth
besides, which is closed to those that have asked in vain: a thousand sick loops take each tenth of a token as it comes,
and a loop whose worker has died would wait until all of them are well.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

from unbreakable.errors import Kind, Rejected
from unbreakable.log import log
from unbreakable.loops.status import RestartStatus
from unbreakable.runtime import BLOCKING, new_lock

RATE = 10.0  # tokens a second,
MOST = 50.0  # of which so many are kept
OF_A_PROCESS, OF_LESS = 1.0, 0.1
ASIDE = 0.2  # of the most, and of the rate, for workers in place of those that did their work
ROUNDING = 1e-9
SPENT = "the budget for restarts of all loops is spent"


class Restarts:
    """Keep *most* tokens, to which *rate* are added a second; all methods may be called from any thread."""

    def __init__(self, rate: float = RATE, most: float = MOST) -> None:
        self.rate, self.most = rate, most
        self._lock = new_lock()
        self._world: weakref.ref[Any] | None = None
        self._tokens, self._at, self._denied, self._is_spent = most, 0.0, 0, False
        self._aside = ASIDE * most

    def has(self, price: float) -> bool:
        """Return whether *price* could be paid now."""
        with self._lock:
            self._credit()
            return self._tokens >= price - ROUNDING

    def take(self, price: float, *, was_well: bool | None = None) -> bool:
        """Pay *price*, if there is enough; else it is counted, and the first time logged.

        Whose worker *was_well* may take from what is put aside; if not, it may owe a part, or those that take little
        would always be before it.
        """
        least = price if was_well is None else min(price, OF_LESS)
        with self._lock:
            self._credit()
            if self._tokens >= least - ROUNDING:
                self._tokens -= price
                return True
            if was_well and self._aside >= price - ROUNDING:
                self._aside -= price
                return True
            self._denied += 1
            is_news, self._is_spent = not self._is_spent, True
        if is_news:
            log("%s: those that fail wait longer for now", SPENT)
        return False

    def give_back(self, price: float) -> None:
        """Put back what was paid."""
        with self._lock:
            self._tokens = min(self.most, self._tokens + price)

    def get_status(self) -> RestartStatus:
        """Return what is left, and how often somebody was denied."""
        with self._lock:
            self._credit()
            return RestartStatus(tokens=max(0.0, self._tokens), most=self.most, rate=self.rate, denied=self._denied)

    def forget(self) -> None:
        """Begin anew, in a forked child."""
        self.__init__(self.rate, self.most)  # type: ignore[misc]

    def _credit(self) -> None:
        now, world = BLOCKING.now(), BLOCKING.world
        if self._world is None or self._world() is not world:  # a test has a time of its own
            self._world, self._tokens, self._denied, self._is_spent = weakref.ref(world), self.most, 0, False
            self._aside = ASIDE * self.most
        else:
            new = self.rate * max(0.0, now - self._at)
            self._tokens = min(self.most, self._tokens + new)
            self._aside = min(ASIDE * self.most, self._aside + ASIDE * new)
        self._at = now
        self._is_spent = self._is_spent and self._tokens < self.most / 2


RESTARTS = Restarts()


def denied() -> Rejected:
    """Return the refusal of an iteration that would need a new worker: it is not repeated at once."""
    refusal = Rejected(SPENT)
    vars(refusal).update(kind=Kind.INVALID)
    return refusal


def is_denied(error: BaseException) -> bool:
    """Return whether *error* is that refusal, which says nothing of the operation."""
    return isinstance(error, Rejected) and error.args == (SPENT,)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RESTARTS.forget)
