"""One file of a log: a header, kept twice and once more in the name, and the records that follow it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from unbreakable.errors import StateBroken, StateTooNew
from unbreakable.storage.disk import Disk
from unbreakable.storage.frame import Frame, Short, find, parse

FORMAT = 1
MAGIC = b"UBstream"
FACTS = struct.Struct("<8sIIQQQQ8s")
COPY = 64  # bytes for each of the two copies of the header
START = 2 * COPY  # where the records begin
CHUNK = 256 * 1024  # bytes that are read at a time
MOST_AT_ONCE = 1_000  # records that are looked at in one go
UNBOUNDED = 2**64  # above every number that a record can have
NAME = re.compile(r"(\d{20})-(\d{10})(?:-([0-9a-f]+)-([0-9a-f]+)-([0-9a-f]{16})-([0-9a-f]{8}))?\.segment")


class Header(NamedTuple):
    """What a segment says of itself.

    ``serial`` counts the segments of the log as they were made.  ``first`` is the number of its first record, and
    ``follows`` that of the record which the log had written last before, 0 for none: numbers between the two were
    never in the log.  ``last`` is the number of its last record if that was known from the start, else 0.  ``run`` is
    the process run that wrote it.
    """

    serial: int
    first: int
    follows: int
    last: int
    run: bytes
    salt: int

    @property
    def name(self) -> str:
        """Return the file's name: in the order of names, the records are in order, too.

        It says all that the header says, for what is in the same block of the device is lost with that.
        """
        more = f"{self.follows:x}-{self.last:x}-{self.run.hex()}-{self.salt:08x}"
        return f"{self.first:020d}-{self.serial:010d}-{more}.segment"

    @property
    def expects(self) -> int:
        """Return up to which number everything must have been read before; 0 for a file put before others."""
        return 0 if self.last else self.follows

    def encode(self) -> bytes:
        """Return the bytes up to where the records begin."""
        facts = FACTS.pack(MAGIC, FORMAT, self.salt, self.serial, self.first, self.follows, self.last, self.run)
        return (facts + crc32(facts).to_bytes(4, "little")).ljust(COPY, b"\0") * 2


def read_header(data: bytes, path: Path) -> Header:
    """Return the header that *data* begins with, from whichever copy is whole.

    Raises StateTooNew for a later format, StateBroken when neither copy can be read.
    """
    for at in (0, COPY):
        facts = data[at : at + FACTS.size]
        if len(facts) == FACTS.size and crc32(facts).to_bytes(4, "little") == data[at + FACTS.size : at + COPY][:4]:
            magic, version, salt, serial, first, follows, last, run = FACTS.unpack(facts)
            if magic != MAGIC:
                continue
            if version > FORMAT:
                raise StateTooNew(f"{path}: format {version} of a newer Unbreakable, this one reads {FORMAT}; upgrade")
            return Header(serial, first, follows, last, run, salt)
    raise StateBroken(f"{path}: its header is damaged")


def header_in(name: str) -> Header | None:
    """Return the header that a file's *name* tells; None for one of the first files, whose names told less."""
    found = NAME.fullmatch(name)
    if found is None or found[3] is None:
        return None
    first, serial, follows, last, run, salt = found.groups()
    return Header(int(serial), int(first), int(follows, 16), int(last, 16), bytes.fromhex(run), int(salt, 16))


@dataclass(slots=True)
class Segment:
    """Hold one file of the log: *top* is the number of the last record that belongs in it, *size* its bytes.

    ``places`` are numbers of some of its records, and where these begin, so that a reader need not read the others.
    """

    path: Path
    header: Header
    top: int
    size: int
    descriptor: int | None = None
    is_damaged: bool = False
    places: list[tuple[int, int]] = field(default_factory=list)

    def is_past(self, number: int) -> bool:
        """Return whether all of its records are numbered up to *number*."""
        return self.top <= number

    def place_before(self, number: int) -> int:
        """Return an offset at which a record begins, from which on all numbered from *number* up are found."""
        return max((at for known, at in self.places if known <= number), default=START)


class Reader:
    """Read the records of one segment, in order and each once; what is damaged is passed over.

    ``at`` is the offset of what comes next, ``last`` the number of the last record read.
    """

    def __init__(self, disk: Disk, descriptor: int, salt: int, last: int, at: int = START) -> None:
        self.at, self.last = at, last
        self._disk, self._descriptor, self._salt = disk, descriptor, salt
        self._chunk, self._base = b"", at

    def read(self, until: int, most: int, upto: int) -> list[Frame]:
        """Return the next whole records before offset *until*: at most *most*, numbered up to *upto*.

        What ends at *until* unfinished is left where it is.
        """
        frames: list[Frame] = []
        while self.at < until and len(frames) < most and self.last < upto:
            found = parse(self._chunk, self.at - self._base, self._salt)
            if isinstance(found, Frame):
                self.at = self._base + found.end
                if found.number > self.last:
                    self.last = found.number
                    frames.append(found)
            elif frames:
                break  # what is at hand is handed over before the disk is asked for more, which may fail
            elif isinstance(found, Short):
                if self.at + found.needed > until or not self._load(found.needed, until):
                    break
            elif not self._pass_over(until):
                break
        return frames

    def _load(self, needed: int, until: int) -> bool:
        """Have at least *needed* bytes at hand; return False for a file that has become shorter than it was."""
        self._chunk = self._disk.read(self._descriptor, min(max(needed, CHUNK), until - self.at), self.at)
        self._base = self.at
        return len(self._chunk) >= needed

    def _pass_over(self, until: int) -> bool:
        """Go to the next whole record; return whether there is one."""
        if self._base + len(self._chunk) < until:
            self._load(until - self.at, until)
        place = find(self._chunk, self.at - self._base + 1, self._salt, self.last)
        if place is None:
            return False
        self.at = self._base + place
        return True


def last_of(disk: Disk, descriptor: int, header: Header, size: int) -> int:
    """Return the number of the last record that was written to a segment whose writer is gone.

    A record that was cut short does not count, and neither do zeros, which a file system shows in the place of what it
    had not written yet: both are taken for what was never confirmed.  Anything else that cannot be read counts as one
    record, for it may have been confirmed.
    """
    reader = Reader(disk, descriptor, header.salt, header.first - 1)
    while reader.read(size, MOST_AT_ONCE, UNBOUNDED):
        pass
    rest = disk.read(descriptor, size - reader.at, reader.at)
    unfinished = isinstance(parse(rest, 0, header.salt), Short) or not rest.strip(b"\0")
    return reader.last + (0 if unfinished else 1)
