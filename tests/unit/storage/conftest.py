"""A disk in memory that can be full, fail, and lose its power."""

from __future__ import annotations

import errno
import itertools
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from unbreakable.storage.disk import DISK, Disk
from unbreakable.storage.log import Log
from unbreakable.storage.reading import Gap, Record

BLOCK = 512  # bytes that a device writes in whole or not at all


class File:
    """The content that the system shows, and the one that the device has."""

    def __init__(self, content: bytes = b"") -> None:
        self.now, self.stable = bytearray(content), content

    def after_power_cut(self, dice: random.Random) -> bytes:
        """Return what the device may hold: of what was not synced, each block may be there or not, and the size."""
        size = dice.choice([len(self.stable), len(self.now), dice.randint(0, max(len(self.now), len(self.stable)))])
        size = max(size, len(self.stable)) if len(self.now) >= len(self.stable) else size
        old, new = (bytes(each).ljust(size, b"\0")[:size] for each in (self.stable, self.now))
        return b"".join(dice.choice([old, new])[at : at + BLOCK] for at in range(0, size, BLOCK))


class ModelDisk(Disk):
    """Keep files in memory; ``fail(verb, *numbers)`` lets those calls of a verb fail, counted from now, 1 the next."""

    def __init__(self, names: dict[Path, bytes] | None = None) -> None:
        self.names_now = {path: File(content) for path, content in (names or {}).items()}
        self.names_stable = dict(self.names_now)
        self.changed: list[Path] = []
        self.open_files: dict[int, File] = {}
        self.numbers = itertools.count(100)
        self.calls: Counter[str] = Counter()
        self.failing: dict[str, set[int]] = {}
        self.broken: set[int] = set()  # descriptors that were not synced when asked to
        self.error, self.partly = errno.EIO, 0
        self.room: int | None = None  # bytes for all files together
        self.longest: int | None = None  # bytes for one of them

    def fail(self, verb: str, *numbers: int, error: int = errno.EIO, partly: int = 0) -> None:
        self.error, self.partly = error, partly
        self.failing[verb] = {self.calls[verb] + number for number in numbers}

    def _call(self, verb: str) -> None:
        self.calls[verb] += 1
        if self.calls[verb] in self.failing.get(verb, ()):
            raise OSError(self.error, os.strerror(self.error))

    def power_cut(self, dice: random.Random) -> ModelDisk:
        """Return the disk as it may be when the power is back."""
        names = dict(self.names_stable)
        for path in dict.fromkeys(self.changed):
            if dice.random() < 0.5:
                names.pop(path, None)
                if path in self.names_now:
                    names[path] = self.names_now[path]
        return ModelDisk({path: file.after_power_cut(dice) for path, file in names.items()})

    def copy(self) -> ModelDisk:
        """Return another disk with the same files, all of them stable."""
        return ModelDisk({path: bytes(file.now) for path, file in self.names_now.items()})

    def _open(self, file: File) -> int:
        descriptor = next(self.numbers)
        self.open_files[descriptor] = file
        return descriptor

    def create(self, path):
        self._call("create")
        if path in self.names_now:
            raise FileExistsError(errno.EEXIST, "File exists", str(path))
        self.names_now[path] = File()
        self.changed.append(path)
        return self._open(self.names_now[path])

    def open(self, path):
        self._call("open")
        if path not in self.names_now:
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
        return self._open(self.names_now[path])

    def close(self, descriptor):
        del self.open_files[descriptor]

    def read(self, descriptor, count, at):
        self._call("read")
        return bytes(self.open_files[descriptor].now[at : at + count])

    def write(self, descriptor, data, at):
        file = self.open_files[descriptor]
        try:
            self._call("write")
        except OSError:
            self._put(file, data[: self.partly], at)
            raise
        if self.longest is not None and at + len(data) > self.longest:
            self._put(file, data[: max(0, self.longest - at)], at)
            raise OSError(errno.EFBIG, "File too large")
        if self.room is not None and self._used() + max(0, at + len(data) - len(file.now)) > self.room:
            fits = max(0, self.room - self._used())
            self._put(file, data[:fits], at)
            raise OSError(errno.ENOSPC, "No space left on device")
        self._put(file, data, at)

    def _put(self, file, data, at):
        file.now.extend(bytes(max(0, at - len(file.now))))
        file.now[at : at + len(data)] = data

    def _used(self):
        return sum(len(file.now) for file in self.names_now.values())

    def size(self, descriptor):
        return len(self.open_files[descriptor].now)

    def cut(self, descriptor, size):
        self._call("cut")
        del self.open_files[descriptor].now[size:]

    def sync(self, descriptor):
        assert descriptor not in self.broken, "a descriptor that failed once was asked again"
        try:
            self._call("sync")
        except OSError:
            self.broken.add(descriptor)
            raise
        file = self.open_files[descriptor]
        file.stable = bytes(file.now)

    def sync_folder(self, folder):
        self._call("sync_folder")
        for path in [path for path in self.names_stable if path.parent == folder]:
            del self.names_stable[path]
        self.names_stable |= {path: file for path, file in self.names_now.items() if path.parent == folder}
        self.changed = [path for path in self.changed if path.parent != folder]

    def rename(self, path, target):
        self._call("rename")
        self.names_now[target] = self.names_now.pop(path)
        self.changed += [path, target]

    def remove(self, path):
        self._call("remove")
        if path not in self.names_now:
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
        del self.names_now[path]
        self.changed.append(path)

    def names(self, folder):
        return sorted(path.name for path in self.names_now if path.parent == folder)

    def make_folder(self, folder):
        folder.mkdir(parents=True, exist_ok=True)  # for the lock, which is a real file


@pytest.fixture
def disk():
    """Return a disk in memory."""
    return ModelDisk()


# ── a log on it ─────────────────────────────────────────────────────────────────────────────────────────────────────

SMALL = 64 * 1024  # of a log whose files hold about 20 records each
ALL = 10**9


def opened(folder, disk=DISK, durable=True, log_bytes=SMALL):
    return Log(folder, durable=durable, log_bytes=log_bytes, disk=disk)


def payload(number):
    return f"item {number} ".encode() * 30


def filled(folder, disk, numbers=range(1, 101), **settings):
    """Return a log with these records, all of them on the device."""
    log = opened(folder, disk, **settings)
    for number in numbers:
        log.append(number, 0, payload(number))
    log.sync()
    return log


def killed(log, disk):
    """Let the process that has *log* die, and return the disk as the next one finds it."""
    log._owner.release()
    return disk.copy()


def read_all(log, upto=ALL):
    found = []
    while more := log.read(ALL, upto):
        found += more
    return found


def contents(log):
    """Return the numbers that are read, and the gaps; no payload may be wrong."""
    found = read_all(log)
    records = [each for each in found if isinstance(each, Record)]
    assert all(payload(record.number) == record.payload for record in records)
    return [record.number for record in records], [(gap.first, gap.last) for gap in found if isinstance(gap, Gap)]


def after(log, disk):
    """Return what the next process reads after this one was killed."""
    log = opened(log.folder, killed(log, disk))
    try:
        return contents(log)
    finally:
        log.close()


def segments(disk):
    return sorted(path for path in disk.names_now if path.suffix == ".segment")


def place_of(disk, number):
    """Return the file in which the record is, where it begins there, and its length."""
    for path in segments(disk):
        content = bytes(disk.names_now[path].now)
        at = content.find(payload(number))
        if at >= 0:
            return path, at - 28, 28 + len(payload(number))
    raise LookupError(number)
