"""Items are taken in, kept, and handled one after the other, without losing any on the way.

What holds for every stream:

- An item that was acknowledged is delivered at least once, in the order of acceptance, as long as nothing worse happens
  than what its ack's ``level`` survives.  Nothing is dropped to make room: ``put`` waits, or raises before the ack.
- The stream is done with an item only when its handler has succeeded, or when it lies among the dead letters.
- ``accepted = handled + in_memory + on_disk + dead_letter + quarantined``, in every status.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, Unpack

from unbreakable.errors import CommitUnknown, ConfigurationError, Rejected
from unbreakable.fractal import FractalNode
from unbreakable.fractal.options import Options
from unbreakable.fractal.ports import join
from unbreakable.fractal.settings import check_names
from unbreakable.nodes.streaming import events
from unbreakable.nodes.streaming.aside import DeadLetters, shown
from unbreakable.nodes.streaming.batches import Batches, SyncBatches
from unbreakable.nodes.streaming.batching import Batching
from unbreakable.nodes.streaming.codec import Codec, Pair
from unbreakable.nodes.streaming.consumer import Handling
from unbreakable.nodes.streaming.counting import Counting, Tally
from unbreakable.nodes.streaming.driving import weakly
from unbreakable.nodes.streaming.feeding import feed, summary_of
from unbreakable.nodes.streaming.intake import Offer, take_in
from unbreakable.nodes.streaming.life import Life, State
from unbreakable.nodes.streaming.opening import Opened, codec_of
from unbreakable.nodes.streaming.settings import Folder, settle
from unbreakable.nodes.streaming.status import Ack, DeadLetter, Level, StreamStatus, StreamSummary, widened
from unbreakable.nodes.streaming.taking import Taking
from unbreakable.outcome import note
from unbreakable.policies import Context, check, current
from unbreakable.policies.effects import Effects
from unbreakable.policies.under_way import under_way
from unbreakable.runtime import ASYNCIO, BLOCKING, Runtime, run_blocking
from unbreakable.storage.reading import Gap
from unbreakable.storage.turn import when_out

PUTS_IN_A_ROW = 100  # after so many that found room, others on the event loop have their turn: the handler, for one


class StreamNode(FractalNode):
    """Take items in with ``await stream.put(item)``, and have each handled: by *handler*, or by whoever takes batches.

    >>> handled = []
    >>> stream = StreamNode(handled.append)
    >>> stream.put_sync("a").level, stream.put_sync("b").level
    ('memory', 'memory')
    >>> stream.drain_sync(), handled
    (True, ['a', 'b'])
    >>> stream.aclose_sync().handled
    2

    *handler*, async or plain, takes one item, or with *batch* a list of up to as many, with their ``ids``; a Batching
    says how long to wait for more.  It runs once at a time, through the node that tries and heals it: the keywords are
    those of ``ub.protect``, whose functions are given the item.  ``ub.current().idempotency_key`` is the item's id, the
    same at every delivery.  Without a handler, take ``batches()``.

    At most *max_buffer* items are in memory.  With *overflow*, the path of a folder, what comes when memory is full
    goes to a log there, in order, up to *max_overflow_bytes*.  With *durability* "process" every item is written to the
    log before its ack and survives the death of the process; with "durable" it also survives a power cut.  One process
    at a time may hold the folder; the next one goes on with what is in it.  What is written must be text, bytes or a
    JSON value, unless *codec*, a pair of functions to and from bytes, can write it.

    Delivery is at least once: a handler that was at work when the process died is called again with the same item, and
    so is one that failed, if ``effects`` allows it, after pauses that grow from 0.2 to 60 s and hold up what is behind.
    After *deliveries* failed ones the item is set aside as a dead letter; if the failure is rather the target's than
    the item's (unreachable, throttled, 5xx, timeout, credentials), only after *patience* seconds as well.  When
    *max_dead_letters* are there, the stream waits until somebody redelivers or discards some.

    Consuming begins with the first ``put``, ``drain`` or ``process_stream``, with ``start()`` or ``async with``: as a
    task in async code, where a plain handler blocks the event loop, and in a daemon thread in plain code.  Close the
    stream at the end: what is only in memory ends with the process.  One with a handler that nobody holds any more
    handles what was put, then lets go of its task or thread, and of its folder, when Python's collector comes; but one
    whose event loop has ended holds its folder until it is closed, or the process ends.  Raises ConfigurationError when
    a setting is wrong.
    """

    speaks_of_itself = True

    def __init__(
        self,
        handler: Callable[[Any], Any] | None = None,
        *,
        max_buffer: int = 10_000,
        overflow: Folder | None = None,
        durability: Level = "memory",
        batch: int | Batching | None = None,
        codec: Pair | None = None,
        max_overflow_bytes: int = 2**30,
        deliveries: int = 5,
        patience: float = 900.0,
        max_dead_letters: int = 1_000,
        name: str | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_names(name or "stream", options, StreamNode)
        said = settle(
            handler=handler,
            max_buffer=max_buffer,
            overflow=overflow,
            durability=durability,
            batch=batch,
            codec=codec,
            max_overflow_bytes=max_overflow_bytes,
            max_dead_letters=max_dead_letters,
            deliveries=deliveries,
            patience=patience,
        )
        self._handler, self._said, self._codec, self._puts = handler, said, codec_of(said), 0
        system = options.pop("system", None)
        super().__init__(name or "stream", None if handler is None else self._operation, **options)
        declared = self.settings.effects
        self._effects: Effects = "once" if declared == "unknown" else declared  # of a put: two of them are two items
        self._life = Life(self.name, said, None if handler is None else self._handling(handler), self._open)
        join(self, system)

    # ── items in ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def put(self, item: Any, *, wait: float = math.inf) -> Ack:
        """Take *item* in and return its ack, which says what the item survives.

        When there is no room it waits, at most *wait* seconds and as long as the call around it has time, then raises
        BufferFull: the item was not accepted.  Raises CommitUnknown when the disk does not confirm in that time, for
        which it has a second at least; NotRecordable for what cannot be written; Rejected on a closed stream, or one
        that is closed as it waits, also when it is opened again at once; a StateError when the folder cannot be used:
        another process has it, or it was deleted under this one, after which ``aclose`` and ``start`` make it anew.  A
        handler of signals that interrupted its own thread at work on the stream gets errors.StateInUse: it would wait
        for itself.

        A call around it has then done something that must not be done twice, as after a row that was inserted, since
        another put is another item; unless the stream's ``effects`` are "idempotent", or "none", as with metrics, after
        which there is nothing to undo either.
        """
        return await self._put(ASYNCIO, item, wait)

    def put_sync(self, item: Any, *, wait: float = math.inf) -> Ack:
        """Take *item* in from sync code; otherwise as ``put``."""
        return run_blocking(self._put(BLOCKING, item, wait))

    async def _put(self, runtime: Runtime, item: Any, wait: float, tally: Tally | None = None) -> Ack:
        if wait != math.inf:
            check.seconds("wait", wait)
        flags, payload = self._codec.encode(item)
        self._puts += 1
        if runtime.preemptive and self._puts % PUTS_IN_A_ROW == 0:
            with under_way(self._effects):
                await runtime.sleep(0)
        offer = Offer(flags, payload, None, tally, self._effects)
        return await self._take_in(offer, self._life.begin(), runtime, wait)

    async def _take_in(self, offer: Offer, opened: Opened, runtime: Runtime, wait: float) -> Ack:
        entry = await take_in(offer, opened, runtime, self._until, wait)
        level: Level = "memory"
        if entry.is_logged:
            level = "process" if opened.confirming is None else "durable"
        return Ack(entry.id, entry.number, level)

    def _until(self, runtime: Runtime, wait: float) -> float:
        """Return the moment until which a put may wait."""
        scope = current()
        if self._would_wait_for_itself(scope, runtime):
            return runtime.now()
        return runtime.now() + min(wait, math.inf if scope is None else scope.left())

    async def process_stream(self, items: AsyncIterable[Any] | Iterable[Any]) -> StreamSummary:
        """Put all *items*, wait until they are handled or set aside, and say what became of them.

        What iterating raises is raised, and Rejected when the stream is closed meanwhile; what had been put by then
        stays accepted.
        """
        return await self._process_stream(ASYNCIO, items)

    def process_stream_sync(self, items: Iterable[Any]) -> StreamSummary:
        """Put all *items* from sync code; otherwise as ``process_stream``."""
        return run_blocking(self._process_stream(BLOCKING, items))

    async def _process_stream(self, runtime: Runtime, items: Any) -> StreamSummary:
        self._refuse_to_wait_for_itself(runtime)
        tally, began = Tally(), runtime.now()
        tallies = self._life.begin().buffer.count.tallies
        tallies.append(tally)
        try:
            with under_way(self._effects, endless=True):
                await feed(items, lambda item: self._put(runtime, item, math.inf, tally), runtime)
                if not await self._life.wait_for(tally.last, runtime, math.inf):
                    raise Rejected(f"stream {self.name!r} was closed before all of its items were handled or set aside")
        except Exception as error:
            note(error, f"unbreakable: {self.name} failed in process_stream; {tally.accepted} items stay accepted")
            raise
        finally:
            tallies.remove(tally)
        return summary_of(tally, runtime.now() - began)

    # ── items out ───────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to consume now, also what an earlier process left; open a stream that was closed again."""
        self._life.reopen()
        self.come_back()
        self._life.begin()

    def batches(self) -> Batches:
        """Return what to iterate over with ``async for``: lists of items, until the stream is closed.

        A batch is dealt with when the next one is asked for, or at once with ``batch.ack()``; one that was left, with
        ``break`` or by an exception, is delivered again.  Raises ConfigurationError when the stream has a handler.
        """
        self._refuse_with_handler()
        return Batches(self._taken_over)

    def batches_sync(self) -> SyncBatches:
        """Return what to iterate over with ``for``; otherwise as ``batches``."""
        self._refuse_with_handler()
        return SyncBatches(self._taken_over)

    def _taken_over(self) -> tuple[Taking, DeadLetters, Codec]:
        return *self._life.take_over(), self._codec

    def _refuse_with_handler(self) -> None:
        if self._handler is not None:
            raise ConfigurationError(f"{self.name}: its items go to its handler; batches() is for a stream without one")

    async def drain(self, within: float = math.inf) -> bool:
        """Wait until everything that was accepted so far is handled or set aside, and return True.

        Return False when that took longer than *within* seconds, or than the call around it has, or when the stream
        was closed meanwhile.  Raises errors.StateInUse as ``put``.
        """
        return await self._drain(ASYNCIO, within)

    def drain_sync(self, within: float = math.inf) -> bool:
        """Wait in sync code until everything is handled; otherwise as ``drain``."""
        return run_blocking(self._drain(BLOCKING, within))

    async def _drain(self, runtime: Runtime, within: float) -> bool:
        check.seconds("within", within, endless=True)
        self._refuse_to_wait_for_itself(runtime)
        scope = current()
        seconds = min(within, math.inf if scope is None else scope.left())
        opened = self._life.begin()
        opened.refuse_if_in_use()
        return await self._life.wait_for(opened.buffer.last, runtime, seconds)

    # ── dead letters ────────────────────────────────────────────────────────────────────────────────────────────────

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Return the items that were set aside, oldest first; raises a StateError when they cannot be read."""
        return tuple(shown(kept, self._codec) for _, kept in self._life.look().letters.all())

    async def redeliver(self, *ids: str) -> int:
        """Put the dead letters of these *ids*, or all, at the end of the line under their ids; return how many."""
        return await self._redeliver(ASYNCIO, ids)

    def redeliver_sync(self, *ids: str) -> int:
        """Put dead letters at the end of the line, from sync code; otherwise as ``redeliver``."""
        return run_blocking(self._redeliver(BLOCKING, ids))

    async def _redeliver(self, runtime: Runtime, ids: tuple[str, ...]) -> int:
        opened, count = self._life.begin(), 0
        for name, kept in opened.letters.all():
            if kept.payload is None or (ids and kept.id not in ids):
                continue
            with opened.letters.in_hand(name) as is_ours:
                if is_ours:
                    await self._put_again(Offer.again(kept, self._effects), opened, runtime)
                    opened.letters.remove(name)
                    count += 1
        return count

    async def _put_again(self, offer: Offer, opened: Opened, runtime: Runtime) -> None:
        try:
            await self._take_in(offer, opened, runtime, math.inf)
        except CommitUnknown:
            opened.buffer.kept_both()
            raise

    def discard(self, *ids: str) -> int:
        """Let go of the dead letters of these *ids*, which somebody has dealt with; return how many.

        They count as handled.
        """
        opened, count = self._life.look(), 0
        for name, kept in opened.letters.all():
            if kept.id in ids:
                with opened.letters.in_hand(name) as is_ours:
                    if is_ours:
                        opened.letters.remove(name)
                        opened.buffer.discarded()
                        count += 1
        return count

    # ── looking and leaving ─────────────────────────────────────────────────────────────────────────────────────────

    def get_status(self) -> StreamStatus:
        """Return how the stream is doing right now; what an earlier process left is known once it was opened."""
        life, opened = self._life, self._life.opened
        counted = Counting().to_dict() if opened is None else opened.buffer.counted()
        consumer, trouble = life.consumer, life.trouble
        if opened is not None:
            trouble = trouble or opened.trouble or opened.letters.trouble
        if consumer is not None:
            trouble = trouble or consumer.trouble
        return widened(
            super().get_status(),
            **counted,
            waiting=0 if opened is None else len(opened.buffer.line),
            failing=0 if consumer is None else consumer.failed,
            disk_bytes=0 if opened is None or opened.log is None else opened.log.size_bytes,
            is_consuming=life.is_consuming,
            is_closed=life.state in (State.CLOSING, State.CLOSED),
            health="ok" if trouble is None else "degraded",
            trouble=trouble,
        )

    async def aclose(self, grace: float = 10.0) -> StreamStatus:  # type: ignore[override] # says what became of it
        """Take nothing in any more, end the handler's work, let go of the folder; return how the stream ended.

        What is only in memory is waited for, at most *grace* seconds; what is left then is written to the log, if
        there is one, and else stays in memory: ``in_memory`` says how many.  A handler at work has the rest of the
        grace and is then cancelled; its item is delivered again by ``start()`` or the next process.
        """
        self._refuse_to_close(ASYNCIO, grace)
        await self._end(ASYNCIO, grace)
        return self.get_status()

    def aclose_sync(self, grace: float = 10.0) -> StreamStatus:  # type: ignore[override] # as aclose
        """Close the stream from sync code; otherwise as ``aclose``.

        A handler of signals that interrupted this thread at work on the stream has it closed when that is over, and is
        told how the stream stands.
        """
        self._refuse_to_close(BLOCKING, grace)
        opened = self._life.opened
        around = () if opened is None else (opened.buffer.turn,)
        when_out(lambda: run_blocking(self._end(BLOCKING, grace)), *around)
        return self.get_status()

    def _refuse_to_close(self, runtime: Runtime, grace: float) -> None:
        self._refuse_to_wait_for_itself(runtime)
        check.seconds("grace", grace, endless=True)

    async def _end(self, runtime: Runtime, grace: float) -> None:
        await self._life.end(runtime, grace)
        await self._close(runtime)

    def _entered(self) -> None:
        """Begin to consume, at the start of a block in either colour."""
        self.start()

    def after_fork(self) -> None:
        """Leave the items, the folder and the consumer to the parent process."""
        super().after_fork()
        self._life.forget()

    # ── how it is done ──────────────────────────────────────────────────────────────────────────────────────────────

    def _operation(self, ctx: Context) -> Any:
        """Be what ``execute`` runs: the handler, at once, with the context's input."""
        assert self._handler is not None  # noqa: S101 - without a handler there is no operation
        return self._handler(ctx.input)

    def _handling(self, handler: Callable[[Any], Any]) -> Handling:
        said = self._said
        return Handling(
            handler=handler, node=self, batching=said.batching, limits=said.limits, codec=self._codec, tell=self._tell
        )

    def _open(self) -> Opened:
        opened = Opened(self._said, self.stem, weakly(self._tell_gap))  # what is open does not hold its stream
        for name in [] if opened.log is None else opened.log.broken:
            self._tell("Quarantined", first=0, last=0, file=name)
        return opened

    def _tell_gap(self, gap: Gap) -> None:
        self._tell("Quarantined", first=gap.first, last=gap.last, file=gap.file)

    def _tell(self, event: str, **fields: Any) -> None:
        if self.listeners:
            self.tell(getattr(events, event)(at=ASYNCIO.now(), node=self.name, **fields))

    def _would_wait_for_itself(self, scope: Context | None, runtime: Runtime) -> bool:
        """Return whether what is waited for could not go on: we are in the handler, or on its blocked event loop."""
        while scope is not None:
            if scope.node is self:
                return True
            scope = scope.parent
        return not runtime.preemptive and self._life.is_carried_here

    def _refuse_to_wait_for_itself(self, runtime: Runtime) -> None:
        if self._would_wait_for_itself(current(), runtime):
            raise RuntimeError(
                f"{self.name}: its own handler, or the event loop that it runs on, would wait for itself"
            )
