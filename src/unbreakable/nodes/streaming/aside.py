"""Items that were set aside are kept until somebody has decided about them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from unbreakable.errors import StateError
from unbreakable.nodes.streaming.codec import Codec
from unbreakable.nodes.streaming.entry import Entry
from unbreakable.nodes.streaming.status import DeadLetter
from unbreakable.runtime import new_lock
from unbreakable.storage.letters import Letters


class Kept(NamedTuple):
    """A dead letter as it is kept; ``payload`` is None for one that cannot be read any more."""

    id: str
    flags: int
    payload: Any
    error: str
    deliveries: int


GONE = Kept("", 0, None, "it cannot be read any more", 0)


class DeadLetters:
    """Keep at most *most* items, in *letters* or, without any, in memory."""

    def __init__(self, most: int, letters: Letters | None) -> None:
        self.most = most
        self.trouble: str | None = None  #: why the last item could not be kept, None when it was
        self._letters = letters
        self._lock, self._held = new_lock(), set[str]()
        self._in_memory: dict[str, Kept] = {}

    def __len__(self) -> int:
        return len(self._names)

    @property
    def _names(self) -> dict[str, Any]:
        return self._in_memory if self._letters is None else self._letters.names

    def __contains__(self, entry: Entry) -> bool:
        return name_of(entry) in self._names

    def add(self, entry: Entry, error: str, deliveries: int) -> bool:
        """Keep *entry*; return whether there was room for it."""
        kept = Kept(entry.id, entry.flags, entry.payload, error, deliveries)
        if len(self) >= self.most:
            self.trouble = f"all {self.most} places for dead letters are taken: redeliver or discard some"
            return False
        if self._letters is None:
            self._in_memory[name_of(entry)] = kept
        else:
            head = json.dumps([kept.id, kept.flags, kept.error, kept.deliveries])
            try:
                self._letters.add(name_of(entry), head.encode(), entry.payload)
            except StateError as trouble:
                self.trouble = str(trouble)
                return False
        self.trouble = None
        return True

    def all(self) -> Iterator[tuple[str, Kept]]:
        """Yield what is kept, each with its name here, oldest first; raises StateError."""
        for name in sorted(self._names):
            if name in self._names:
                yield name, self._read(name)

    @contextlib.contextmanager
    def in_hand(self, name: str) -> Iterator[bool]:
        """Hold a letter while something is done with it; False if it is gone, or somebody else has it in hand."""
        with self._lock:
            is_free = name in self._names and name not in self._held
            self._held |= {name} if is_free else set()
        try:
            yield is_free
        finally:
            if is_free:
                self._held.discard(name)

    def _read(self, name: str) -> Kept:
        if self._letters is None:
            return self._in_memory.get(name, GONE)
        found = self._letters.read(name)
        if found is None:
            return GONE._replace(id=name)
        id, flags, error, deliveries = json.loads(found[0])
        return Kept(id, flags, found[1], error, deliveries)

    def remove_entry(self, entry: Entry) -> None:
        """Keep *entry* no longer; raises StateError."""
        self.remove(name_of(entry))

    def remove(self, name: str) -> None:
        """Keep it no longer; raises StateError."""
        if self._letters is None:
            self._in_memory.pop(name, None)
        else:
            self._letters.remove(name)
        self.trouble = None


def name_of(entry: Entry) -> str:
    """Return the name under which *entry* is kept: in the order in which items came, and never given twice."""
    run, _, number = entry.place.rpartition("-")
    return f"{int(number):020d}-{run}"


def shown(kept: Kept, codec: Codec) -> DeadLetter:
    """Return *kept* as its owner sees it."""
    try:
        item = None if kept.payload is None else codec.decode(kept.flags, kept.payload)
    except Exception:
        item = kept.payload
    return DeadLetter(id=kept.id, item=item, error=kept.error, deliveries=kept.deliveries)
