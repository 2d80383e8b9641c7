"""A durable loop outlives power cuts: what was acknowledged is on the disk, and every tick has one fate.

    ./dev lab power-cut [CUTS]

The loop writes on a file system of its own, ext4 in a file.  At a random moment its process is stopped, and that file
is copied: in the copy is what the file system had handed to its device, and nothing that was still in memory.  The
program then begins anew on the copy.  Acknowledged is the state of an iteration as soon as the next one has begun,
which says so through a pipe.  "process" promises nothing here, and is cut for comparison.

Only root may mount, on a machine that has loop devices: elsewhere this is NOT SHOWN.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CUTS = 20
SIZE = 24 << 20  # bytes of the file system
PATIENCE = 60.0  # seconds for a program to say something
PROGRAM = """
import os, sys, threading
import unbreakable as ub
from unbreakable.runtime import BLOCKING

def count(ctx):
    n = ctx.state.get("n", 0)
    due = lambda: ctx.tick.number + 1 + int((BLOCKING.now() - ctx.tick.nominal) / 0.01)
    least, ledger, most = due(), loop.get_status().ledger, due()
    told = ledger.total + ledger.pending
    words = ctx.iteration, ctx.tick.number, n, max(0, least - told, told - most), ctx.tick.epoch
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
    ctx.state["n"] = n + 1

loop = ub.QuantumLoopEngine(sys.argv[1]).create_loop(count, interval=0.01, durability=sys.argv[2])
loop.start()
threading.Event().wait()
"""


class Begun(NamedTuple):
    """What an iteration found when it began; by *unaccounted* ticks the ledger differs from those that there were."""

    iteration: int
    tick: int
    state: int
    unaccounted: int
    epoch: str


class NotShown(Exception):
    """This machine does not allow it, for this reason."""


def run(*command: str) -> None:
    """Run *command*; raise NotShown where it fails."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NotShown(f"there is no {command[0]}") from None
    except subprocess.CalledProcessError as error:
        raise NotShown(f"{command[0]} failed: {error.stderr.strip()}") from None


@contextlib.contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """Have the file system in *image* at the place that is returned."""
    place = image.with_suffix(".mounted")
    place.mkdir(exist_ok=True)
    run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        run("umount", str(place))


@contextlib.contextmanager
def program(place: Path, durability: str) -> Iterator[subprocess.Popen[bytes]]:
    """Have the program run with its state at *place*; it is killed in the end."""
    command = (sys.executable, "-c", PROGRAM, str(place / "state.db"), durability)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=place.parent)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[bytes], seconds: float) -> list[Begun]:
    """Return what the program says within *seconds* of its first word."""
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    text, until = b"", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        more = process.stdout.read()
        if more and not text:
            until = time.monotonic() + seconds
        text += more or b""
        time.sleep(0.002)
    lines = [line.split() for line in text.decode().splitlines(keepends=True) if line.endswith("\n")]
    return [Begun(*map(int, words[:4]), words[4]) for words in lines]


def copied(image: Path, to: Path) -> None:
    """Copy *image* as it is at one moment: the file system may still be writing what it had begun."""
    while True:
        shutil.copyfile(image, to)
        if to.read_bytes() == image.read_bytes():
            return


def cut(folder: Path, durability: str, dice: random.Random) -> tuple[Begun, Begun]:
    """Return the last iteration that was begun before a power cut, and the first one after it."""
    image, copy = folder / "disk", folder / "copy"
    image.write_bytes(b"")
    os.truncate(image, SIZE)
    run("mkfs.ext4", "-q", "-F", str(image))
    with mounted(image) as place, program(place, durability) as process:
        before = said(process, dice.uniform(0.05, 1.0))
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        before += said_at_last(process)
        copied(image, copy)
    with mounted(copy) as place, program(place, durability) as process:
        return before[-1], said(process, 0.0)[0]


def said_at_last(process: subprocess.Popen[bytes]) -> list[Begun]:
    """Return what is still in the pipe of a process that was stopped."""
    assert process.stdout is not None
    lines = [line.split() for line in (process.stdout.read() or b"").decode().splitlines() if len(line.split()) == 5]
    return [Begun(*map(int, words[:4]), words[4]) for words in lines]


def trouble(before: Begun, after: Begun) -> str | None:
    """Say what was lost, None if nothing that was acknowledged was."""
    if after.state < before.state:
        return f"{before.state - after.state} states were lost"
    if after.epoch != before.epoch or after.tick <= before.tick:
        return f"tick {before.tick} had begun, and tick {after.tick} was next"
    if after.unaccounted > 1:  # a grid is exact to a microsecond, and so may be one of its ticks
        return f"{after.unaccounted} ticks are not accounted for when tick {after.tick} begins"
    return None


def main() -> int:
    """Cut the power again and again; return 1 when something was lost."""
    cuts, dice, is_good = int(sys.argv[1]) if len(sys.argv) > 1 else CUTS, random.Random(1), True
    for durability, promised in (("durable", True), ("process", False)):
        lost = []
        for _ in range(cuts if promised else max(1, cuts // 4)):
            with tempfile.TemporaryDirectory() as folder:
                try:
                    lost.append(trouble(*cut(Path(folder), durability, dice)))
                except NotShown as reason:
                    print(f"NOT SHOWN: {reason}")
                    return 0 if os.geteuid() or "permi" in str(reason) else 1
        found = [each for each in lost if each]
        is_good = is_good and not (promised and found)
        promise = "" if promised else ", which is not promised"
        told = f"{durability}: {len(lost)} power cuts, {len(found)} with a loss{promise}"
        print(told, *found, sep="\n  ", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
