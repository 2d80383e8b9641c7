"""The few things that a log asks of the file system, each of which may fail."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl

    FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)  # macOS
except ImportError:
    FULL_SYNC = None


class Disk:
    """The machine's own file system; every method raises OSError when it refuses."""

    def create(self, path: Path) -> int:
        """Return a descriptor of the new file at *path*."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)

    def open(self, path: Path) -> int:
        """Return a descriptor of the file at *path*."""
        return os.open(path, os.O_RDWR)

    def close(self, descriptor: int) -> None:
        """Let go of *descriptor*; what closing has to say comes too late to be of use."""
        try:
            os.close(descriptor)
        except OSError:
            return

    def read(self, descriptor: int, count: int, at: int) -> bytes:
        """Return up to *count* bytes from offset *at* on, fewer only at the end of the file."""
        parts = []
        while count > 0 and (part := os.pread(descriptor, count, at)):
            parts.append(part)
            count, at = count - len(part), at + len(part)
        return b"".join(parts)

    def write(self, descriptor: int, data: bytes, at: int) -> None:
        """Write all of *data* at offset *at*."""
        written = os.pwrite(descriptor, data, at)
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], at + written)

    def size(self, descriptor: int) -> int:
        """Return the size of the file in bytes."""
        return os.fstat(descriptor).st_size

    def cut(self, descriptor: int, size: int) -> None:
        """Cut the file down to *size* bytes."""
        os.ftruncate(descriptor, size)

    def sync(self, descriptor: int) -> None:
        """Return once the file's content is on the device; after an OSError never ask the same descriptor again."""
        if FULL_SYNC is None:
            os.fdatasync(descriptor)
        else:
            fcntl.fcntl(descriptor, FULL_SYNC)

    def sync_folder(self, folder: Path) -> None:
        """Return once the names in *folder* are on the device."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, path: Path, target: Path) -> None:
        """Give the file at *path* the name *target*, in place of what has that name."""
        path.replace(target)

    def remove(self, path: Path) -> None:
        """Remove the file at *path*."""
        path.unlink()

    def names(self, folder: Path) -> list[str]:
        """Return the names in *folder*, in order."""
        return sorted(path.name for path in folder.iterdir())

    def make_folder(self, folder: Path) -> None:
        """Make *folder* and those above it, unless they are there."""
        folder.mkdir(parents=True, exist_ok=True)


DISK = Disk()
