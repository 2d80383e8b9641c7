"""What an error was made of: the members of a group, what it was raised from, what it came up in."""

from __future__ import annotations

from types import FrameType

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


def frames_of(error: BaseException) -> set[FrameType]:
    """Return the frames through which *error* has come so far: of the attempt, where it is told of its failure."""
    frames: set[FrameType] = set()
    traceback = told_by(error, "__traceback__")
    while traceback is not None:
        frames.add(traceback.tb_frame)
        traceback = traceback.tb_next
    return frames


def is_of_before(other: BaseException, frames: set[FrameType], handled: int = 0) -> bool:
    """Return whether *other* was being handled before what has come through *frames* began.

    Python makes it the context of all that comes up meanwhile, be it of another target.  It was caught in none of them,
    or, before a block, perhaps in the block's own: then its id is *handled*.
    """
    if id(other) == handled:
        return True
    traceback = told_by(other, "__traceback__")
    return traceback is not None and bool(frames) and traceback.tb_frame not in frames
