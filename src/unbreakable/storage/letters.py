"""What somebody has to look at is kept in a file of its own, until somebody has."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from unbreakable.storage.disk import DISK, Disk
from unbreakable.storage.frame import Frame, encode, parse
from unbreakable.storage.trouble import explained

SUFFIX = ".letter"
UNFINISHED = ".new"
NAME = re.compile(r"[0-9a-z-]{1,100}")
LENGTH = 4  # bytes that say how long the head is


class Letters:
    """Keep letters, each a *head* and a *payload* under a name of small letters, digits and dashes, in *folder*.

    What ``add`` returned from is there after a crash; with *durable* also after a power cut.  ``names`` are those that
    are there, in order.  Every method raises StateError.
    """

    def __init__(self, folder: Path, *, durable: bool, disk: Disk = DISK) -> None:
        self.folder, self._durable, self._disk = folder, durable, disk
        with self._explained():
            disk.make_folder(folder)
            found = disk.names(folder)
            for name in found:
                if name.endswith(SUFFIX + UNFINISHED):
                    disk.remove(folder / name)
        stems = (name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))
        self.names: dict[str, None] = {stem: None for stem in stems if NAME.fullmatch(stem)}

    def add(self, name: str, head: bytes, payload: bytes) -> None:
        """Keep a letter."""
        data = encode(0, 0, b"".join((len(head).to_bytes(LENGTH, "little"), head, payload)), 0)
        path = self.folder / (name + SUFFIX)
        unfinished = path.with_name(path.name + UNFINISHED)
        with self._explained():
            with contextlib.suppress(FileNotFoundError):
                self._disk.remove(unfinished)
            descriptor = self._disk.create(unfinished)
            try:
                self._disk.write(descriptor, data, 0)
                if self._durable:
                    self._disk.sync(descriptor)
                self._disk.rename(unfinished, path)
            finally:
                self._disk.close(descriptor)
            self.names[name] = None
            self._sync()

    def read(self, name: str) -> tuple[bytes, bytes] | None:
        """Return the head and the payload of a letter; None for one that is damaged or not there."""
        with self._explained():
            try:
                descriptor = self._disk.open(self.folder / (name + SUFFIX))
            except FileNotFoundError:
                return None
            try:
                found = parse(self._disk.read(descriptor, self._disk.size(descriptor), 0), 0, 0)
            finally:
                self._disk.close(descriptor)
        if not isinstance(found, Frame):
            return None
        start = LENGTH + int.from_bytes(found.payload[:LENGTH], "little")
        return found.payload[LENGTH:start], found.payload[start:]

    def remove(self, name: str) -> None:
        """Keep a letter no longer."""
        with self._explained():
            with contextlib.suppress(FileNotFoundError):
                self._disk.remove(self.folder / (name + SUFFIX))
            self.names.pop(name, None)
            self._sync()

    def _sync(self) -> None:
        if self._durable:
            self._disk.sync_folder(self.folder)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise explained(error, self.folder) from error
