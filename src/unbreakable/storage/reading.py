"""The records of a log are read in order over all of its files, and what is missing is told."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from unbreakable.storage.disk import Disk
from unbreakable.storage.segment import Reader, Segment
from unbreakable.storage.segments import Segments


class Record(NamedTuple):
    """What was written to the log; *run* is the process run that wrote it, as text."""

    number: int
    flags: int
    payload: bytes
    run: str


class Gap(NamedTuple):
    """Records *first* to *last* were written to the log and cannot be read any more; *file* is where they were."""

    first: int
    last: int
    file: str


Found: TypeAlias = Record | Gap


class Reading:
    """Read what is numbered above *last*; every method raises OSError."""

    def __init__(self, segments: Segments, disk: Disk, last: int) -> None:
        self.last = last
        self._segments, self._disk = segments, disk
        self._segment: Segment | None = None
        self._descriptor = -1
        self._reader: Reader | None = None

    def skip(self, number: int) -> None:
        """Pass over what is numbered up to *number*: it is known already."""
        if number > self.last:
            self.last = number
            self.close()

    def read(self, most: int, upto: int) -> list[Found]:
        """Return the next records, numbered up to *upto*, in order, with the gaps between them; none at the end.

        They are at most *most*, and at most what is read of a file in one go: a few hundred KiB, or one long record.
        """
        found: list[Found] = []
        while not found and self.last < upto and self._go_on(most, upto, found):
            pass
        return found

    def _go_on(self, most: int, upto: int, found: list[Found]) -> bool:
        """Read from the present file, or go to the next one; return whether there is more."""
        if self._reader is None or self._segment is None:
            segment = self._segments.following(self.last)
            if segment is None:
                return False
            self._enter(segment)
            self._miss(segment.header.expects, found)
            return True
        frames = self._reader.read(self._segment.size, most, min(upto, self._segment.top))
        run = self._segment.header.run.hex()
        for number, flags, payload, _ in frames:
            self._miss_before(number, found)
            found.append(Record(number, flags, payload, run))
            self.last = number
        if not frames:
            self._miss(self._segment.top, found)
            self.leave(self._segment)
        return True

    def _enter(self, segment: Segment) -> None:
        self._descriptor = self._disk.open(segment.path)
        self._segment = segment
        at = segment.place_before(self.last + 1)
        self._reader = Reader(self._disk, self._descriptor, segment.header.salt, self.last, at)

    def leave(self, segment: Segment | None) -> None:
        """Let go of *segment* if it is the one that is being read."""
        if self._segment is segment and self._descriptor >= 0:
            self._disk.close(self._descriptor)
            self._segment, self._reader, self._descriptor = None, None, -1

    def close(self) -> None:
        """Let go of the file that is being read."""
        self.leave(self._segment)

    def _miss_before(self, number: int, found: list[Found]) -> None:
        assert self._segment is not None  # noqa: S101 - a record comes out of a file
        if number > max(self.last + 1, self._segment.header.first):
            self._miss(number - 1, found)

    def _miss(self, last: int, found: list[Found]) -> None:
        """Note that what is up to *last* is not there."""
        segment = self._segment
        if segment is None or last <= self.last:
            return
        inside = last >= segment.header.first
        first = max(self.last + 1, segment.header.first) if inside else self.last + 1
        segment.is_damaged = segment.is_damaged or inside
        found.append(Gap(first, last, segment.path.name))
        self.last = last
