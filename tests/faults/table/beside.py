"""What becomes of the loops of peers, and of the one that people write themselves, after the same faults."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

from benchmarks._home import make_home, python_of
from tests.faults.table.injecting import Scene, wait_until
from tests.faults.table.outside import OUTSIDE, NotShown
from tests.faults.table.rows import Row

SIDES = {
    "bare": "a loop by hand",
    "apscheduler 3": "APScheduler 3.11.3",
    "apscheduler 4": "APScheduler 4.0.0a6",
    "aiocron": "aiocron 2.1",
}
PROGRAM = Path(__file__).with_name("peers.py")
HOMES = {"faults": "peers_requirements.txt", "faults-4": "peers_requirements_4.txt"}
HOME_OF = {"apscheduler 3": "faults", "apscheduler 4": "faults-4", "aiocron": "faults"}
PATIENCE = 5.0  # seconds after which a loop that has not gone on has stopped
ON_DISK = {"full disk", "read-only disk", "disk errors (EIO)"}


class Peer(Scene):
    """A program of a peer, what it runs in, and what it notes."""

    def _words(self) -> list[str]:
        fault = "from outside" if self.row.outside else self.row.fault
        if self.row.fault in ON_DISK:
            (self.folder / "on disk").touch()
        python = sys.executable if self.level == "bare" else python_of(HOME_OF[self.level])
        return [str(python), "-P", str(PROGRAM), fault, self.level, str(self.folder)]

    def has_gone_on(self) -> bool:
        """Return whether an iteration has begun since, and not only one that was under way."""
        return len(self.notes.after()) >= 2 and self.goes_on()


def make_homes() -> None:
    """Make the environments of the peers, unless they are there."""
    for home, requirements in HOMES.items():
        make_home(home, Path(__file__).with_name(requirements))


def beside(row: Row, side: str) -> str:
    """Return how the loop of that *side* goes on after the fault: how soon, or that it does not."""
    if set(row.levels) == {"run"} or (row.fault in ON_DISK and side != "apscheduler 3"):
        return "–"
    with tempfile.TemporaryDirectory() as folder:
        scene = Peer(row, side, Path(folder).resolve())
        prepared, act = OUTSIDE[row.outside] if row.outside else (None, None)
        try:
            with contextlib.nullcontext() if prepared is None else prepared(scene), scene.running():
                if act is not None:
                    wait_until(lambda: len(scene.notes.times("begin")) > 5)
                    act(scene)
                wait_until(lambda: scene.notes.times("fault"))
                return told(scene)
        except NotShown as reason:
            return f"NOT SHOWN: {reason}"


def told(scene: Peer) -> str:
    """Return what is seen of a program within a few seconds after the fault."""
    if wait_until(scene.has_gone_on, PATIENCE):
        took = scene.notes.after()[0] - scene.notes.times("fault")[0]
        return f"{took * 1000:.0f} ms"
    if scene.process.poll() is not None:
        return "the program ends"
    beside = scene.notes.times("beside")
    late = scene.notes.times("fault")[0] + PATIENCE / 2
    return "stops" if beside and beside[-1] > late else "all loops stop"
