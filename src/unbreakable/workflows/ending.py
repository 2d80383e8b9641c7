"""How the call of one step, or of its compensation, ended."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple, TypeAlias


class Doubt(enum.IntEnum):
    """How much is known about a call that did not return, from certainty to none."""

    NEVER_BEGAN = 0  #: it provably had no effect
    REPORTED = 1  #: the operation itself said that it failed
    NOBODY_KNOWS = 2  #: it was cut, or the process died


class Returned(NamedTuple):
    """It returned *value*; not *certain* when a fallback answered, or an attempt is still at it."""

    value: Any
    certain: bool = True


class NotReturned(NamedTuple):
    """It ended in *error*, which is not an Exception when it was cut or interrupted."""

    error: BaseException
    doubt: Doubt


Ending: TypeAlias = Returned | NotReturned
