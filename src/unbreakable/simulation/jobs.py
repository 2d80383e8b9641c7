"""A job that can be done in several ways: one is chosen for each attempt, another one when it fails."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from unbreakable.errors import NotSent
from unbreakable.fractal.operation import takes_context
from unbreakable.outcome import Failure
from unbreakable.policies import Context, current
from unbreakable.policies.effects import may_run_twice_at_once
from unbreakable.runtime import run_blocking
from unbreakable.simulation import select
from unbreakable.simulation.speedup import LEAST, Stopwatch
from unbreakable.stats import Arms

PRIMARY = "primary"
CONTROL, FIRST_CONTROL = 0.02, 0.05  # share of calls that measure the primary way: later, and until there is a baseline
DOWN = 3  # failures of the primary way in a row after which no call that cannot go another one is sent there to measure


class Choice(NamedTuple):
    """Hold what one call has to choose from, and how each way did lately; *measures*: it is there for the baseline."""

    ways: Mapping[str, Callable[..., Any]]
    arms: Arms
    measures: bool = False


class Order:
    """Be the work of one call: the *job*, done by one of *ways*; *key*, a value or a function, says for which part."""

    def __init__(self, job: Job, ways: Mapping[str, Callable[..., Any]], key: Any) -> None:
        self.job, self.ways, self.key = job, ways, key

    def __call__(self, ctx: Context) -> Callable[[], Any]:
        """Return one attempt."""
        return functools.partial(self._operate, ctx, **ctx.arguments)

    def _operate(self, ctx: Context, way: str | None = None) -> Any:
        choice = Choice(self.ways, ctx.target.arms)
        ctx.choice = ctx.choice if ctx.rival else choice
        script = self.job.attempt(ctx, choice, way)
        return script if ctx.runtime.preemptive else run_blocking(script)


def part_of(ctx: Context) -> Any:
    """Return the key of the call that *ctx* belongs to, None for the job as a whole."""
    key = getattr(ctx.work, "key", None)
    if not callable(key):
        return key
    return key(ctx) if takes_context(key) else key()


class Job:
    """Do one job in several ways, and measure what is gained by choosing; how each did is kept with its target."""

    def __init__(self) -> None:
        self.watch = Stopwatch(f"the {PRIMARY} operation alone")
        self.controls = 0  # calls that measured the primary way

    async def attempt(self, ctx: Context, choice: Choice, way: str | None) -> Any:
        """Make one attempt by *way*, else by the best one, which is chosen anew for each copy."""
        if ctx.rival and ctx.choice.measures:
            raise NotSent("a call that measures the baseline is not raced")
        if ctx.rival or way is None:
            way = self._choose(choice, ctx)
        ctx.arguments, began = {"way": way}, ctx.runtime.now()
        try:
            value = await ctx.call(self._work(choice.ways[way], ctx))
        except BaseException as error:
            # Who is cancelled by the caller, or lost a race, says nothing; who had no time left was too slow.
            if isinstance(error, Exception) or ctx.remaining() <= 0:
                select.learn(choice.arms, way, ctx.runtime.now() - began, ok=False)
                ctx.blameless = any(other not in choice.arms.failing for other in choice.ways)  # it can still be done
            raise
        seconds = ctx.runtime.now() - began
        select.learn(choice.arms, way, seconds, ok=True)
        if way == PRIMARY and not ctx.rival:
            self.watch.alone.append(seconds)
        return value

    def _choose(self, choice: Choice, ctx: Context) -> str:
        """Return the best way, or now and then the primary one: there is no speed-up without a baseline."""
        costs_calls = choice.arms.failing.get(PRIMARY, 0) >= DOWN and not may_run_twice_at_once(ctx.plan.effects)
        if len(choice.ways) > 1 and not (ctx.rival or costs_calls) and self._is_control(ctx.runtime.random()):
            self.controls += 1
            ctx.choice = choice._replace(measures=True)
            return PRIMARY
        return select.order(choice.arms, list(choice.ways), ctx.runtime.random)[0]

    def _is_control(self, dice: float) -> bool:
        """Return whether a call measures the primary way: until there is a baseline, whatever the dice say."""
        if len(self.watch.alone) >= LEAST:
            return dice < CONTROL
        return dice < FIRST_CONTROL or self.controls + 1 < FIRST_CONTROL * len(self.watch.calls)

    def _work(self, operation: Callable[..., Any], ctx: Context) -> Callable[[], Any]:
        return functools.partial(operation, ctx) if takes_context(operation) else operation


def may_change(failure: Failure) -> bool:
    """Return whether there is another way than the one that failed."""
    ctx = current()
    return ctx is not None and isinstance(ctx.choice, Choice) and len(ctx.choice.ways) > 1


def change(failure: Failure) -> dict[str, Any] | None:
    """Be the remedy for a way that failed: let the call's next attempt go another one."""
    ctx = current()
    if ctx is None or not isinstance(ctx.choice, Choice):
        return None
    others = [name for name in ctx.choice.ways if name != ctx.arguments.get("way")]
    return {"way": select.order(ctx.choice.arms, others, ctx.runtime.random)[0]}
