"""Loops of a group in processes of their own: what becomes of the others when one of these dies."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys

import pytest
from tests.faults.conftest import Notes
from tests.faults.processes import is_alive

from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what lives")]

FAST = {"isolation": "process", "interval": 0.05, "effects": "once", "quantum_mode": False}


async def come_true(runtime, condition):
    """Wait until *condition* holds; fail if it does not in time."""
    end = runtime.now() + 20.0
    while not condition():
        assert runtime.now() < end, "it did not come true in time"
        await runtime.sleep(0.01)


class Play:
    """A group of three loops, each of which tells in a file of its own which process runs it."""

    def __init__(self, engine, operation, folder, **settings):
        self.group, self.notes = engine.create_group("family", **settings), {n: Notes(folder / n) for n in "abc"}
        self.loops = [
            engine.create_loop(functools.partial(operation, str(each)), name=name, group=self.group, **FAST)
            for name, each in self.notes.items()
        ]

    def pids(self):
        """Return the number of each loop's latest process."""
        return {name: each.pids()[-1] if each.lines() else 0 for name, each in self.notes.items()}

    async def kill(self, runtime, victim, replaced):
        """Kill the process of one loop; return those of all, before and after, when so many were replaced."""
        for loop in self.loops:
            loop.start()
        await come_true(runtime, lambda: all(self.pids().values()))
        before = self.pids()
        os.kill(before[victim], signal.SIGKILL)
        await come_true(runtime, lambda: all(self.pids()[name] != before[name] for name in replaced))
        await runtime.sleep(0.2)  # and nobody else
        return before, self.pids()


@pytest.mark.parametrize(
    ("runtime", "strategy", "replaced"),
    [(ASYNCIO, "one_for_all", "abc"), (ASYNCIO, "rest_for_one", "bc"), (BLOCKING, "rest_for_one", "bc")],
    ids=["all, on an event loop", "the rest, on an event loop", "the rest, in threads"],
)
def test_the_death_of_a_worker_is_a_restart(engine, operations, tmp_path, runtime, strategy, replaced):
    """Those that belong to it have processes of their own anew; the others keep theirs, and nothing is left over."""
    play = Play(engine, operations.tell_pid, tmp_path, strategy=strategy)

    async def story():
        before, after = await play.kill(runtime, "b", replaced)
        await come_true(runtime, lambda: not any(is_alive(before[name]) for name in replaced))
        group, loops = play.group.get_status(), [loop.get_status() for loop in play.loops]
        if runtime is ASYNCIO:
            await engine.aclose(0.5)
        return before, after, group, loops

    before, after, group, loops = asyncio.run(story()) if runtime is ASYNCIO else run_blocking(story())

    assert set(replaced) == {name for name in "abc" if before[name] != after[name]}
    assert [int(name in replaced) for name in "abc"] == [loop.restarts for loop in loops]
    assert (1, 0) == (group.restarts, group.escalations)
    assert group.latest_restart.startswith("loop b: its worker was replaced")
    assert all(loop.ledger.failed + loop.ledger.healed <= 1 and loop.ledger.interrupted <= 1 for loop in loops)
    assert all(loop.ledger.total == sum(n for _, n in loop.ledger.items()) - loop.ledger.pending for loop in loops)


def test_a_worker_that_dies_again_and_again_ends_in_survival(engine, operations, tmp_path):
    """All of the group are slow then, and go on."""
    play = Play(engine, operations.tell_pid, tmp_path, strategy="one_for_all", max_restarts=2)

    def kill_again():
        with contextlib.suppress(ProcessLookupError):
            os.kill(play.pids()["b"], signal.SIGKILL)
        return play.group.get_status().escalations

    async def story():
        await play.kill(BLOCKING, "b", "abc")
        await come_true(BLOCKING, kill_again)
        return play.group.get_status(), [loop.get_status().state.value for loop in play.loops]

    group, states = run_blocking(story())
    assert (3, 1) == (group.restarts, group.escalations)
    assert ["running"] * 3 == states
    run_blocking(come_true(BLOCKING, lambda: not play.group.get_status().surviving))
    assert all(is_alive(pid) for pid in play.pids().values())
