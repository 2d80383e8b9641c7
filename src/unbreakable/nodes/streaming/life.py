"""A stream is opened when it is first used, consumed by one at a time, and closed within a grace."""

from __future__ import annotations

import contextlib
import enum
import weakref
from collections.abc import Callable

from unbreakable.errors import Rejected, StateError
from unbreakable.log import log
from unbreakable.loops.carrier import Carrier
from unbreakable.nodes.streaming.aside import DeadLetters
from unbreakable.nodes.streaming.batching import Batching
from unbreakable.nodes.streaming.consumer import Consumer, Handling
from unbreakable.nodes.streaming.driving import Driver
from unbreakable.nodes.streaming.opening import Opened
from unbreakable.nodes.streaming.settings import StreamSettings
from unbreakable.nodes.streaming.taking import Taking
from unbreakable.runtime import Runtime, is_async, new_lock
from unbreakable.storage.turn import Turn

LAST_GRACE = 1.0  # seconds for a handler that had to be cancelled to clean up
LOOK_AGAIN = 1.0  # seconds after which whoever waits for items to be handled sees to it that somebody handles them
BATCH = 100  # items, for whoever iterates over batches and did not say how large they shall be


class State(enum.Enum):
    """Where a stream is in its life."""

    NEW = "new"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Life:
    """Open, consume and close what *settings* describe; safe to use from any thread."""

    def __init__(
        self, name: str, settings: StreamSettings, handling: Handling | None, opening: Callable[[], Opened]
    ) -> None:
        self.name, self.settings, self.state = name, settings, State.NEW
        self.opened: Opened | None = None
        self.trouble: str | None = None  #: why it could not be opened, None when it could
        self.consumer: Consumer | None = None
        self._taking: Callable[[], Taking | None] = _nobody  # a weak reference: who takes may let go without a word
        self._handling, self._opening = handling, opening
        self._carrier: Carrier | None = None
        self._turn = Turn(f"stream {name!r}", new_lock())

    # ── beginning ───────────────────────────────────────────────────────────────────────────────────────────────────

    def look(self) -> Opened:
        """Return what is open, opened now if it never was; raises StateError, and Rejected once it was closed."""
        opened = self.opened
        if opened is not None and self.state is State.OPEN:
            return opened
        with self._turn, self._turn.lock:
            self._refuse_if_closed()
            return self._open_now()

    def begin(self) -> Opened:
        """Return what is open, and see to it that its handler is at work; raises as ``look``."""
        opened = self.look()
        if self._handling is not None and not self.is_consuming:
            self._consume(self._handling)
        return opened

    def reopen(self) -> Opened:
        """Return what is open, opened now also after it was closed."""
        with self._turn, self._turn.lock:
            if self.state is State.CLOSING:
                raise Rejected(f"stream {self.name!r} is still closing")
            return self._open_now()

    def _open_now(self) -> Opened:
        opened = before = self.opened
        if opened is None or self.state is State.CLOSED:
            opened = self._opened_now()
            if before is not None:
                opened.adopt(before)
        self.opened, self.state = opened, State.OPEN
        return opened

    def _opened_now(self) -> Opened:
        try:
            opened = self._opening()
        except StateError as error:
            self.trouble = str(error)
            raise
        self.trouble = None
        return opened

    def _consume(self, handling: Handling) -> None:
        with self._turn, self._turn.lock:
            opened = self.opened
            if self.is_consuming or opened is None or self.state is not State.OPEN:
                return
            self.consumer = consumer = Consumer(handling, opened.buffer, opened.letters, opened.confirming)
            self._taking = weakref.ref(consumer.taking)
            needs_event_loop = is_async(handling.handler)
            driver = Driver(consumer, opened)
            carrier = Carrier(driver.drive, self.name, _ended, needs_event_loop=needs_event_loop)
            carrier.start()
            self._carrier = carrier

    def take_over(self) -> tuple[Taking, DeadLetters]:
        """Let a new iterator over batches be the one who takes, in the place of an older one; raises as ``look``."""
        with self._turn, self._turn.lock:
            self._refuse_if_closed()
            opened = self._open_now()
            taking = Taking(opened.buffer, self._batching(), opened.confirming)
            before, self._taking = self.taking, weakref.ref(taking)
            if before is not None:
                before.is_replaced = True
                before.stop()
        return taking, opened.letters

    def _batching(self) -> Batching:
        return self.settings.batching or Batching(min(BATCH, self.settings.max_buffer))

    def _refuse_if_closed(self) -> None:
        if self.state in (State.CLOSING, State.CLOSED):
            raise Rejected(f"stream {self.name!r} is {self.state.value}: start() opens it again")

    @property
    def taking(self) -> Taking | None:
        """Who takes items: the consumer, or an iterator over batches that somebody holds."""
        return self._taking()

    @property
    def is_consuming(self) -> bool:
        """Whether something alive carries the consumer."""
        return self._carrier is not None and self._carrier.is_alive

    @property
    def is_carried_here(self) -> bool:
        """Whether the consumer runs on the event loop of this very thread, and would be blocked with it."""
        return self._carrier is not None and self._carrier.is_alive and self._carrier.is_here

    # ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def wait_for(self, number: int, runtime: Runtime, seconds: float) -> bool:
        """Wait until everything up to *number* is settled, at most *seconds*; see to it that somebody is at it."""
        until, opened = runtime.now() + seconds, self.begin()
        opened.buffer.notify()  # an interrupt may have kept the last put from doing so
        while not await opened.buffer.settled.wait(number, runtime, min(until - runtime.now(), LOOK_AGAIN)):
            if runtime.now() >= until or self.state is State.CLOSED:
                return opened.buffer.settled.value >= number
            with contextlib.suppress(Rejected):  # it is closing
                opened = self.begin()  # another one, if it was closed and opened again
        return True

    # ── ending ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def end(self, runtime: Runtime, grace: float) -> None:
        """Take nothing in any more, wait for what is only in memory, end the consumer, let go of the folder."""
        with self._turn, self._turn.lock:
            opened = self.opened
            if opened is None or self.state is not State.OPEN:
                self.state = State.CLOSED if self.state is State.NEW else self.state
                return
            self.state = State.CLOSING
            opened.buffer.ended = f"stream {self.name!r} was closed: start() opens it again"
        opened.buffer.line.call()
        opened.buffer.notify()  # a handler of signals may close it before the put that it interrupted has done so
        until = runtime.now() + grace
        try:
            await self._wait_for_memory(opened, runtime, until)
            await self._stop(runtime, until)
        finally:
            self._let_go(opened)

    async def _wait_for_memory(self, opened: Opened, runtime: Runtime, until: float) -> None:
        left_in_memory = opened.buffer.only_in_memory()
        number = left_in_memory[-1].number if left_in_memory else 0
        while self._is_somebody_at_it() and (left := until - runtime.now()) > 0:
            if await opened.buffer.settled.wait(number, runtime, min(left, LOOK_AGAIN)):
                return

    def _is_somebody_at_it(self) -> bool:
        return self.is_consuming if self._handling is not None else self.taking is not None

    async def _stop(self, runtime: Runtime, until: float) -> None:
        carrier, taking = self._carrier, self.taking
        if taking is not None:
            taking.stop()
        if carrier is not None and not await carrier.wait(runtime, until - runtime.now()):
            carrier.cancel()
            await carrier.wait(runtime, LAST_GRACE)

    def _let_go(self, opened: Opened) -> None:
        if (taking := self.taking) is not None:
            taking.stop()  # also when the waiting was cut short
        if self._carrier is not None and self._carrier.is_alive:
            self._carrier.cancel()
        try:
            opened.close()
        except StateError as error:
            log("stream %r: its folder could not be closed: %s", self.name, error)
        finally:
            self.state, self._taking, self._carrier = State.CLOSED, _nobody, None
        left = opened.buffer.count.in_memory
        if left:
            log("stream %r: %d items are left in memory only", self.name, left)

    def forget(self) -> None:
        """Start afresh in a forked child: everything goes on in the parent."""
        if self.opened is not None:
            self.opened.forget()
        self.state, self.opened, self.consumer, self._taking, self._carrier = State.NEW, None, None, _nobody, None


def _nobody() -> None:
    """Be who takes items as long as nobody does."""


def _ended() -> None:
    """Do nothing: whoever needs the consumer looks whether it is alive."""
