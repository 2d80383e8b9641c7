"""Entering and leaving virtual time: one block at a time, everything restored, and no step back."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time

import pytest

from unbreakable.runtime import ASYNCIO, BLOCKING
from unbreakable.runtime.virtual import _frames, virtual_time


def sleep(seconds):
    time.sleep(seconds)  # noqa: TID251 - virtual time


@pytest.fixture
def clock():
    with virtual_time() as clock:
        yield clock


def test_blocks_do_not_nest(clock):
    """A second block inside the first is refused, and does no harm."""
    with pytest.raises(RuntimeError, match="in use already"), virtual_time():
        pass

    sleep(1)

    assert 1.0 == clock.now()


def test_dice_are_reproducible():
    """The same seed throws the same dice on both drivers; another seed throws others."""

    def throws(seed):
        with virtual_time(seed):
            return [runtime.random() for runtime in (ASYNCIO, BLOCKING, ASYNCIO)]

    assert throws(1) == throws(1)
    assert throws(1) != throws(2)


PLACES = [
    (time, "sleep"),
    (asyncio.BaseEventLoop, "time"),
    (asyncio.BaseEventLoop, "_run_once"),
    (asyncio.BaseEventLoop, "run_in_executor"),
    (threading.Thread, "start"),
    (BLOCKING, "world"),
    (BLOCKING, "random"),
    (ASYNCIO, "random"),
]


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt])
def test_leaving_restores_everything(error):
    """However the block ends, the world is as it was, and the next block can begin."""
    before = [getattr(place, name) for place, name in PLACES]
    try:
        with virtual_time():
            sleep(10)
            if error is not None:
                raise error
    except (ZeroDivisionError, KeyboardInterrupt):
        pass

    assert before == [getattr(place, name) for place, name in PLACES]
    with virtual_time() as clock:
        assert 0.0 == clock.now()


def test_time_never_runs_backwards_after_leaving():
    """What was noted in virtual time lies in the past afterwards, also after several blocks, and time goes on."""
    moments = [BLOCKING.now()]
    for _ in range(3):
        with virtual_time():
            moments.append(ASYNCIO.now())
            sleep(1000)
            moments.append(BLOCKING.now())
        moments += [ASYNCIO.now(), BLOCKING.now()]
    threading.Event().wait(0.002)
    moments.append(ASYNCIO.now())

    assert sorted(moments) == moments
    assert 3000 <= moments[-1] - moments[0] < 3010
    assert moments[-2] < moments[-1]


def test_a_thread_left_behind_in_virtual_time_comes_back():
    """A thread that still sleeps when the block is left wakes up, and does not wait for hours of real time."""
    with virtual_time():
        left = threading.Thread(target=sleep, args=(1e6,), daemon=True)
        left.start()
    left.join(60)

    assert not left.is_alive()


def test_the_collector_does_not_come_while_others_are_looked_at():
    """Python 3.11 holds the list of threads meanwhile: whoever starts one then would wait, and everybody with it."""
    came, before = [], gc.get_threshold()

    def note(phase, info):
        came.append(sys._getframe(1).f_code.co_name)

    gc.callbacks.append(note)
    try:
        gc.set_threshold(1, 1, 1)
        for _ in range(50):
            assert threading.get_ident() in _frames()
            assert gc.isenabled()
        gc.disable()
        assert _frames()
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.set_threshold(*before)
        gc.callbacks.remove(note)

    assert came
    assert "_frames" not in came
