"""Items are delivered one batch after the other, until each is handled or set aside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from unbreakable.fractal import FractalNode
from unbreakable.nodes.streaming.aside import DeadLetters
from unbreakable.nodes.streaming.batching import Batch, Batching
from unbreakable.nodes.streaming.buffer import Buffer, Lease
from unbreakable.nodes.streaming.codec import Codec, decoded
from unbreakable.nodes.streaming.confirming import Confirming
from unbreakable.nodes.streaming.delivery import Delivery
from unbreakable.nodes.streaming.entry import Entry
from unbreakable.nodes.streaming.taking import LOOK_AGAIN, Taking
from unbreakable.nodes.streaming.verdict import Limits, Verdict, judge, pause
from unbreakable.outcome import in_one_line
from unbreakable.runtime import Runtime

REST = 1.0  # seconds to wait when the stream's own machinery fails: a disk that cannot be read, no memory
TURN = 0.005  # seconds of deliveries that never wait, after which others on the event loop have their turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """Say how items are handled: by *handler* through *node*, one by one or in batches, and when they are set aside."""

    handler: Callable[[Any], Any]
    node: FractalNode
    batching: Batching | None
    limits: Limits
    codec: Codec
    tell: Callable[..., None]


class Consumer:
    """Deliver what is in *buffer*, and put what is set aside among *letters*."""

    def __init__(self, handling: Handling, buffer: Buffer, letters: DeadLetters, confirming: Confirming | None) -> None:
        self.taking = Taking(buffer, handling.batching or Batching(1), confirming)
        self.failed = 0  #: how many deliveries of the next item failed in a row
        self.trouble: str | None = None
        self._handling, self._buffer, self._letters = handling, buffer, letters
        self._delivery = Delivery(handling.handler, handling.node)
        self._most = self._most_ever = 1 if handling.batching is None else handling.batching.most
        self._failing, self._since, self._last_turn = 0, 0.0, 0.0
        self._suspects = 0  #: up to which number one of the items made a batch fail

    async def step(self, runtime: Runtime) -> None:
        """Deliver what comes next, if something comes soon; whatever the machinery raises makes it rest."""
        try:
            lease = await self.taking.take(runtime, self._most, LOOK_AGAIN)
            if lease is not None:
                await self._deliver(runtime, lease)
        except Exception as error:  # the machinery failed, not the handler: the items are taken once more
            self.trouble = in_one_line(error)
            with contextlib.suppress(Exception):
                await self.taking.rest(runtime, REST)
        else:
            self.trouble = None

    async def _deliver(self, runtime: Runtime, lease: Lease) -> None:
        first = lease.entries[0]
        if first in self._letters:
            self._buffer.forget(lease, first.number)  # who set it aside died before that was on record
            return
        items = decoded(lease.entries, self._handling.codec)
        entries = lease.entries[: len(items)]
        if not entries:
            await self._set_aside(runtime, lease, [first], "it cannot be decoded")
            return
        try:
            is_due = partial(self._is_due, lease, entries)
            await self._delivery.make(runtime, self._shape(items, entries, lease), _key(entries), is_due)
        except Exception as error:
            await self._failed_with(runtime, lease, entries, error)
            return
        self._buffer.settle(lease, entries[-1].number)
        self.failed = 0
        if entries[-1].number >= self._suspects:
            self._most = min(self._most_ever, 2 * self._most)
        await self._give_others_a_turn(runtime)

    def _shape(self, items: list[Any], entries: list[Entry], lease: Lease) -> Any:
        if self._handling.batching is None:
            return items[0]
        return Batch(
            items, tuple(entry.id for entry in entries), partial(self._buffer.settle, lease, entries[-1].number)
        )

    async def _give_others_a_turn(self, runtime: Runtime) -> None:
        if runtime.preemptive and runtime.now() - self._last_turn >= TURN:
            await runtime.sleep(0)
            self._last_turn = runtime.now()

    def _is_due(self, lease: Lease, entries: list[Entry]) -> bool:
        """Return whether *entries* are still to be handled: not acknowledged, and nobody else has taken over."""
        return lease is self._buffer.lease and lease.entries[0] is entries[0]

    # ── failed deliveries ───────────────────────────────────────────────────────────────────────────────────────────

    async def _failed_with(self, runtime: Runtime, lease: Lease, entries: list[Entry], error: Exception) -> None:
        if not self._is_due(lease, entries):
            return
        now, first = runtime.now(), entries[0]
        if first.number != self._failing:
            self._failing, self._since, self.failed = first.number, now, 0
        failed = self.failed + self._delivery.was_called
        verdict = judge(
            error,
            was_called=self._delivery.was_called,
            unrepeatable=self._delivery.unrepeatable,
            effects=self._handling.node.settings.effects,
            items=len(entries),
            failed=failed,
            since=now - self._since,
            limits=self._handling.limits,
        )
        if verdict is Verdict.HALF:
            self._most, self._suspects = len(entries) // 2, entries[-1].number
            return
        self.failed = failed
        if verdict is Verdict.ASIDE:
            await self._set_aside(runtime, lease, entries, in_one_line(error))
            return
        seconds = pause(error, failed)
        told = {"id": first.id, "deliveries": failed, "pause": seconds, "error": in_one_line(error)}
        self._handling.tell("Redelivering", **told)
        await self.taking.rest(runtime, seconds)

    async def _set_aside(self, runtime: Runtime, lease: Lease, entries: list[Entry], error: str) -> None:
        """Set *entries* aside; wait for room among the dead letters, for they must not be delivered again."""
        deliveries, self.failed = max(1, self.failed), 0
        for entry in entries:
            while not self._letters.add(entry, error, deliveries):
                await self.taking.rest(runtime, REST)
                if self.taking.is_stopping:
                    return
            if not self._buffer.bury(lease, entry.number):
                self._letters.remove_entry(entry)
                return
            self._handling.tell("DeadLettered", id=entry.id, deliveries=deliveries, error=error)


def _key(entries: list[Entry]) -> str:
    """Return the idempotency key of a delivery: the id of its item, or what the ids of its items come to."""
    return entries[0].id if len(entries) == 1 else f"{entries[0].id}+{len(entries) - 1}"
