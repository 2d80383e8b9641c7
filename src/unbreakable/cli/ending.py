"""The end of a program is asked for, once; from then on there is one time for all that it still has to do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from unbreakable.loops.supervisor import told_at, told_to_end
from unbreakable.runtime import BLOCKING
from unbreakable.runtime.signals import ASKING, Handler, came, give_back, heeded, take, take_on


class Ask:
    """Know when the end was asked for, by whoever was first."""

    def __init__(self) -> None:
        self._at: float | None = None

    def note(self) -> bool:
        """Note that the end is asked for; return whether that is new."""
        if self._at is not None:
            return False
        self._at = BLOCKING.now()
        return True

    def was_made(self) -> bool:
        """Return whether somebody has asked, us or the program."""
        return self._at is not None or was_asked()

    def left(self, seconds: float, patience: float) -> float:
        """Return what is left of so many *seconds* from the ask on, or *patience*, of which there is more to come."""
        times = [each for each in (self._at, told_at()) if each is not None]
        return max(0.0, min(times) + seconds - BLOCKING.now()) if times else patience


class Ending(Ask):
    """Hear on *loop* that the end is asked for; ``over`` has then the exit code of who asked by ``sys.exit``."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop, self.over = loop, loop.create_future()

    def listen(self) -> None:
        """Take SIGTERM and SIGINT; a handler that the program has for one is called, as it would be, instead of us."""
        for number in ASKING:
            meaning = signal.getsignal(number)
            take_on(self.loop, number, self._hearing(meaning if callable(meaning) else signal.default_int_handler))

    def listen_alone(self) -> None:
        """Take them once more, when what the program has set handlers for is over."""
        for number in ASKING:
            take_on(self.loop, number, self._heed)

    def ask(self, code: object = None) -> None:
        """Ask for the end."""
        self.note()
        if not self.over.done():
            self.over.set_result(code)

    def _heed(self, number: int, _frame: FrameType | None) -> None:
        heeded.append(number)
        self.loop.call_soon_threadsafe(self.ask)

    def _hearing(self, meaning: Handler) -> Handler:
        def hear(number: int, frame: FrameType | None) -> None:
            if not self.note():
                return  # the second one breaks off nothing that the first has begun
            came.append(number)
            if meaning is signal.default_int_handler:
                heeded.append(number)
            try:
                meaning(number, frame)
            except (KeyboardInterrupt, SystemExit) as error:  # raised here it would end the event loop at once
                code = error.code if isinstance(error, SystemExit) else None
                self.loop.call_soon_threadsafe(self.ask, code)

        return hear


def was_asked(patience: float = 0.0) -> bool:
    """Return whether the end was asked for, be it of what the program itself was running, or of its own handler.

    Of a handler that the program has set by itself only the supervisor tells, within *patience* seconds.
    """
    return bool(came or told_to_end(patience))


@contextlib.contextmanager
def interrupted_when_asked() -> Iterator[Ask]:
    """Let SIGTERM be a Ctrl-C, once, so that every ``finally`` and ``with`` has its say; yield who knows of it.

    A second one, which whoever ends a whole group of processes may send, breaks off nothing that the first has begun.
    What the program has made of SIGTERM by itself is called instead.
    """
    asked, meaning, on_interrupt = Ask(), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        if came or not asked.note():
            return
        if callable(meaning):
            meaning(number, frame)
        else:
            heeded.append(number)
            signal.raise_signal(signal.SIGINT)  # not raised here: asyncio.run makes a cancellation of it

    taken = [take(signal.SIGTERM, ask)]
    if not callable(on_interrupt):  # where a shell has started us in the background it is ignored
        taken.append(take(signal.SIGINT, signal.default_int_handler))
    try:
        yield asked
    finally:
        for each in taken:
            give_back(each)
