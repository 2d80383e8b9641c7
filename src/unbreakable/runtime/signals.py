"""Signals that ask a program to end, noted instead of ending it at once.

They are taken for this process alone.  A forked child, of ``multiprocessing`` for one, gets back what they meant
before: it is ended by its parent's SIGTERM as by any other, and wakes no event loop of its parent's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any, NamedTuple, TypeAlias

ASKING = (signal.SIGTERM, signal.SIGINT)

Handler: TypeAlias = "Callable[[int, FrameType | None], object]"


class Taken(NamedTuple):
    """Hold which signal was taken, what it means since, and what it meant before."""

    number: int
    meaning: Any
    before: Any


came: list[int] = []  #: all that were noted, or woke our event loop, for who takes the signals outside of that
heeded: list[int] = []  #: those that mean the end by us, and by no handler of the program's
_taken: list[Taken] = []  # the last one at the end
_masks: dict[int, set[int]] = {}  # by thread that forks: the signals that it had blocked before


def take(number: int, handler: Handler) -> Taken:
    """Let signal *number* call *handler* in this process, until it is given back; only in the main thread."""
    before = signal.signal(number, handler)
    return _noted(number, before)


def take_on(loop: asyncio.AbstractEventLoop, number: int, handler: Handler) -> Taken:
    """Let signal *number* wake the event *loop* of this process and call *handler*, until it is given back.

    The handler is Python's own, so that one that the program sets later, in whichever way, is called instead and not
    beside it.  What the loop calls by itself outlives that, and only notes that the signal came.
    """
    before = signal.getsignal(number)
    loop.add_signal_handler(number, came.append, number)
    signal.signal(number, handler)
    signal.siginterrupt(number, False)  # as the loop had it
    return _noted(number, before)


def give_back(taken: Taken) -> None:
    """Let the signal mean what it meant before, unless the program has given it a meaning of its own."""
    if taken in _taken:
        _taken.remove(taken)
    _undo(taken)


@contextlib.contextmanager
def noted_signals(noted: list[int] | None = None, numbers: Collection[int] = ASKING) -> Iterator[list[int]]:
    """Yield a list, *noted* if that is given, to which each SIGTERM and SIGINT, or each of *numbers*, is added.

    Afterwards they mean again what they meant before.  Only the main thread can ask for signals; in another the list
    stays as it is.
    """
    noted = [] if noted is None else noted
    taken: list[Taken] = []

    def note(number: int, frame: object) -> None:
        noted.append(number)
        came.append(number)
        heeded.append(number)

    with contextlib.suppress(ValueError):
        taken.extend(take(number, note) for number in numbers)
    try:
        yield noted
    finally:
        for each in taken:
            give_back(each)


def _noted(number: int, before: Any) -> Taken:
    taken = Taken(number, signal.getsignal(number), before)
    _taken.append(taken)
    return taken


def _undo(taken: Taken) -> None:
    if signal.getsignal(taken.number) is taken.meaning:
        before = taken.before  # None: set by who knows nothing of Python
        signal.signal(taken.number, signal.SIG_DFL if before is None else before)


def _before_fork() -> None:
    """Let no signal reach the child while it still has our handlers, and our event loop's bell."""
    if _taken:
        _masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)


def _after_in_parent() -> None:
    mask = _masks.pop(threading.get_ident(), None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _after_in_child() -> None:
    if _taken:
        signal.set_wakeup_fd(-1)
    for taken in reversed(_taken):
        _undo(taken)
    _taken.clear()
    _after_in_parent()
    _masks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
