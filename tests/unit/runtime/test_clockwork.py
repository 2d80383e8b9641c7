"""Waits on an event loop end when they are due, and not up to a millisecond later."""

from __future__ import annotations

import asyncio
import gc
import math
import sys
from pathlib import Path

import pytest

from unbreakable.runtime import ASYNCIO, clockwork
from unbreakable.runtime.clockwork import FEW, clockwork_of
from unbreakable.runtime.world import RealWorld
from unbreakable.testing import virtual_time

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it is Linux's timer")


@pytest.fixture(autouse=True)
def real_time(monkeypatch):
    """Have the machine's clock, which this process may have left behind in another test."""
    monkeypatch.setattr(ASYNCIO, "now", RealWorld.now)


async def nap(seconds: float) -> float:
    """Return by how many seconds a wait of so many was too long."""
    due = ASYNCIO.now() + seconds
    assert not await ASYNCIO.wait(ASYNCIO.waiter(), seconds)
    return ASYNCIO.now() - due


def test_naps_end_in_the_order_of_their_moments_and_none_too_early():
    """A later nap that began first is no reason to let a shorter one wait, nor to end it early."""

    async def story():
        ended, late = [], []

        async def one(number, seconds):
            late.append(await nap(seconds))
            ended.append(number)

        await nap(0.001)  # the first one makes the timer, which takes its time
        await asyncio.gather(one(3, 0.06), one(1, 0.005), one(2, 0.03))
        return ended, min(late)

    ended, least = asyncio.run(story())

    assert [1, 2, 3] == ended
    assert least >= 0.0


def test_most_naps_end_within_the_millisecond_to_which_event_loops_round_up():
    """The best of some is a tenth of a millisecond late, on a busy machine, too."""

    async def story():
        return min([await nap(0.0013) for _ in range(20)])

    assert asyncio.run(story()) < 0.0005


def test_naps_that_are_ended_before_their_time_are_not_kept_until_then():
    """A loop that is triggered all the time, and else has hours to wait, takes no more room."""

    async def story():
        for _ in range(10 * FEW):
            waiter = ASYNCIO.waiter()
            waiter.wake()
            assert await ASYNCIO.wait(waiter, 3_600.0)
        return len(ASYNCIO.watches[asyncio.get_running_loop()].clockwork._naps)

    assert asyncio.run(story()) <= 2 * FEW + 2


def test_where_there_is_no_such_timer_the_event_loop_s_own_will_do(monkeypatch):
    """An old libc, no descriptor left, an event loop that watches no files: nothing breaks."""

    def none_left():
        raise OSError("too many open files")

    monkeypatch.setattr(clockwork, "_timer", none_left)

    assert asyncio.run(nap(0.001)) >= 0.0


def test_its_descriptor_is_closed_with_the_event_loop():
    """A program that runs one event loop after another does not run out of them."""

    def descriptors():
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    asyncio.run(nap(0.001))
    before = descriptors()
    for _ in range(5):
        asyncio.run(nap(0.001))

    assert descriptors() <= before + 1  # the latest is known until another one comes


def test_a_moment_just_before_a_full_second_is_none_that_never_comes():
    """Rounded up to nanoseconds it is the full second: else all loops of the event loop would wait for ever."""

    async def story():
        watch = ASYNCIO.watches[asyncio.get_running_loop()]
        ring = asyncio.get_running_loop().create_future()
        watch.clockwork.end(ring, math.nextafter(math.ceil(ASYNCIO.now()), 0.0))
        await asyncio.wait_for(ring, 5.0)
        return ring.done()

    async def after_a_nap():
        await nap(0.001)
        return await story()

    assert asyncio.run(after_a_nap())


def test_virtual_time_has_none():
    """Its moments are not those of the machine's clock."""

    async def story():
        await nap(0.0)
        await ASYNCIO.wait(ASYNCIO.waiter(), 5.0)
        watch = ASYNCIO.watches.get(asyncio.get_running_loop())
        return None if watch is None else watch.clockwork

    with virtual_time():
        assert asyncio.run(story()) is None


def test_an_event_loop_that_watches_no_files_has_none():
    """That of Windows does not."""

    class Blind:
        def add_reader(self, descriptor, callback):
            raise RuntimeError

    assert clockwork_of(Blind()) is None
