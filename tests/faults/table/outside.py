"""What is done to a program from outside: its processes are killed, its disk and its clock misbehave.

Each needs something that not every machine allows; ``NotShown`` says what was missing.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import mmap
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tests.faults.processes import gone, kill_all

if TYPE_CHECKING:
    from tests.faults.table.injecting import Scene

SHIM = Path(__file__).with_name("shim.c")
YEAR = 365 * 86_400
Act: TypeAlias = "Callable[[Scene], None]"


class NotShown(Exception):
    """Say why a fault cannot be injected on this machine."""


@contextlib.contextmanager
def small_disk(scene: Scene) -> Iterator[None]:
    """Have the state on a disk of its own, of 2 MB."""
    place = scene.folder / "state"
    place.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", os.fsencode(place), b"tmpfs", 0, b"size=2m"):
        raise NotShown(f"mount: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(os.fsencode(place), 2)  # MNT_DETACH


@contextlib.contextmanager
def shimmed(scene: Scene) -> Iterator[None]:
    """Have the program ask a library of ours for the time of day and to write, which does what a page says."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotShown("there is no C compiler")
    library, page = scene.folder / "shim.so", scene.folder / "shim.page"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SHIM, "-ldl"], check=True)
    page.write_bytes(bytes(16))
    scene.environment |= {
        "LD_PRELOAD": str(library),
        "SHIM_PAGE": str(page),
        "SHIM_PATH": str(scene.folder / "state"),
    }
    yield


@contextlib.contextmanager
def cgroup(scene: Scene) -> Iterator[None]:
    """Have a group of processes that may use 150 MB."""
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        place = root / f"unbreakable-{os.getpid()}"
        try:
            place.mkdir()
            (place / limit).write_text(str(150 * 2**20))
        except OSError:
            continue
        scene.group = place / "cgroup.procs"
        try:
            yield
        finally:
            kill_all(scene.folder)
            place.rmdir()
        return
    raise NotShown("no cgroup with a limit of memory may be made here")


def kill_supervisor(scene: Scene) -> None:
    """End the process that starts the worker again."""
    scene.fault()
    os.kill(scene.process.pid, signal.SIGKILL)


def kill_both(scene: Scene) -> None:
    """End the worker, too, when nobody can have noticed the one or the other."""
    worker = scene.notes.worker()
    scene.fault()
    os.kill(worker, signal.SIGKILL)
    os.kill(scene.process.pid, signal.SIGKILL)


def limit_memory(scene: Scene) -> None:
    """Let the worker alone have little memory, and take it."""
    assert scene.group is not None
    scene.group.write_text(str(scene.notes.worker()))
    (scene.folder / "leak").mkdir()


def fill_disk(scene: Scene) -> None:
    """Leave no room where the state is."""
    scene.fault()
    with contextlib.suppress(OSError), (scene.folder / "state" / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def refuse_to_write(error: int, scene: Scene) -> None:
    """Let everything that is written where the state is end in *error*."""
    scene.fault()
    _say(scene, error=error)


def set_clock(scene: Scene) -> None:
    """Let the time of day be a year ago, and a little later in a year."""
    scene.fault()
    _say(scene, offset=-YEAR)
    scene.wait_for_more()
    _say(scene, offset=YEAR)


def damage_state(scene: Scene) -> None:
    """Let a worker that starts find its state file damaged."""
    os.kill(scene.process.pid, signal.SIGSTOP)
    worker = scene.notes.worker()
    os.kill(worker, signal.SIGKILL)
    gone([worker])
    file = scene.folder / "state" / "loops.db"
    with file.open("r+b") as opened:
        for place in range(100, file.stat().st_size, 1000):
            opened.seek(place)
            opened.write(b"\xff\x00\xaa")
    file.with_name(file.name + "-wal").unlink(missing_ok=True)
    scene.fault()
    os.kill(scene.process.pid, signal.SIGCONT)


def _say(scene: Scene, *, offset: int = 0, error: int = 0) -> None:
    with (scene.folder / "shim.page").open("r+b") as file, mmap.mmap(file.fileno(), 16) as page:
        page[:] = struct.pack("qq", offset, error)


OUTSIDE: dict[str, tuple[Callable[[Scene], contextlib.AbstractContextManager[None]] | None, Act]] = {
    "kill supervisor": (None, kill_supervisor),
    "kill both": (None, kill_both),
    "memory limit": (cgroup, limit_memory),
    "fill disk": (small_disk, fill_disk),
    "EROFS": (shimmed, functools.partial(refuse_to_write, errno.EROFS)),
    "EIO": (shimmed, functools.partial(refuse_to_write, errno.EIO)),
    "damage": (None, damage_state),
    "set clock": (shimmed, set_clock),
}
