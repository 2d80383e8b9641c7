"""How many calls in flight a target takes: found by trying less, and looking whether that helps.

The latency of a target that has a queue falls in step with the calls in flight; that of a target which is merely slow
does not.  So a limit is cut for one window when there is trouble, and once in a while when there is none; what becomes
of the latency says whether the queue was ours, and where it begins.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from unbreakable.policies.meter import Meter, Reading

HEALTHY = math.log(1.25)  # above the level of a target without a queue, up to which the limit grows
TROUBLED = math.log(1.65)  # above the level that is usual, from which on it is cut
IN_A_ROW = 3  # windows with trouble, before anything is done: one may be an accident
MANY, FEW = 0.1, 0.02  # share of refused attempts that is trouble, and up to which the limit grows
OURS = 0.6  # how much of a cut the latency must follow, so that the queue was ours (1: all of it)
TOLD_APART = 0.15  # how far the calls in flight must have fallen (ln) for a cut to say anything
EBB, EBB_EVERY = 0.6, 60.0  # what is left of the limit when it is looked for a queue, and how many seconds apart
EBB_WINDOWS = 30  # at least so many windows apart
HELPED = 0.7  # share of the refusals that is left, so that they were for want of a limit
MOSTLY = 0.5  # share of refused attempts for which it is cut as far as it goes
DEEPEST, LEAST_CUT = 0.5, 0.8  # what one cut leaves
GROWTH, GROWTH_AT_FIRST = 1.1, 1.5  # in each window that is full and healthy; at first until there is trouble
LONGEST_HOLD = 4  # windows for which a limit stays as it is, after the target refused what came of raising it
RISE = 0.0025  # how much (ln) the level of a healthy target may rise in a trial, that is in a minute
FIRST_LOOKS = 10  # at a level, of which each counts as much as the others
WEIGHT = 0.1  # of the last look at a level among all of them
SETTLING, LONGEST_SETTLING = 2.0, 60.0  # times what a call takes, and seconds, until what began before a cut is over


class Why:
    """Why a limit changed, in words."""

    GROWS = "it is reached, and the target is well"
    TROUBLE = "the target became slow"
    REFUSALS = "the target refuses calls"
    EBB = "to see whether the target has a queue"
    QUEUE = "with fewer calls in flight the target is quicker"
    FOREIGN = "fewer calls in flight did not help"
    UNTOLD = "too few calls were in flight to tell"


class Trial(NamedTuple):
    """Hold what was before a cut whose effect is awaited."""

    before: float
    reading: Reading
    why: str


class Change(NamedTuple):
    """Say that the limit became another one."""

    before: int
    after: int
    why: str


class Limiter:
    """Find the limit of one target, between *least* and *most*, from its windows.

    After TCP Vegas (Brakmo and Peterson 1995) and the limits of Netflix, Envoy and failsafe-go, which cut when the
    latency is above a baseline; here a cut is an experiment, whose end says what the baseline is.  It is no
    thread-safe object: whoever asks holds a latch.
    """

    def __init__(self, first: int, least: int, most: int, now: float) -> None:
        self.least, self.most = least, most
        self.limit = float(min(max(first, least), most))
        self.meter = Meter(now)
        self.base: float | None = None  #: the level of the target without a queue
        self.looks = 0  #: at which it was found
        self.usual = -math.inf  #: the level that is no trouble, since cutting did not help against it
        self.usual_refused = 0.0  #: the same of the share that is refused
        self.trial: Trial | None = None
        self.peak = self.limit  #: from where the limit fell
        self.is_steep = False  #: whether it does so in large steps
        self.in_trouble = 0  #: windows in a row
        self.raised_from: float | None = None  #: the limit before this window, if it was raised then
        self.hold = self.held = 0  #: windows before it is raised again, as a rule and this time
        self.pace: float | None = None  #: by how much it is raised, once the target has refused what was too much
        self.is_warm, self.at_first = False, True
        self.ebb_at = now

    @property
    def whole(self) -> int:
        """Return the limit as a number of places."""
        return int(self.limit + 1e-9)

    def look(self, now: float) -> Change | None:
        """Return what the window that ends now changes; None while it goes on, or changes nothing."""
        meter = self.meter
        if not meter.is_full(now):
            return self._call_off(now) if meter.is_stale(now) else None
        reading, before = meter.read(now), self.whole
        settled, why = self.limit, self._decide(reading, now)
        meter.begin(now if self.limit == settled else now + self._settling(reading))
        return Change(before, self.whole, why) if before != self.whole else None

    def _call_off(self, now: float) -> Change | None:
        """Begin anew when hardly anybody calls any more; a cut whose effect nobody will see is taken back."""
        self.meter.begin(now)
        if self.trial is None:
            return None
        cut, self.limit, self.trial = self.whole, self.trial.before, None
        return Change(cut, self.whole, Why.UNTOLD)

    def _settling(self, reading: Reading) -> float:
        """Return for how many seconds calls end that began under the limit before."""
        level = -math.inf if reading.level is None else reading.level
        return min(SETTLING * max(math.exp(max(self.usual, level)), reading.held), LONGEST_SETTLING)

    def _decide(self, reading: Reading, now: float) -> str:
        if self.trial is not None:
            trial, self.trial = self.trial, None
            return self._judge(trial, reading, now)
        if not self.is_warm:
            self.is_warm = True  # in the very first window the quick ones come back first
            return ""
        if self.base is None and reading.refused < MANY:
            self.base, self.looks = reading.level, 1
            self.usual = -math.inf if reading.level is None else reading.level
            return ""
        why = self._trouble(reading)
        if self.raised_from is not None and self._is_too_high(self.raised_from, refused=why is Why.REFUSALS):
            return why
        self.in_trouble = self.in_trouble + 1 if why else 0
        if self.in_trouble >= IN_A_ROW:
            return self._cut(reading, why)
        if why:
            return ""
        is_used = reading.full and reading.in_flight >= self.limit / 2
        if is_used and now >= self.ebb_at and self.limit > self.least:
            why = Why.REFUSALS if reading.refused >= MANY else Why.EBB
            self.peak, self.is_steep = self.limit, False
            return self._try(EBB * self.limit, self.limit, reading, why)
        self._get_used_to(reading)
        return self._grow(reading) if is_used else ""

    # ── trouble ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _trouble(self, reading: Reading) -> str:
        """Return what is wrong, "" if nothing is, or it is not for want of a limit."""
        if reading.refused >= max(MANY, 1.5 * self.usual_refused):
            return Why.REFUSALS
        if not reading.full and reading.in_flight < self.limit / 2:
            return ""
        if self.base is not None and self._excess(reading) > TROUBLED + reading.error:
            return Why.TROUBLE
        return ""

    def _excess(self, reading: Reading) -> float:
        return -math.inf if reading.level is None else reading.level - self.usual

    def _cut(self, reading: Reading, why: str) -> str:
        self.peak, self.is_steep = self.limit, True
        if why is Why.REFUSALS:  # to as many as it has answered at once
            answered = min(max(DEEPEST * self.limit, reading.in_flight), LEAST_CUT * self.limit)
            return self._try(answered, self.limit, reading, why)
        share = max(math.exp(-self._excess(reading)), DEEPEST)  # it is trouble, so it is less than LEAST_CUT
        in_use = self.limit if reading.full else min(self.limit, reading.in_flight)
        return self._try(share * in_use, self.limit, reading, why)

    def _try(self, limit: float, before: float, reading: Reading, why: str) -> str:
        """Cut to *limit*; should that not help, the limit is *before* again."""
        self.in_trouble = 0
        self.limit, old = max(limit, float(self.least)), self.whole
        if self.whole < old:
            self.trial = Trial(before, reading, why)
        else:
            self.limit = before
        return why

    # ── what a cut has shown ─────────────────────────────────────────────────────────────────────────────────────

    def _judge(self, trial: Trial, reading: Reading, now: float) -> str:
        self.ebb_at = now + max(EBB_EVERY, EBB_WINDOWS * (now - self.meter.at))
        if trial.why is Why.REFUSALS:
            return self._judge_refusals(trial, reading)
        if reading.refused > HELPED * trial.reading.refused:  # with fewer in flight, too
            self.usual_refused = max(self.usual_refused, min(reading.refused, MANY))
        fallen = math.log(max(trial.reading.in_flight, 1e-9) / max(reading.in_flight, 1e-9))
        if reading.level is None or trial.reading.level is None or fallen < TOLD_APART:
            self.limit = trial.before
            return Why.UNTOLD
        relief = trial.reading.level - reading.level
        if relief >= OURS * fallen:
            return self._go_on(trial, reading)
        surely = relief > 2 * math.hypot(trial.reading.error, reading.error)
        self.limit = max(self.limit, trial.before * math.exp(-relief)) if surely else trial.before
        self._learn_level(reading.level, reading.error)
        return Why.FOREIGN

    def _go_on(self, trial: Trial, reading: Reading) -> str:
        """Keep a limit that has helped; cut it further as long as there may be more of the queue."""
        level: Any = reading.level
        self.at_first = False
        if level < self._base - 2 * reading.error:  # else it may be mere luck
            self.base, self.looks = level, 1
        self.usual = max(self._base, min(self.usual, level))
        if trial.why is Why.EBB or level - self.usual > TROUBLED:
            self._try(EBB * self.limit, self.limit, reading, trial.why)
        return Why.QUEUE

    def _judge_refusals(self, trial: Trial, reading: Reading) -> str:
        helped = reading.refused <= HELPED * trial.reading.refused
        if helped:
            self.at_first, self.peak, self.pace = False, self.limit, GROWTH
            if reading.refused >= MANY:
                self._try(0.7 * self.limit, self.limit, reading, Why.REFUSALS)
            return Why.REFUSALS
        if reading.refused < MOSTLY or self.whole <= self.least:
            self.limit, self.usual_refused = trial.before, reading.refused
            return Why.FOREIGN
        return self._try(DEEPEST * self.limit, trial.before, trial.reading, Why.REFUSALS)

    def _learn_level(self, level: float, error: float) -> None:
        """Take in the level of a target that has no queue of ours; one that it did not have before, only slowly."""
        self.looks += 1
        difference = level - self._base
        rise = RISE if difference > 2 * error else math.inf if self.looks < FIRST_LOOKS else RISE
        self.base = self._base + min(max(WEIGHT, 1.0 / self.looks) * difference, rise)
        self.usual = max(self.base, level)

    @property
    def _base(self) -> float:
        """Return the level without a queue, which is known before there is any trial of the latency."""
        assert self.base is not None  # noqa: S101
        return self.base

    # ── all is well ──────────────────────────────────────────────────────────────────────────────────────────────

    def _get_used_to(self, reading: Reading) -> None:
        if reading.refused < self.usual_refused:
            self.usual_refused += WEIGHT * (reading.refused - self.usual_refused)
        if reading.level is None or self.base is None:
            return
        if reading.level < self.base - HEALTHY - 3 * reading.error:
            self.base, self.looks = reading.level, 1  # it became quicker
        if reading.level < self.base + HEALTHY:
            self.usual = self.base
        elif reading.level < self.usual:
            self.usual += WEIGHT * (reading.level - self.usual)

    def _grow(self, reading: Reading) -> str:
        few = max(FEW, min(1.5 * self.usual_refused, MANY))  # it is known that so many are not for want of a limit
        if reading.level is None or self.base is None or reading.refused > few:
            return ""
        if self.held:
            self.held -= 1
            return ""
        goes_back = self.limit < self.peak
        excess = max(0.0, reading.level - (self.usual if goes_back else self.base))
        room = 1.0 - excess / (HEALTHY + reading.error)
        if room <= 0.0:
            return ""
        step = self.limit * ((self.pace or (GROWTH_AT_FIRST if self.at_first else GROWTH)) - 1.0)
        if self.is_steep:  # it was higher once
            step = max(step, (self.peak - self.limit) / 2)
        end = self.most if not goes_back or reading.level - self.base <= HEALTHY else self.peak
        self.raised_from, self.limit = self.limit, min(self.limit + room * max(1.0, step), float(end))
        return Why.GROWS

    def _is_too_high(self, before: float, *, refused: bool) -> bool:
        """Return whether the limit is *before* again, since the target has *refused* what came of raising it.

        That is known at once, and needs no trial.  Then it is raised ever more rarely, and less; else, sooner and more.
        """
        self.raised_from = None
        if not refused:
            self.hold, self.held = 0, 0
            self.pace = self.pace and min(self.pace * self.pace, GROWTH_AT_FIRST)
            return False
        self.limit = self.peak = before
        self.hold = self.held = min(2 * self.hold + 1, LONGEST_HOLD)
        self.pace, self.in_trouble = GROWTH, 0
        return True
