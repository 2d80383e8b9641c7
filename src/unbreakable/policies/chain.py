"""What an error was made of: the members of a group, what it was raised from, what it came up in."""

from __future__ import annotations

from unbreakable.errors import told_by
from unbreakable.outcome import is_a


def members(error: BaseException) -> tuple[BaseException, ...]:
    """Return what a group consists of; nothing for any other exception."""
    return (told_by(error, "exceptions") or ()) if is_a(error, BaseExceptionGroup) else ()


def behind(error: BaseException, *, contexts: bool = True) -> tuple[BaseException, ...]:
    """Return what *error* came from, as its traceback tells it; without *contexts* only what was made an error of."""
    cause = told_by(error, "__cause__")
    if cause is None and contexts and not told_by(error, "__suppress_context__"):
        cause = told_by(error, "__context__")
    return members(error) if cause is None else (*members(error), cause)
