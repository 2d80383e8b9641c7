"""Work that nobody waits for: its failure is logged and stops nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter, sleep  # those of the machine, whatever time it is in a test

from unbreakable.log import log

STRETCH = 0.0005  # seconds for which the thread for chores keeps others from the interpreter
NAP = 0.0005  # seconds that others have for themselves: after a shorter one it may be back before they are awake

_here = threading.local()


def begin_chore() -> None:
    """Say that this thread does chores: what it does from now on may ``breathe``."""
    _here.since = perf_counter()


def breathe() -> None:
    """Let other threads go on, if this one does chores and has kept them waiting; hold no lock that they may want.

    A thread that computes hands on the interpreter only when it was asked to for 5 ms; an event loop that has something
    to do would wait for so long each time that it comes out of its selector.
    """
    since = getattr(_here, "since", None)
    if since is not None and perf_counter() - since >= STRETCH:
        sleep(NAP)
        _here.since = perf_counter()


def quietly(work: Callable[[], None]) -> None:
    """Run *work*; log what it raises, for there is nobody to raise it to."""
    try:
        work()
    except Exception as error:
        _log(error)


def come_what_may(work: Callable[[], None]) -> None:
    """Run *work* in a thread that others wait for as well; log also what would end the program."""
    try:
        work()
    except BaseException as error:
        _log(error)


def _log(error: BaseException) -> None:
    log("work in the background failed", exc_info=error)
