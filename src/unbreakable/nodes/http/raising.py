"""What we raise to a client is an error of its own library, too, so that handlers which are there catch an outage.

The law of this file.  The error stays the object that it is, with its notes, its cause and its traceback: calls around
the client know it again.  Only its class becomes one that is both.  Whose client it is, the request tells; nothing is
imported for it.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from unbreakable.errors import ConfigurationError, DeadlineExceeded, NotSent, UnbreakableError

MOST_CLASSES = 256  # that are kept; there are as many as errors of ours, times two libraries


def shared(error: UnbreakableError, request: Any) -> None:
    """Make *error* one of the library of *request*, too; a wrong setting is no trouble with the transport."""
    library = sys.modules.get(type(request).__module__.partition(".")[0])
    ours, theirs = type(error), getattr(library, _name(error), None)
    if isinstance(error, ConfigurationError) or theirs is None or isinstance(error, theirs):
        return
    error.__class__ = both((ours, theirs))
    vars(error)["_request"] = request  # what their ``request`` returns


def _name(error: UnbreakableError) -> str:
    """Return what both libraries call such an error."""
    if isinstance(error, (TimeoutError, DeadlineExceeded)):
        return "TimeoutException"
    return "ConnectError" if isinstance(error, NotSent) else "TransportError"


@lru_cache(MOST_CLASSES)
def both(kinds: tuple[type[UnbreakableError], type[Exception]]) -> type[UnbreakableError]:
    """Return the class of errors that are of both *kinds*, ours and theirs; it goes by the name of ours."""
    ours = kinds[0]
    # Not of the module that ours is in, whose list of errors is complete without it.
    names = {"__module__": "unbreakable", "__qualname__": ours.__qualname__, "__doc__": ours.__doc__}
    return type(ours.__name__, kinds, {**names, "_made_of": kinds, "__reduce__": _reduced})


def _reduced(error: Any) -> tuple[Any, ...]:
    """Return how such an error is pickled: its class can be found nowhere, but those that it is made of can."""
    return rebuilt, (error._made_of, error.args), vars(error)  # noqa: SLF001 - this is a method of it


def rebuilt(kinds: tuple[type[UnbreakableError], type[Exception]], args: tuple[Any, ...]) -> UnbreakableError:
    """Return an error that is of both *kinds*, before it has its attributes."""
    kind = both(kinds)
    error = kind.__new__(kind, *args)
    error.args = args
    return error
