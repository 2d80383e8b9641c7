"""The end of an iteration is an answer: it is told by an exception, and is none that anybody has to heal.

A protected ``__next__`` or ``__anext__`` ends by StopIteration or StopAsyncIteration.  To repeat that would ask for
more where there is none, and a fallback for it would never end.
"""

from __future__ import annotations

from unbreakable.outcome import is_a
from unbreakable.runtime import Stopped

NO_MORE = (StopIteration, StopAsyncIteration)


class Ended:
    """Stand, as the value of a call, for the *error* by which it ended and said that there is no more."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def ended(error: Exception, *, preemptive: bool) -> Ended | None:
    """Return what a call came to that ended in *error*, if that says that there is no more.

    Plain code is played by scripts, out of which a StopIteration comes as Stopped; out of a coroutine of the user's
    own, which *preemptive* code is, that is a mistake, as is one that comes out of a generator anywhere.

    >>> ended(StopIteration(), preemptive=False).error, ended(RuntimeError("down"), preemptive=True)
    (StopIteration(), None)
    """
    told = error.__cause__ if type(error) is Stopped and not preemptive else error
    return Ended(told) if isinstance(told, Exception) and is_a(told, NO_MORE) else None
