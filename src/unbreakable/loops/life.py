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
from unbreakable.loops.control import Control, End, Run, Wait
from unbreakable.loops.ledger import Fate
from unbreakable.loops.pulse import PULSE
from unbreakable.loops.schedule import Tick
from unbreakable.loops.work import Work
from unbreakable.outcome import in_one_line
from unbreakable.policies.policy import enter
from unbreakable.runtime import Runtime, Waiter
from unbreakable.runtime.mark import Mark

if TYPE_CHECKING:
    from unbreakable.loops.keeper import Keeper

# When the loop's own machinery fails (no memory, no more threads), it rests so many seconds, then goes on.
REST = 1.0


class Life:
    """Carry out what *control* decides with *work*, until the end, of which *ended* is told; *keeper* keeps notes."""

    def __init__(
        self, name: str, control: Control, work: Work, ended: Callable[[], None], keeper: Keeper | None = None
    ) -> None:
        self.control = control
        self.work = work
        self.keeper = keeper
        self.carrier = Carrier(self._drive, name, ended, needs_event_loop=work.needs_event_loop)
        self._waiter: Waiter | None = None
        self._was_paused = control.paused
        control.schedule.watch(self)

    @property
    def is_here(self) -> bool:
        """Whether this is called from inside its own operation."""
        return self.work.is_here

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
        self.work.lane = lane = PULSE.join()
        self.work.start()
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
            PULSE.leave(lane)
            self.work.close()
            if not is_closed:
                await self.work.see_off(runtime)
                await self._note_the_end(runtime)

    async def _has_ended_safely(self, runtime: Runtime, mark: Mark) -> bool:
        try:
            await self._go_on(runtime, mark)
        except GeneratorExit:
            raise
        except BaseException as error:  # the machinery failed, or a listener, not the operation: the loop goes on
            if not isinstance(error, Exception) and not is_stray(error, mark):
                raise
            self.work.tally.last_error = f"the loop itself: {in_one_line(error)}"
            with contextlib.suppress(Exception):
                await runtime.sleep(REST)
            return mark.is_cancelled
        return True

    async def _go_on(self, runtime: Runtime, mark: Mark) -> None:
        """Do what is decided until that is to end, or a cancellation was meant for the loop: work may swallow it."""
        while not mark.is_cancelled:
            match self.control.decide(runtime.now()):
                case Run(tick):
                    await self._iterate(runtime, tick, mark)
                    if self.control.is_restless and not runtime.preemptive:
                        await runtime.sleep(0)  # other threads have their turn, even if the work never waits
                case Wait(seconds):
                    await self._wait(runtime, seconds)
                case End():
                    return

    async def _iterate(self, runtime: Runtime, tick: Tick | None, mark: Mark) -> None:
        began = runtime.now() if tick is None else tick.nominal
        fate, why = Fate.INTERRUPTED, "it was cut"
        try:
            self.work.tally.begun += 1
            if self.keeper is not None:
                await self._note(runtime)
            fate, why = await self.work.run(runtime, tick, mark, self.control.cut())
        except Exception as error:
            fate, why = Fate.FAILED, in_one_line(error)
            raise
        finally:
            pause = self.work.ladder.pause
            self.control.ended(fate, runtime.now(), why, began + pause if pause else -math.inf)
        if self.keeper is not None:
            await self._note(runtime)

    async def _note(self, runtime: Runtime) -> None:
        if self.keeper is not None:
            await self.keeper.note(runtime, self.control, self.work)

    async def _note_the_end(self, runtime: Runtime) -> None:
        if self.keeper is not None:
            self.control.close(runtime.now())
            await self.keeper.note_the_end(runtime, self.control, self.work)

    async def _wait(self, runtime: Runtime, seconds: float) -> None:
        if self.control.paused != self._was_paused:
            self._was_paused = self.control.paused
            await self._note(runtime)
        # Be there to be woken first, then look: a wish in between is not slept through.
        self._waiter = waiter = runtime.waiter()
        if not self.control.news:
            await runtime.wait(waiter, seconds)
