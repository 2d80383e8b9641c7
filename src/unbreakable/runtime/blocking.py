"""The blocking driver: how a script that never suspends waits and races in plain synchronous programs."""

from __future__ import annotations

import contextvars
import inspect
import math
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import GeneratorType
from typing import Any, Protocol, TypeVar, cast

from unbreakable.bell import Bell
from unbreakable.errors import BulkheadFull
from unbreakable.outcome import Success
from unbreakable.runtime.collector import keep_what_is_being_read
from unbreakable.runtime.colour import is_async
from unbreakable.runtime.dice import new_dice
from unbreakable.runtime.gate import Gate
from unbreakable.runtime.pool import others_at_work
from unbreakable.runtime.protocol import Beside, Step, Stopped, TimeUp, Waiter
from unbreakable.runtime.unawaited import refuse_unawaited
from unbreakable.runtime.watch import Alarm, Watched
from unbreakable.runtime.world import REAL, ThreadsExhausted

T = TypeVar("T")
S = TypeVar("S")


class BranchOver(BaseException):
    """End a branch that lost its race or was left behind, the next time that it waits."""


class Over(Bell):
    """The end of a branch: it wakes whoever waits within the branch for something else."""

    def __init__(self) -> None:
        super().__init__()
        self.others: set[Bell] = set()

    def ring(self) -> None:
        """End the branch, and with it every branch within it."""
        super().ring()
        for bell in list(self.others):
            bell.ring()


_stop: contextvars.ContextVar[Over | None] = contextvars.ContextVar("unbreakable_branch_over", default=None)
keep_what_is_being_read()  # of this variable, of those of the rooms above, which all come through here, and of others'


class World(Protocol):
    """Clock, events and threads: the real ones or virtual ones."""

    now: Callable[[], float]
    wall: Callable[[], float]

    def watch_clock(self, who: Any) -> float:
        """Return after how many seconds *who* has to look whether the time of day was set; a world may ``wake`` it."""

    def sleep(self, seconds: float) -> None:
        """Let *seconds* pass."""

    def wait(self, bell: Bell, seconds: float) -> bool:
        """Return whether *bell* was rung within *seconds*."""

    def spawn(self, work: Callable[[], Any], name: str, owner: object = None) -> None:
        """Run *work* in a thread, one of those that *owner* may have at work."""

    def carry(self, work: Callable[[], Any], name: str) -> None:
        """Run *work*, which goes on for long, in a thread that is not one of those."""

    def background(self, work: Callable[[], None]) -> None:
        """Run *work* soon; log what it raises."""


class BlockingRuntime:
    """Run scripts in the caller's thread; only races and pinned time limits cost threads."""

    def __init__(self, world: World = REAL, random: Callable[[], float] | None = None) -> None:
        self.preemptive = False
        self.random, self.entropy = random or new_dice(), os.urandom
        self.enter(world)

    def enter(self, world: World) -> None:
        """Live in *world* from now on."""
        self.world, self.now, self.wall = world, world.now, world.wall

    async def sleep(self, seconds: float) -> None:
        """Block the thread, unless its branch is over first."""
        over = _stop.get()
        if over is None:
            self.world.sleep(seconds)
        elif self.world.wait(over, seconds):
            raise BranchOver

    def _wait(self, bell: Bell, seconds: float) -> bool:
        """Return whether *bell* rang within *seconds*; stop if the branch that this thread runs is over first."""
        over = _stop.get()
        if over is None:
            return self.world.wait(bell, seconds)
        over.others.add(bell)
        try:
            rang = over.is_set() or self.world.wait(bell, seconds)
        finally:
            over.others.discard(bell)
        if over.is_set():
            raise BranchOver
        return rang

    async def until_begun(self, is_ours: Callable[[contextvars.Context], bool], seconds: float) -> bool:
        """Return True: no line for threads is known here."""
        return True

    def others_at_work(self) -> bool:
        """Return whether there are other threads, in which something may be about to begin."""
        return others_at_work()

    async def call(self, work: Callable[[], Any], owner: object = None) -> Any:
        """Run user code in this thread, which can be left behind; refuse what nobody here can await."""
        try:
            value = work()
        except StopIteration as end:
            raise Stopped(repr(end)) from end
        if type(value) is GeneratorType and inspect.isawaitable(value):
            return await value  # the script hands the floor to a block of the user's code
        try:
            refuse_unawaited(value, on_loop=False)
        except TypeError:
            if not is_async(work):
                raise
            msg = "an async function was given where nothing can be awaited: await the call, or give a plain function"
            raise TypeError(msg) from None
        return value

    async def within(
        self,
        seconds: float,
        step: Step[T],
        owner: object = None,
        respite: Callable[[], float] | None = None,
        deadline: float = math.inf,
    ) -> T:
        """Run *step* in a worker thread; when its time is up, leave it behind and raise TimeUp."""
        branch = self._branch(step, owner)
        try:
            while not self._wait(branch.done, seconds):
                seconds = -math.inf if respite is None else respite() - self.now()
                if seconds <= 0.0:
                    raise TimeUp
        finally:
            branch.over.ring()
        return cast("T", branch.result())

    async def first(self, *steps: Step[Any], owner: object = None) -> Any:
        """Run the steps in worker threads; the first Success ends the race, losers are stopped where they wait."""
        news = Bell()
        branches: list[Branch] = []
        try:
            self._begin(steps, branches, owner, news)
            while True:
                self._wait(news, float("inf"))
                news.clear()
                finished = [branch for branch in branches if branch.done.is_set()]
                for branch in finished:
                    if isinstance(branch.result(), Success):
                        return branch.result()
                if len(finished) == len(branches):
                    return branches[0].result()
        finally:
            for branch in branches:
                branch.over.ring()

    def _begin(self, steps: Iterable[Step[Any]], branches: list[Branch], owner: object, news: Bell) -> None:
        """Begin the steps; those after the first for which there is no thread do not take part."""
        try:
            branches.extend(self._branch(step, owner, news) for step in steps)
        except BulkheadFull:
            if not branches:
                raise

    def _branch(self, step: Step[Any], owner: object, news: Bell | None = None) -> Branch:
        try:
            return self.branch(step, owner, None if news is None else news.ring)
        except ThreadsExhausted as error:
            raise BulkheadFull(str(error)) from None

    def branch(self, step: Step[Any], owner: object, tell: Callable[[], None] | None) -> Branch:
        """Run *step* in a thread of *owner* and ``tell`` when it has ended; raise ThreadsExhausted if there is none."""
        branch = Branch(step, tell)
        self.world.spawn(branch.run, f"unbreakable {getattr(step, '__qualname__', 'step')}", owner)
        return branch

    def waiter(self) -> Waiter:
        """Return a waiter for this thread."""
        return EventWaiter()

    async def wait(self, waiter: Waiter, seconds: float) -> bool:
        """Block until *waiter* is woken, at most *seconds*."""
        assert isinstance(waiter, EventWaiter)  # noqa: S101 - made by this driver's waiter()
        return self._wait(waiter.event, seconds)

    def cancellations(self) -> int:
        """Return 0: a thread at work is not cancelled."""
        return 0

    def forgive(self, errors: Iterable[BaseException]) -> None:
        """Do nothing: no thread at work counts as cancelled."""

    def watch(self, alarm: Alarm) -> Watched:
        """Do nothing: a thread at work cannot be cut."""
        return {}

    def tighten(self, owner: object, seconds: float) -> None:
        """Do nothing: a thread at work cannot be given an earlier end."""

    def ages(self, owner: object) -> list[float]:
        """Return nothing: what threads are at work on is not kept."""
        return []

    def beside(self, step: Step[Any]) -> Beside:
        """Refuse: a learned limit costs sync code no thread."""
        raise RuntimeError("a thread at work cannot be let go of for another one")

    def pursue(self, alarm: Alarm, step: Step[Any]) -> Beside | None:
        """Do nothing: a thread at work cannot be cut, should another one win."""
        return None

    def overtake(self, alarm: Alarm) -> None:
        """Do nothing, likewise."""

    def background(self, work: Callable[[], None]) -> None:
        """Run *work* in the thread that does chores."""
        self.world.background(work)

    def gate(self, most: int) -> Gate:
        """Return a gate with *most* places."""
        return Gate(most)


class Branch:
    """A step that runs in a thread of its own."""

    def __init__(self, step: Step[Any], tell: Callable[[], None] | None) -> None:
        self.step, self.tell = step, tell
        self.over, self.done = Over(), Bell()
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Drive the step to its end and say so."""
        _stop.set(self.over)
        try:
            self.value = run_blocking(cast("Coroutine[Any, Any, Any]", self.step()))
        except BranchOver:
            pass
        except BaseException as error:
            self.error = error
        self.done.ring()
        if self.tell is not None:
            self.tell()

    def result(self) -> Any:
        """Return what the step returned, or raise what it raised."""
        error, self.error = self.error, None  # the exception's traceback will hold us: do not hold it in turn
        if error is None:
            return self.value
        try:
            raise error
        finally:
            del error


class EventWaiter:
    """A wait of one thread that any thread may end."""

    __slots__ = ("event", "given")

    def __init__(self) -> None:
        self.event, self.given = Bell(), False

    def alive(self) -> bool:
        """Return True: a thread that waits is there."""
        return True

    def wake(self) -> None:
        """End the wait."""
        self.event.ring()


def run_blocking(script: Awaitable[T]) -> T:
    """Run a script that never suspends, and say so loudly if it does."""
    return play_blocking(_itself, script)


def play_blocking(play: Callable[[S], Awaitable[T]], subject: S) -> T:
    """Run the script that *play* makes for *subject* as ``run_blocking`` does.

    It is made here, where no signal's exception can come up before it has begun: nobody would have awaited it.
    """
    coroutine: Coroutine[Any, Any, T] = play(subject)  # type: ignore[assignment]
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]
    coroutine.close()
    msg = "a script suspended under the blocking driver: something in it awaited an asyncio object"
    raise RuntimeError(msg)


def _itself(script: Awaitable[T]) -> Awaitable[T]:
    return script


BLOCKING = BlockingRuntime()
