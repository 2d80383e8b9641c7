"""Whoever rings a bell waits for nobody, wherever a handler of signals has stopped who waits for it."""

from __future__ import annotations

import itertools
import threading

import pytest
from tests.lines import AtLine, in_time

from unbreakable import bell as bells
from unbreakable.bell import Bell
from unbreakable.runtime.world import REAL

OURS = {bells.__file__, threading.__file__}


def from_a_thread(work):
    """Do *work* in a thread and wait for it, as a handler of signals may."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join()


@pytest.mark.real
@pytest.mark.parametrize("verb", ["wait", "ring"])
def test_it_can_be_rung_at_every_line_of_who_waits_or_rings(verb):
    """An event of Python's own holds a lock there, and whoever has to set it waits for the handler's end."""
    for at in itertools.count(1):
        bell, told = Bell(), []

        def story(at=at, bell=bell, told=told):
            if verb == "ring":
                threading.Thread(target=lambda: told.append(bell.wait(20.0)), daemon=True).start()
            with AtLine(OURS, lambda: from_a_thread(bell.ring), at) as signal:
                told.append(REAL.wait(bell, 0.01) if verb == "wait" else bell.ring())
            return signal.lines

        if in_time(story) < at:
            break
        assert bell.is_set(), at


@pytest.mark.real
def test_a_ring_is_not_slept_through_wherever_it_comes():
    """Whoever waits is there to be woken before it looks."""
    for at in itertools.count(1):
        bell, began = Bell(), []

        def story(at=at, bell=bell, began=began):
            def ring():
                began.append(REAL.now())
                bell.ring()

            start = REAL.now()
            with AtLine(OURS, ring, at) as signal:
                rang = bell.wait(0.2)
            if began and began[0] - start < 0.1:
                assert (True, True) == (rang, REAL.now() - start < 0.2), at
            return signal.lines

        if in_time(story) < at:
            break
