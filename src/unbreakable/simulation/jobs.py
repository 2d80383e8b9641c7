"""A job that can be done in several ways: one is chosen for each attempt, another one when it fails."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from unbreakable.errors import Kind, NotSent
from unbreakable.fractal.operation import takes_context
from unbreakable.fractal.signature import classify
from unbreakable.fractal.target import Target
from unbreakable.outcome import Failure
from unbreakable.policies import Context, current
from unbreakable.policies.timeout import is_guessed
from unbreakable.runtime import run_blocking
from unbreakable.simulation import select
from unbreakable.simulation.speedup import LEAST, Stopwatch

PRIMARY = "primary"
CONTROL, FIRST_CONTROL = 0.02, 0.05  # share of calls that measure the primary way: later, and until there is a baseline


class Choice(NamedTuple):
    """Hold what one call has to choose from; the *target* knows how each way did; *measures*: it is the baseline's."""

    ways: Mapping[str, Callable[..., Any]]
    target: Target
    measures: bool = False

    def best(self, names: Sequence[str], ctx: Context) -> str:
        """Return the best of the ways *names* that are not left in peace."""
        anew = self.target.circuit.probing_since
        return self.target.rests.best(self._ranked(names, ctx), ctx.runtime.now(), anew=anew)

    def replacement(self, names: Sequence[str], ctx: Context) -> str:
        """Return which of the ways *names* to go in place of one that has just failed."""
        return self.target.rests.replacement(self._ranked(names, ctx), ctx.runtime.now())

    def _ranked(self, names: Sequence[str], ctx: Context) -> list[str]:
        return select.order(self.target.arms, names, ctx.runtime.random)

    def worked(self, way: str, began: float, now: float) -> float:
        """Take in that *way*, which began then, succeeded; return how many seconds it took.

        A circuit that opened while that was awaited lets others see.
        """
        select.learn(self.target.arms, way, now - began, ok=True)
        self.target.rests.worked(way, now - began)
        if len(self.ways) > 1:
            self.target.circuit.wake(now)
        return now - began

    def failed(self, way: str, began: float, ctx: Context, error: BaseException) -> None:
        """Take in that *way* failed; one that says that the request is wrong is well, though another may take it."""
        now = ctx.runtime.now()
        select.learn(self.target.arms, way, now - began, ok=False)
        if classify(error) is not Kind.INVALID:
            self.target.rests.failed(way, now, slow=is_guessed(ctx, error))

    def others_may(self, way: str, began: float, now: float) -> bool:
        """Return whether another way could have done what *way*, which began then, has not."""
        anew = self.target.circuit.probing_since
        return self.target.rests.others_may(self.ways, way, now, since=began, anew=anew)


class Order:
    """Be the work of one call: the *job*, done by one of *ways*; *key*, a value or a function, says for which part."""

    def __init__(self, job: Job, ways: Mapping[str, Callable[..., Any]], key: Any) -> None:
        self.job, self.ways, self.key = job, ways, key

    def __call__(self, ctx: Context) -> Callable[[], Any]:
        """Return one attempt."""
        return functools.partial(self._operate, ctx, **ctx.arguments)

    def _operate(self, ctx: Context, way: str | None = None) -> Any:
        choice = Choice(self.ways, ctx.target)
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
        """Make one attempt by *way*, unless it rests; else by the best one, which is chosen anew for each copy."""
        if ctx.rival and ctx.choice.measures:
            raise NotSent("a call that measures the baseline is not raced")
        if ctx.rival or way is None:
            way = self._choose(choice, ctx)
        began = ctx.runtime.now()
        if not choice.target.rests.may_be_asked(way, began):
            way = choice.best(list(choice.ways), ctx)
        choice.target.rests.take(way, began)
        ctx.arguments = {"way": way}
        try:
            value = await ctx.call(self._work(choice.ways[way], ctx))
        except BaseException as error:
            # Who is cancelled by the caller, or lost a race, says nothing; who had no time left was too slow.
            if isinstance(error, Exception) or ctx.remaining() <= 0:
                choice.failed(way, began, ctx, error)
                ctx.blameless = choice.others_may(way, began, ctx.runtime.now())
            raise
        seconds = choice.worked(way, began, ctx.runtime.now())
        if way == PRIMARY and not ctx.rival:
            self.watch.alone.append(seconds)
        return value

    def _choose(self, choice: Choice, ctx: Context) -> str:
        """Return the best way, or now and then the primary one: there is no speed-up without a baseline."""
        names = list(choice.ways)
        may_measure = len(names) > 1 and not (ctx.rival or choice.target.rests.is_down(PRIMARY))
        if not (may_measure and self._is_control(ctx.runtime.random())):
            return choice.best(names, ctx)
        self.controls += 1
        ctx.choice = choice._replace(measures=True)
        return PRIMARY

    def _is_control(self, dice: float) -> bool:
        """Return whether a call measures the primary way: until there is a baseline, whatever the dice say."""
        if len(self.watch.alone) >= LEAST:
            return dice < CONTROL
        return dice < FIRST_CONTROL or self.controls + 1 < FIRST_CONTROL * len(self.watch.calls)

    def _work(self, operation: Callable[..., Any], ctx: Context) -> Callable[[], Any]:
        return functools.partial(operation, ctx) if takes_context(operation) else operation


def may_change(failure: Failure) -> bool:
    """Return whether there is another way than the one that failed, and it is worth trying."""
    ctx = current()
    if ctx is None or not isinstance(ctx.choice, Choice):
        return False
    ways, rests = ctx.choice.ways, ctx.choice.target.rests
    if ctx.overtakes == failure.attempt and "way" in ctx.arguments:
        rests.late(ctx.arguments["way"])
    return rests.may_be_replaced(ctx.arguments.get("way", ""), ways, ctx.runtime.now())


def change(failure: Failure) -> dict[str, Any] | None:
    """Be the remedy for a way that failed: let the call's next attempt go another one."""
    ctx = current()
    if ctx is None or not isinstance(ctx.choice, Choice):
        return None
    others = [name for name in ctx.choice.ways if name != ctx.arguments.get("way")]
    return {"way": ctx.choice.replacement(others, ctx)}
