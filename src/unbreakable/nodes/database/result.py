"""What a function returned is stored as text, and reads back the same each time."""

from __future__ import annotations

from typing import Any

from unbreakable.errors import NotRecordable
from unbreakable.nodes.database.rows import Rows
from unbreakable.storage.payload import read, record

MOST_RESULT = 2**20  # characters of JSON: what is larger belongs in a table of its own
ROWS = "Rows "  # stands before the JSON of rows, where no JSON begins


def as_text(value: Any, what: str) -> str:
    """Return *value* as JSON, or rows as such; raise NotRecordable, which begins with *what*.

    >>> as_text({"seats": (1, 2)}, "the result")
    '{"seats":[1,2]}'
    """
    text = record(value.to_dict() if isinstance(value, Rows) else value, what).text
    if len(text) > MOST_RESULT:
        raise NotRecordable(f"{what} is {len(text):,} characters of JSON, more than {MOST_RESULT:,}")
    return ROWS + text if isinstance(value, Rows) else text


def as_value(text: str) -> Any:
    """Return the value that was stored as *text*."""
    if not text.startswith(ROWS):
        return read(text)
    stored = read(text.removeprefix(ROWS))
    return Rows(stored["columns"], [tuple(row) for row in stored["rows"]], stored["rowcount"])
