"""What a loop does at each tick: an iteration, run on one of its paths, told which one it is, counted, learned from."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeAlias

from unbreakable.errors import DeadlineExceeded
from unbreakable.events import Event
from unbreakable.fractal import FractalNode
from unbreakable.fractal.guard import is_stray
from unbreakable.fractal.operation import Operation, check_operation
from unbreakable.fractal.scope import around
from unbreakable.fractal.signature import sign
from unbreakable.log import log
from unbreakable.loops.decisions import NO_CUT, Cut
from unbreakable.loops.events import IterationGivenUp, IterationLeftBehind, LoopStuck
from unbreakable.loops.healer import Healer
from unbreakable.loops.isolation import hire_for
from unbreakable.loops.iteration import Iteration, forget_frames
from unbreakable.loops.ladder import GOOD, Ladder, healing_of
from unbreakable.loops.ledger import Book, Fate
from unbreakable.loops.path import STOPPED, LoopStopped, Path, grace_after, time_to_start
from unbreakable.loops.paths import IN_QUANTUM_MODE, Paths
from unbreakable.loops.pulse import PULSE, Lane
from unbreakable.loops.restarts import OF_LESS, RESTARTS, SPENT, is_denied
from unbreakable.loops.rungs import Rung
from unbreakable.loops.schedule import EARLY, Tick
from unbreakable.loops.slate import Slate
from unbreakable.loops.status import Healing, Tries
from unbreakable.loops.strays import FULL, Strays
from unbreakable.loops.tally import Tally
from unbreakable.policies import Context, current
from unbreakable.policies.policy import inside
from unbreakable.runtime import Runtime, is_async
from unbreakable.runtime.mark import Mark

if TYPE_CHECKING:
    from unbreakable.loops.reins import Reins
    from unbreakable.loops.siblings import Member

COLD = 0.5  # seconds, about, that a new worker process takes until it is at work
END = 0.8  # seconds that workers have to end when the loop ends: less than stopping waits for a loop that was cut

NO_TRIES = Tries(0, 0)
NO_LOCK = contextlib.nullcontext()
Turns: TypeAlias = Callable[[], object]  # to be called when an event loop has turned after all

# Which iteration this code is part of.
_inside: ContextVar[Iteration | None] = ContextVar("unbreakable_iteration", default=None)


class Work:
    """Run the iterations of one loop, one at a time, through *node* and its like, which heal what fails.

    The operation finds the tick in ``ctx.tick`` (None when triggered by hand), the number of the iteration, from 1 on,
    in ``ctx.iteration``, and in ``ctx.state`` a dictionary that is its own from one iteration to the next.
    """

    def __init__(
        self,
        operation: Operation[Any],
        node: FractalNode,
        interval: float = 1.0,
        *,
        isolation: str = "inline",
        quantum_mode: bool = True,
        on_survival: Operation[Any] | None = None,
        slate: Slate | None = None,
    ) -> None:
        check_operation("operation", operation)
        self._how: dict[str, Any] = {"isolation": isolation, "quantum_mode": quantum_mode, "on_survival": on_survival}
        self.node = node
        self.tally = Tally()
        self.book = Book()
        self.slate = slate or Slate()
        self.number = 0  #: of the iteration, where others may have begun since
        self.others: list[Work] = []  #: that run iterations beside this one
        self._strays = Strays(self.slate.leave)
        self._operation = operation
        self._hire = hire_for(operation, isolation, "operation")
        self.needs_event_loop = self._hire is None and is_async(operation)
        first = Path(operation, self._hire, node, self._enter, self._strays)
        self.paths = Paths(first, self._new_path, self._drop_path, IN_QUANTUM_MODE if quantum_mode else 1)
        turns, cold = 1 if on_survival is None else 2, COLD if isolation == "process" else 0.0
        self.ladder = Ladder(interval, cold=cold, turns=turns)  #: decides how failures are healed
        self.healer = Healer(node, self.ladder, self.paths, self.slate)
        self._substitute = None if on_survival is None else self._new_substitute(on_survival, isolation)
        self.own: Iteration | None = None  #: the iteration that this one has in progress
        self.ended_at: float | None = None  #: when the latest iteration has ended
        self.lane: Lane | None = None  #: where a supervisor sees what is in progress
        self.member: Member | None = None  #: its place among loops that belong together
        self._left, self._was_full = 0, False

    @property
    def left_behind(self) -> int:
        """How many iterations are still at work after their cut."""
        return sum(len(strays) for each in self.all() for strays in each.every_strays())

    @property
    def given_up(self) -> int:
        """How many iterations were given up while they were still at work, since too many were."""
        return sum(strays.given_up for each in self.all() for strays in each.every_strays())

    @property
    def is_full(self) -> bool:
        """Whether no iteration may begin before one that was cut has ended."""
        return any(strays.is_full for each in self.all() for strays in each.every_strays())

    @property
    def in_progress(self) -> Iteration | None:
        """The iteration in progress, the one that must be over first if there are several."""
        several = [each.own for each in self.all() if each.own is not None]
        return min(several, key=lambda iteration: iteration.until, default=None)

    @property
    def is_here(self) -> bool:
        """Whether this is called from inside the iteration in progress."""
        iteration = _inside.get()
        return iteration is not None and any(each.own is iteration for each in self.all())

    @property
    def is_surviving(self) -> bool:
        """Whether it is in survival mode, or one is that runs iterations beside it."""
        return any(each.ladder.surviving for each in self.all())

    @property
    def latest_rung(self) -> str | None:
        """Which rung was tried last, and why."""
        return max((each.healer for each in self.all()), key=lambda healer: healer.latest_at).latest

    def healing(self) -> Healing:
        """Return how often each rung was tried and has worked, in all of them together."""
        every = [[each.ladder.tries.get(rung, NO_TRIES) for each in self.all()] for rung in Rung]
        sums = [Tries(sum(each.tried for each in tries), sum(each.worked for each in tries)) for tries in every]
        return healing_of(dict(zip(Rung, sums, strict=True)))

    def all(self) -> list[Work]:
        """Return this and those that run iterations beside it."""
        return [self, *self.others]

    def another(self) -> Work:
        """Return one that runs iterations beside this one, counts with it and has the same state."""
        node = self._child(f"{self.node.name}.lane-{len(self.others) + 2}")
        other = Work(self._operation, node, self.ladder.interval, slate=self.slate, **self._how)
        other.tally, other.member = self.tally, self.member
        other.healer.share(self.healer)
        self.others = [*self.others, other]
        return other

    # ── an iteration ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self, runtime: Runtime, tick: Tick | None, mark: Mark, cut: Cut = NO_CUT) -> tuple[Fate, str]:
        """Run one iteration; return how it ended, and why; only what comes from outside is raised: a cancellation.

        That is what was asked for since *mark*.  The iteration is cut at the moment of *cut*, as by its deadline, but
        that is no failure.
        """
        survives = self.ladder.surviving and tick is not None
        substitute = self._substitute if survives and self.ladder.substitutes else None
        if survives and substitute is None and self.ladder.probes and not RESTARTS.take(OF_LESS):
            if self._substitute is None:
                self.tally.begun -= not self.number  # nothing is, unless others have begun since
                return Fate.BACKED_OFF, SPENT
            substitute = self._substitute
        now = runtime.now()
        iteration = self.own = Iteration(self.number or self.tally.begun, tick, self.slate.state, now)
        _inside.set(iteration)
        self.slate.users.add(iteration)
        path = substitute or self.paths.current
        try:
            await self._run_on(path, iteration, runtime, cut)
            iteration.take_over()
        except BaseException as error:
            now = runtime.now()
            if not isinstance(error, Exception) and not is_stray(error, mark):
                raise
            cut_for = _cut_for(error, cut, iteration, now)
            if cut_for is not None:
                return Fate.INTERRUPTED, cut_for
            fate, why = Fate.FAILED, self.tally.failed(error, now - iteration.counts_from)
            iteration.signature = None if is_denied(error) else sign(error)
            self.healer.complaints.fails(self.healer, error, iteration.signature, now)
            forget_frames(error)
        else:
            now = runtime.now()
            fate, why = self._succeeded(iteration, now, degraded=substitute is not None)
        finally:
            if iteration.promise is not None and self.lane is not None:
                self.lane.keep(iteration.promise)
            self.slate.users.discard(iteration)
            self.own, self.ended_at = None, now
        # Where nobody else ends at the same time, what listens must not find a lock held by which it would be refused.
        with NO_LOCK if runtime.preemptive or not self.number else self.slate.lock:
            done = self._conclude(iteration, path, fate, now, substituted=substitute is not None)
        return fate, f"{why}; then {done}" if done else why

    def _conclude(self, iteration: Iteration, path: Path, fate: Fate, now: float, *, substituted: bool) -> str:
        """Do what follows from the iteration; return that in words, if it is worth any."""
        done = self._heal(iteration, fate, now, substituted=substituted)
        if self.member is not None:
            self.member.concluded(self, iteration, path)
        return done

    def _heal(self, iteration: Iteration, fate: Fate, now: float, *, substituted: bool) -> str:
        if substituted:
            self.ladder.substituted()
        elif fate is Fate.FAILED:
            return self.healer.failed(iteration, now)
        else:
            self.healer.succeeded(iteration, now)
            if self._hire is not None and self.ladder.good >= GOOD:
                self._hire.prepare(self.node.name)
        return ""

    async def _run_on(self, path: Path, iteration: Iteration, runtime: Runtime, cut: Cut) -> None:
        if self.member is not None:
            self.member.begins(self, iteration, path)
        if self._left or self._substitute is not None or path.strays.has_any:
            self._make_room(path.strays, iteration.began)
        if path.has_worker:
            iteration.until = iteration.began + time_to_start() + path.bound
            await path.ready(runtime)
            iteration.counts_from = runtime.now()
        iteration.until = iteration.counts_from + path.bound
        turns = None if self.lane is None else self._promised(self.lane, path, iteration)
        if cut.at < math.inf:
            await self._run_until(cut, path, runtime, turns, iteration.reins)
        elif runtime.preemptive:
            await path.run(turns=turns, reins=iteration.reins)
        else:
            path.run_sync(iteration.reins)

    def _promised(self, lane: Lane, path: Path, iteration: Iteration) -> Turns | None:
        """Promise that *iteration* is cut in time; return what is to be called then, when it has its grace."""
        is_users = self.node.settings.deadline is not None
        if not is_users or path.has_worker:
            iteration.promise = lane.promise(PULSE.seconds(path.bound, is_users=is_users), self.node.name)
            return None
        iteration.promise = promise = lane.promise(path.due, self.node.name)

        def turns() -> None:
            iteration.promise = lane.renew(promise, grace_after(self.node.target.plan.deadline))

        return turns

    def _succeeded(self, iteration: Iteration, now: float, *, degraded: bool) -> tuple[Fate, str]:
        healed, trouble = iteration.attempts > 1, iteration.trouble if iteration.had_trouble else None
        took = now - iteration.counts_from
        self.tally.succeeded(took, healed=healed, degraded=degraded, trouble=trouble)
        return Fate.DEGRADED if degraded else Fate.HEALED if healed else Fate.RUN, trouble or ""

    async def _run_until(
        self, cut: Cut, path: Path, runtime: Runtime, turns: Turns | None, reins: Reins | None
    ) -> None:
        left = max(0.0, cut.at - runtime.now())
        with inside(around(None, runtime, left, self.node.next_id())):
            if runtime.preemptive:
                await path.run(left, gently=cut.gently, turns=turns, reins=reins)
            else:
                path.run_sync(reins)

    def _enter(self) -> Context:
        ctx, iteration = current(), _inside.get()
        assert ctx is not None  # noqa: S101 - the node has just opened it
        assert iteration is not None  # noqa: S101 - set where the iteration began
        return iteration.enter(ctx)

    def _make_room(self, strays: Strays, now: float) -> None:
        self._tell_of_strays(now)
        before = self.given_up
        strays.make_room(now, self.ladder.longest)
        if self.given_up > before:
            self._left = self.left_behind
            self._tell(IterationGivenUp, now, count=self.given_up)

    def _tell_of_strays(self, now: float) -> None:
        left, was_full = self.left_behind, self._was_full
        if left > self._left:
            self._tell(IterationLeftBehind, now, count=left)
        self._left, self._was_full = left, self.is_full
        if self._was_full and not was_full:
            log("loop %s is stuck: %s", self.node.name, FULL, level=logging.ERROR)
            PULSE.wish(f"loop {self.node.name} is stuck: {FULL}")
            self._tell(LoopStuck, now, reason=FULL)

    def _tell(self, event: type[Event], now: float, **fields: Any) -> None:
        if self.node.listeners:
            self.node.tell(event(at=now, node=self.node.name, **fields))

    # ── its paths ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _new_path(self, number: int) -> Path:
        """Return a path with nothing learned; what mends, what listens, what may be spent is the same for all paths."""
        node = self._child(f"{self.node.name}.path-{number + 1}")
        return Path(self._operation, self._hire, node, self._enter, self._strays, is_free=False)

    def _child(self, name: str) -> FractalNode:
        settings = self.node.settings
        node = self.node.create_child(
            name, effects=settings.effects, retry=settings.pinned.get("retry"), breaker=False, hedge=False
        )
        node.remedies = self.node.remedies
        node.target.experience, node.target.circuit = self.node.target.experience, self.node.target.circuit
        node.on(Event, self.node.tell)
        return node

    def _drop_path(self, path: Path) -> None:
        if path.node is not self.node:
            self.node.drop_child(path.node)

    def _new_substitute(self, on_survival: Operation[Any], isolation: str) -> Path:
        check_operation("on_survival", on_survival)
        hire = hire_for(on_survival, isolation, "on_survival")
        self.needs_event_loop = self.needs_event_loop or (hire is None and is_async(on_survival))
        settings = self.node.settings
        node = FractalNode(f"{self.node.name}.survival", deadline=settings.deadline, breaker=False, hedge=False)
        node.on(Event, self.node.tell)
        return Path(on_survival, hire, node, self._enter, Strays(self.slate.leave))

    def every_path(self) -> list[Path]:
        """Return all execution paths of this one."""
        return [*self.paths.every(), *([] if self._substitute is None else [self._substitute])]

    def every_strays(self) -> list[Strays]:
        """Return what was left behind by this one."""
        return [self._strays, *([] if self._substitute is None else [self._substitute.strays])]

    # ── its beginning and its end ────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin anew; what an earlier run left at work, its event loop closed under it, is cut."""
        for other in self.others:
            self.node.drop_child(other.node)
        self.others = []
        self.slate.users.clear()
        self.healer.start()
        for path in self.every_path():
            path.stop()
            path.close()
            path.start()

    def stop(self) -> None:
        """Cut the iteration in progress where a worker runs it, from any thread."""
        for each in self.all():
            for path in each.every_path():
                path.stop()

    def close(self) -> None:
        """Let all workers end."""
        self.healer.complaints.reset()
        for each in self.all():
            each.close_alone()

    def close_alone(self) -> None:
        """Let the workers of this one end."""
        for path in self.every_path():
            path.close()
        if self._hire is not None and (spare := self._hire.take()) is not None:
            spare.close()
            self._strays.dismissed(spare)

    async def see_off(self, runtime: Runtime) -> None:
        """Wait for the workers that can end, at most END seconds."""
        until = runtime.now() + END
        for strays in [strays for each in self.all() for strays in each.every_strays()]:
            await strays.see_off(runtime, until)

    def forget(self) -> None:
        """Forget what is in progress: after a fork it goes on in the parent only."""
        for each in self.all():
            each.forget_alone()
        self.others = []
        self.healer.complaints.reset()
        if self.member is not None:
            self.member.forget()

    def forget_alone(self) -> None:
        """Forget what this one has in progress."""
        self.own = None
        self.slate.users.clear()
        for strays in self.every_strays():
            strays.clear()
        for path in self.every_path():
            path.forget()
        if self._hire is not None:
            self._hire.forget()


def _cut_for(error: BaseException, cut: Cut, iteration: Iteration, now: float) -> str | None:
    """Return why somebody has cut *iteration*, which has ended in *error*, if that was it."""
    if isinstance(error, LoopStopped):
        return STOPPED
    if isinstance(error, DeadlineExceeded) and now >= cut.at - EARLY:
        return cut.why
    return iteration.was_cut_for
