"""One thread at a time is at work on something, and a handler of signals that interrupts it there waits for nothing.

The law of this file.  A handler runs in the middle of whatever its thread is at, so what that thread holds comes free
only when the handler has returned.  Who asks for a turn that this very thread has is refused at once; who only wants
to close something has that done ``when_out``: now, or as soon as the thread lets go of what it was interrupted in, also
when it does so because the handler has raised.  Who waits for other threads, which may want one of the locks that are
held for a few lines only, does so ``when_free``.
"""

from __future__ import annotations

import contextvars
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType

from unbreakable.errors import StateInUse
from unbreakable.lock import holds_a_lock
from unbreakable.log import log

MOST_LEFT = 16  # turns of a thread that an interrupt between two lines has left announced


class _Mine(threading.local):
    """The turns that this thread has, or is about to take: the outermost comes first."""

    turns: tuple[Turn, ...] = ()


_mine = _Mine()


left: dict[int, list[tuple[Turn, Callable[[], object]]]] = {}  #: by thread: what is to be done once it is out of a turn


class Turn:
    """Let one thread at a time be at work on what *name* names: ``with turn, turn.lock:``.

    The first announces it, before it is taken; the second takes it, and no interrupt comes between taking it and giving
    it back.  *lock* is one that the thread which holds it may take again.
    """

    __slots__ = ("__weakref__", "lock", "name")

    def __init__(self, name: str, lock: threading.RLock | None = None) -> None:
        self.name, self.lock = name, lock or threading.RLock()

    @property
    def is_mine(self) -> bool:
        """Whether this thread is the one who is at work."""
        return self.lock._is_owned()  # type: ignore[attr-defined, no-any-return] # noqa: SLF001 - as Condition does

    def refuse_if_mine(self) -> None:
        """Raise StateInUse in the middle of this thread's own turn, which would be waited for in vain."""
        if self.is_mine:
            raise in_use(self.name)

    def __enter__(self) -> None:
        self.refuse_if_mine()
        if len(_mine.turns) >= MOST_LEFT:
            _mine.turns = tuple([turn for turn in _mine.turns if turn.is_mine])
        _mine.turns += (self,)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        _mine.turns = tuple([turn for turn in _mine.turns if turn is not self])
        if left:
            do_what_is_left()


class _Unannounced:
    """Be what stands before the lock of a turn that is too short to be announced: ``with unannounced, turn.lock:``."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if left:
            do_what_is_left()


unannounced = _Unannounced()


def do_what_is_left() -> None:
    """Do what was put off until this thread is out of its turns, if that is so; log what it raises."""
    thread = threading.get_ident()
    while works := left.get(thread):
        if works[0][0].is_mine or any(turn.is_mine for turn in _mine.turns):
            return
        _, work = works.pop(0)
        if not works:
            left.pop(thread, None)
        _logged(work)


def _logged(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as error:
        log("closing, put off by a signal, failed", exc_info=error)


def refuse_to_wait(what: str) -> None:
    """Raise StateInUse in a handler of signals that interrupted this thread as it holds what *what* may want."""
    if any(turn.is_mine for turn in _mine.turns) or (_is_within_ours(sys._getframe(1)) and holds_a_lock()):  # noqa: SLF001
        raise StateInUse(
            f"{what} cannot be waited for: this thread holds what others may want, where a signal's handler "
            "interrupted it; let the handler note what is to be done, and do it when it has returned"
        )


def in_use(name: str) -> StateInUse:
    """Return the error of who would wait, in a handler of signals, for what it has interrupted."""
    return StateInUse(
        f"{name}: this thread is in the middle of using it, where a signal's handler interrupted it; "
        "let the handler note what is to be done, and do it when it has returned"
    )


def when_out(work: Callable[[], object], *around: Turn) -> None:
    """Do *work* now; in a handler of signals that interrupted a turn of this thread, when that is over.

    It is this thread that does it then, whoever else is at work by then: another might wait for itself.  Those *around*
    all others are not announced.
    """
    turn = next((turn for turn in (*around, *_mine.turns) if turn.is_mine), None)
    if turn is None:
        work()
    else:
        left.setdefault(threading.get_ident(), []).append((turn, work))


def when_free(work: Callable[[], object], waits: Callable[[], bool] = lambda: True) -> None:
    """Do *work*, which waits for other threads if *waits* says so, as ``when_out``, and not as this one holds a lock.

    Nobody is told when a lock comes free that is held for a few lines of arithmetic, so another thread does it then.
    """
    when_out(partial(_do_or_hand_over, work, waits) if _is_within_ours(sys._getframe(1)) else work)  # noqa: SLF001


def _is_within_ours(frame: FrameType | None) -> bool:
    """Return whether there is code of ours beneath the code that has called ours, as for a handler of signals."""
    while frame is not None and _name(frame).startswith(("unbreakable.", "contextlib")):
        frame = frame.f_back
    while frame is not None and not _name(frame).startswith("unbreakable."):
        frame = frame.f_back
    return frame is not None


def _name(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _do_or_hand_over(work: Callable[[], object], waits: Callable[[], bool]) -> None:
    if not (holds_a_lock() and waits() and _is_handed_over(work)):
        work()


def _is_handed_over(work: Callable[[], object]) -> bool:
    """Return whether there is another thread that does *work*; the end of the program, asked for here, waits for it."""
    run = contextvars.copy_context().run
    try:
        threading.Thread(target=run, args=(_logged, work), name="unbreakable closing", daemon=False).start()
    except RuntimeError:
        return False
    return True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=left.clear)  # what is open is the parent's to close
