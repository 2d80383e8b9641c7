"""A worker that takes more and more memory is replaced in good order, before the kernel kills it or somebody else.

What counts is growth: a program that needs most of the machine from its beginning is left alone, and so is, from its
second worker on, one that comes to need it within a minute: the next one would, too, and be replaced for ever.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from unbreakable.runtime import BLOCKING

EVERY = 0.5  # seconds between two looks
SETTLED = 5.0  # seconds after which what a worker takes is held to be what its program needs
GROWN = 1.5  # times that
SOON = 60.0  # seconds within which growth may be what the program needs, such as a model or a cache that it loads
SHARE = 0.85  # of what it may take at most
UNLIMITED = 2**60  # bytes; cgroups of the first version say so of no limit


class Memory:
    """Look what process *pid* takes; *most* is how many bytes it may, None for what the machine or its cgroup has."""

    needed_soon = 0  #: bytes that a worker before was replaced for soon after its beginning

    def __init__(self, pid: int, most: int | None = None) -> None:
        self._pid, self._is_asked = pid, most is not None
        self._most = most or int(SHARE * limit())
        self._began = self._looked_at = BLOCKING.now()
        self._needs: int | None = None

    def look(self) -> str:
        """Return why it is to be replaced, nothing if it is not."""
        now = BLOCKING.now()
        if now - self._looked_at < EVERY:
            return ""
        self._looked_at, taken = now, resident(self._pid)
        if self._needs is None and now - self._began >= SETTLED:
            self._needs = taken
        if taken <= self._most or not (self._is_asked or self._has_grown(taken)):
            return ""
        if not self._is_asked and now - self._began < SOON:
            Memory.needed_soon = taken
        return f"takes {_told(taken)} of memory, and may take {_told(self._most)}"

    def _has_grown(self, taken: int) -> bool:
        return self._needs is not None and taken > GROWN * max(self._needs, self.needed_soon)


def resident(pid: int) -> int:
    """Return how many bytes of memory process *pid* takes that no file stands for, 0 where nobody tells."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        _, pages, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_bytes().split())
        return (pages - shared) * os.sysconf("SC_PAGE_SIZE")
    return 0


def limit(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Return how many bytes this process and those that it starts may take together: of the machine, or its cgroup."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                found += _limits(root / "memory", path, "memory.limit_in_bytes")
            elif not controllers:
                found += _limits(root, path, "memory.max")
    return min(found)


def _limits(root: Path, path: str, name: str) -> list[int]:
    """Return the limits of a cgroup and of all that it is in, as far as they can be seen from here."""
    place, limits = root / path.lstrip("/"), []
    for folder in (place, *place.parents):
        if folder.is_relative_to(root):
            with contextlib.suppress(OSError, ValueError):  # "max" is no number
                limits.append(int((folder / name).read_text()))
    return [each for each in limits if each < UNLIMITED]


def _told(size: int) -> str:
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
