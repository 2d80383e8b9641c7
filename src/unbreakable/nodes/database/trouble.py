"""What SQLite's refusals mean: whose fault it is, and whether asking again makes sense.

The exceptions stay SQLAlchemy's own.  They are given a ``kind``, and a note where that helps.
"""

from __future__ import annotations

from typing import NamedTuple

from unbreakable.errors import Kind, UnbreakableError, told_by

BUSY, LOCKED, INTERRUPTED, DISK_ERROR = 5, 6, 9, 10


class Sort(NamedTuple):
    """Say what sort of trouble it is, whether it passes by itself, and what to tell."""

    kind: Kind
    passes: bool
    words: str = ""


SORTS: dict[int, Sort] = {  # by SQLite's primary result code; whatever is not here is the caller's mistake
    BUSY: Sort(Kind.TRANSIENT, True, "another program holds its lock"),
    LOCKED: Sort(Kind.TRANSIENT, True, "another statement holds its lock"),
    7: Sort(Kind.TRANSIENT, True, "there is no memory left"),
    8: Sort(Kind.INVALID, False, "it may only be read"),
    INTERRUPTED: Sort(Kind.TIMEOUT, False),
    DISK_ERROR: Sort(Kind.TRANSIENT, True, "the disk failed, or a limit of the system was reached"),
    11: Sort(Kind.INVALID, False, "its content is damaged"),
    13: Sort(Kind.TRANSIENT, False, "there is no room left to write"),
    14: Sort(Kind.UNREACHABLE, True, "it cannot be opened: look for its folder and who may read and write it"),
    15: Sort(Kind.TRANSIENT, True, "other programs keep its lock busy"),
    17: Sort(Kind.TRANSIENT, True, "its tables were changed meanwhile"),
    26: Sort(Kind.INVALID, False, "it is no SQLite database"),
}
CALLERS_FAULT = Sort(Kind.INVALID, False)


def code_of(error: BaseException) -> int | None:
    """Return SQLite's primary result code, None for what SQLite did not say."""
    code = told_by(told_by(error, "orig"), "sqlite_errorcode")
    return code & 0xFF if isinstance(code, int) else None


def sort_of(error: BaseException) -> Sort:
    """Return what sort of trouble *error* is."""
    code = code_of(error)
    return CALLERS_FAULT if code is None else SORTS.get(code, CALLERS_FAULT)


def is_locked(error: BaseException) -> bool:
    """Return whether somebody else holds the lock, for the moment."""
    return code_of(error) in (BUSY, LOCKED)


def mark(error: Exception, place: str) -> None:
    """Say of *error*, which a statement raised, what it means for the database at *place*."""
    if isinstance(error, (UnbreakableError, RuntimeError)):
        return  # our own, which says what it means
    sort = sort_of(error)
    vars(error).update(kind=sort.kind)
    if sort.words:
        error.add_note(f"{place}: {sort.words}")
