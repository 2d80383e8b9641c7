"""A job that can be done in several ways: one is chosen for each attempt, another one when it fails."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from unbreakable.errors import Kind, NotSent
from unbreakable.fractal.operation import takes_context
from unbreakable.fractal.signature import classify
from unbreakable.fractal.target import Target
from unbreakable.fractal.tuner import TIMEOUT_FLOOR
from unbreakable.outcome import Failure
from unbreakable.policies import Context, current
from unbreakable.policies.breaker import OUR_FAULT
from unbreakable.policies.policy import is_half_over
from unbreakable.policies.timeout import is_guessed
from unbreakable.runtime import TimeUp, run_blocking
from unbreakable.simulation import select
from unbreakable.simulation.ledger import Ledger
from unbreakable.simulation.pairs import Pairs
from unbreakable.simulation.race import Left, Race
from unbreakable.simulation.trial import RUN_ON, Running, Trial, may_be_overtaken

PRIMARY = "primary"
# Of so many calls that would go another way one measures the primary one, at a place that chance decides: eleven of
# the 5,000 that are compared, and ten are what a median takes.
STRETCH = 454
HANGING = 5.0  # times as long as nine of ten answers take: then three in a row that are not over hang
FIRST_CONTROL = 0.05  # share of the calls that do until there is a baseline
BASELINE = 12  # calls of which it is known what the primary way would have come to, by which there is one


def is_repeated(ctx: Context) -> bool:
    """Return whether an attempt of *ctx* that failed may be followed by another."""
    return ctx.plan.effects != "once" and ctx.plan.retry is not None and ctx.plan.retry.attempts > 1


def as_believed() -> float:
    """Throw dice that show what is believed: a copy is to help, not to find out."""
    return 0.25


class Choice(NamedTuple):
    """Hold what one call has to choose from; the *target* knows how each way did; *measures*: it is the baseline's."""

    ways: Mapping[str, Callable[..., Any]]
    target: Target
    measures: bool = False

    def best(self, names: Sequence[str], ctx: Context) -> str:
        """Return the best of the ways *names* that are not left in peace."""
        anew = self.target.circuit.probing_since
        return self.target.rests.best(self.ranked(names, ctx), ctx.runtime.now(), anew=anew)

    def replacement(self, names: Sequence[str], ctx: Context) -> str:
        """Return which of the ways *names* to go in place of one that has just failed."""
        return self.target.rests.replacement(self.ranked(names, ctx), ctx.runtime.now())

    def ranked(self, names: Sequence[str], ctx: Context) -> list[str]:
        """Return *names*, the one to ask first."""
        dice = as_believed if ctx.rival else ctx.runtime.random
        return select.order(self.target.arms, names, dice, repeated=is_repeated(ctx))

    def in_force(self, ctx: Context) -> str:
        """Return the way that is thought to be the best one, whatever chance says: none that is down, if one is not."""
        believed = select.order(self.target.arms, list(self.ways), as_believed, repeated=is_repeated(ctx))
        rests = self.target.rests
        up = [name for name in believed if not rests.is_down(name)]
        return rests.best(up or believed, ctx.runtime.now(), anew=self.target.circuit.probing_since)

    def doubted(self, best: str, ctx: Context) -> str | None:
        """Return a way other than the *best* one that a call is to find out about, if any, which chance decides."""
        rests = self.target.rests
        now = ctx.runtime.now()
        others = [name for name in self.ways if name != best and not rests.is_resting(name, now)]
        return select.doubted(self.target.arms, others, ctx.runtime.random()) if others else None

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
        now, arms, rests = ctx.runtime.now(), self.target.arms, self.target.rests
        if rests.is_well(way):
            arms.mark(way)
        if not rests.is_down(way):
            select.learn(arms, way, now - began, ok=False)
        if classify(error) is not Kind.INVALID:
            rests.failed(way, now, slow=is_guessed(ctx, error))
        if rests.is_down(way):
            arms.take_back(way)  # that it is down says nothing of how good it is when it is back

    def lost(self, way: str, began: float, ctx: Context, error: BaseException) -> None:
        """Take in that *way*, which was let go on, failed, or had not ended when it was waited for no longer."""
        now = ctx.runtime.now()
        if isinstance(error, TimeUp) and now < ctx.deadline:
            select.outlasted(self.target.arms, way, now - began)
        else:
            self.failed(way, began, ctx, error)

    def look(self, now: float) -> None:
        """See whether ways hang: what is not over yet has taught nobody anything."""
        for name in self.ways:
            usual = select.would_have_answered(self.target.arms, name)
            if usual is not None:
                self.target.rests.look_at(name, now, patience=max(TIMEOUT_FLOOR, HANGING * usual))

    def others_may(self, way: str, began: float, now: float) -> bool:
        """Return whether another way could have done what *way*, which began then, has not."""
        anew = self.target.circuit.probing_since
        return self.target.rests.others_may(self.ways, way, now, since=began, anew=anew)


class Order:
    """Be the work of one call: the *job*, done by one of *ways*; *key*, a value or a function, says for which part."""

    def __init__(self, job: Job, ways: Mapping[str, Callable[..., Any]], key: Any, *, race: bool = False) -> None:
        self.job, self.ways, self.key, self.race = job, ways, key, race
        self.trial = Trial(job.pairs, job.running)
        self.first: str | None = None  #: the way of the first attempt, once it is chosen

    def __call__(self, ctx: Context) -> Callable[[], Any]:
        """Return one attempt, of the colour of its call: no thread has to be taken for what is awaited."""
        operate = self._operate if ctx.runtime.preemptive else self._operate_plainly
        return functools.partial(operate, ctx, **ctx.arguments)

    async def _operate(self, ctx: Context, way: str | None = None) -> Any:
        choice = Choice(self.ways, ctx.target)
        was_lined_up = ctx.race is not None and ctx.attempt == 1
        ctx.choice = ctx.choice if ctx.rival or was_lined_up else choice
        wanted = self.first if way is None and not self.trial.sent else way
        return await self.job.attempt(ctx, choice, self.trial, wanted)

    def _operate_plainly(self, ctx: Context, way: str | None = None) -> Any:
        return run_blocking(self._operate(ctx, way))

    def line_up(self, ctx: Context) -> tuple[str, ...]:
        """Return the best two ways, or the only one twice; none for an ordinary call.

        Nothing is raced by a way that has not worked since it failed.  Where the primary way is measured, which chance
        decides, it goes first, or alone if it could not go on when it has lost.
        """
        ctx.choice = choice = Choice(self.ways, ctx.target)
        ranked = choice.ranked(list(self.ways), ctx)
        fit = [name for name in ranked if ctx.target.rests.is_well(name)]
        if len(fit) < min(2, len(ranked)) or not self.job.left.has_room(ctx.runtime.now()):
            return ()
        self.first = first = self.job.choose(choice, ctx, self.trial)
        others = [name for name in fit if name != first or len(ranked) == 1]
        return (first, *others[:1]) if first in fit and not ctx.choice.measures else (first,)


def part_of(ctx: Context) -> Any:
    """Return the key of the call that *ctx* belongs to, None for the job as a whole."""
    key = getattr(ctx.work, "key", None)
    if not callable(key):
        return key
    return key(ctx) if takes_context(key) else key()


class Job:
    """Do one job in several ways, and measure what is gained by choosing; how each did is kept with its target."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.pairs = Pairs(f"the {PRIMARY} operation alone")
        self.running, self.left = Running(), Left()
        self.controls = 0  # calls that were sent the primary way to measure it
        self.place = self.left_of_stretch = 0

    async def attempt(self, ctx: Context, choice: Choice, trial: Trial, way: str | None) -> Any:
        """Make one attempt by *way*, unless it rests; else by the best one, which is chosen anew for each copy."""
        if ctx.rival and ctx.choice.measures:
            raise NotSent("a call that measures the baseline is not raced")
        race: Race | None = ctx.race if ctx.attempt == 1 else None
        way, began = self._way(choice, ctx, trial, way, race), ctx.runtime.now()
        choice.target.rests.take(way, began)
        ctx.arguments = {"way": way}
        one: object = None  # a loser that is left at work in a thread says nothing
        if not (race is not None and race.at_once):
            ctx.astray = ctx.astray if ctx.rival else way != choice.in_force(ctx)
            one = choice.target.rests.begin(way, began)
        is_first, trial.sent = not trial.sent, trial.sent + 1
        if not ctx.rival:
            trial.way = way
        try:
            value = await self._call(ctx, choice, trial if is_first else None, way)
        except BaseException as error:
            self._failed(choice, way, began, ctx, error, race)
            if is_first:
                await trial.ended_badly(ctx, error, is_primary=way == PRIMARY)
            raise
        finally:
            choice.target.rests.end(way, one)
        seconds = choice.worked(way, began, ctx.runtime.now())
        if race is not None:
            race.worked(ctx, seconds)
            self.left.look(race, ctx)
        if is_first and way == PRIMARY:
            trial.worked(seconds)
        return value

    def _way(self, choice: Choice, ctx: Context, trial: Trial, wanted: str | None, race: Race | None) -> str:
        """Return by which way to make an attempt: the one *wanted*, or of the *race*, unless it rests."""
        if race is not None and ctx.rival < len(race.ways):
            way, race.sent = race.ways[ctx.rival], race.sent + 1
            if ctx.rival:
                self.ledger.note_copy()
        else:
            other = self._elsewhere(choice, ctx, trial) if ctx.rival else None
            way = other or (self.choose(choice, ctx, trial) if ctx.rival or wanted is None else wanted)
        if choice.target.rests.may_be_asked(way, ctx.runtime.now()):
            return way
        return choice.best(list(choice.ways), ctx)

    def _elsewhere(self, choice: Choice, ctx: Context, trial: Trial) -> str | None:
        """Return a way other than that of the late attempt, once half of the deadline is over, if it is in time.

        What hangs may hang there again, be it the request or the way.
        """
        left, now, rests, arms = ctx.left(), ctx.runtime.now(), choice.target.rests, choice.target.arms
        if not is_half_over(ctx):
            return None
        others = [name for name in choice.ways if name != trial.way and not rests.is_resting(name, now)]
        return next((name for name in others if (select.would_have_answered(arms, name) or math.inf) < left), None)

    def _failed(
        self, choice: Choice, way: str, began: float, ctx: Context, error: BaseException, race: Race | None
    ) -> None:
        """Take in that an attempt by *way*, which began then, ended in *error*.

        Who is cancelled by the caller, or lost a race, says nothing; who had no time left was too slow.
        """
        now = ctx.runtime.now()
        if isinstance(error, Exception) or ctx.remaining() <= 0:
            choice.failed(way, began, ctx, error)
            ctx.blameless = choice.others_may(way, began, now)
        if race is not None:
            race.failed(ctx, now - began, blamed=isinstance(error, Exception) and classify(error) not in OUR_FAULT)
            self.left.look(race, ctx)

    async def _call(self, ctx: Context, choice: Choice, first: Trial | None, way: str) -> Any:
        """Do the work of an attempt; the *first* one is watched."""
        work = self._work(choice.ways[way], ctx)
        if first is None:
            return await ctx.call(work)
        if way != PRIMARY:
            first.age = 0.0
            first.is_compared = not choice.target.rests.is_down(PRIMARY)
            return await ctx.call(work)
        first.when_lost = functools.partial(choice.lost, way, ctx.runtime.now(), ctx)
        return await first.call(ctx, work, goes_on=self._goes_on(ctx, is_control=first.age == 0.0))

    def _goes_on(self, ctx: Context, *, is_control: bool) -> bool:
        """Return whether the first attempt of *ctx* goes on, should another one win."""
        if not (may_be_overtaken(ctx) and self._may_run_on(ctx)):
            return False
        return is_control or ctx.runtime.random() < RUN_ON

    def _may_run_on(self, ctx: Context) -> bool:
        """Return whether an attempt may go on after its call: nobody stands around it who waits for all of it."""
        return ctx.parent is None and self.running.has_room(ctx.runtime.now())

    def choose(self, choice: Choice, ctx: Context, trial: Trial) -> str:
        """Return the best way; where that is another one, now and then the primary one all the same.

        There is no speed-up without a baseline.  Chance alone decides which calls measure it.
        """
        if len(choice.ways) > 1:
            choice.look(ctx.runtime.now())
        best = choice.best(list(choice.ways), ctx)
        if ctx.rival or trial.sent or len(choice.ways) < 2:
            return best
        if best == PRIMARY or choice.target.rests.is_down(PRIMARY) or not self._is_control(ctx.runtime.random()):
            return choice.doubted(best, ctx) or best
        self.controls += 1
        trial.age = 0.0
        ctx.choice = choice._replace(measures=may_be_overtaken(ctx) and not self._may_run_on(ctx))
        return PRIMARY

    def _is_control(self, dice: float) -> bool:
        """Return whether a call measures the primary way: until there is a baseline, whatever the dice say."""
        if self.pairs.controls >= BASELINE:
            if not self.left_of_stretch:
                self.left_of_stretch, self.place = STRETCH, int(dice * STRETCH)
            self.left_of_stretch -= 1
            return self.left_of_stretch == self.place
        return dice < FIRST_CONTROL or self.controls + 1 < FIRST_CONTROL * self.pairs.added

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
    elif select.is_worth_again(failure, ctx.arguments.get("way", ""), ways, rests, ctx):
        return False
    return rests.may_be_replaced(ctx.arguments.get("way", ""), ways, ctx.runtime.now())


def change(failure: Failure) -> dict[str, Any] | None:
    """Be the remedy for a way that failed: let the call's next attempt go another one."""
    ctx = current()
    if ctx is None or not isinstance(ctx.choice, Choice):
        return None
    others = [name for name in ctx.choice.ways if name != ctx.arguments.get("way")]
    return {"way": ctx.choice.replacement(others, ctx)}
