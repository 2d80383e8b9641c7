"""The deadline of a call: its own, and that of a call around it for as long as that goes on."""

from __future__ import annotations

import math
from typing import Any

from unbreakable.runtime import Alarm


class Bounded(Alarm):
    """Have a deadline, which that of a call around may come before."""

    above: Any = None
    whole: Any = None
    live: bool = True
    until: float = math.inf  #: its own deadline
    lender: Any = None  #: the call around it whose deadline comes first, and counts as long as that is under way
    deadline_is_ours: bool = True
    own_due: float = 0.0  #: when the attempt would be due but for the lender's deadline
    put_off: bool = False  #: whether it became due later, since the lender is over

    @property
    def deadline(self) -> float:
        """Return the moment by which it has to be over."""
        return float(self.bound_by().until)

    @deadline.setter
    def deadline(self, moment: float) -> None:
        self.until, self.lender = moment, None

    def borrow(self, outer: Any) -> None:
        """Let the deadline of *outer*, which is around it, count as well, if it comes before its own."""
        lender = None if outer is None else outer.bound_by()
        self.lender = lender if lender is not None and lender.until < self.until else None
        self.deadline_is_ours = self.lender is None

    def bound_by(self) -> Any:
        """Return whose own deadline it is by which it has to be over: that of a call around it, or itself."""
        lender = self.lender
        if lender is not None and not (lender.live and lender.until < self.until):  # a generator at rest has all time
            self._look_around()
        return self.lender or self

    def keep_deadline(self) -> None:
        """Let the deadline be the one that has come, whatever becomes of the lender: the whole call ends by it."""
        scope: Any = None if self.lender is None else self
        while scope is not None:
            scope.deadline, scope = self.deadline, scope.whole

    def _look_around(self) -> None:
        """Be bound by the nearest call around it that goes on, if by any: the lender is over, or at rest."""
        self.borrow(nearest(self.above))
        due = min(self.own_due, self.deadline)
        if self.due < due:
            self.due, self.put_off = due, True


def nearest(context: Any) -> Any:
    """Return *context* if it is under way, else the nearest one around it that is; None if there is none."""
    while context is not None and not context.live:
        context = context.above
    return context
