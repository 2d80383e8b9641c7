"""A signal may come in the middle of the start of a loop: then it runs, and can be stopped, or it does not."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.interrupted import Interrupted

from unbreakable.loops import QuantumLoopEngine
from unbreakable.runtime import BLOCKING

EACH = 3  # of the places where a signal may come, one of so many is looked at


def started(loop, begun):
    """Start the loop, and wait until it has begun once more."""
    before = len(begun)
    loop.start()
    while len(begun) == before:
        BLOCKING.world.sleep(0.001)


def interrupted_everywhere(place):
    """Start loops, kept at *place* if it is one, and interrupt each at another place of our code."""
    begun = []
    for at in range(1, 10_000, EACH):
        loop = QuantumLoopEngine(place).create_loop(lambda: begun.append(1), interval=0.0005)
        with Interrupted(KeyboardInterrupt, at) as signal, contextlib.suppress(KeyboardInterrupt):
            loop.start()
        assert loop.stop_sync()
        started(loop, begun)
        assert loop.aclose_sync()
        if not signal.came:
            return True
    return False


@pytest.mark.parametrize("place", [None, "state.db"])
def test_a_start_that_is_interrupted_leaves_nothing_that_nobody_can_stop(tmp_path, place):
    """Wherever Ctrl-C comes up in it, the loop can be ended and started again, and its name in the file is free."""
    with ThreadPoolExecutor(1) as thread:  # Python goes on to handle there what it was handling when it was interrupted
        assert thread.submit(interrupted_everywhere, place and tmp_path / place).result()


def test_a_loop_that_has_begun_by_then_ends(monkeypatch, tmp_path):
    """A signal comes as the loop's thread has just begun to iterate."""
    begun, carry = threading.Event(), BLOCKING.world.carry
    loop = QuantumLoopEngine(tmp_path).create_loop(begun.set, interval=0.0005)

    def carry_and_be_interrupted(work, name):
        carry(work, name)
        assert begun.wait(10)
        raise KeyboardInterrupt

    monkeypatch.setattr(BLOCKING.world, "carry", carry_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.start()
    loop.wait_sync()

    assert ("stopped", None) == (loop.get_status().state, loop.get_status().state_trouble)
