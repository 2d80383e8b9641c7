"""A circuit breaker: after enough failures, leave the target in peace for a while."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from unbreakable.errors import CircuitOpen, Kind, Rejected, UnbreakableError
from unbreakable.events import CircuitClosed, CircuitHalfOpened, CircuitOpened, Event
from unbreakable.outcome import Failure, Result, is_a
from unbreakable.policies import check
from unbreakable.policies.policy import Context, Inner
from unbreakable.runtime import Line, Place, new_lock
from unbreakable.stats import Window

MOST_WAITING = 1_000
OUR_FAULT = (Kind.INVALID, Kind.CREDENTIALS, Kind.BUG)  # the target is well: it answered, and was right
MOSTLY = 0.9  # share of a deadline that one attempt has to take, so that its target is to blame
LEAST_REST = 0.001  # seconds between two looks at the clock of whoever is first in line


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """Open after *failures* in a row; with *ratio*, instead when that share of at least *minimum* attempts failed.

    A failure that began before an attempt that has succeeded by now is no longer news, and not counted in a row.  The
    attempts that *ratio* is a share of are those of the last *window* seconds.  Failures of types that ``Retry.on``
    leaves out, such as a card that was declined, say nothing of the target, and are not counted at all.
    An open circuit refuses attempts for *rest* seconds, or until an earlier one finds that another endpoint or way is
    back, then lets *permits* through to see: when they all succeed it closes, when one fails it opens again.  An
    attempt slower than *slow* seconds counts as failed.  A call waits at most *wait* seconds, within its deadline, for
    an open circuit to let attempts through again; waiting costs no budget.
    """

    failures: int = field(default=5, kw_only=False)
    ratio: float | None = None
    window: float = 30.0
    minimum: int = 10
    rest: float = 30.0
    permits: int = 1
    slow: float | None = None
    wait: float = 0.0

    def __post_init__(self) -> None:
        for name in ("failures", "minimum", "permits"):
            check.whole(f"CircuitBreaker.{name}", getattr(self, name), least=1)
        check.seconds("CircuitBreaker.window", self.window, positive=True)
        check.seconds("CircuitBreaker.rest", self.rest, positive=True)
        check.seconds("CircuitBreaker.wait", self.wait, endless=True)
        if self.ratio is not None:
            check.share("CircuitBreaker.ratio", self.ratio, positive=True)
        if self.slow is not None:
            check.seconds("CircuitBreaker.slow", self.slow, positive=True)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* if the circuit lets it through; tell the circuit how it went."""
        circuit: Circuit = ctx.target.circuit
        stamp = await self._admit(circuit, ctx)
        if stamp is None:
            return ctx.refuse(refusal(ctx.node.name, circuit, ctx.runtime.now()))
        ctx.stamp, started = stamp, ctx.runtime.now()
        try:
            result = await inner(ctx)
        except BaseException:
            tell(ctx, circuit.settle(stamp, None, ctx.runtime.now()))
            raise
        now = ctx.runtime.now()
        tell(ctx, circuit.settle(stamp, verdict(result, ctx), now, now - started - ctx.aside))
        return result

    async def _admit(self, circuit: Circuit, ctx: Context) -> int | None:
        """Return the stamp of a permit, waiting for one as long as allowed; None when there is none."""
        now = ctx.runtime.now()
        stamp, event = circuit.admit(now)
        tell(ctx, event)
        until = min(now + self.wait - ctx.waited, ctx.deadline)
        if stamp is not None or until <= now or len(circuit.line) >= MOST_WAITING:
            return stamp
        place = circuit.line.join(ctx.runtime)
        try:
            return await self._wait_in_line(circuit, ctx, place, until)
        finally:
            circuit.line.leave(place)
            ctx.waited += ctx.runtime.now() - now

    async def _wait_in_line(self, circuit: Circuit, ctx: Context, place: Place, until: float) -> int | None:
        """Wait to be called; who is first in line also looks at the clock, so that one caller asks and not a herd."""
        while True:
            now = ctx.runtime.now()
            stamp, event = circuit.admit(now)  # also at once: it may have closed before we stood in line
            tell(ctx, event)
            if stamp is not None or now >= until:
                return stamp
            is_first = circuit.line.is_first(place)
            moment = min(until, max(circuit.until, now + LEAST_REST)) if is_first else until
            await place.wait(ctx.runtime, moment - now)


class State(enum.StrEnum):
    """Say where a circuit stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    FORCED_OPEN = "forced open"
    DISABLED = "disabled"


class Change(enum.Enum):
    """What moves a circuit."""

    TRIPPED = "tripped"  #: too many failures
    RESTED = "rested"  #: the rest is over, or a permit never came back
    PROVEN = "proven"  #: every permit succeeded
    FORCED = "forced"
    SWITCHED_OFF = "switched off"
    RESET = "reset"


CHANGES: dict[tuple[State, Change], State] = {
    (State.CLOSED, Change.TRIPPED): State.OPEN,
    (State.OPEN, Change.RESTED): State.HALF_OPEN,
    (State.HALF_OPEN, Change.TRIPPED): State.OPEN,
    (State.HALF_OPEN, Change.RESTED): State.HALF_OPEN,
    (State.HALF_OPEN, Change.PROVEN): State.CLOSED,
    **{(state, Change.FORCED): State.FORCED_OPEN for state in State},
    **{(state, Change.SWITCHED_OFF): State.DISABLED for state in State},
    **{(state, Change.RESET): State.CLOSED for state in State},
}


class Circuit:
    """One target's circuit: decisions over *now*; verdicts that belong to an earlier generation are ignored.

    On success the quick path reads two attributes only: ``stamp``, the generation while calls go through freely (None
    sends admission through ``admit``), and ``alert``, whether a success would change anything but ``latest``.
    """

    __slots__ = (
        "alert",
        "followers",
        "generation",
        "in_vain",
        "latest",
        "line",
        "lock",
        "off",
        "probes",
        "proven",
        "run",
        "settings",
        "since",
        "stamp",
        "state",
        "until",
        "window",
    )

    def __init__(self, settings: CircuitBreaker, *, off: bool = False) -> None:
        self.settings, self.off, self.lock = settings, off, new_lock()
        self.state, self.generation, self.until = State.CLOSED, 0, 0.0
        self.run = self.probes = self.proven = 0
        self.in_vain = 0  #: how often since it closed it was looked whether the target is back, and it was not
        self.latest = -math.inf  #: when the attempt began that succeeded lately
        self.since: float | None = None
        self.line = Line()  #: who waits for the circuit, first come, first served
        self.followers: Callable[[], Iterable[Circuit]] = tuple  #: the circuits that do what is done to this by hand
        self.window = None if settings.ratio is None else Window(settings.window)
        self.stamp: int | None = 0
        self.alert = self._watches_successes()

    # ── decisions ────────────────────────────────────────────────────────────────────────────────────────────────

    def admit(self, now: float) -> tuple[int | None, type[Event] | None]:
        """Return the stamp of a permit, None when there is none, and what happened to the circuit, if anything did."""
        with self.lock:
            event = None
            if self.state in (State.OPEN, State.HALF_OPEN) and now >= self.until:
                event = self._move(Change.RESTED, now)
            if self.state is State.HALF_OPEN and self.probes < self.settings.permits:
                self.probes += 1
                return self.generation, event
            return (self.generation if self.state in (State.CLOSED, State.DISABLED) else None), event

    def settle(self, stamp: int, ok: bool | None, now: float, elapsed: float = 0.0) -> type[Event] | None:
        """Take a verdict and return what happened to the circuit; *ok* is None when it says nothing of the target."""
        with self.lock:
            if stamp != self.generation or self.state is State.DISABLED:
                return None
            if ok and self.settings.slow is not None and elapsed > self.settings.slow:
                ok = False
            if self.state is State.HALF_OPEN:
                return self._settle_probe(ok, now)
            if ok is None or self.state is not State.CLOSED:
                return None
            if not self._counts(ok, now - elapsed):
                return None
            self.run = 0 if ok else self.run + 1
            self.alert = self.run > 0 or self._watches_successes()
            return self._move(Change.TRIPPED, now) if self._too_many(ok, now) else None

    def _settle_probe(self, ok: bool | None, now: float) -> type[Event] | None:
        if ok is None:
            self.probes -= 1
            self.line.call_all()
            return None
        if not ok:
            return self._move(Change.TRIPPED, now)
        self.proven += 1
        return self._move(Change.PROVEN, now) if self.proven >= self.settings.permits else None

    def _counts(self, ok: bool, began: float) -> bool:
        """Return whether an attempt that began then says how the target is now.

        One that failed late, after the target was well again for others, is no news.  A share of failures counts all.
        """
        if ok:
            self.latest = max(self.latest, began)
        return ok or self.window is not None or began > self.latest - LEAST_REST

    def _too_many(self, ok: bool, now: float) -> bool:
        if self.window is None or self.settings.ratio is None:
            return self.run >= self.settings.failures
        if self.since is None:
            self.since = now  # its buckets begin with the first attempt: a story is the same at any time of day
        self.window.update(ok, now - self.since)
        fine, failed = self.window.value(now - self.since)
        return fine + failed >= self.settings.minimum and failed >= self.settings.ratio * (fine + failed)

    def _watches_successes(self) -> bool:
        return self.settings.ratio is not None or self.settings.slow is not None

    def wake(self, now: float) -> None:
        """End the rest of an open circuit: what was begun before it opened has found a way that is back."""
        if self.state is not State.OPEN:  # every success asks
            return
        with self.lock:
            if self.state is State.OPEN:
                self.until = min(self.until, now)
                self.line.call_all()

    @property
    def is_probing(self) -> bool:
        """Return whether attempts are let through only to see whether the target is back."""
        return self.state is State.HALF_OPEN

    @property
    def probing_since(self) -> float:
        """Return the moment since which they are; while they are not, ``-math.inf``."""
        return self.until - self.settings.rest if self.is_probing else -math.inf

    def _move(self, change: Change, now: float) -> type[Event] | None:
        before, self.state = self.state, CHANGES[self.state, change]
        if before is State.HALF_OPEN and self.state is State.OPEN:
            self.in_vain += 1
        elif self.state is State.CLOSED:
            self.in_vain = 0
        self.generation += 1
        self.run = self.probes = self.proven = 0
        self.until = now + self.settings.rest
        free = self.state in (State.CLOSED, State.DISABLED)
        self.stamp = self.generation if free else None
        self.alert = self._watches_successes() or not free
        if self.window is not None and self.state is State.CLOSED:
            self.window, self.since = Window(self.settings.window), None
        if free:
            self.line.call_all()
        return EVENTS.get(self.state)

    def clear(self) -> None:
        """Forget permits that are out and calls that wait: after a fork none of them comes back."""
        self.line.clear()
        self.probes = 0

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

    def _by_hand(self, change: Change, now: float = 0.0) -> None:
        with self.lock:
            self._move(change, now)
        for follower in self.followers():
            follower._by_hand(change, now)  # noqa: SLF001


EVENTS: dict[State, type[Event]] = {
    State.OPEN: CircuitOpened,
    State.HALF_OPEN: CircuitHalfOpened,
    State.CLOSED: CircuitClosed,
}


def refusal(name: str, circuit: Circuit, now: float) -> CircuitOpen:
    """Return what a caller is told who is not let through."""
    rest = max(0.0, circuit.until - now)
    if rest == math.inf:
        return CircuitOpen(f"the circuit of {name} was forced open")
    if circuit.is_probing:  # over any moment, if all is well again
        return CircuitOpen(f"the circuit of {name} is half-open: a call is finding out whether its target is back")
    return CircuitOpen(f"the circuit of {name} is open for {rest:.3f} s more", retry_after=rest)


def verdict(result: Result[Any], ctx: Context) -> bool | None:
    """Return what an attempt says about its target; None for nothing.

    A refusal, ours or further in, a caller's deadline or cancellation, and a request, or credentials, that the target
    rightly calls wrong say nothing; nor does what a remedy is about to mend.  A deadline of the node's own, spent on
    this attempt for the most part, does, and a limit of which the target had the most; a learned one, which may be too
    short for a target that became slow, only for a probe.
    """
    if not isinstance(result, Failure):
        return True
    if ctx.blameless or result.mendable or ctx.is_unwanted() or not is_repeatable(result.error, ctx):
        return None
    if result.soft and not ctx.target.circuit.is_probing:
        return None
    if result.cut and is_a(result.error, Rejected):
        ours = ctx.deadline_is_ours and result.elapsed >= MOSTLY * (ctx.deadline - ctx.started)
        return False if ours else None
    if result.cut and ctx.aside and result.elapsed < MOSTLY * ctx.plan.limit:
        return None  # it was asked late
    return None if is_a(result.error, Rejected) or result.kind in OUR_FAULT else False


def is_still_let_through(ctx: Context) -> bool:
    """Return whether the circuit would not refuse the attempt of *ctx*, which it let through, by now."""
    circuit: Circuit = ctx.target.circuit
    return circuit.stamp is not None or circuit.generation == ctx.stamp


def is_repeatable(error: Exception, ctx: Context) -> bool:
    """Return whether *error* is of a type that the call is repeated on; others say nothing of the target's health."""
    retry = ctx.plan.retry
    return retry is None or is_a(error, UnbreakableError) or is_a(error, retry.on)


def tell(ctx: Context, event: type[Event] | None) -> None:
    """Tell the listeners that the circuit changed, if it did."""
    if event is CircuitOpened:
        ctx.emit(CircuitOpened, rest=ctx.target.circuit.settings.rest)
    elif event is not None:
        ctx.emit(event)
