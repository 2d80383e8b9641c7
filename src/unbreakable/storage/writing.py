"""Records are added at the end of a log, and what the disk could not keep is written once more, somewhere else.

The law of this file.  A write that failed is cut off, and its file is closed for good.  A descriptor that could not be
synced is never asked again, for the system may have dropped what it held: every record that was not confirmed yet is
kept in memory, written to a new file, and confirmed there.  The old file stays until that is done, if there is room
for both.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from unbreakable.errors import StateFull
from unbreakable.storage.disk import Disk
from unbreakable.storage.frame import HEAD, encode
from unbreakable.storage.segment import START, Header, Segment
from unbreakable.storage.segments import Segments

APART = 256  # every so many records it is noted where one begins
MOST_HELD = 64 * 2**20  # bytes that may wait to be confirmed by the disk: beyond that it does not keep up


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Say whether records are confirmed by the device, and how many bytes one file and the whole log may take.

    What has to be written again may take the bytes of one file more: those of a file of which a part is confirmed.
    """

    durable: bool
    segment_bytes: int
    log_bytes: int


class Batch(NamedTuple):
    """What one sync makes durable: records up to *last*, in *segments*, and whether the folder has new *names*."""

    last: int
    segments: list[Segment]
    names: bool


class Writer:
    """Add records to the log; used by one thread at a time, every method raises OSError.

    ``last`` is the number of the last record; those up to ``synced`` are confirmed by the device.
    """

    def __init__(self, segments: Segments, disk: Disk, limits: Limits, run: bytes, last: int) -> None:
        self.last = self.synced = last
        self.active: Segment | None = None
        self._segments, self._disk, self._limits, self._run = segments, disk, limits, run
        self._follows = last  #: the number of what the files hold last
        self._held: deque[tuple[int, int, bytes]] = deque()
        self._held_bytes = 0
        self._unsynced: list[Segment] = []
        self._distrusted: list[Segment] = []  #: files of which a part, or all, is to be written again
        self._useless: list[Segment] = []  #: files of which nothing counts any more
        self._is_in_doubt = False  #: whether what is held has to be written again
        self._has_new_names = False

    def append(self, number: int, flags: int, payload: bytes) -> None:
        """Add a record, or raise and add nothing; raises StateFull when a limit of the log itself is reached."""
        self.write_again()
        self._check_room(payload)
        self._check_held(payload)
        try:
            self._write(number, flags, payload)
        except OSError:
            self._write(number, flags, payload)  # in a new file: the old one may be what is in the way
        self.last = number  # at once: an interrupt that comes now comes after it was written
        if self._limits.durable:
            self._held.append((number, flags, payload))
            self._held_bytes += len(payload)

    def has_room(self, payload: bytes, more: int = 0) -> bool:
        """Return whether the log as a whole may take that much more, *more* bytes beyond its limit included."""
        needed = START + HEAD.size + len(payload)
        return self._segments.size_bytes + needed <= self._limits.log_bytes + more

    def _check_room(self, payload: bytes, more: int = 0) -> None:
        if not self.has_room(payload, more):
            folder, most = self._segments.folder, self._limits.log_bytes + more
            raise StateFull(f"{folder}: it may take {most} bytes, and they are taken")

    def _check_held(self, payload: bytes) -> None:
        folder = self._segments.folder
        if self._held_bytes + len(payload) > MOST_HELD:
            raise StateFull(f"{folder}: {MOST_HELD} bytes wait to be confirmed by the disk, which does not keep up")

    def _write(self, number: int, flags: int, payload: bytes) -> None:
        segment = self._place_for(number, HEAD.size + len(payload))
        frame = encode(number, flags, payload, segment.header.salt)
        assert segment.descriptor is not None  # noqa: S101 - the active segment is open
        place, size = segment.size, len(frame)
        try:
            self._disk.write(segment.descriptor, frame, place)
        except BaseException:
            self._cut_off(segment)
            raise
        segment.size = place + size  # nothing is called from here on, where an interrupt could come up
        self._segments.size_bytes += size
        segment.top = self._follows = number
        if number % APART == 0:
            segment.places.append((number, place))
        if self._limits.durable and segment not in self._unsynced:
            self._unsynced.append(segment)

    def _place_for(self, number: int, count: int) -> Segment:
        active = self.active
        room = 0 if active is None else self._limits.segment_bytes - active.size
        if active is not None and number == active.top + 1 and (count <= room or active.size == START):
            return active
        self.seal()
        self.active = active = self._segments.add(self._header(number, last=0))
        self._has_new_names = True
        return active

    def _header(self, first: int, last: int) -> Header:
        salt = int.from_bytes(os.urandom(4), "little")
        return Header(self._segments.serial + 1, first, self._follows, last, self._run, salt)

    def seal(self) -> None:
        """Write no more to the present file."""
        active, self.active = self.active, None
        if active is not None and active not in self._unsynced:
            self._segments.close(active)

    def _cut_off(self, segment: Segment) -> None:
        """Leave nothing of a write that failed; should that fail, too, readers know a record that is cut short."""
        self.seal()
        with contextlib.suppress(OSError):
            if segment.size == START:
                self._segments.drop(segment)
            elif segment.descriptor is not None:
                self._disk.cut(segment.descriptor, segment.size)

    def insert(self, records: list[tuple[int, int, bytes]]) -> None:
        """Add records, of numbers in one row, that come before some that are there already, full or not."""
        self.seal()  # the new file says where those before it end
        header = self._header(records[0][0], last=records[-1][0])
        frames = (encode(*record, header.salt) for record in records)
        self._segments.add_whole(header, b"".join((header.encode(), *frames)))
        self.last = max(self.last, header.last)

    # ── confirmed by the device ─────────────────────────────────────────────────────────────────────────────────────

    def begin_sync(self) -> Batch:
        """Return what is to be synced now, so that what is written meanwhile is left to the next time."""
        self.write_again()
        names, self._has_new_names = self._has_new_names, False
        return Batch(self.last, list(self._unsynced), names)

    def end_sync(self, batch: Batch) -> None:
        """Note that *batch* is on the device."""
        self.synced = max(self.synced, batch.last)
        while self._held and self._held[0][0] <= self.synced:
            self._held_bytes -= len(self._held.popleft()[2])
        done = [segment for segment in self._unsynced if segment.top <= self.synced]
        self._unsynced = [segment for segment in self._unsynced if segment.top > self.synced]
        for segment in done:
            if segment is not self.active:
                self._segments.close(segment)

    def distrust(self) -> None:
        """Count for nothing what was not confirmed: it will be written again."""
        self.active = None
        for segment in self._unsynced:
            self._segments.close(segment)
            segment.top = max(segment.header.first - 1, self.synced)
            self._distrusted.append(segment)
        self._unsynced.clear()
        self._follows, self._is_in_doubt = self.synced, True

    def write_again(self) -> None:
        """Write to a new file what is held and cannot be trusted to be in an old one, if anything is."""
        self._drop_what_is_useless()
        if not self._is_in_doubt:
            return
        try:
            for number, flags, payload in self._held:
                self._make_room(payload)
                self._write(number, flags, payload)
        except BaseException:
            self.distrust()
            raise
        self._is_in_doubt = False
        self._give_up_what_is_distrusted()

    def _make_room(self, payload: bytes) -> None:
        """Have room for what is to be written again, if need be by removing now what is in doubt."""
        more = self._limits.segment_bytes
        if not self.has_room(payload, more):
            self._give_up_what_is_distrusted()
            self._check_room(payload, more)

    def _give_up_what_is_distrusted(self) -> None:
        for segment in self._distrusted:
            segment.is_damaged = segment.header.first <= self.synced
            if not segment.is_damaged:
                self._useless.append(segment)
        self._distrusted.clear()
        self._drop_what_is_useless()

    def _drop_what_is_useless(self) -> None:
        """Remove files of which nothing counts; what the disk refuses to remove is tried again, and harms no reader."""
        useless, self._useless = self._useless, []
        for segment in useless:
            try:
                self._segments.drop(segment)
            except OSError:
                self._useless.append(segment)

    def is_open(self, segment: Segment) -> bool:
        """Return whether there may still be something to do in *segment*."""
        return segment is self.active or any(
            segment in each for each in (self._unsynced, self._distrusted, self._useless)
        )
