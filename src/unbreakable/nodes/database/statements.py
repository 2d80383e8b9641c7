"""A statement reads or writes, which its first words tell; what would end a transaction behind our back is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import BindParameter, Connection, Executable, TextClause, bindparam, text

from unbreakable.errors import ValidationFailed
from unbreakable.nodes.database.rows import Rows

Parameters: TypeAlias = "Mapping[str, Any] | Sequence[Any] | None"

LEAD = re.compile(r"(?:[\s;\ufeff]|--[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?)*")  # what SQLite skips before the first word
WORD = re.compile(r"[A-Za-z]+")
CHANGES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
READING = {"SELECT", "VALUES", "EXPLAIN"}
SETTING = {"PRAGMA", "ATTACH", "DETACH"}  # what changes the connection, for whoever comes next
REFUSED = {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"}


class Statement(NamedTuple):
    """Hold a statement that was checked, what goes into it, and what it does."""

    sql: str | Executable
    parameters: Parameters
    reads: bool
    sets: bool = False

    def execute(self, connection: Connection, most: int) -> Rows:
        """Carry it out and return all rows; ValidationFailed when there are more than *most*."""
        if isinstance(self.sql, str) and self.parameters is None:
            result = connection.exec_driver_sql(self.sql)  # as it is: a colon in it is a colon
        elif isinstance(self.sql, str) and by_place(self.parameters):
            result = connection.exec_driver_sql(self.sql, self.parameters)
        else:
            sql = text(self.sql) if isinstance(self.sql, str) else with_types(self.sql, self.parameters)
            result = connection.execute(sql, self.parameters)
        with result:
            if not result.returns_rows:
                return Rows(rowcount=max(0, result.rowcount))
            rows = [tuple(row) for row in result.fetchmany(most + 1)]
            if len(rows) > most:
                raise ValidationFailed(f"the answer has more than {most:,} rows: ask for fewer, or raise most_rows")
            return Rows(tuple(result.keys()), rows, len(rows))


def read_statement(sql: Any, parameters: Any) -> Statement:
    """Return the checked statement; ValidationFailed says what cannot be carried out."""
    if not isinstance(sql, (str, Executable)):
        raise ValidationFailed(f"sql must be text or a SQLAlchemy statement, not a {type(sql).__name__}")
    if not _fits(parameters):
        raise ValidationFailed(
            "params must be a dict with a value for each :name in the statement, a list or tuple with one for each ?, "
            f"or a list of either, not {_said(parameters)}"
        )
    if by_place(parameters) and not isinstance(sql, str):
        raise ValidationFailed("params must be a dict, or a list of dicts, for a statement that SQLAlchemy built")
    word = first_word(sql)
    if word in REFUSED:
        raise ValidationFailed(f"{word} is not for you to say: transaction() and checkpoint() begin and end things")
    return Statement(sql, _plain(parameters, is_for_text=isinstance(sql, str)), reads(sql), word in SETTING)


def with_types(sql: Executable, parameters: Any) -> Executable:
    """Return *sql*; dates and times in a ``text()`` go to SQLite as SQLAlchemy writes them: ISO 8601, microseconds."""
    if not isinstance(sql, TextClause) or parameters is None:
        return sql
    first: Mapping[str, Any] = parameters if isinstance(parameters, Mapping) else parameters[0]
    typed: list[BindParameter[Any]] = [
        bindparam(name, value) for name, value in first.items() if isinstance(value, (date, time))
    ]
    return sql.bindparams(*typed) if typed else sql


def by_place(parameters: Any) -> bool:
    """Return whether *parameters* go by their places, as ``?`` asks for, and not by name."""
    return _is_row(parameters) and not any(isinstance(each, Mapping) for each in parameters)


def _fits(parameters: Any) -> bool:
    if parameters is None or isinstance(parameters, Mapping):
        return True
    if not _is_row(parameters) or not parameters:
        return False
    kinds = {"name" if isinstance(row, Mapping) else "places" if _is_row(row) else "value" for row in parameters}
    return len(kinds) == 1


def _is_row(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))


def _said(parameters: Any) -> str:
    return f"{parameters!r}" if _is_row(parameters) and not parameters else f"a {type(parameters).__name__}"


def _plain(parameters: Any, *, is_for_text: bool) -> Parameters:
    """Return *parameters* as the dictionaries and tuples that SQLAlchemy insists on; for text, as they are stored."""
    if parameters is None:
        return parameters
    if isinstance(parameters, Mapping):
        return _named(parameters, is_for_text=is_for_text)
    if not by_place(parameters):
        return [_named(row, is_for_text=is_for_text) for row in parameters]
    rows = [tuple(map(_stored, row)) for row in parameters] if _is_row(parameters[0]) else None
    return tuple(map(_stored, parameters)) if rows is None else rows


def _named(row: Mapping[str, Any], *, is_for_text: bool) -> dict[str, Any]:
    return {name: _stored(value) if is_for_text else value for name, value in row.items()}


def _stored(value: Any) -> Any:
    """Return a date or time as SQLAlchemy writes it, for the driver's own way is deprecated; all else as it is."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")  # strftime pads no year before 1000
    if isinstance(value, time):
        return value.replace(tzinfo=None).isoformat("microseconds")
    return value.isoformat() if isinstance(value, date) else value


def first_word(sql: str | Executable) -> str:
    """Return the first word of a statement in capitals; none for what SQLAlchemy built.

    >>> first_word(" /* the newest */ select 1")
    'SELECT'
    """
    words = _text_of(sql)
    lead = LEAD.match(words)
    word = WORD.match(words, lead.end() if lead else 0)
    return word.group().upper() if word else ""


def reads(sql: object) -> bool:
    """Return whether *sql* certainly changes nothing.

    >>> reads("WITH new AS (SELECT 1) INSERT INTO t SELECT * FROM new")
    False
    """
    if not isinstance(sql, (str, Executable)):
        return False
    if not isinstance(sql, (str, TextClause)):
        return bool(getattr(sql, "is_select", False))
    word = first_word(sql)
    return word in READING or (word == "WITH" and not CHANGES.search(_text_of(sql)))


def _text_of(sql: str | Executable) -> str:
    return sql if isinstance(sql, str) else sql.text if isinstance(sql, TextClause) else ""
