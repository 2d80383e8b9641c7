"""One life of a loop, from its start to its end: decide, wait, iterate, and again.

The script is the same on a thread and on an event loop.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from unbreakable.fractal.guard import is_stray
from unbreakable.loops.carrier import Carrier
from unbreakable.loops.control import Control
from unbreakable.loops.decisions import End, Wait
from unbreakable.loops.ledger import Fate
from unbreakable.loops.path import STOPPED
from unbreakable.loops.pulse import PULSE, Lane
from unbreakable.loops.schedule import Tick
from unbreakable.loops.telling import tell_iteration, tell_ticks
from unbreakable.loops.work import Work
from unbreakable.outcome import in_one_line
from unbreakable.policies.policy import enter
from unbreakable.runtime import BLOCKING, Beside, Runtime, Waiter
from unbreakable.runtime.mark import Mark
from unbreakable.runtime.thread import this_thread

if TYPE_CHECKING:
    from unbreakable.loops.keeper import Keeper

# When the loop's own machinery fails (no memory, no more threads), it rests so many seconds, then goes on.
REST = 1.0
TURN = 0.001  # seconds between two turns of other threads beside work that never waits: a turn costs more than a tick
LAST = 0.5  # seconds that iterations which go on beside each other have to end, once they are cut


class Life:
    """Carry out what *control* decides with *work*, until the end, of which *ended* is told; *keeper* keeps notes."""

    def __init__(
        self, name: str, control: Control, work: Work, ended: Callable[[], None], keeper: Keeper | None = None
    ) -> None:
        self.control = control
        self.work = work
        self.keeper = keeper
        self.carrier = Carrier(self._drive, name, ended, needs_event_loop=work.needs_event_loop)
        self._member = work.member
        self._waiter: Waiter | None = None
        self._was_paused = control.paused
        self._besides: dict[object, Beside | None] = {}  #: iterations that go on beside each other
        self._free: list[Work] = [work]  #: what runs them, when it does not; if it is free the loop's own is the first
        self._lane: Lane | None = None
        self._turned_at = -math.inf
        self._has_news = False  #: whether one has ended that is not on record
        control.schedule.watch(self)

    @property
    def is_here(self) -> bool:
        """Whether this is called from inside its own operation."""
        return self.work.is_here

    def waits_for(self, runtime: Runtime) -> bool:
        """Whether it does not go on while somebody waits here on *runtime*: its operation, or what it calls itself."""
        return self.is_here or (not runtime.preemptive and self.carrier.is_this_thread)

    def wake(self) -> None:
        """Let a wish be seen now."""
        waiter = self._waiter
        if waiter is not None:
            waiter.wake()

    def ask_to_stop(self) -> None:
        """Wish that no further iteration begins."""
        self.control.stop()
        self.wake()

    def cut(self) -> None:
        """Cut the iteration in progress, where that can be done."""
        self.carrier.cancel()
        self.work.stop()

    async def _drive(self, runtime: Runtime) -> None:
        enter(None)  # whatever call the loop was started in, its deadline is not ours
        self.work.lane = self._lane = lane = PULSE.join()
        self.work.start()
        self._go(runtime)
        mark, is_closed = Mark(), False
        try:
            while not await self._has_ended_safely(runtime, mark):
                pass
        except GeneratorExit:
            is_closed = True  # together with its event loop: nothing can be waited for any more
            raise
        finally:
            if mark.is_cancelled and not self.control.stopping:
                self.work.tally.last_error = "the loop was cancelled from outside"
            if self._besides and not is_closed:
                await self._cut_besides(runtime)
            PULSE.leave(lane)
            self._go(runtime)
            self.work.close()
            if not is_closed:
                await self.work.see_off(runtime)
                await self._note_the_end(runtime)

    def _leave(self, runtime: Runtime) -> None:
        """Let those that belong together with this loop know that an iteration has ended."""
        if self._member is not None and self._member.loop.life is self:
            self._member.leaves(runtime.now())

    def _go(self, runtime: Runtime) -> None:
        """Have nothing at work, for those that belong together with this loop; another life of it is not ours."""
        if self._member is not None and self._member.loop.life is self:
            self._member.gone(runtime.now())

    async def _has_ended_safely(self, runtime: Runtime, mark: Mark) -> bool:
        try:
            await self._go_on(runtime, mark)
        except GeneratorExit:
            raise
        except BaseException as error:  # the machinery failed, or a listener, not the operation: the loop goes on
            if self._takes_back(mark):
                return False
            if not isinstance(error, Exception) and not is_stray(error, mark):
                raise
            self.work.tally.last_error = f"the loop itself: {in_one_line(error)}"
            with contextlib.suppress(Exception):
                await runtime.sleep(REST)
            return mark.is_cancelled and not self._takes_back(mark)
        return not self._takes_back(mark)

    def _takes_back(self, mark: Mark) -> bool:
        """Take back what has cancelled it, where only its own operation can; return whether it was that."""
        if self.control.stopping or not (mark.is_cancelled and self.carrier.is_alone):
            return False
        mark.take_back()
        self.work.tally.last_error = "its operation has cancelled it, with all tasks of its event loop: it goes on"
        return True

    async def _go_on(self, runtime: Runtime, mark: Mark) -> None:
        """Do what is decided until that is to end, or a cancellation was meant for the loop: work may swallow it."""
        decide = self.control.decide if self._member is None else self._member.decide
        while not mark.is_cancelled:
            decision = decide(runtime.now())
            if self.work.node.listeners:
                tell_ticks(self.work, runtime.now())
            if isinstance(decision, Wait):
                await self._wait(runtime, decision.seconds)
            elif isinstance(decision, End):
                await self._see_besides_off(runtime)
                return
            elif decision.place is not None:
                await self._begin_beside(runtime, decision.tick, decision.place)
            else:
                try:
                    await self._iterate(self.work, runtime, decision.tick, mark)
                finally:
                    self._leave(runtime)
                if self.control.is_restless:
                    await self._give_others_a_turn(runtime)

    async def _give_others_a_turn(self, runtime: Runtime) -> None:
        """Let others have their turn, even if the work never waits: tasks each time, threads now and then.

        Where time stands still while the work is done it is each time.
        """
        now = runtime.now()
        if runtime.preemptive or not 0.0 < now - self._turned_at < TURN:
            await runtime.sleep(0)
            self._turned_at = runtime.now()

    async def _iterate(
        self, work: Work, runtime: Runtime, tick: Tick | None, mark: Mark, place: int | None = None
    ) -> None:
        actual = over = runtime.now()
        began = actual if tick is None else tick.nominal
        fate, why = Fate.INTERRUPTED, ""
        try:
            try:
                if self.keeper is None:
                    self.work.tally.begun += place is None
                elif place is None:
                    await self._count(runtime)
                fate, why = await work.run(runtime, tick, mark, self.control.cut())
            except Exception as error:
                fate, why = Fate.FAILED, in_one_line(error)
                raise
            finally:
                pause, over = work.ladder.pause, runtime.now()
                if fate is Fate.INTERRUPTED and not why:  # by a cancellation
                    why = STOPPED if self.control.stopping else "it was cut"
                self.control.ended(fate, over, why, began + pause if pause else -math.inf, place)
            if self.keeper is not None and place is None:
                await self._note(runtime)
        finally:  # who listens may rely on what is kept
            if self.work.node.listeners and fate is not Fate.BACKED_OFF:
                number = work.number or work.tally.begun
                tell_iteration(self.work, number, tick, fate, why, actual, over)

    async def _count(self, runtime: Runtime) -> None:
        """Count an iteration that begins, and have it on record."""
        self.work.tally.begun += 1
        if self.keeper is not None:
            await self._note(runtime)

    # ── iterations that go on beside each other ─────────────────────────────────────────────────────────────────────

    async def _begin_beside(self, runtime: Runtime, tick: Tick | None, place: int) -> None:
        """Let an iteration go on by itself; only this task writes where the loop stands, after the end of one, too."""
        key = object()  # the place may be another one's before this one has quite ended
        try:
            await self._count(runtime)
            work = self._free_one()
            number = self.work.tally.begun

            async def step() -> None:
                await self._iterate_beside(work, runtime, tick, place, number, key)

            self._besides[key] = None
            if runtime.preemptive:
                self._besides[key] = beside = runtime.beside(step)
                if beside.is_over:  # at once, where tasks are eager
                    del self._besides[key]
            else:
                BLOCKING.branch(step, self, None)
        except BaseException as error:
            self._besides.pop(key, None)
            self.control.ended(Fate.INTERRUPTED, runtime.now(), in_one_line(error), place=place)
            self._leave(runtime)
            raise

    def _free_one(self) -> Work:
        if not self._free:
            return self.work.another()
        return self._free.pop(0 if self._free[0] is self.work else -1)

    async def _iterate_beside(
        self, work: Work, runtime: Runtime, tick: Tick | None, place: int, number: int, key: object
    ) -> None:
        enter(None)
        lane = self._lane if runtime.preemptive else self._enter_thread()
        work.number, work.lane = number, lane
        try:
            await self._iterate(work, runtime, tick, Mark(), place)
        except Exception as error:
            self.work.tally.last_error = f"the loop itself: {in_one_line(error)}"
        finally:
            if not runtime.preemptive:
                self._leave_thread(lane)
            work.number, work.lane = 0, self._lane
            self._free.insert(0 if work is self.work else len(self._free), work)
            self._besides.pop(key, None)
            self._has_news = True
            self._leave(runtime)
            self.wake()

    def _enter_thread(self) -> Lane | None:
        self.carrier.threads.add(this_thread())
        return PULSE.join()  # a lane is one thread's

    def _leave_thread(self, lane: Lane | None) -> None:
        PULSE.leave(lane)
        self.carrier.threads.discard(this_thread())

    async def _see_besides_off(self, runtime: Runtime, seconds: float = math.inf) -> None:
        """Wait for all iterations that go on, at most *seconds*."""
        until = runtime.now() + seconds
        while self._besides and runtime.now() < until:
            self._waiter = waiter = runtime.waiter()
            if self._besides:
                await runtime.wait(waiter, until - runtime.now())

    async def _cut_besides(self, runtime: Runtime) -> None:
        """End what goes on by force, and wait for that a moment."""
        for beside in list(self._besides.values()):
            if beside is not None:
                beside.stop()
        await self._see_besides_off(runtime, LAST)

    async def _note(self, runtime: Runtime) -> None:
        if self.keeper is not None:
            await self.keeper.note(runtime, self.control, self.work)

    async def _note_the_end(self, runtime: Runtime) -> None:
        if self.keeper is not None:
            self.control.close(runtime.now())
            await self.keeper.note_the_end(runtime, self.control, self.work)

    async def _wait(self, runtime: Runtime, seconds: float) -> None:
        if self.control.paused != self._was_paused or self._has_news:
            self._was_paused, self._has_news = self.control.paused, False
            await self._note(runtime)
        # Be there to be woken first, then look: a wish in between is not slept through.
        self._waiter = waiter = runtime.waiter()
        if not self.control.news:
            await runtime.wait(waiter, seconds)
