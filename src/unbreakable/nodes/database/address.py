"""A connection URL is read, and checked, where it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from unbreakable.errors import ConfigurationError
from unbreakable.policies.check import refuse

EXAMPLE = "the URL of a SQLite database such as 'sqlite+aiosqlite:///app.db'"
OFFERED = ("sqlite", "sqlite+aiosqlite", "sqlite+pysqlite")
MEMORY = ":memory:"


def read_address(connection: Any) -> Path | None:
    """Return the file that *connection* names, None for a database in memory; ConfigurationError for anything else.

    >>> print(read_address("sqlite+aiosqlite://"))
    None
    """
    try:
        url = make_url(connection)
    except (ArgumentError, ValueError, TypeError) as error:
        shown = connection if isinstance(connection, str) and "@" not in connection else type(connection).__name__
        raise refuse("connection", EXAMPLE, shown) from error
    if url.drivername not in OFFERED:
        raise ConfigurationError(f"connection must be {EXAMPLE}; {url.drivername!r} is not offered yet")
    shown = url.render_as_string()
    if url.host or url.username or url.port:
        raise refuse("connection", f"{EXAMPLE}, with three slashes before the path", shown)
    if url.query:
        raise refuse("connection", f"{EXAMPLE}, without anything after a question mark", shown)
    path = url.database or MEMORY
    if "\0" in path or path.startswith("file:"):
        raise refuse("connection", f"{EXAMPLE}, with a plain path", shown)
    if path == MEMORY:
        return None
    place = Path(path).resolve()
    if place.is_dir():
        raise refuse("connection", f"{EXAMPLE}, with a file and not a folder", shown)
    return place
