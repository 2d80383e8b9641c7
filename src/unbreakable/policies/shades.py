"""What the shadows of a target have seen: for each policy that only measures, what it would have done.

A shade stands where its policy would stand, and has the same decisions made by the same pure objects; but whatever they
decide, the call goes on.  What the policy would not have let happen is not told to it: it would not know of it either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unbreakable.events import CircuitOpened, Event
from unbreakable.outcome import Failure, Result
from unbreakable.policies.breaker import CircuitBreaker, spared, verdict
from unbreakable.policies.budget import Budget, RetryBudget
from unbreakable.policies.circuit import Circuit
from unbreakable.policies.effects import may_repeat, may_run_twice_at_once
from unbreakable.policies.hedge import Hedge
from unbreakable.policies.policy import Context, Inner, Policy
from unbreakable.policies.retry import Retry
from unbreakable.policies.shade import Attempts, Place, Shade
from unbreakable.policies.shades_of_load import ShadeOfBulkhead, ShadeOfLimit, ShadeOfThrottle
from unbreakable.policies.timeout import Timeout


class ShadeOfBreaker(Shade):
    """Have a circuit of its own opened by the attempts that it would have let through."""

    name, place = "breaker", "attempt"
    counted = ("attempts", "would_open", "would_refuse", "refused_in_error")

    def __init__(self, breaker: CircuitBreaker) -> None:
        super().__init__()
        self.circuit = Circuit(breaker)

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner*, let through or not; tell the circuit of what it has let through."""
        self.count("attempts")
        started = ctx.runtime.now()
        stamp, event = self.circuit.admit(started)
        self._tell(ctx, event)
        if stamp is None:
            self.would(ctx, "refuse")
        says: bool | None = None
        try:
            result = await inner(ctx)
            begins = ctx.stream is not None  # it sees no more of a generator than its beginning
            says = begins or verdict(result, ctx, circuit=self.circuit)
            says = spared(says, result, ctx, self.circuit)
        finally:
            now = ctx.runtime.now()
            if stamp is not None:
                self._tell(ctx, self.circuit.settle(stamp, says, now, now - started - ctx.aside))
        if stamp is None and says:
            self.count("refused_in_error")
        return result

    def clear(self) -> None:
        """Forget the permits that are out."""
        self.circuit.clear()

    def _tell(self, ctx: Context, event: type[Event] | None) -> None:
        if event is CircuitOpened:
            self.would(ctx, "open")


class ShadeOfTimeout(Shade):
    """Count the attempts that took longer than the limit, and those of them that succeeded all the same."""

    name, place = "timeout", "copy"
    counted = ("attempts", "would_cut", "cut_in_error")

    def __init__(self, timeout: Timeout) -> None:
        super().__init__()
        self.timeout = timeout

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner* to its end, and look at the clock."""
        self.count("attempts")
        started, result = ctx.runtime.now(), None
        try:
            result = await inner(ctx)
            return result
        finally:
            if ctx.runtime.now() - started > self.timeout.seconds:
                self.would(ctx, "cut")
                self.count("cut_in_error", int(result is not None and not isinstance(result, Failure)))


class ShadeOfRetry(Shade):
    """Count the calls that would have been repeated at least once, whoever repeats them in force.

    That is decided when the first attempt fails.  A policy that would not repeat that one knows no others.
    """

    name, place = "retry", "call"
    counted = ("calls", "would_repeat")

    def __init__(self, retry: Retry) -> None:
        super().__init__()
        self.retry = retry

    def stands(self) -> Mapping[Place, Policy]:
        """Return itself, and who looks at the attempts."""
        return {self.place: self, "attempt": Attempts(self)}

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner*, a call."""
        self.count("calls")
        return await inner(ctx)

    def ended(self, ctx: Context, result: Result[Any], seconds: float, now: float) -> None:
        """Ask what would become of a first attempt that failed."""
        if ctx.attempt > 1 or not isinstance(result, Failure) or ctx.is_unwanted():
            return
        named = ctx.target.is_named(result, self.retry.on)
        wanted = self.retry.wants(result, remedied=False, named=named) and may_repeat(ctx.plan.effects, result)
        if wanted and self.retry.pause(result, 1.0, ctx.left()) < ctx.left():
            self.would(ctx, "repeat")


class ShadeOfHedge(Shade):
    """Count the copies of attempts that took long, where the effects allow one."""

    name, place = "hedge", "attempt"
    counted = ("attempts", "would_copy")

    def __init__(self, hedge: Hedge) -> None:
        super().__init__()
        self.hedge = hedge

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner*, and count how many copies would have been started meanwhile."""
        self.count("attempts")
        started = ctx.runtime.now()
        try:
            return await inner(ctx)
        finally:
            took = ctx.runtime.now() - started - ctx.aside
            if may_run_twice_at_once(ctx.plan.effects):
                for number in range(1, self.hedge.most + 1):
                    if took > number * self.hedge.after:
                        self.would(ctx, "copy")


class ShadeOfBudget(Shade):
    """Pay the repeats and copies that are made from a purse of its own, as long as there is something in it."""

    name, place = "budget", "copy"
    counted = ("repeats", "would_deny")

    def __init__(self, budget: RetryBudget) -> None:
        super().__init__()
        self.settings = budget
        self._purse: Budget | None = None

    def stands(self) -> Mapping[Place, Policy]:
        """Return itself, and what takes note of failed calls."""
        return {self.place: self, "call": Bearing(self)}

    def purse(self, now: float) -> Budget:
        """Return the purse, which is made with the first call: its time begins then."""
        with self._lock:
            self._purse = self._purse or Budget(self.settings, now)
            return self._purse

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Pay for *inner* if it is a repeat or a copy; run it in any case."""
        if ctx.attempt > 1 or ctx.rival:
            self.count("repeats")
            now = ctx.runtime.now()
            if not self.purse(now).spend(ctx.node.payer.successes(), now):
                self.would(ctx, "deny")
        return await inner(ctx)


class Bearing:
    """Tell the purse of calls that failed: they were traffic, too."""

    def __init__(self, shade: ShadeOfBudget) -> None:
        self.shade = shade

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner*, and look what it came to."""
        purse = self.shade.purse(ctx.runtime.now())
        result = await inner(ctx)
        if isinstance(result, Failure) and ctx.made:
            purse.bear(ctx.runtime.now(), answered=ctx.told_no)
        return result


SHADES: dict[str, type[Any]] = {
    shade.name: shade
    for shade in (
        *(ShadeOfThrottle, ShadeOfLimit, ShadeOfBulkhead, ShadeOfRetry),
        *(ShadeOfBreaker, ShadeOfHedge, ShadeOfTimeout, ShadeOfBudget),
    )
}


class Shades:
    """Hold the shades of one target, by the place where each of them looks."""

    def __init__(self, shadowed: Mapping[str, Any]) -> None:
        self.all: tuple[Shade, ...] = tuple(SHADES[name](policy) for name, policy in shadowed.items())

    def at(self, place: Place) -> list[Policy]:
        """Return those that look there."""
        stands = [shade.stands() for shade in self.all]
        return [each[place] for each in stands if place in each]

    def step_out(self, ctx: Context) -> None:
        """Let the call of *ctx* hold no place for as long as it pauses."""
        for shade in self.all:
            shade.step_out(ctx)

    def come_back(self, ctx: Context) -> None:
        """Let the call of *ctx* have one again."""
        for shade in self.all:
            shade.come_back(ctx)

    def clear(self) -> None:
        """Forget what is under way."""
        for shade in self.all:
            shade.clear()

    def value(self) -> dict[str, dict[str, int]]:
        """Return what each of them has counted."""
        return {shade.name: shade.value() for shade in self.all}
