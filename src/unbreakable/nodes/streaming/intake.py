"""An item is taken in as soon as there is room, and its ack says what it survives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from unbreakable.errors import BufferFull, CommitUnknown
from unbreakable.nodes.streaming.aside import Kept
from unbreakable.nodes.streaming.counting import Tally
from unbreakable.nodes.streaming.entry import Entry
from unbreakable.nodes.streaming.line import stand
from unbreakable.nodes.streaming.opening import Opened
from unbreakable.policies import current
from unbreakable.policies.effects import Effects
from unbreakable.policies.under_way import under_way
from unbreakable.runtime import Runtime

ANSWER = 1.0  # seconds that a disk is given to confirm, at least: an item that is written is not given up lightly


class Offer(NamedTuple):
    """What is to be taken in: an encoded item, with the *id* of one that was set aside, and who counts it besides.

    *effects* tell what it means for the call around it that the item was taken in.
    """

    flags: int
    payload: Any
    id: str | None
    tally: Tally | None
    effects: Effects

    @classmethod
    def again(cls, kept: Kept, effects: Effects) -> Offer:
        """Return what was set aside, which is in the line once however often it is put there."""
        return cls(kept.flags, kept.payload, kept.id, None, "none" if effects == "none" else "idempotent")


Until: TypeAlias = Callable[[Runtime, float], float]


async def take_in(offer: Offer, opened: Opened, runtime: Runtime, until: Until, wait: float) -> Entry:
    """Return the entry of an item that was accepted, and confirmed if the stream confirms.

    *until* is asked to which moment it may wait, if it has to, at most *wait* seconds.  Raises BufferFull, which means
    that the item was not accepted, Rejected when what is *opened* was closed before, and CommitUnknown when the disk
    did not confirm it in time.
    """
    if opened.confirming is not None:
        opened.refuse_if_in_use()
    entry = None if len(opened.buffer.line) else opened.buffer.put(offer.flags, offer.payload, offer.id, offer.tally)
    if entry is not None and (opened.confirming is None or not entry.is_logged):
        tell_around(offer.effects)
        return entry
    with under_way(offer.effects):
        return await _waited_for(entry, offer, opened, runtime, until(runtime, wait))


async def _waited_for(entry: Entry | None, offer: Offer, opened: Opened, runtime: Runtime, until: float) -> Entry:
    """Wait for room, and for the disk, whichever the *offer* needs."""
    buffer, began = opened.buffer, runtime.now()
    if entry is None:
        opened.refuse_if_in_use()
        entry = await stand(buffer.line, lambda: buffer.put(*offer[:4]), runtime, until - began)
    if entry is None:
        reason = opened.trouble or f"{buffer.rules.most} items wait to be handled"
        raise BufferFull(f"no room within {max(0.0, runtime.now() - began):.3f} s: {reason}")
    tell_around(offer.effects)  # whatever the disk says, it is in the line
    if not (entry.is_logged and opened.confirming is not None):
        return entry
    if await opened.confirming.wait(entry.number, runtime, max(ANSWER, until - runtime.now())):
        return entry
    tell_around(offer.effects, doubtful=True)
    reason = opened.trouble or "it did not answer in time"
    raise CommitUnknown(f"the disk did not confirm {entry.id}, which may be delivered all the same: {reason}")


def tell_around(effects: Effects, *, doubtful: bool = False) -> None:
    """Tell the call around this that an item was taken in, which it may not know of if it is *doubtful*."""
    around = current()
    if around is not None and effects != "none":
        around.deeds.add(acted=True, doubtful=doubtful, unrepeatable=effects == "once")
