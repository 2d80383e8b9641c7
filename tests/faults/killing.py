"""A program of which the worker, or its supervisor, is killed at any moment, and what it must not lose by that."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.processes import at_work_in, gone, supervisors
from tests.faults.test_run_command import running, wait_until

from unbreakable.loops.checkpoint import Checkpoint, checkpoint_from

INTERVAL = 0.01
PROGRAM = """
import os
import time
import unbreakable as ub

def count(ctx):
    n = ctx.state.get("n", 0)
    with open("effects.txt", "a") as file:
        file.write(f"{os.getpid()} {time.monotonic()} {ctx.iteration} {ctx.tick.number} {n}\\n")
    ctx.state["n"] = n + 1

engine = ub.QuantumLoopEngine("state.db")
engine.create_loop(count, name="count", interval=INTERVAL, durability=DURABILITY)
"""
FATES = {"run", "skipped_missed", "skipped_overlap", "interrupted"}
LATE = 2.0  # seconds by which a machine with other work may have an iteration begin
SOON = 0.02  # seconds at most between two kills that belong together
LONGEST = 0.5  # seconds from the first sign of a worker to its death


class Begun(NamedTuple):
    """Say which process began an iteration, when, of which tick, and the count that it found."""

    pid: int
    at: float
    iteration: int
    tick: int
    n: int


class Killed(NamedTuple):
    """Hold what was begun, what the file holds after the end, and from each kill the seconds to the next iteration.

    ``left`` are processes that were still there after the end, ``whom`` says who was killed.
    """

    begun: list[Begun]
    place: Checkpoint
    state: dict[str, Any]
    took: list[float]
    left: list[int]
    whom: list[str]


class Reader:
    """Read what was begun in *folder*, as it grows."""

    def __init__(self, folder: Path) -> None:
        self.rows: list[Begun] = []
        self._path, self._place = folder / "effects.txt", 0

    def read(self) -> list[Begun]:
        """Return all that was begun so far."""
        if self._path.exists():
            with self._path.open() as file:
                file.seek(self._place)
                text = file.read()
            whole = text[: text.rfind("\n") + 1]
            self._place += len(whole)
            for line in whole.splitlines():
                pid, at, iteration, tick, n = line.split()
                self.rows.append(Begun(int(pid), float(at), int(iteration), int(tick), int(n)))
        return self.rows


def killed(folder: Path, times: int, durability: str, seed: int, victims: Sequence[str] = ("worker",)) -> Killed:
    """Run the program in *folder*, kill somebody so many *times*, end it in good order, and return what was seen.

    Who it is is drawn from *victims*: "worker", "supervisor", "both", one soon after the other, or "deputy".
    """
    dice, reader, whom, took = random.Random(seed), Reader(folder), [], []
    program = PROGRAM.replace("DURABILITY", repr(durability)).replace("INTERVAL", repr(INTERVAL))
    with running(folder, program):
        wait_until(reader.read)
        for _ in range(times):
            until = time.monotonic() + dice.uniform(0.0, LONGEST)
            wait_until(lambda until=until: time.monotonic() > until)
            whom.append(dice.choice(victims))
            took.append(_kill(whom[-1], dice, folder, reader))
        before = len(reader.read())
        wait_until(lambda: len(reader.read()) > before + 3)
        everybody = at_work_in(folder)
        os.kill(supervisors(folder)[0], signal.SIGTERM)
        gone(everybody, 30.0)
        left = at_work_in(folder)
    return Killed(reader.read(), *kept(folder), took, left, whom)


def _kill(whom: str, dice: random.Random, folder: Path, reader: Reader) -> float:
    """Kill who that is now; return the seconds to the next iteration."""
    heads: list[int] = []
    while whom != "worker" and len(heads) != 2:  # the deputy of a supervisor that is dead first has one itself
        heads = supervisors(folder)
    worker, died = reader.read()[-1].pid, time.monotonic()
    pids = {"worker": [worker], "supervisor": heads[:1], "deputy": heads[1:], "both": [worker, *heads[:1]]}[whom]
    dice.shuffle(pids)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # a deputy was replaced at this moment
            os.kill(pid, signal.SIGKILL)
        wait = time.monotonic() + dice.choice([0.0, dice.uniform(0.0, SOON)])
        wait_until(lambda wait=wait: time.monotonic() > wait)
    others = {worker} if worker in pids else set()
    wait_until(lambda: reader.read()[-1].at > died and reader.rows[-1].pid not in others)
    return next(row.at for row in reader.rows if row.at > died and row.pid not in others) - died


def kept(folder: Path) -> tuple[Checkpoint, dict[str, Any]]:
    """Return what the file holds after the end."""
    connection = sqlite3.connect(folder / "state.db")
    (place,) = connection.execute("SELECT text FROM loop ORDER BY seq DESC LIMIT 1").fetchone()
    (state,) = connection.execute("SELECT text FROM loop_state ORDER BY seq DESC LIMIT 1").fetchone()
    connection.close()
    return checkpoint_from(place), json.loads(state)


def lost(seen: Killed) -> list[str]:
    """Return what was lost, or has no fate: nothing, if the promise holds.

    What an iteration has left is promised once the next one has begun.
    """
    wrong = []
    for row, following in itertools.pairwise(seen.begun):
        expected = {row.n + 1} if row.pid == following.pid else {row.n, row.n + 1}
        if not (row.iteration < following.iteration and row.tick < following.tick and following.n in expected):
            wrong.append(f"{row} was followed by {following}")
    if len(turns := [pid for pid, _ in itertools.groupby(row.pid for row in seen.begun)]) != len(set(turns)):
        wrong.append("two workers were at work at once")
    wrong += [f"process {pid} was left behind" for pid in seen.left]
    place = seen.place
    ended = sum(place.counts.values()) + sum(past - first for first, past in place.waiting)
    if seen.state["n"] < seen.begun[-1].n:
        wrong.append(f"the state was {seen.begun[-1].n} and is {seen.state['n']}")
    if (place.seen, place.at_work) != (ended, None):
        wrong.append(f"{ended} of {place.seen} ticks have a fate, or wait for their turn")
    first, last = seen.begun[0], seen.begun[-1]
    ticks, seconds = last.tick - first.tick, last.at - first.at
    if abs(ticks - seconds / INTERVAL) > LATE / INTERVAL or ended <= last.tick:
        wrong.append(f"there were {ticks} ticks in {seconds:.1f} s, and {ended} in all")
    if strange := {fate for fate, count in place.counts.items() if count} - FATES:
        wrong.append(f"ticks ended as {strange}")
    return wrong
