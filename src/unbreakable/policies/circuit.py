"""The circuit of one target: whether attempts go through, decided by how those before them went.

Nothing here waits, rolls dice or looks at a clock: every moment is the caller's *now*, in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from unbreakable.events import Event
from unbreakable.policies.ramp import Ramp
from unbreakable.policies.states import CHANGES, COUNTING, EVENTS, FREE, HALF_OPEN, SHUT, Change, State
from unbreakable.policies.terms import Terms
from unbreakable.policies.windows import nothing_recent
from unbreakable.runtime import Line, new_lock

NO_NEWS = 0.001  # seconds: a failure that began so much before a success says no more than that does
GOLDEN = 0.618033988749895  # its multiples, less the whole numbers, fall evenly between 0 and 1
MORE_TIME = 2.0  # times as long as a probe had that told nothing, which the next one should have
LOOK_EACH, APART = 50, 1.0  # calls turned away, and seconds since the last look, after which a learned circuit looks
HALF = 0.5  # share of failures that a ramp does not go on with, where no ratio is set


def as_part(stamp: int) -> int:
    """Return the stamp of a part of what was let through by this *stamp*, which is below 0; and the other way round."""
    return ~stamp


class Circuit:
    """One target's circuit: decisions over *now*; verdicts that belong to an earlier generation are ignored.

    On success the quick path reads two attributes only: ``stamp``, the generation while calls go through freely (None
    sends admission through ``admit``), and ``alert``, whether a success would change anything but ``latest``.
    """

    __slots__ = (
        *("alert", "away", "closed_at", "counts", "enough", "first_probe", "followers", "generation", "grows", "held"),
        *("in_vain", "latest", "line", "lock", "needs", "off", "out", "phase", "probes", "probing_since", "proven"),
        *("ramp", "recent", "relieved", "rested", "rests", "run", "run_began", "settings", "shut", "slow", "slowest"),
        *("stamp", "state", "told", "too_slow", "until", "watches_successes", "when_switched"),
    )
    held: float  #: seconds after which a permit that has not come back is given out anew

    def __init__(self, settings: Terms, *, off: bool = False) -> None:
        self.settings, self.off, self.lock = settings, off, new_lock()
        self.state, self.generation, self.until = State.CLOSED, 0, 0.0
        self.run = self.probes = self.proven = self.slow = 0
        self.enough = 0  #: failures in a row until which it need not be asked how many attempts are out
        self.slowest = 0.0  #: seconds that the slowest of them took, about: only what is out for longer counts
        self.out: Callable[[float], int] | None = None  #: tells that, where the first settings are a guess
        self.run_began = 0.0  #: when the first attempt of the row began that failed
        self.first_probe = 0  #: the generation from which on permits were given out to see whether the target is back
        self.needs = 0.0  #: seconds that a probe should have, since one with less ended without a verdict
        self.away = 0  #: how many calls were turned away since the rest began, about
        self.in_vain = 0  #: how often since it closed it was looked whether the target is back, and it was not
        self.latest = -math.inf  #: when the attempt began that succeeded lately
        self.relieved = -math.inf  #: when the attempt began that was the first to succeed after failures
        self.probing_since = -math.inf  #: since when attempts go through to see whether the target is back, if they do
        self.rests, self.rested = 0, 0.0  #: how often rests grew without a time of health, and how long the last one is
        self.closed_at = self.grows = -math.inf  #: from when on the next rest is longer, if it is learned
        self.phase = 0.0  #: where among the rests of other processes its own fall
        self.line = Line()  #: who waits for the circuit, first come, first served
        self.followers: Callable[[], Iterable[Circuit]] = tuple  #: the circuits that do what is done to this by hand
        self.when_switched: Callable[[type[Event]], None] | None = None  #: told of what was done to it by hand
        self.told = math.inf, 0.0, ""  #: how rests of more than so many seconds, and at most so many, are told
        self.ramp: Ramp | None = None
        self.recent = nothing_recent(self.settings)
        self.stamp: int | None = 0
        self.counts = True  #: whether failures add up
        self.shut = False  #: whether nothing goes through before ``until``
        self.too_slow, self.watches_successes = settings.fails_if_slower, settings.watches_successes
        self.alert = self.watches_successes

    def __repr__(self) -> str:
        """Return how it stands."""
        return f"<Circuit {self.state.value}>"

    # ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────

    def admit(self, now: float) -> tuple[int | None, type[Event] | None]:
        """Return the stamp of a permit, None when there is none, and what happened to the circuit, if anything did."""
        with self.lock:
            event = None
            if self.state is State.OPEN and now >= self.until:
                event = self._move(Change.RESTED, now)
            elif self.state is State.HALF_OPEN and now >= self.until:
                self._give_out_anew(now)
            else:
                event = self._go_on(now)
            return (self.generation if self._lets_through() else None), event

    def settle(self, stamp: int, ok: bool | None, now: float, elapsed: float = 0.0) -> type[Event] | None:
        """Take a verdict and return what happened to the circuit; *ok* is None when it says nothing of the target.

        A part of a probe, by a *stamp* from ``as_part``, says nothing: that one tells how it went on with all of them.
        """
        with self.lock:
            if stamp < 0 and self.counts:
                stamp = as_part(stamp)
            if stamp != self.generation:
                if ok and self.is_probing and stamp >= self.first_probe:
                    self._wait_longer(now, elapsed)
                return None
            if ok and self.too_slow is not None and elapsed > self.too_slow:
                ok = False
            if not self.counts:
                return self._settle_probe(ok, now, elapsed) if self.state is State.HALF_OPEN else None
            if ok is None:
                return None
            too_many = self._count(ok, now, elapsed)
            self.alert = self.run > 0 or self.watches_successes
            return self._move(Change.TRIPPED, now) if too_many else None

    def has_time(self, now: float, started: float, deadline: float) -> bool:
        """Return whether a call has enough time to be a probe, should it be one: if half of it is left, in any case.

        Else those in line whose deadline is near would follow one another, each cut before it can tell anything.
        """
        left = deadline - now
        return self.stamp is not None or self.ramp is not None or left > min(self.needs, (deadline - started) / 2.0)

    def go_on(self, now: float) -> type[Event] | None:
        """Take the steps of the ramp that are over, for who was counted by it; return what happened to the circuit."""
        with self.lock:
            return self._go_on(now)

    def _lets_through(self) -> bool:
        if self.state is State.HALF_OPEN and self.probes < self.settings.permits:
            self.probes += 1
            return True
        ramp = self.ramp  # looked up once: see ``_move``
        if ramp is not None:
            return ramp.admit()
        return self.state in FREE

    def _settle_probe(self, ok: bool | None, now: float, elapsed: float) -> type[Event] | None:
        if ok is None:
            self.probes -= 1
            self.needs = max(self.needs, MORE_TIME * elapsed)
            self.line.call_all()
            return None
        if not ok:
            return self._move(Change.TRIPPED, now)
        permits = self.settings.permits
        self.proven += 1
        self.slow += self.settings.is_slow(elapsed)
        if self.proven < permits:
            return None
        if self.settings.is_too_much(permits, 0, self.slow, failing=None):
            return self._move(Change.TRIPPED, now)
        return self._move(Change.BACK if self.settings.ramp else Change.PROVEN, now)

    def _give_out_anew(self, now: float) -> None:
        """Give out the permits that have not come back; what was proven stays, but one is to decide yet.

        A signal's exception may have come up once the last success was counted, and before the circuit closed.
        """
        self.generation += 1
        self.proven = min(self.proven, self.settings.permits - 1)
        self.probes, self.until = self.proven, now + self.held

    def _wait_longer(self, now: float, elapsed: float) -> None:
        """Keep the permits that are out for as long as answers take: one came in the end whose own was given up.

        Otherwise a target that is well, but takes longer than a rest, would never be let through again.
        """
        if elapsed > self.held:
            self.held = 2.0 * elapsed
            self.until = now + self.held

    def _count(self, ok: bool, now: float, elapsed: float) -> bool:
        """Count an attempt; return whether there are too many failures, or slow ones, by now.

        A failure that began before an attempt that has succeeded by now is no news, and does not count in a row.  A
        share of failures counts all.
        """
        began = now - elapsed
        if ok:
            if self.run:
                self.relieved = began
            self.run, self.enough, self.slowest = 0, 0, 0.0
            self.latest = max(self.latest, began)
        elif began > self.latest - NO_NEWS:
            self.run_began = self.run_began if self.run else began
            self.run += 1
            if elapsed > MORE_TIME * self.slowest:
                self.slowest, self.enough = elapsed, 0
        if (self.recent is not None or self.ramp is not None) and self._are_too_many(ok, now, elapsed):
            return True
        if ok or self.settings.ratio is not None or not self.settings.is_outage(self.run, now - self.run_began):
            return False
        return self.settings.learned or not self._may_be_luck()

    def _may_be_luck(self) -> bool:
        """Return whether more attempts are out than have failed in a row: where failures come sooner than answers.

        It is asked again with twice as many, since those may not be out any more.
        """
        if self.out is not None and self.run >= self.enough:
            self.enough = min(2 * self.run, self.out(self.slowest))
        return self.run < self.enough

    def _are_too_many(self, ok: bool, now: float, elapsed: float) -> bool:
        """Count an attempt among the recent ones; return whether too large a share of them failed, or was slow."""
        slow, ramp, recent = self.settings.is_slow(elapsed), self.ramp, self.recent
        if ramp is not None:
            ramp.update(failed=not ok, slow=slow)
        if recent is None:
            return False
        recent.update(now, failed=not ok, slow=slow)
        tally = recent.value(now)
        return tally.calls >= self.settings.least and self.settings.is_too_much(*tally, failing=self.settings.ratio)

    def _go_on(self, now: float) -> type[Event] | None:
        """Take the steps of the ramp, if there is one, that are over: up where it went well, down where it did not."""
        ramp, failing = self.ramp, HALF if self.settings.ratio is None else self.settings.ratio
        while ramp is not None and now >= ramp.until:
            tally = ramp.tally
            if tally.calls and self.settings.is_too_much(*tally, failing=failing):
                if not ramp.descend():
                    return self._move(Change.TRIPPED, now)
            elif not ramp.climb():
                return self._move(Change.PROVEN, now)
            self.until = ramp.until
        return None

    def wake(self, now: float) -> None:
        """End the rest of an open circuit: the next call looks whether its target is back."""
        if self.state is State.OPEN:  # every success asks
            with self.lock:
                if self.state is State.OPEN:
                    self.until = now
                    self.line.call_all()

    def turn_away(self, rest: float) -> None:
        """Count a call that is turned away, *rest* seconds before the end: of fifty one looks, which is no load."""
        self.away += 1
        if self.away > LOOK_EACH and self.settings.learned and self.rested - rest >= APART:
            self.wake(self.until - rest)

    @property
    def is_closed(self) -> bool:
        """Return whether every attempt goes through, and nothing says that the target is down."""
        return self.stamp is not None

    @property
    def is_back(self) -> bool:
        """Return whether it has closed since its target was seen to be back, and not by hand."""
        return self.state is State.CLOSED and self.closed_at > -math.inf

    @property
    def is_probing(self) -> bool:
        """Return whether attempts are let through only to see whether the target is back."""
        return self.state is HALF_OPEN

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _move(self, change: Change, now: float) -> type[Event] | None:
        """Make *change*, unless it no longer applies: a handler of signals may have moved the circuit just before.

        It may do so between any two lines here, too: what follows from the state is read off it, each in one step.
        """
        before = self.state
        after = CHANGES.get((before, change))
        ramp = Ramp(self.settings.ramp, now) if after is State.RAMPING else None
        if after is None or self.state is not before:
            return None
        self.state = after
        self.generation += 1
        self.run = self.enough = self.probes = self.proven = self.slow = 0
        self.slowest = 0.0
        self.held, self.needs = self.settings.whole_rest, 0.0
        self.probing_since = now if self.state is HALF_OPEN else -math.inf
        self.ramp = ramp if self.state is State.RAMPING else None
        if after is State.OPEN:
            self._rest(before, now)
        elif self.state is after:
            self.until = now + self.held if ramp is None else ramp.until
        if after is State.CLOSED:
            self.in_vain, self.closed_at = 0, now
        self.counts = self.state in COUNTING
        self.shut = self.state in SHUT
        self.stamp = self.generation if self.state in FREE else None
        self.alert = self.watches_successes or self.state not in FREE
        if after is not State.HALF_OPEN:  # who is in line goes on, or finds that the rest outlasts his deadline
            self.line.call_all()
        return EVENTS[after]

    def _rest(self, before: State, now: float) -> None:
        """Begin a rest: longer than the last, unless a learned one was cut short, or the target was well so long."""
        self.in_vain += before is State.HALF_OPEN
        if before is State.CLOSED and now - self.closed_at >= self.rested:
            self.rests = 0
        if before is not State.HALF_OPEN or now >= self.grows or not self.settings.learned:
            self.rested = self._rest_after(self.rests)
            self.rests, self.grows = self.rests + 1, now + self.rested
        self.away = 0
        if self.state is State.OPEN:
            self.until = now + self.rested
        if before in COUNTING:
            self.first_probe = self.generation
        self.recent = nothing_recent(self.settings)

    def _rest_after(self, vain: int) -> float:
        return self.settings.rest_after(vain, (self.phase + vain * GOLDEN) % 1.0)

    def scatter(self, roll: Callable[[], float]) -> None:
        """Have the rests, if they have a jitter, fall on other moments than those of other processes."""
        if self.settings.jitter:
            self.phase = roll()

    def clear(self) -> None:
        """Forget permits that are out and calls that wait: after a fork none of them comes back."""
        self.line.clear()
        self.probes = 0

    def adopt(self, settings: Terms) -> None:
        """Follow *settings* from now on; where it stands and what it counts stay.  A rest under way gets no longer."""
        with self.lock:
            if settings == self.settings:
                return
            before, self.settings = self.settings, settings
            proven = min(self.proven, settings.permits - 1)  # where it looks by fewer permits now, one is to decide yet
            self.probes, self.proven = self.probes - self.proven + proven, proven
            self.too_slow, self.watches_successes = settings.fails_if_slower, settings.watches_successes
            self.alert = self.watches_successes or self.run > 0 or self.stamp is None
            if settings.shares_of != before.shares_of:
                self.recent = nothing_recent(self.settings)
            if self.state is State.OPEN:
                rest = self._rest_after(self.rests - 1)
                sooner = self.until - self.rested + rest
                self.until, self.rested = min(self.until, sooner), min(self.rested, rest)
                self.grows = min(self.grows, self.until)
                self.line.call_all()

    # ── by hand ──────────────────────────────────────────────────────────────────────────────────────────────────

    def force_open(self) -> None:
        """Refuse every attempt until ``reset()`` or ``disable()``."""
        self._by_hand(Change.FORCED, now=math.inf)  # its rest never ends

    def disable(self) -> None:
        """Let every attempt through, whatever happens, until ``reset()`` or ``force_open()``."""
        self._by_hand(Change.SWITCHED_OFF)

    def reset(self) -> None:
        """Close the circuit and forget what it counted; one that was switched off for good is off again."""
        self._by_hand(Change.SWITCHED_OFF if self.off else Change.RESET)

    def take_after(self, other: Circuit) -> None:
        """Be switched by hand as *other* is."""
        if other.state is State.FORCED_OPEN:
            self.force_open()
        elif other.state is State.DISABLED:
            self.disable()

    def _by_hand(self, change: Change, now: float = -math.inf) -> None:  # long ago: no rest goes on, nor counts
        with self.lock:
            before, event = self.state, self._move(change, now)
            self.recent = nothing_recent(self.settings)
        for follower in self.followers():
            follower._by_hand(change, now)  # noqa: SLF001
        if self.when_switched is not None and event is not None and self.state is not before:
            self.when_switched(event)
