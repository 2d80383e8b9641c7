"""A statement reads or writes, which its first words tell; what would end a transaction behind our back is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import BindParameter, Connection, Executable, TextClause, bindparam, text

from unbreakable.errors import ValidationFailed
from unbreakable.nodes.database.rows import Rows

Parameters: TypeAlias = "Mapping[str, Any] | Sequence[Mapping[str, Any]] | None"

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
        else:
            sql = text(self.sql) if isinstance(self.sql, str) else self.sql
            result = connection.execute(with_types(sql, self.parameters), self.parameters)
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
            "params must be a dict with a value for each :name in the statement, or a list of such dicts, "
            f"not a {type(parameters).__name__}"
        )
    word = first_word(sql)
    if word in REFUSED:
        raise ValidationFailed(f"{word} is not for you to say: transaction() and checkpoint() begin and end things")
    return Statement(sql, _plain(parameters), reads(sql), word in SETTING)


def with_types(sql: Executable, parameters: Any) -> Executable:
    """Return *sql*; dates and times in a text go to SQLite as SQLAlchemy writes them: ISO 8601, with microseconds."""
    if not isinstance(sql, TextClause) or parameters is None:
        return sql
    first: Mapping[str, Any] = parameters if isinstance(parameters, Mapping) else parameters[0]
    typed: list[BindParameter[Any]] = [
        bindparam(name, value) for name, value in first.items() if isinstance(value, (date, time))
    ]
    return sql.bindparams(*typed) if typed else sql


def _fits(parameters: Any) -> bool:
    if parameters is None or isinstance(parameters, Mapping):
        return True
    rows = isinstance(parameters, Sequence) and not isinstance(parameters, (str, bytes, bytearray))
    return rows and bool(parameters) and all(isinstance(row, Mapping) for row in parameters)


def _plain(parameters: Any) -> Parameters:
    """Return *parameters* as the dictionaries that SQLAlchemy insists on."""
    if parameters is None or isinstance(parameters, dict):
        return parameters
    return dict(parameters) if isinstance(parameters, Mapping) else [dict(row) for row in parameters]


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
