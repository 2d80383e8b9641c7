"""The files of a log, in the order of their records: found, added, and removed when they are done with."""

from __future__ import annotations

import contextlib
from pathlib import Path

from unbreakable.errors import StateBroken
from unbreakable.storage.disk import Disk
from unbreakable.storage.segment import COPY, NAME, START, Header, Segment, header_in, last_of, read_header

UNFINISHED = ".new"
SET_ASIDE = ".damaged"  # what the name of a file ends with that was done with, but could not be read in full
BROKEN = ".broken"  # what the name of a file ends with of which nothing can be read
MOST_SET_ASIDE = 16  # such files that are kept, the newest ones


class Segments:
    """Hold what is known of every file of the log in *folder*; every method raises OSError.

    ``size_bytes`` is what they take together.  ``broken`` are the names of files of which nothing can be read: they are
    set aside at once, and there until somebody has taken them away.
    """

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.folder, self._disk = folder, disk
        self.all: list[Segment] = []
        names = disk.names(folder)
        self.broken = [name for name in names if name.endswith(BROKEN)]
        for name in names:
            if NAME.fullmatch(name):
                self._find(folder / name)
            elif NAME.fullmatch(name.removesuffix(UNFINISHED)):
                disk.remove(folder / name)
        self._settle_tops()
        self.size_bytes = sum(segment.size for segment in self.all)

    @property
    def last(self) -> int:
        """Return the number of the last record in any of them, 0 for none."""
        return max((segment.top for segment in self.all), default=0)

    @property
    def serial(self) -> int:
        """Return the serial of the file that was made last, 0 for none."""
        return max((segment.header.serial for segment in self.all), default=0)

    def count_above(self, number: int) -> int:
        """Return how many records above *number* were written to them."""
        count = 0
        for segment in self.all:
            first, top, expects = segment.header.first, segment.top, segment.header.expects
            if top < expects:
                continue  # it was written anew, from before its beginning
            count += max(0, expects - number)
            number = max(number, expects)
            count += max(0, top - max(number, first - 1))
            number = max(number, top)
        return count

    def following(self, number: int) -> Segment | None:
        """Return the first file that holds a record above *number*."""
        return next((segment for segment in self.all if segment.top > number), None)

    def add(self, header: Header) -> Segment:
        """Make a file."""
        path = self.folder / header.name
        descriptor = self._disk.create(path)
        try:
            self._disk.write(descriptor, header.encode(), 0)
        except BaseException:
            self._disk.close(descriptor)
            with contextlib.suppress(OSError):
                self._disk.remove(path)
            raise
        segment = Segment(path, header, top=header.first - 1, size=START, descriptor=descriptor)
        self._know(segment)
        return segment

    def add_whole(self, header: Header, data: bytes) -> None:
        """Make a file that holds *data*, header included; it is there in whole or not at all."""
        path = self.folder / header.name
        unfinished = path.with_name(path.name + UNFINISHED)
        descriptor = self._disk.create(unfinished)
        try:
            self._disk.write(descriptor, data, 0)
            self._disk.sync(descriptor)
            self._disk.rename(unfinished, path)
            self._disk.sync_folder(self.folder)
        except BaseException:
            with contextlib.suppress(OSError):
                self._disk.remove(unfinished)
            raise
        finally:
            self._disk.close(descriptor)
        self._know(Segment(path, header, top=header.last, size=len(data)))

    def _know(self, segment: Segment) -> None:
        self.all.append(segment)
        self.all.sort(key=lambda segment: segment.path.name)
        self.size_bytes += segment.size

    def close(self, segment: Segment) -> None:
        """Let go of the file; nothing more is written to it."""
        if segment.descriptor is not None:
            self._disk.close(segment.descriptor)
            segment.descriptor = None

    def drop(self, segment: Segment) -> None:
        """Remove a file whose records are all done with; one that could not be read in full is set aside."""
        if segment.is_damaged:
            self._set_aside(segment.path)
        else:
            self._disk.remove(segment.path)
        self.close(segment)
        self.all.remove(segment)
        self.size_bytes -= segment.size

    # ── finding ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _find(self, path: Path) -> None:
        descriptor, is_damaged = self._disk.open(path), False
        header: Header | None
        try:
            size = self._disk.size(descriptor)
            header = read_header(self._disk.read(descriptor, 2 * COPY, 0), path)
        except StateBroken:
            header, is_damaged = header_in(path.name), True
        finally:
            self._disk.close(descriptor)
        if is_damaged and size < START:  # its maker died over it, before there was a record
            self._disk.remove(path)
        elif header is None:
            self._disk.rename(path, path.with_name(path.name + BROKEN))
            self.broken.append(path.name + BROKEN)
        else:
            self.all.append(Segment(path, header, top=header.last, size=size, is_damaged=is_damaged))

    def _settle_tops(self) -> None:
        """Find out which record is the last of each file: later ones tell, only the newest must be read.

        A file that the device refused to confirm was written anew from its first record in doubt, and may still be
        there: so nothing counts that is above what any later file follows.
        """
        newest, follows = True, 0
        for segment in sorted(self.all, key=lambda segment: segment.header.serial, reverse=True):
            if not segment.header.last:
                segment.top = self._read_top(segment) if newest else follows
            follows = segment.header.follows if newest else min(follows, segment.header.follows)
            newest = False

    def _read_top(self, segment: Segment) -> int:
        descriptor = self._disk.open(segment.path)
        try:
            return last_of(self._disk, descriptor, segment.header, segment.size)
        finally:
            self._disk.close(descriptor)

    def _set_aside(self, path: Path) -> None:
        self._disk.rename(path, path.with_name(path.name + SET_ASIDE))
        aside = [name for name in self._disk.names(self.folder) if name.endswith(SET_ASIDE)]
        for name in aside[:-MOST_SET_ASIDE]:  # names are in the order of the records
            self._disk.remove(self.folder / name)
