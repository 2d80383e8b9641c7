"""Work that nobody waits for: its failure is logged and stops nothing."""

from __future__ import annotations

from collections.abc import Callable

from unbreakable.log import log


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
