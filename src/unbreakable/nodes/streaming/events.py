"""What happens in a stream, told to those who listen to its node."""

from __future__ import annotations

from unbreakable.events import Event


class Redelivering(Event):
    """A delivery failed; the item is delivered again in *pause* seconds."""

    id: str
    deliveries: int
    pause: float
    error: str


class DeadLettered(Event):
    """An item was set aside; it is counted and can be read, redelivered or discarded."""

    id: str
    deliveries: int
    error: str


class Quarantined(Event):
    """Items *first* to *last* were in the log and cannot be read any more; *file* is where they were."""

    first: int
    last: int
    file: str
