"""A worker of `unbreakable run` is killed at any moment, again and again: what its loop was told is kept, is there."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from tests.faults.test_run_command import running, wait_until

from unbreakable.loops.checkpoint import Checkpoint, checkpoint_from

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name != "posix", reason="a supervisor is POSIX's")]

COUNTING = """
import os
import unbreakable as ub

def count(ctx):
    n = ctx.state.get("n", 0)
    with open("effects.txt", "a") as file:
        file.write(f"{os.getpid()} {ctx.iteration} {ctx.tick.number} {n}\\n")
    ctx.state["n"] = n + 1

engine = ub.QuantumLoopEngine("state.db")
engine.create_loop(count, interval=0.01, durability=DURABILITY)
"""
FATES = {"run", "skipped_missed", "skipped_overlap", "interrupted"}


def begun(folder: Path) -> list[list[int]]:
    """Return process, iteration, tick and state of each iteration that was begun."""
    try:
        lines = (folder / "effects.txt").read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [[int(word) for word in line.split()] for line in lines if line.endswith("\n")]


def kept(folder: Path) -> tuple[Checkpoint, dict[str, Any]]:
    """Return what the file holds after the end."""
    connection = sqlite3.connect(folder / "state.db")
    (place,) = connection.execute("SELECT text FROM loop ORDER BY seq DESC LIMIT 1").fetchone()
    (state,) = connection.execute("SELECT text FROM loop_state ORDER BY seq DESC LIMIT 1").fetchone()
    connection.close()
    return checkpoint_from(place), json.loads(state)


def kill_again_and_again(folder: Path, times: int, durability: str, dice: random.Random) -> float:
    """Return for how many seconds the program ran, killed *times*."""
    began = time.monotonic()
    with running(folder, COUNTING.replace("DURABILITY", repr(durability))) as process:
        for _ in range(times):
            before = len(begun(folder))
            wait_until(lambda before=before: len(begun(folder)) > before)
            until = time.monotonic() + dice.uniform(0.0, 0.1)
            wait_until(lambda until=until: time.monotonic() > until)
            os.kill(begun(folder)[-1][0], signal.SIGKILL)
        before = len(begun(folder))
        wait_until(lambda: len(begun(folder)) > before + 3)
        process.terminate()
        process.wait(30)
    return time.monotonic() - began


@pytest.mark.parametrize("durability", ["process", "durable"])
def test_nothing_that_was_kept_is_lost_and_every_tick_is_accounted_for(tmp_path, durability):
    """The next process begins with what the latest iteration has left, on the same grid, and no tick has no fate."""
    seconds = kill_again_and_again(tmp_path, 3, durability, random.Random(1))
    rows, (place, state) = begun(tmp_path), kept(tmp_path)

    assert 4 == len({pid for pid, *_ in rows})
    for (pid, iteration, tick, n), (next_pid, next_iteration, next_tick, next_n) in itertools.pairwise(rows):
        assert (iteration < next_iteration, tick < next_tick) == (True, True)
        assert next_n == n + 1 if next_pid == pid else next_n in {n, n + 1}
    assert state["n"] >= rows[-1][3]
    ended = sum(place.counts.values())
    assert (place.seen, None, []) == (ended, place.at_work, place.waiting)
    assert ended == pytest.approx(seconds / 0.01, abs=200)
    assert {fate for fate, count in place.counts.items() if count} <= FATES
    assert place.counts["interrupted"] <= 4
