"""A fault is injected into a real program, and what becomes of its loops is looked at."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.processes import at_work_in, gone, kill_all, supervisors
from tests.faults.table.faulty import INTERVAL, note
from tests.faults.table.outside import OUTSIDE
from tests.faults.table.rows import Row
from tests.nursery import SOURCE

from unbreakable.loops.checkpoint import Checkpoint, checkpoint_from

ROOT = Path(__file__).parents[3]
PROGRAM = """
from tests.faults.table import faulty

engine = faulty.engine({fault!r}, {level!r}, {folder!r})
"""
PATIENCE = 20.0  # seconds for what is to happen at all
WARM = 100  # iterations before something is done from outside


class Injection(NamedTuple):
    """Hold what was seen of one fault: seconds to the next iteration, None if the loop does not go on.

    ``gap`` is the longest time between two iterations of the loop beside; ``ledger`` says what does not add up, if
    anything does not.
    """

    next: float | None
    gap: float | None
    ledger: str


class Notes:
    """Read what a program notes in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "notes.txt"

    def all(self) -> list[tuple[str, int, float]]:
        """Return what happened, where, and when."""
        try:
            lines = self._path.read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        whole = [line.split() for line in lines if line.endswith("\n")]
        return [(what, int(pid), float(at)) for what, pid, at in whole]

    def times(self, what: str) -> list[float]:
        """Return when it happened."""
        return [at for kind, _, at in self.all() if kind == what]

    def worker(self) -> int:
        """Return the process that runs the iterations."""
        return next(pid for what, pid, _ in reversed(self.all()) if what == "begin")

    def after(self) -> list[float]:
        """Return when iterations began after the fault."""
        faults = self.times("fault")
        return [at for at in self.times("begin") if at > faults[0]] if faults else []


class Scene:
    """A program, what it runs in, and what it notes."""

    def __init__(self, row: Row, level: str, folder: Path) -> None:
        self.row, self.level, self.folder, self.notes = row, level, folder, Notes(folder)
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join([SOURCE, str(ROOT)])}
        self.group: Path | None = None
        self.process: subprocess.Popen[bytes]

    def fault(self) -> None:
        """Note that it is injected now."""
        note(str(self.folder), "fault")

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start the program; whatever happens, no process of it is left."""
        with (self.folder / "said.txt").open("wb") as said:
            self.process = subprocess.Popen(
                self._words(),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            yield
        finally:
            kill_all(self.folder)
            self.process.wait()

    def wait_for_more(self, iterations: int = 15) -> None:
        """Wait until so many more have begun."""
        before = len(self.notes.times("begin"))
        wait_until(lambda: len(self.notes.times("begin")) >= before + iterations)

    def goes_on(self) -> bool:
        """Return whether an iteration began so late that the fault must have had its effect."""
        after = self.notes.after()
        return bool(after) and after[-1] > self.notes.times("fault")[0] + self.row.lasts

    def _words(self) -> list[str]:
        fault = "from outside" if self.row.outside else self.row.fault
        if not self.level.startswith("run"):
            program = Path(__file__).with_name("faulty.py")
            return [sys.executable, "-P", str(program), fault, self.level, str(self.folder)]
        program = self.folder / "program.py"
        program.write_text(PROGRAM.format(fault=fault, level=self.level, folder=str(self.folder)))
        return [sys.executable, "-P", "-m", "unbreakable", "run", str(program)]

    def end(self) -> None:
        """Ask for its end, whoever supervises it by now, and wait for that."""
        pids = at_work_in(self.folder)
        if self.level == "run":
            os.kill(supervisors(self.folder)[0], signal.SIGTERM)
        else:
            self.process.terminate()
        gone(pids, PATIENCE)


def injected(row: Row, level: str, folder: Path) -> Injection:
    """Run the program of *row* at *level* with its files in *folder*, to its end; return what was seen.

    Raises NotShown where this machine does not let the fault be injected.
    """
    scene = Scene(row, level, folder)
    prepared, act = OUTSIDE[row.outside] if row.outside else (None, None)
    with contextlib.nullcontext() if prepared is None else prepared(scene):
        with scene.running():
            if act is not None:
                wait_until(lambda: len(scene.notes.times("begin")) > WARM)
                act(scene)
            wait_until(lambda: scene.notes.times("fault"))
            wait_until(scene.goes_on)
            scene.end()
        return seen(scene)


def seen(scene: Scene) -> Injection:
    """Return what the notes and the file of a program that has ended tell."""
    notes = scene.notes
    fault, after, beside = notes.times("fault")[0], notes.after(), notes.times("beside")
    gaps = [later - sooner for sooner, later in itertools.pairwise(beside) if later > fault]
    return Injection(after[0] - fault if scene.goes_on() else None, max(gaps, default=None), misfit(scene))


def misfit(scene: Scene) -> str:
    """Say what does not add up: every tick that there was has one fate, as the program says, and as its file does."""
    told = scene.folder / "ledger.json"
    if not told.exists():
        return "the program did not end in good order"
    ledger = json.loads(told.read_text())
    if ledger["ticks"] != (counted := sum(ledger.values()) - ledger["ticks"]):
        return f"{counted} of {ledger['ticks']} ticks are accounted for"
    return "" if scene.row.spoils_state else misfit_of_file(scene)


def misfit_of_file(scene: Scene) -> str:
    """Say what does not add up in what is kept of the faulty loop."""
    place = kept(scene.folder)
    if place is None:
        return "nothing is kept"
    waiting = sum(past - first for first, past in place.waiting) + (place.at_work is not None)
    counted, ticks = sum(place.counts.values()) + waiting, place.seen
    if counted != ticks:
        return f"{counted} of {ticks} ticks are accounted for in the file"
    if scene.row.moves_clock:
        return ""
    origin = place.origin - (time.time() - time.monotonic())
    least, most = (scene.notes.times("begin")[-1] - origin) / INTERVAL, (place.wall - place.origin) / INTERVAL + 2
    return "" if least <= ticks <= most else f"{ticks} ticks are in the file, and there were {least:.1f} to {most:.1f}"


def kept(folder: Path) -> Checkpoint | None:
    """Return where the faulty loop stood last, as its file says."""
    with contextlib.closing(sqlite3.connect(folder / "state" / "loops.db")) as connection:
        rows = connection.execute("SELECT text FROM loop WHERE name = 'faulty' ORDER BY seq DESC LIMIT 1").fetchall()
    return checkpoint_from(rows[0][0]) if rows else None


def wait_until(fact, seconds: float = PATIENCE) -> bool:
    """Wait for a fact; return whether it came in time."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def baseline(times: int = 5) -> float:
    """Return how long it takes, at the median, from the death of a process to the first word of the next one.

    The death is noticed by its pidfd; the next one is forked from here.
    """
    took = []
    for _ in range(times):
        child = os.fork()
        if child == 0:
            signal.pause()
        watch = os.pidfd_open(child)
        began = time.monotonic()
        os.kill(child, signal.SIGKILL)
        select.select([watch], [], [])
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, b"!")
            os._exit(0)
        os.read(reader, 1)
        took.append(time.monotonic() - began)
        os.waitpid(-1, 0), os.waitpid(-1, 0)
        for each in (watch, reader, writer):
            os.close(each)
    return sorted(took)[times // 2]
