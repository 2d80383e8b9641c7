"""A job that can be done in several ways: one is chosen for each attempt, another one when it fails."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from unbreakable.errors import NotSent
from unbreakable.fractal.operation import takes_context
from unbreakable.outcome import Failure
from unbreakable.policies import Context, current
from unbreakable.runtime import new_lock, run_blocking
from unbreakable.simulation import select
from unbreakable.simulation.speedup import LEAST, Stopwatch
from unbreakable.stats import Arms

PRIMARY = "primary"
MOST_KEYS = 1_000
CONTROL, FIRST_CONTROL = 0.02, 0.05  # share of calls that measure the primary way: later, and until there is a baseline


class Choice(NamedTuple):
    """Hold what one call has to choose from, and how each way did lately; *measures*: it is there for the baseline."""

    ways: Mapping[str, Callable[..., Any]]
    arms: Arms
    measures: bool = False


class Job:
    """Remember how each way to do one job did, for each key by itself; the 1,000 keys used last are kept."""

    def __init__(self, arms: Arms) -> None:
        self.watch = Stopwatch(f"the {PRIMARY} operation alone")
        self._arms: OrderedDict[Any, Arms] = OrderedDict({None: arms})
        self._lock = new_lock()

    def arms(self, key: Any) -> Arms:
        """Return how the ways did for *key*."""
        with self._lock:
            arms = self._arms.setdefault(key, Arms())
            self._arms.move_to_end(key)
            while len(self._arms) > MOST_KEYS:
                self._arms.popitem(last=False)
            return arms

    def operation(self, ways: Mapping[str, Callable[..., Any]], key: Any) -> Callable[..., Any]:
        """Return what a node runs to do the job by one of *ways*."""
        choice = Choice(ways, self.arms(key))

        def operate(ctx: Context, way: str | None = None) -> Any:
            ctx.choice = ctx.choice if ctx.rival else choice
            script = self._attempt(ctx, choice, way)
            return script if ctx.runtime.preemptive else run_blocking(script)

        return operate

    async def _attempt(self, ctx: Context, choice: Choice, way: str | None) -> Any:
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
            raise
        seconds = ctx.runtime.now() - began
        select.learn(choice.arms, way, seconds, ok=True)
        if way == PRIMARY and not ctx.rival:
            self.watch.alone.append(seconds)
        return value

    def _choose(self, choice: Choice, ctx: Context) -> str:
        """Return the best way, or now and then the primary one: there is no speed-up without a baseline."""
        share = CONTROL if len(self.watch.alone) >= LEAST else FIRST_CONTROL
        if len(choice.ways) > 1 and not ctx.rival and ctx.runtime.random() < share:
            ctx.choice = choice._replace(measures=True)
            return PRIMARY
        return select.order(choice.arms, list(choice.ways), ctx.runtime.random)[0]

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
