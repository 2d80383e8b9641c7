"""Who does chores lets others have their turn; nobody else is held up by that."""

from __future__ import annotations

import asyncio
import threading

import pytest

from unbreakable.runtime import ASYNCIO, BLOCKING, breathe, chore
from unbreakable.testing import virtual_time

pytestmark = pytest.mark.real


@pytest.fixture
def naps(monkeypatch):
    """Take naps down, by the thread that takes them, in a world in which much time passes between two looks."""
    taken: list[int] = []
    moments = iter(range(1_000))
    monkeypatch.setattr(chore, "sleep", lambda seconds: taken.append(threading.get_ident()))
    monkeypatch.setattr(chore, "perf_counter", lambda: float(next(moments)))
    return taken


def done_by(runtime, work) -> None:
    """Have *work* done in the background, and wait for it."""
    done = threading.Event()

    async def story() -> None:
        runtime.background(lambda: (work(), done.set()))
        assert await asyncio.to_thread(done.wait, 10.0)

    asyncio.run(story())


@pytest.mark.parametrize("runtime", [ASYNCIO, BLOCKING])
def test_chores_are_done_in_their_own_thread_which_naps(naps, runtime):
    """An event loop does no chores, and the thread that does them naps wherever it may."""
    where: list[int] = []
    done_by(runtime, lambda: (where.append(threading.get_ident()), breathe(), breathe()))

    assert threading.get_ident() not in where
    assert where * 2 == naps


def test_no_nap_is_taken_before_others_were_kept_waiting(naps, monkeypatch):
    """What takes no time does not nap."""
    monkeypatch.setattr(chore, "perf_counter", lambda: 1.0)
    done_by(BLOCKING, lambda: (breathe(), breathe()))

    assert [] == naps


def test_who_does_no_chores_never_naps(naps):
    """To learn in one's own thread, as when a node is closed, takes no longer for it."""
    breathe()

    assert [] == naps


def test_in_virtual_time_chores_are_done_in_turn(naps):
    """A story is the same each time: the event loop itself does what is done in the background, after its callback."""
    order: list[object] = []

    async def story() -> None:
        ASYNCIO.background(lambda: (breathe(), order.append(threading.get_ident())))
        order.append("first")
        await ASYNCIO.sleep(0.0)

    with virtual_time():
        asyncio.run(story())

    assert ["first", threading.get_ident()] == order
    assert [] == naps
