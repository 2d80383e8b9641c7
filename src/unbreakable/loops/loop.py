"""One periodic task that goes on, whatever its operation does."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from unbreakable.errors import Rejected
from unbreakable.fractal import FractalNode
from unbreakable.loops.ahead import load_ahead
from unbreakable.loops.control import Control, Missed, Overlap
from unbreakable.loops.ending import end, end_sync
from unbreakable.loops.first import FirstTime
from unbreakable.loops.life import Life
from unbreakable.loops.program import refuse_while_loading
from unbreakable.loops.status import LoopState, LoopStatus
from unbreakable.loops.strays import FULL
from unbreakable.loops.telling import listen, tell_ticks
from unbreakable.loops.timing import Timing, changed
from unbreakable.loops.work import Work
from unbreakable.runtime import ASYNCIO, BLOCKING, Closing, Runtime, new_lock, run_blocking
from unbreakable.storage.turn import refuse_to_wait

if TYPE_CHECKING:
    from unbreakable.loops.calendar import Calendar
    from unbreakable.loops.keeper import Keeper
    from unbreakable.loops.schedule import Schedule

LATE = 0.05  # seconds by which the end of an iteration may be late: threads wait for their turn, too
LEAST_LATE = 1.0  # seconds by which the begin of one may be,
MOST_LATE = 90.0  # up to these by three intervals; the time of day is looked at once a minute


class QuantumLoop(Closing):
    """Run an operation every ``timing.interval`` seconds, on a grid that does not drift.

    Made by ``QuantumLoopEngine.create_loop``.  Its methods may be called from any thread, any event loop, and from
    inside its own operation.
    """

    def __init__(
        self,
        work: Work,
        *,
        name: str,
        timing: Timing,
        max_iterations: float,
        ended: Callable[[], None],
        let_go: Callable[[str], None],
        keeper: Keeper | None = None,
    ) -> None:
        self.name = name
        self._keeper = keeper
        self._timing = timing
        self._max_iterations = max_iterations
        self.life: Life | None = None
        self._work = work
        self._tell_ended = ended
        self._let_go = let_go
        self._lock = new_lock()
        self._paused: bool | None = None  #: None: nobody in this process has said so, nor in an earlier one

    # ── what people wish ─────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin at once: as a task in async code, in a daemon thread in plain code; once running, do nothing.

        Raises Rejected while it is still stopping, since two of its iterations never overlap, BulkheadFull when loops
        and streams of plain code have 4,096 threads, or the machine has no more, and RuntimeError in a worker process
        that is only loading the program.  Of a loop that is kept in a state file StateOwned, if another process has
        that, StateNotOurs or StateTooNew.
        """
        refuse_while_loading()
        first_start.happened()
        with self._lock:
            if self.life is not None and self.life.carrier.is_alive:
                if self.life.control.stopping:
                    raise Rejected(f"loop {self.name!r} is still stopping: wait for its end, then start it again")
                return
            now = BLOCKING.now()
            if self.life is not None:
                self.life.control.close(now)  # its event loop was closed under it
            before = self.life
            try:
                self.life = Life(self.name, self._control(now), self._work, self._ended, self._keeper)
                self._work.tally.start(now)
                _running.add(self)
                self.life.carrier.start()
            except BaseException:
                self._take_back(before)
                raise

    def _take_back(self, before: Life | None) -> None:
        """Be as *before* a start that has failed, or that a signal interrupted: what has begun by then ends."""
        life = self.life
        if life is not None and life is not before and not life.carrier.give_up():
            life.ask_to_stop()
            return
        self.life = before
        _running.discard(self)
        if self._keeper is not None:
            self._keeper.leave()

    def _control(self, now: float) -> Control:
        """Return what decides from *now* on, or goes on with what an earlier process had decided."""
        timing, book = self._timing, self._work.book
        listen(self._work)
        kept = None if self._keeper is None else self._keeper.enter(self._work)
        if kept is None and self.life is not None:
            self.life.control.is_wanted = False
            self.life.control.close(now)  # what waits in its line is nobody's any more
        schedule = self._ticks_from(now)
        goes_on = kept is not None and kept.can_go_on(schedule.by)
        if kept is not None:
            self._paused = kept.paused if self._paused is None else self._paused
            book.lost(kept.epoch, kept.interrupted, () if goes_on else kept.waiting)
            schedule = timing.resumed(kept, self.name) if goes_on else schedule
        control = Control(
            schedule,
            self._max_iterations,
            book,
            paused=bool(self._paused),
            overlap=timing.overlap,
            missed=timing.missed,
        )
        control.keeps_line = self._keeper is not None
        if kept is not None and goes_on:
            control.go_on(kept)
        return control

    def pause(self) -> None:
        """Skip all ticks from the next one on, until resumed; the iteration in progress goes on."""
        self._pause(True)

    def resume(self) -> None:
        """Go on with the next tick of the grid; what was skipped is not made up for."""
        self._pause(False)

    def trigger(self) -> None:
        """Run one iteration now, or right after the one in progress, also when paused.

        Raises Rejected if the loop is not running.
        """
        life = self.life
        if life is None or not life.carrier.is_alive or life.control.stopping:
            raise Rejected(f"loop {self.name!r} is {self.state.value}: start it before you trigger it")
        life.control.trigger()
        life.wake()

    def reconfigure(
        self,
        *,
        interval: float | None = None,
        schedule: str | None = None,
        jitter: float | None = None,
        overlap: Overlap | None = None,
        missed: Missed | None = None,
    ) -> None:
        """Change what is given, as for ``create_loop``, from the next tick on; the iteration in progress goes on.

        Another *interval*, *schedule* or *jitter* makes other ticks, numbered from 0: by an interval the first is one
        interval after the latest tick, or at once if that is over.  Ticks that waited for their turn are dropped.
        Raises ConfigurationError as ``create_loop`` does; then nothing has changed.
        """
        with self._lock:
            after = changed(self._timing, interval, schedule, jitter, overlap, missed)
            before, self._timing = self._timing, after
            ladder, life = self._work.ladder, self.life
            for work in self._work.all():
                work.ladder.keep_pace(after.interval)
            if life is not None:
                others = replace(after, overlap=before.overlap, missed=before.missed) != before
                life.control.reconfigure(after, BLOCKING.now(), ladder.pause, self._ticks_from if others else None)
                life.control.schedule.watch(life)
                life.wake()

    def _ticks_from(self, origin: float) -> Schedule | Calendar:
        return self._timing.schedule(origin, self.name, self._work.node.next_id())

    def _entered(self) -> None:
        self.start()

    async def stop(self, grace: float = 10.0) -> bool:
        """Begin no further iteration, and return whether the loop has ended.

        One that is kept in a state file begins anew with its next start: no tick in between is missed.

        An iteration in progress has *grace* seconds, then it is cancelled.  The loop has not ended when that is of no
        use (the iteration swallows its cancellation, it blocks a thread), nor when called from inside the operation, or
        by a listener in the loop's own thread: then the loop ends with the iteration.
        """
        self._give_up()
        return await end(self._lives(), ASYNCIO, grace)

    def stop_sync(self, grace: float = 10.0) -> bool:
        """Do the same as ``stop`` in plain code.

        A handler of signals that interrupted this thread in the middle of what an iteration may need has the loop
        waited for when that is over, and is told False if it goes on until then.
        """
        self.refuse_to_block()
        self._give_up()
        return end_sync(self._lives(), grace)

    async def wait(self) -> None:
        """Wait until the loop has ended; return at once if it is not running."""
        await self._wait(ASYNCIO)

    def wait_sync(self) -> None:
        """Do the same as ``wait`` in plain code.

        Raises errors.StateInUse in a handler of signals that interrupted this thread as it held what an iteration may
        want, and RuntimeError from inside the loop.
        """
        self.refuse_to_block()
        refuse_to_wait(f"loop {self.name!r}")
        run_blocking(self._wait(BLOCKING))

    def let_go(self) -> None:
        """Let the engine, and its group, forget this loop, which goes on if it runs; its name is free again."""
        if self._work.member is not None:
            self._work.member.group.let_go(self._work.member)
        self._let_go(self.name)

    async def aclose(self, grace: float = 10.0) -> bool:
        """Stop, and let the engine forget this loop: its name is free again."""
        self.let_go()
        return await self.stop(grace)

    def aclose_sync(self, grace: float = 10.0) -> bool:
        """Do the same as ``aclose`` in plain code."""
        self.refuse_to_block()
        self.let_go()
        return self.stop_sync(grace)

    @property
    def node(self) -> FractalNode:
        """The node that runs the iterations: register remedies with it, listen to its events."""
        return self._work.node

    # ── what people see ──────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> LoopState:
        """Where the loop is in its life."""
        if self.life is None:
            return LoopState.NEW
        control = self.life.control
        if not self.life.carrier.is_alive:
            return LoopState.STOPPED if control.stopping or control.left > 0 else LoopState.FINISHED
        if control.stopping:
            return LoopState.STOPPING
        return LoopState.PAUSED if control.paused else LoopState.RUNNING

    @property
    def is_running(self) -> bool:
        """Whether something alive carries the loop, paused or not."""
        return self.life is not None and self.life.carrier.is_alive

    @property
    def interval(self) -> float:
        """The seconds from one tick to the next; ``reconfigure`` changes them."""
        return self._timing.interval

    @property
    def max_iterations(self) -> float:
        """The number of iterations that each start is for, ``math.inf`` for ever."""
        return self._max_iterations

    def explain(self, number: int) -> str:
        """Say what became of tick *number*, and why, if that is not too long ago.

        Numbers are those since the latest start, or since ``reconfigure`` has made other ticks.
        """
        life = self.life
        if life is None:
            return f"loop {self.name!r} was not started"
        return life.control.explain(number, BLOCKING.now())

    def get_status(self) -> LoopStatus:
        """Return how the loop is doing at this moment."""
        now, tally, ended = BLOCKING.now(), self._work.tally, self._work.ended_at
        ladder, iteration, stuck = self._work.ladder, self._work.in_progress, self._stuck(now)
        return LoopStatus(
            name=self.name,
            state=self.state,
            is_running=self.is_running,
            current_iteration=tally.begun,
            consecutive_errors=tally.consecutive_errors,
            interval=self._timing.interval,
            in_progress=None if iteration is None else max(0.0, now - iteration.began),
            last_run=None if ended is None else max(0.0, now - ended),
            next_run=None if stuck else self._next_run(now),
            stuck=stuck,
            performance=tally.performance(now),
            healing=self._work.healing(),
            latest_rung=self._work.latest_rung,
            known_failures=ladder.known_failures(),
            surviving=self._work.is_surviving,
            path=self._work.paths.index + 1,
            left_behind=self._work.left_behind,
            given_up=self._work.given_up,
            group=None if self._work.member is None else self._work.member.group.name,
            restarts=0 if self._work.member is None else self._work.member.restarts,
            durability="none" if self._keeper is None else self._keeper.durability,
            state_trouble=None if self._keeper is None else self._keeper.trouble,
            ledger=self._work.book.ledger() if self.life is None else self.life.control.ledger(now),
            last_error=tally.last_error,
        )

    def _stuck(self, now: float) -> str | None:
        """Say why the loop does not advance, if it should."""
        life, iteration = self.life, self._work.in_progress
        if life is None or not life.carrier.is_alive:
            return None
        if iteration is not None:
            over = now - iteration.until
            took = f"the iteration in progress began {now - iteration.began:.3g} s ago"
            return f"{took}, and should have ended {over:.3g} s ago" if over > LATE else None
        if self._work.is_full:
            return FULL
        late = life.control.overdue(now)
        if late <= max(LEAST_LATE, min(3 * self._timing.interval, MOST_LATE)):
            return None
        return f"an iteration has been due for {late:.3g} s, and nobody begins it: what runs the loop is held up"

    def _next_run(self, now: float) -> float | None:
        if self.life is None or self.state is not LoopState.RUNNING or self.life.control.left <= 0:
            return None
        return max(0.0, self.life.control.next_moment(now) - now)

    # ── how it is done ───────────────────────────────────────────────────────────────────────────────────────────────

    def refuse_to_block(self) -> None:
        """Raise RuntimeError if waiting in this thread would block what is waited for."""
        if self.life is not None and self.life.carrier.is_here and not self.life.waits_for(BLOCKING):
            raise RuntimeError(f"this would block the event loop that loop {self.name!r} runs on: use the awaited form")

    def _give_up(self) -> None:
        """Wish that no other process goes on with it."""
        if self.life is not None:
            self.life.control.is_wanted = False

    def _lives(self) -> list[Life]:
        return [] if self.life is None else [self.life]

    def _pause(self, paused: bool) -> None:
        self._paused = paused
        if self.life is not None:
            self.life.control.pause(paused)
            self.life.wake()

    async def _wait(self, runtime: Runtime) -> None:
        if self.life is None:
            return
        if self.life.waits_for(runtime):
            raise RuntimeError(f"loop {self.name!r} waits for what it calls itself: it cannot wait for its own end")
        await self.life.carrier.wait(runtime, math.inf)

    def _ended(self) -> None:
        now = BLOCKING.now()
        self._work.tally.stop(now)
        if self.life is not None:
            control = self.life.control
            control.close(now)
            if self._work.node.listeners:
                tell_ticks(self._work, now)
            if self._keeper is not None:
                self._keeper.close(control, self._work)
        _running.discard(self)
        self._tell_ended()

    def _forget(self) -> None:
        """Start afresh in a forked child: what carried the loop goes on in the parent only."""
        self.life = None
        self._work.forget()
        if self._keeper is not None:
            self._keeper.forget()


# Running loops are held here: one whose owner has let go of it still runs.
_running: set[QuantumLoop] = set()
first_start = FirstTime()  # of any loop in this process
first_start.listeners.append(load_ahead)


def _forget_all() -> None:
    for loop in list(_running):
        loop._forget()  # noqa: SLF001 - this is their at-fork part
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
