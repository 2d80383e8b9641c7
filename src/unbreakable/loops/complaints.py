"""What a loop says in the log of its program: that it fails, once for each sort of failure, and that it is well again.

Nothing is said of what fails like an iteration before it: a loop may fail a thousand times a second, for a year.  What
was said is not said again for a while either, should the loop be well for a moment in between.

Where no log was set up Python would print it: there nothing is said, as by other libraries.  Nor is it while the
program ends, which takes from its loops what they work with.
"""

from __future__ import annotations

import atexit
import logging
import math

from unbreakable.log import log
from unbreakable.loops.pulse import PULSE
from unbreakable.loops.rungs import Rung
from unbreakable.outcome import in_one_line

LOGGER = "unbreakable.loops"
logging.getLogger(LOGGER).addHandler(logging.NullHandler())

AGAIN = 60.0  # seconds within which nothing is said twice
MOST = 16  # things that are told apart, in one spell of failures and within those seconds
DONE = {
    Rung.SAFE_STATE_RESET: "its state is again that of its latest good iteration",
    Rung.QUANTUM_REFRESH: "its execution paths are made anew",
    Rung.SURVIVAL_MODE: "it survives, with its longest pause between two attempts",
}


_ending: list[bool] = []


def hush() -> None:
    """Say no more: the program ends."""
    _ending.append(True)


atexit.register(hush)


def is_heard() -> bool:
    """Return whether a log was set up that would hear of it: it may be, after loops have begun to fail."""
    logger: logging.Logger | None = logging.getLogger(LOGGER)
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return logging.getLogger(LOGGER).isEnabledFor(logging.WARNING)
        logger = logger.parent if logger.propagate else None
    return False


class Complaints:
    """Speak for loop *name*, of which several healers tell where iterations go on beside each other."""

    __slots__ = ("_failing", "_has_spoken", "_met", "_name", "_said_at", "_since", "_surviving")

    def __init__(self, name: str) -> None:
        self._name = name
        self._said_at: dict[object, float] = {}
        self._failing: set[object] = set()  # who
        self._surviving: set[object] = set()
        self._since = -math.inf
        self._met: set[object] = set()  # in this spell
        self._has_spoken = False

    def fails(self, who: object, error: BaseException, sort: str | None, now: float) -> None:
        """Take in that an iteration has ended in *error*, which is of a *sort*."""
        if sort in self._met and who in self._failing:
            return
        if who not in self._failing:
            self._since = now if not self._failing else self._since
            self._failing.add(who)
            self._show()
        if self._is_new(sort, now):
            told = "loop %s has failed, and goes on; what fails like this is not logged again: %s"
            log(told, self._name, in_one_line(error), exc_info=error, logger=LOGGER)

    def tries(self, who: object, rung: Rung, failures: int, now: float) -> None:
        """Take in which *rung* is tried after so many *failures* in a row."""
        if rung is Rung.SURVIVAL_MODE:
            self.survives(who)
        if rung in DONE and self._is_new(rung, now):
            log("loop %s has failed %d times in a row: %s", self._name, failures, DONE[rung], logger=LOGGER)

    def survives(self, who: object) -> None:
        """Take in that *who* is in survival mode, which somebody else tells of."""
        self._surviving.add(who)
        self._show()

    def is_well(self, who: object, now: float) -> None:
        """Take in that *who* has shown that it is well."""
        if who not in self._failing and who not in self._surviving:
            return
        self._failing.discard(who)
        self._surviving.discard(who)
        if not self._failing:
            if self._has_spoken:
                took = now - self._since
                log("loop %s is well again, after %.3g s", self._name, took, level=logging.INFO, logger=LOGGER)
            self._met.clear()
            self._has_spoken = False
        self._show()

    def reset(self) -> None:
        """Begin a life of the loop, or end one, without a word."""
        self._failing.clear()
        self._surviving.clear()
        self._met.clear()
        self._has_spoken = False
        self._show()

    def _is_new(self, what: object, now: float) -> bool:
        """Return whether *what* is to be said."""
        if _ending or what in self._met or len(self._met) >= MOST or not is_heard():
            return False
        self._met.add(what)
        self._said_at = {each: at for each, at in self._said_at.items() if now - at < AGAIN}
        if what in self._said_at or len(self._said_at) >= MOST:
            return False
        self._said_at[what] = now
        self._has_spoken = True
        return True

    def _show(self) -> None:
        PULSE.ails(self, fails=bool(self._failing), survives=bool(self._surviving))
