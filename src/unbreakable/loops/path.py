"""One execution path of a loop: its operation, a node that tries, heals and learns, and a worker where it has one."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from unbreakable.errors import DeadlineExceeded
from unbreakable.fractal import AsyncProtected, FractalNode, SyncProtected
from unbreakable.fractal.guard import guarded, guarded_sync
from unbreakable.fractal.operation import Operation
from unbreakable.loops.events import WorkerStarted
from unbreakable.loops.isolation import Hire
from unbreakable.loops.restarts import RESTARTS, denied
from unbreakable.loops.strays import Strays
from unbreakable.loops.workers import Worker
from unbreakable.policies import Context, Plan
from unbreakable.policies.timeout import time_is_up
from unbreakable.runtime import ASYNCIO, BLOCKING, Runtime, TimeUp, run_blocking
from unbreakable.runtime.apart import apart
from unbreakable.runtime.eager import Eager

if TYPE_CHECKING:
    from unbreakable.loops.reins import Reins

GRACE = 0.1  # of the deadline: from the cut of an iteration to the moment at which it is left behind,
LEAST_GRACE, MOST_GRACE = 0.05, 1.0  # seconds within which that lies
SURE = 0.03  # seconds until a supervisor is sure that what is overdue hangs
START = 30.0  # seconds from the start of a worker process to the moment at which it must have found its operation,
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1  # if it has one

STOPPED = "the loop was stopped"

_starting: set[Path] = set()  # whose workers load their programs at this moment, or will at once


class LoopStopped(BaseException):
    """End an iteration that the stop of its loop has cut: as a cancellation it is no failure that a node heals."""


class Path:
    """Run *operation* through *node*; *enter* opens each attempt, *strays* takes over who hangs.

    What one path has learned or broken touches no other.
    """

    def __init__(
        self,
        operation: Operation[Any],
        hire: Hire | None,
        node: FractalNode,
        enter: Callable[[], Context],
        strays: Strays,
        *,
        is_free: bool = True,
    ) -> None:
        self.node = node
        self.strays = strays
        self.has_worker = hire is not None
        self._name = f"iteration of {node.name}"
        self._eager = Eager(self._name)
        self._operation = operation
        self._hire = hire
        self._enter = enter
        self._worker: Worker | None = None
        self._door: AsyncProtected[[], Any] | None = None
        self._door_sync: SyncProtected[[], Any] | None = None
        self._is_cut = False
        self._is_free = is_free  # whether the next worker is the loop's first one
        self._in_vain = 0  # workers since the latest good attempt
        self.losses = 0  #: workers that have died, or were killed since they hung, but not by a stop
        self._plan: Plan | None = None  #: the one that ``_bound`` is of
        self._bound = math.inf

    @property
    def price(self) -> float:
        """What another path like this one costs, of the budget for restarts."""
        return 0.0 if self._hire is None else self._hire.price

    def lost(self) -> int:
        """Return how many workers have died so far, or were killed since they hung; one that is dead is let go of."""
        if self._worker is not None and not self._worker.is_fit:
            self.losses += not self._is_cut
            self.close()
        return self.losses

    @property
    def bound(self) -> float:
        """The seconds after which an iteration is over, or was left behind, unless it blocks who runs it."""
        plan = self.node.target.plan
        if plan is not self._plan:
            self._plan, self._bound = plan, plan.deadline + grace_after(plan.deadline)
        return self._bound

    @property
    def due(self) -> float:
        """The seconds after which an iteration hangs that is not cut by then, for its supervisor."""
        deadline = self.node.target.plan.deadline
        return deadline + max(0.0, GRACE * deadline - SURE)

    # ── an iteration ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(
        self,
        seconds: float = math.inf,
        *,
        gently: bool = True,
        turns: Callable[[], object] | None = None,
        reins: Reins | None = None,
    ) -> None:
        """Run one iteration on the running event loop; raise what it raised, DeadlineExceeded if it is left behind.

        It has *seconds* at most, and then, if it is to be cut *gently*, some grace to heed that.  ``turns`` is called
        when it is cut by its deadline: the event loop turns.  *reins* may cut it sooner.
        """
        hold = None if reins is None else reins.hold
        if self._hire is not None:
            self._door = self._door or AsyncProtected(self._in_worker, self.node)
            await (self._door() if hold is None else apart(self._door, math.inf, self.strays.left, hold=hold))
            return
        self._door = self._door or AsyncProtected(guarded(self._operation, self._enter), self.node)
        until = self.bound
        if seconds < math.inf:
            until = min(until, seconds + (grace_after(seconds) if gently else 0.0))
        try:
            deadline = self.node.target.plan.deadline
            left, eager = self.strays.left, self._eager
            await apart(self._door, until, left, self._name, warning=deadline, warn=turns, hold=hold, eager=eager)
        except TimeUp:
            grace = until - min(seconds, self.node.target.plan.deadline)
            msg = f"the iteration did not end within {max(0.0, grace):.3g} s of its cut, and was left behind"
            raise DeadlineExceeded(msg) from None

    def run_sync(self, reins: Reins | None = None) -> None:
        """Run one iteration in this thread; raise what it raised, TimeUp if *reins* have cut it."""
        if self._door_sync is None:
            inline = guarded_sync(self._operation, self._enter) if self._hire is None else self._in_worker_sync
            self._door_sync = SyncProtected(inline, self.node)
        if reins is None:
            self._door_sync()
        else:
            reins.run(self._door_sync)

    async def ready(self, runtime: Runtime, seconds: float = math.inf) -> None:
        """Have a worker that is ready to work, where one is wanted; the time for that is not the iteration's."""
        if self._hire is None:
            return
        self.lost()
        if self._worker is None:
            if not self._is_free and not RESTARTS.take(self._hire.price, was_well=self._in_vain <= 1):
                raise denied()
            self._worker, self._is_free = self._hire(self.node.name), False
            self._in_vain += 1
        if self._is_cut:  # asked last: who stops the loop sets it first, and then looks for the worker
            raise LoopStopped
        _starting.add(self)
        try:
            with self._stopped_is_no_failure():
                pid = await self._worker.ready(runtime, min(seconds, time_to_start()))
        finally:
            _starting.discard(self)
        if pid and self.node.listeners:
            self.node.tell(WorkerStarted(at=runtime.now(), node=self.node.name, pid=pid))

    async def _in_worker(self, **changed: Any) -> Any:
        return await self._attempt(ASYNCIO)

    def _in_worker_sync(self, **changed: Any) -> Any:
        return run_blocking(self._attempt(BLOCKING))

    async def _attempt(self, runtime: Runtime) -> Any:
        ctx, started = self._enter(), runtime.now()
        await self.ready(runtime, ctx.remaining())
        worker = self._worker
        assert worker is not None  # noqa: S101 - it is ready
        try:
            with self._stopped_is_no_failure():
                value = await worker.attempt(runtime, ctx)
        except TimeUp:
            raise time_is_up(ctx, started) from None
        else:
            self._in_vain = 0
            return value
        finally:
            if worker.left_undone:
                self.losses += not self._is_cut
                self.strays.cut(worker)
                worker.cut()
                self._part_with(worker)

    @contextlib.contextmanager
    def _stopped_is_no_failure(self) -> Iterator[None]:
        """Let whatever becomes of what ``stop`` has cut be its end: its time is up, its worker dead."""
        try:
            yield
        except Exception:
            if self._is_cut:
                raise LoopStopped from None
            raise

    # ── its end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin again after ``stop``."""
        self._is_cut, self._is_free = False, True

    def stop(self) -> None:
        """Cut what a worker does for it, from any thread; no further attempt is made."""
        self._is_cut = True
        worker = self._worker
        if worker is not None:
            worker.cut()

    def close(self) -> None:
        """Let the worker end, which is not at work, and what stands by."""
        self._eager.close()
        if self._worker is not None:
            self._worker.close()
            self._part_with(self._worker)

    def forget(self) -> None:
        """Leave the worker to the parent process, of which this one was forked, and the task that stands by."""
        self._eager = Eager(self._name)
        if self._worker is not None:
            self._worker.forget()
            self._worker = None

    def _part_with(self, worker: Worker) -> None:
        self.strays.dismissed(worker)
        if self._worker is worker:
            self._worker = None


def time_to_start() -> float:
    """Return how many seconds a worker has to find its operation: more where many load their programs at once.

    Else those of many loops would be killed together, time and again, each having had a part of a core.
    """
    return START * max(1.0, len(_starting) / CORES)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_starting.clear)


def grace_after(deadline: float) -> float:
    """Return how many seconds an iteration has for its clean-up after a *deadline* of so many."""
    return min(MOST_GRACE, max(LEAST_GRACE, GRACE * deadline))
