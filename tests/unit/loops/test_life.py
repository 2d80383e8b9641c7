"""A loop's own machinery may fail, too."""

from __future__ import annotations

import math

import pytest

from unbreakable.errors import BulkheadFull
from unbreakable.fractal import FractalNode
from unbreakable.loops import LoopState, QuantumLoopEngine
from unbreakable.loops.control import Control
from unbreakable.loops.life import Life
from unbreakable.loops.schedule import Schedule
from unbreakable.loops.work import Work
from unbreakable.runtime import BLOCKING, BlockingRuntime, run_blocking
from unbreakable.runtime.world import ThreadsExhausted
from unbreakable.testing import virtual_time


class Shaky(BlockingRuntime):
    """A driver that has no memory left, as often as it is told."""

    def __init__(self, *, waits: int = 0, sleeps: int = 0) -> None:
        super().__init__(BLOCKING.world)
        self.waits, self.sleeps = waits, sleeps

    async def wait(self, waiter, seconds):
        self.waits -= 1
        if self.waits >= 0:
            raise MemoryError
        return await super().wait(waiter, seconds)

    async def sleep(self, seconds):
        self.sleeps -= 1
        if self.sleeps >= 0:
            raise MemoryError
        await super().sleep(seconds)


@pytest.mark.parametrize(("waits", "sleeps"), [(1, 0), (5, 0), (5, 3)])
def test_goes_on_when_its_own_waiting_fails(waits, sleeps):
    """A loop that cannot wait rests, tells so, and is back on its grid."""
    with virtual_time() as clock:
        moments = []
        work = Work(lambda: moments.append(clock.now()), FractalNode("work"))
        control = Control(Schedule(origin=BLOCKING.now(), interval=10.0), 3)
        life = Life("work", control, work, lambda: None)
        run_blocking(life._drive(Shaky(waits=waits, sleeps=sleeps)))

    assert [0.0, 10.0, 20.0] == moments
    assert "the loop itself: MemoryError" == work.tally.last_error


def test_a_loop_for_which_there_is_no_thread_says_so_and_can_be_started_later(monkeypatch):
    """A start that fails leaves nothing behind."""
    loop = QuantumLoopEngine().create_loop(lambda: None, max_iterations=1)

    def refuse(work, name):
        raise ThreadsExhausted("256 are busy")

    with virtual_time():
        with monkeypatch.context() as patch:
            patch.setattr(BLOCKING.world, "spawn", refuse)
            with pytest.raises(BulkheadFull, match="no thread for loop '<lambda>': 256 are busy"):
                loop.start()
            before = loop.state
        loop.start()
        loop.wait_sync()

    assert (LoopState.NEW, LoopState.FINISHED) == (before, loop.state)


def test_a_wish_between_a_decision_and_its_wait_is_not_slept_through():
    """Somebody else's thread may stop the loop at the worst moment."""

    class Late(BlockingRuntime):
        def waiter(self):
            life.ask_to_stop()
            return super().waiter()

    with virtual_time() as clock:
        life = Life("work", Control(Schedule(origin=BLOCKING.now(), interval=1e6), math.inf), _work(), lambda: None)
        run_blocking(life._drive(Late(BLOCKING.world)))

        assert 0.0 == clock.now()


def _work() -> Work:
    return Work(lambda: None, FractalNode("work"))
