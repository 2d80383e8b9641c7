"""An item is taken in as soon as there is room, and its ack says what it survives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unbreakable.errors import BufferFull, CommitUnknown
from unbreakable.nodes.streaming.counting import Tally
from unbreakable.nodes.streaming.entry import Entry
from unbreakable.nodes.streaming.line import stand
from unbreakable.nodes.streaming.opening import Opened
from unbreakable.runtime import Runtime

ANSWER = 1.0  # seconds that a disk is given to confirm, at least: an item that is written is not given up lightly


@dataclass(frozen=True, slots=True)
class Offer:
    """What is to be taken in: an encoded item, with the *id* of one that was set aside, and who counts it besides."""

    flags: int
    payload: Any
    id: str | None = None
    tally: Tally | None = None


async def take_in(offer: Offer, opened: Opened, runtime: Runtime, until: Callable[[], float]) -> Entry:
    """Return the entry of an item that was accepted, and confirmed if the stream confirms.

    *until* is asked to which moment it may wait, if it has to.  Raises BufferFull, which means that the item was not
    accepted, Rejected when what is *opened* was closed before, and CommitUnknown when the disk did not confirm it in
    time.
    """
    buffer = opened.buffer
    if opened.confirming is not None:
        opened.refuse_if_in_use()

    def attempt() -> Entry | None:
        return buffer.put(offer.flags, offer.payload, offer.id, offer.tally)

    entry = None if len(buffer.line) else attempt()
    if entry is not None and (opened.confirming is None or not entry.is_logged):
        return entry
    moment, began = until(), runtime.now()
    if entry is None:
        opened.refuse_if_in_use()
        entry = await stand(buffer.line, attempt, runtime, moment - began)
    if entry is None:
        reason = opened.trouble or f"{buffer.rules.most} items wait to be handled"
        raise BufferFull(f"no room within {max(0.0, runtime.now() - began):.3f} s: {reason}")
    if not (entry.is_logged and opened.confirming is not None):
        return entry
    if await opened.confirming.wait(entry.number, runtime, max(ANSWER, moment - runtime.now())):
        return entry
    reason = opened.trouble or "it did not answer in time"
    raise CommitUnknown(f"the disk did not confirm {entry.id}, which may be delivered all the same: {reason}")
