"""What policies in the shadow would have done that hold load off a target: throttle, bulkhead, limit."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from unbreakable.outcome import Failure, Result
from unbreakable.policies.breaker import is_answer, is_repeatable
from unbreakable.policies.bulkhead import Bulkhead
from unbreakable.policies.full import is_late, says_full
from unbreakable.policies.limit import AdaptiveLimit
from unbreakable.policies.limiter import Limiter
from unbreakable.policies.policy import Context, Inner, Policy
from unbreakable.policies.priority import importance
from unbreakable.policies.shade import Attempts, Place, Shade
from unbreakable.policies.shedding import Shedding
from unbreakable.policies.throttle import Throttle


class ShadeOfThrottle(Shade):
    """Refuse in the shadow a share of the calls, and go by what became of the others."""

    name = "throttle"
    counted = ("calls", "would_refuse", "refused_in_error")

    def __init__(self, throttle: Throttle) -> None:
        super().__init__()
        self.shedding, self.due = Shedding(throttle.accept), 0.0
        self.unsent: set[int] = set()  #: the ids of calls that would not have been made (see ``ShadeOfPlaces.stays``)

    def stands(self) -> Mapping[Place, Policy]:
        """Return itself, and who looks at the attempts."""
        return {"call": self, "attempt": Attempts(self)}

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner*, which would have been refused when its turn has come."""
        if not self._is_shed(ctx.runtime.now()):
            return await inner(ctx)
        self.would(ctx, "refuse")
        self.unsent.add(id(ctx))
        try:
            result = await inner(ctx)
        finally:
            self.unsent.discard(id(ctx))
        self.count("refused_in_error", int(not isinstance(result, Failure)))
        return result

    def _is_shed(self, now: float) -> bool:
        """Return whether a call would be refused now: the shares of all are added up, and nothing is rolled."""
        with self._lock:
            self._counts["calls"] += 1
            self.due += self.shedding.share(now, importance())
            if self.due < 1.0:
                return False
            self.due -= 1.0
            self.shedding.shed(now)
            return True

    def ended(self, ctx: Context, result: Result[Any], seconds: float, now: float) -> None:
        """Take in an attempt of a call that would have been made: accepted, or too much."""
        if id(ctx.whole) in self.unsent:
            self.count("refused_in_error", int(ctx.stream is not None))  # of a generator we see the beginning
            return
        with self._lock:
            if isinstance(result, Failure) and (is_late(result) or says_full(result)):
                self.shedding.refuse(now)
            elif not isinstance(result, Failure) or is_answer(result) or not is_repeatable(result.error, ctx):
                self.shedding.accept(1, now)
            elif not result.refused:
                self.shedding.fail(now)

    def clear(self) -> None:
        """Forget which calls are under way."""
        self.unsent.clear()


class Stay:
    """Say whether a call would have a place, and whether it is away for a pause."""

    __slots__ = ("has_place", "is_away")

    def __init__(self, *, has_place: bool) -> None:
        self.has_place, self.is_away = has_place, False


class ShadeOfPlaces(Shade):
    """Count the calls that would be in flight, had those not been let in that came too many; and all that are."""

    place = "call"

    def __init__(self, wait: float) -> None:
        super().__init__()
        self.wait = wait
        self.inside = self.in_flight = 0  #: those that would have been let in, and all; without those that pause
        #: by id: a block leads to what its event loop may be closed over, which is not to be kept
        self.stays: dict[int, Stay] = {}

    @abstractmethod
    def has_room(self, now: float) -> bool:
        """Return whether one more would be let in."""

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner*, in a place if there is one."""
        self.count("calls")
        stay = Stay(has_place=self._begins(ctx))
        try:
            self.stays[id(ctx)] = stay
            if not stay.has_place:
                self.would(ctx, "wait" if self.wait else "refuse")
            return await inner(ctx)
        finally:
            self.stays.pop(id(ctx), None)
            self._end(stay)

    def _begins(self, ctx: Context, *, wants_place: bool = True) -> bool:
        with self._lock:
            self.in_flight += 1
            self._counts["most_in_flight"] = max(self._counts["most_in_flight"], self.in_flight)
            has_place = wants_place and self.has_room(ctx.runtime.now())
            self.inside += has_place
            return has_place

    def _end(self, stay: Stay) -> None:
        if not stay.is_away:
            with self._lock:
                self.in_flight -= 1
                self.inside -= stay.has_place

    def step_out(self, ctx: Context) -> None:
        """Give the place back that the call would have, if it would."""
        stay = self.stays.get(id(ctx))
        if stay is not None:
            self._end(stay)
            stay.is_away = True

    def come_back(self, ctx: Context) -> None:
        """Let the call be in flight again; where there is no place it would wait, whatever others would be told.

        It would not have come so far if it had found none when it began; so then it takes none.
        """
        stay = self.stays.get(id(ctx))
        if stay is None or not stay.is_away:
            return
        had_place, stay.is_away = stay.has_place, False
        stay.has_place = self._begins(ctx, wants_place=had_place)
        if had_place and not stay.has_place:
            self.would(ctx, "wait")

    def clear(self) -> None:
        """Forget who is in flight."""
        self.inside = self.in_flight = 0
        self.stays.clear()


class ShadeOfBulkhead(ShadeOfPlaces):
    """Have as many places as the bulkhead has."""

    name = "bulkhead"
    counted = ("calls", "would_refuse", "would_wait", "most_in_flight")

    def __init__(self, bulkhead: Bulkhead) -> None:
        super().__init__(bulkhead.wait)
        self.most = bulkhead.most

    def has_room(self, now: float) -> bool:
        """Return whether one more would be let in."""
        return self.inside < self.most


class ShadeOfLimit(ShadeOfPlaces):
    """Look for the limit in the shadow.

    A limit is found by trying less, which nobody does here: where the target has a queue it sees that it would try, and
    not what would become of that.
    """

    name = "limit"
    counted = ("calls", "would_refuse", "would_wait", "would_cut", "most_in_flight")

    def __init__(self, limit: AdaptiveLimit) -> None:
        super().__init__(limit.wait)
        self.limit = limit
        self.limiter: Limiter | None = None

    def stands(self) -> Mapping[Place, Policy]:
        """Return itself, and who looks at the attempts."""
        return {"call": self, "attempt": Attempts(self)}

    def has_room(self, now: float) -> bool:
        """Return whether one more would be let in; note it if not: a limit that nobody reaches need not grow."""
        limiter = self._limiter(now)
        has_room = self.inside < limiter.whole
        limiter.meter.full |= not has_room
        return has_room

    def ended(self, ctx: Context, result: Result[Any], seconds: float, now: float) -> None:
        """Take in an attempt, and look at the window when it is full."""
        with self._lock:
            limiter = self._limiter(now)
            if ctx.stream is not None:
                limiter.meter.hold(self.in_flight, now)
            if not isinstance(result, Failure):
                limiter.meter.take([seconds], now)
            elif is_late(result):
                limiter.meter.cut(seconds, now)
            elif says_full(result):
                limiter.meter.refuse(now)
            elif is_answer(result) or not is_repeatable(result.error, ctx):
                limiter.meter.answer(seconds, now)
            change = limiter.look(now)
        if change is not None and change.after < change.before:
            self.would(ctx, "cut")

    def _limiter(self, now: float) -> Limiter:
        if self.limiter is None:
            self.limiter = Limiter(self.limit.first, self.limit.least, self.limit.most, now)
        return self.limiter
