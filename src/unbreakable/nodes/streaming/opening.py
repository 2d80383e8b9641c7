"""A stream is opened: its log, its dead letters and the line of items that they hold."""

from __future__ import annotations

from collections.abc import Callable

from unbreakable.nodes.streaming.aside import DeadLetters
from unbreakable.nodes.streaming.buffer import Buffer, Rules
from unbreakable.nodes.streaming.codec import AsBytes, ByReference, Codec
from unbreakable.nodes.streaming.confirming import Confirming
from unbreakable.nodes.streaming.settings import StreamSettings
from unbreakable.storage.letters import Letters
from unbreakable.storage.log import MOST_PAYLOAD, OVERHEAD, Log
from unbreakable.storage.reading import Gap
from unbreakable.storage.turn import in_use


def codec_of(settings: StreamSettings) -> Codec:
    """Return what turns items into what is kept."""
    if settings.overflow is None:
        return ByReference()
    return AsBytes(settings.codec, min(MOST_PAYLOAD, settings.max_overflow_bytes - OVERHEAD))


class Opened:
    """Hold what a stream has open; raises StateError when its folder cannot be used.

    *run* is part of the ids of items, unless there is a log, which gives its own.  *told* is told of each gap.
    """

    def __init__(self, settings: StreamSettings, run: str, told: Callable[[Gap], None]) -> None:
        self._durable = settings.durability == "durable"
        self.log = self._log_in(settings)
        rules = Rules(most=settings.max_buffer, logs_all=settings.durability != "memory", confirms=self._durable)
        self.buffer = Buffer(rules, self.log, run if self.log is None else self.log.run.hex(), told)
        self.letters = DeadLetters(settings.max_dead_letters, self._letters_in(settings))
        self.buffer.count.found(0 if self.log is None else self.log.count(), len(self.letters))
        self.confirming: Confirming | None = None
        if self.log is not None and self._durable:
            self.confirming = Confirming(self.log.sync, self.buffer.notify, self.log.synced)

    def _log_in(self, settings: StreamSettings) -> Log | None:
        if settings.overflow is None:
            return None
        return Log(settings.overflow, durable=self._durable, log_bytes=settings.max_overflow_bytes)

    def _letters_in(self, settings: StreamSettings) -> Letters | None:
        if settings.overflow is None or self.log is None:
            return None
        try:
            return Letters(settings.overflow / "dead", durable=settings.durability == "durable")
        except BaseException:
            self.log.close()
            raise

    @property
    def trouble(self) -> str | None:
        """Return why the disk refuses, or which file somebody has to look at; None when all is well."""
        if self.log is None:
            return None
        if self.log.trouble is not None:
            return str(self.log.trouble)
        lost = ", ".join(self.log.broken)
        return (
            f"nobody knows how many items are in {lost}, which cannot be read: look at it, then take it away"
            if lost
            else None
        )

    def refuse_if_in_use(self) -> None:
        """Raise StateInUse in a handler of signals that interrupted this thread at work: it would wait for itself."""
        self.buffer.refuse_if_mine()
        if self.confirming is not None and self.confirming.is_mine:
            raise in_use("the stream")

    def adopt(self, before: Opened) -> None:
        """Go on with what an earlier one of the same stream counted, and with what it had only in memory."""
        if self.log is None:
            self.letters = before.letters
            self.buffer.count.found(0, len(self.letters))
        self.buffer.adopt(before.buffer)

    def close(self) -> None:
        """Write down what is only in memory, if there is a log, and let go of the folder; raises StateError."""
        try:
            self.buffer.write_down()
        finally:
            if self.confirming is not None:
                self.confirming.close()
            if self.log is not None:
                self.log.close()

    def forget(self) -> None:
        """Leave everything to the parent process."""
        if self.log is not None:
            self.log.forget()
