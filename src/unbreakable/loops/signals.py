"""Signals that ask a program to end, noted instead of ending it at once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

ASKING = (signal.SIGTERM, signal.SIGINT)


came: list[int] = []  #: all that were noted, for who takes the signals outside of that: they were heard


@contextlib.contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Yield a list to which each SIGTERM and SIGINT is added; afterwards they mean again what they meant before.

    Only the main thread can ask for signals; in another the list stays empty.
    """
    noted: list[int] = []
    before = {}

    def note(number: int, frame: object) -> None:
        noted.append(number)
        came.append(number)

    with contextlib.suppress(ValueError):
        for number in ASKING:
            before[number] = signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, meaning in before.items():
            signal.signal(number, signal.SIG_DFL if meaning is None else meaning)
