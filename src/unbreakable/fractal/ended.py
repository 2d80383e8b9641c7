"""The end of an iteration is an answer: it is told by an exception, and is none that anybody has to heal.

A protected ``__next__`` or ``__anext__`` ends by StopIteration or StopAsyncIteration.  To repeat that would ask for
more where there is none, and a fallback for it would never end.
"""

from __future__ import annotations

from unbreakable.outcome import is_a

NO_MORE = (StopIteration, StopAsyncIteration)


class Ended:
    """Stand, as the value of a call, for the *error* by which it ended and said that there is no more."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def ended(error: Exception) -> Ended | None:
    """Return what a call came to that ended in *error*, if that says that there is no more.

    A StopIteration that came out of a coroutine or a generator of the user's is a mistake, and a RuntimeError.

    >>> ended(StopIteration()).error, ended(RuntimeError("down"))
    (StopIteration(), None)
    """
    return Ended(error) if is_a(error, NO_MORE) else None
