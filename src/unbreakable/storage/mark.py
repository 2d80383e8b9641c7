"""How far a log has been dealt with, in a file that is never longer than two slots.

The slots are written in turn, each with a checksum and a number that grows, so that a write which is cut short leaves
the other one; what was synced is in both.  When both are damaged nothing is known, and everything that is still there
is dealt with once more.
"""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from zlib import crc32

from unbreakable.storage.disk import Disk

SLOT = struct.Struct("<8sQQ")
MAGIC = b"UBmark\0\1"
APART = 4096  # bytes between the slots: a block that is damaged takes one of them with it


class Mark:
    """Remember a *number* in the file at *path*, which is made if it is not there; raises OSError.

    ``is_lost`` says that there was a file, and that neither slot of it can be read.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path, self._disk = path, disk
        self.number, self._generation, self._is_trusted = 0, 0, True
        try:
            self._descriptor = disk.open(path)
        except FileNotFoundError:
            self._descriptor = -1
            self.replace()
        else:
            self._recall()
        self.is_lost = self._generation == 0

    def _recall(self) -> None:
        for at in (0, APART):
            slot = self._disk.read(self._descriptor, SLOT.size + 4, at)
            if len(slot) == SLOT.size + 4 and crc32(slot[: SLOT.size]).to_bytes(4, "little") == slot[SLOT.size :]:
                magic, generation, number = SLOT.unpack_from(slot)
                if magic == MAGIC and generation >= self._generation:
                    self._generation, self.number = generation, number

    def write(self, number: int) -> None:
        """Remember *number*; that survives the death of the process."""
        generation = self._generation + 1
        self._disk.write(self._descriptor, _slot(generation, number), generation % 2 * APART)
        self._generation, self.number = generation, number

    def sync(self) -> None:
        """Return once the number survives a power cut, too."""
        if self._is_trusted:
            try:
                self.write(self.number)  # into the other slot, which a later write that is cut short will leave
                self._disk.sync(self._descriptor)
            except OSError:
                self._is_trusted = False  # what a descriptor says after it failed once is not to be believed
            else:
                return
        self.replace()

    def replace(self) -> None:
        """Go on with a new file in the place of the old one."""
        fresh = self.path.with_name(self.path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            self._disk.remove(fresh)
        descriptor = self._disk.create(fresh)
        try:
            for number in range(2):
                self._disk.write(descriptor, _slot(self._generation + number, self.number), number * APART)
            self._disk.sync(descriptor)
            self._disk.rename(fresh, self.path)
        except BaseException:
            self._disk.close(descriptor)
            raise
        self.close()
        self._descriptor, self._generation, self._is_trusted = descriptor, self._generation + 1, True
        self._disk.sync_folder(self.path.parent)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._descriptor = -1


def _slot(generation: int, number: int) -> bytes:
    facts = SLOT.pack(MAGIC, generation, number)
    return facts + crc32(facts).to_bytes(4, "little")
