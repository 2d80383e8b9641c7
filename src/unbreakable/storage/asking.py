"""SQLite asks now and then, in the middle of a statement, whether to give it up."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def answers(is_over: Callable[[], bool], interrupted: Callable[[BaseException], object]) -> Callable[[], bool]:
    """Return what SQLite is to ask, which says whether the work *is_over*.

    A signal's handler runs where Python code goes on, which is here, and SQLite drops what it raises: it is over then,
    and *interrupted* is told why.
    """
    answering = _answers(is_over, interrupted)
    next(answering)
    return answering.__next__


def _answers(is_over: Callable[[], bool], interrupted: Callable[[BaseException], object]) -> Iterator[bool]:
    """Yield the answers; a function would be interrupted before its own ``try``, this goes on inside of it."""
    over = False
    while True:
        try:
            yield over
            over = is_over()
        except GeneratorExit:
            return
        except BaseException as interrupt:
            over = True
            interrupted(interrupt)
