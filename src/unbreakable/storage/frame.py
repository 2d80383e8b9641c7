"""A record on disk proves by itself that it is whole, and which one it is.

    magic 4 │ crc of what follows up to the payload 4 │ crc of the payload 4 │ length 4 │ number 8 │ flags 4 │ payload

The head has a checksum of its own, so that a length can be believed before as many bytes are there: a record that was
cut short in the middle of being written is told from one that was damaged later.  Both checksums begin with the
file's *salt*, so that bytes of another file never pass for a record of this one.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

MAGIC = b"\xf5UBr"  # no UTF-8 text holds its first byte
HEAD = struct.Struct("<4sIIIQI")
FACTS = struct.Struct("<IIQI")


class Frame(NamedTuple):
    """A whole record; ``end`` is the offset after it."""

    number: int
    flags: int
    payload: bytes
    end: int


class Short(NamedTuple):
    """The bytes end before the record does: *needed* is how many it takes, as far as its head tells."""

    needed: int


class Damaged(NamedTuple):
    """What is here was never written like this."""


def encode(number: int, flags: int, payload: bytes, salt: int) -> bytes:
    """Return the bytes of a record."""
    facts = FACTS.pack(crc32(payload, salt), len(payload), number, flags)
    return b"".join((MAGIC, crc32(facts, salt).to_bytes(4, "little"), facts, payload))


def parse(data: bytes, at: int, salt: int) -> Frame | Short | Damaged:
    """Return the record at offset *at* of *data*, or why there is none."""
    if len(data) - at < HEAD.size:
        return Short(HEAD.size)
    magic, head_crc, payload_crc, length, number, flags = HEAD.unpack_from(data, at)
    if magic != MAGIC or crc32(data[at + 8 : at + HEAD.size], salt) != head_crc:
        return Damaged()
    end = at + HEAD.size + length
    if len(data) < end:
        return Short(HEAD.size + length)
    payload = data[at + HEAD.size : end]
    if crc32(payload, salt) != payload_crc:
        return Damaged()
    return Frame(number, flags, payload, end)


def find(data: bytes, at: int, salt: int, above: int) -> int | None:
    """Return the offset of the first whole record from *at* on whose number is above *above*."""
    at = data.find(MAGIC, at)
    while at >= 0:
        frame = parse(data, at, salt)
        if isinstance(frame, Frame) and frame.number > above:
            return at
        at = data.find(MAGIC, at + 1)
    return None
