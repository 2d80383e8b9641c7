"""The end of an iteration is an answer: it is told by an exception, and is none that anybody has to heal.

A protected ``__next__`` or ``__anext__`` ends by StopIteration or StopAsyncIteration.  To repeat that would ask for
more where there is none, and a fallback for it would never end.
"""

from __future__ import annotations

from typing import NamedTuple

NO_MORE = (StopIteration, StopAsyncIteration)
MAY_BE = (*NO_MORE, RuntimeError)  # as which a coroutine tells of a StopIteration in it


class Ended(NamedTuple):
    """Stand, as the value of a call, for the *error* by which it ended and said that there is no more."""

    error: Exception


def ended(error: Exception) -> Ended | None:
    """Return what a call came to that ended in *error*, if that says that there is no more.

    >>> ended(StopIteration()), ended(RuntimeError("down"))
    (Ended(error=StopIteration()), None)
    """
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration):
        error = error.__cause__
    return Ended(error) if isinstance(error, NO_MORE) else None
