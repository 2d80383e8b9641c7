"""An item in the line, and how it is written to disk."""

from __future__ import annotations

from typing import Any

from unbreakable.storage.log import SEGMENT_BYTES
from unbreakable.storage.reading import Record

NAMED = 0x100  # a flag on disk: the payload begins with the id of an item that had stood in the line before


class Entry:
    """An item in the line: its *payload* and what is known of it.

    ``place`` names the place in the line, which is never given twice; ``id`` is the same, unless the item had stood in
    the line before.
    """

    __slots__ = ("flags", "id", "is_logged", "number", "payload", "place")

    def __init__(self, number: int, place: str, id: str, flags: int, payload: Any, is_logged: bool) -> None:
        self.number, self.place, self.id = number, place, id
        self.flags, self.payload, self.is_logged = flags, payload, is_logged


def rows(entries: list[Entry]) -> list[list[Entry]]:
    """Return *entries* in rows whose numbers follow each other, none much longer than a file of the log."""
    made: list[list[Entry]] = []
    size = 0
    for entry in entries:
        if not made or made[-1][-1].number != entry.number - 1 or size > SEGMENT_BYTES:
            made.append([])
            size = 0
        made[-1].append(entry)
        size += len(entry.payload)
    return made


def stored(entry: Entry) -> tuple[int, int, bytes]:
    """Return *entry* as it is written to disk."""
    if entry.id == entry.place:
        return entry.number, entry.flags, entry.payload
    id = entry.id.encode()
    return entry.number, entry.flags | NAMED, b"".join((bytes([len(id)]), id, entry.payload))


def entry_of(record: Record) -> Entry:
    """Return what was read from disk as it stands in the line."""
    place = id = f"{record.run}-{record.number}"
    flags, payload = record.flags, record.payload
    if flags & NAMED:
        length = payload[0]
        id, payload = payload[1 : 1 + length].decode(), payload[1 + length :]
    return Entry(record.number, place, id, flags & ~NAMED, payload, is_logged=True)
