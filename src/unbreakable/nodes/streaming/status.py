"""What a stream tells: of an item that it took, of one that it set aside, and of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from unbreakable.fractal.status import NodeStatus
from unbreakable.plain import as_it_is

Level: TypeAlias = Literal["memory", "process", "durable"]


@dataclass(frozen=True, slots=True)
class Ack:
    """Say that an item was accepted, and what it survives from now on.

    ``level`` "memory" survives nothing, "process" the death of the process, "durable" also a power cut, on a disk that
    honours a flush.  ``id`` is the same whenever the item is delivered, also to a later process; ``seq`` grows with
    each item.
    """

    id: str
    seq: int
    level: Level

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Hold an item that was set aside after *deliveries* failed ones; *error* is the last failure in one line.

    ``item`` is the raw bytes of one that could not be decoded, and None for one that cannot be read any more.
    """

    id: str
    item: Any
    error: str
    deliveries: int

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready: an item that is no JSON value as text."""
        item = as_it_is(self.item)
        return {"id": self.id, "item": item, "error": self.error, "deliveries": self.deliveries}


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """Say what became of the items that went through in one call: accepted = handled + dead_letter + quarantined."""

    accepted: int
    handled: int
    dead_letter: int
    quarantined: int
    elapsed: float

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus(NodeStatus):
    """Say how a stream is doing; what it inherits is about the calls of its handler.

    At every moment accepted = handled + in_memory + on_disk + dead_letter + quarantined, where items that were found
    on disk count as accepted.  ``in_memory`` are those that are nowhere else, ``on_disk`` those in the log that are not
    handled yet, ``quarantined`` those that were in the log and cannot be read any more.  ``waiting`` is how many puts
    wait for room, ``failing`` how many deliveries in a row the next item has failed.  ``health`` is "degraded" while
    the disk refuses or the dead letters are full; ``trouble`` says which.
    """

    accepted: int
    handled: int
    in_memory: int
    on_disk: int
    dead_letter: int
    quarantined: int
    waiting: int
    failing: int
    disk_bytes: int
    is_consuming: bool
    is_closed: bool
    health: Literal["ok", "degraded"]
    trouble: str | None


def widened(status: NodeStatus, **more: Any) -> StreamStatus:
    """Return *status* with what a stream knows besides."""
    known: Mapping[str, Any] = {field.name: getattr(status, field.name) for field in fields(NodeStatus)}
    return StreamStatus(**known, **more)
