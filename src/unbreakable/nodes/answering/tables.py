"""The tables of a knowledge base, and the statements that search them.

The index holds stems, made by ``words``: FTS5 only cuts them at the spaces between them, so that what is looked up and
what is compared are the same words whatever Unicode the SQLite of this machine knows.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from unbreakable.nodes.answering.passage import TITLE, Passage
from unbreakable.nodes.answering.words import plain, stems, words

if TYPE_CHECKING:
    import sqlite3

MIGRATIONS = (
    (
        "CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
        "INSERT INTO fact VALUES ('passages', 0), ('bytes', 0), ('judged', 0)",
        """CREATE TABLE passage (
            id INTEGER PRIMARY KEY AUTOINCREMENT, mark BLOB NOT NULL UNIQUE,
            title TEXT NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL, context TEXT NOT NULL)""",
        "CREATE VIRTUAL TABLE word USING fts5(around, text, content='', tokenize='ascii')",
        "CREATE TABLE stem (stem TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID",
        """CREATE TABLE field (
            passage INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
            PRIMARY KEY (passage, key, value)) WITHOUT ROWID""",
        "CREATE INDEX field_value ON field (value, key)",
        "CREATE INDEX field_key ON field (key)",
        """CREATE TABLE judgement (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, good REAL NOT NULL,
            quality REAL NOT NULL, passage INTEGER, taught INTEGER, stems TEXT NOT NULL)""",
        "CREATE INDEX judgement_agent ON judgement (agent)",
    ),
)
MOST_ROWS = 5_000  # that one search looks at: a few milliseconds
COLUMNS = "id, mark, title, passage.text, source, context"
TOPIC = " "  # the key of the fields that are parts of a title: no plain key is only a space

Sql: TypeAlias = tuple[str, Sequence[Any]]


def mark_of(passage: Passage) -> bytes:
    """Return what tells *passage* from every other: adding the same again adds nothing."""
    told = json.dumps([passage.title, passage.text, passage.source, _context(passage)])
    return hashlib.sha256(told.encode()).digest()[:16]


def put(connection: sqlite3.Connection, new: Iterable[Passage]) -> int:
    """Add those of the *new* passages that are not there yet; return how many they are."""
    passages, size, known = 0, 0, Counter[str]()
    for passage in new:
        row = passage.title, passage.text, passage.source, _context(passage)
        added = connection.execute(
            "INSERT OR IGNORE INTO passage (mark, title, text, source, context) VALUES (?, ?, ?, ?, ?)",
            (mark_of(passage), *row),
        )
        if added.rowcount < 1:
            continue
        passages, size, key = passages + 1, size + sum(len(text.encode()) for text in row), added.lastrowid
        around, text = stems(words(passage.about)), stems(words(passage.text))
        known.update({*around, *text})
        connection.execute(
            "INSERT INTO word (rowid, around, text) VALUES (?, ?, ?)", (key, " ".join(around), " ".join(text))
        )
        connection.executemany("INSERT INTO field VALUES (?, ?, ?)", [(key, *field) for field in _fields(passage)])
    connection.executemany(
        "INSERT INTO stem VALUES (?, ?) ON CONFLICT DO UPDATE SET passages = passages + excluded.passages",
        known.items(),
    )
    count(connection, "passages", passages)
    count(connection, "bytes", size)
    return passages


def _fields(passage: Passage) -> set[tuple[str, str]]:
    found = {(TOPIC, plain(part)) for part in passage.title.split(TITLE)}
    found |= {(plain(name), plain(each)) for name, values in passage.context.items() for each in values}
    return {field for field in found if all(field)}


def clear(connection: sqlite3.Connection) -> None:
    """Remove every passage; what was judged stays."""
    connection.execute("INSERT INTO word (word) VALUES ('delete-all')")
    for emptied in ("DELETE FROM passage", "DELETE FROM stem", "DELETE FROM field"):
        connection.execute(emptied)
    connection.execute("UPDATE fact SET value = 0 WHERE name IN ('passages', 'bytes')")


def count(connection: sqlite3.Connection, name: str, more: int) -> None:
    """Add *more* to what is noted under *name*."""
    connection.execute("UPDATE fact SET value = value + ? WHERE name = ?", (more, name))


def fact(connection: sqlite3.Connection, name: str) -> int:
    """Return what is noted under *name*."""
    ((value,),) = connection.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchall()
    return int(value)


def passage_of(row: tuple[Any, ...]) -> Passage:
    """Return the passage that a row of COLUMNS holds."""
    key, mark, title, text, source, context = row
    fields = {name: tuple(values) for name, values in json.loads(context).items()}
    return Passage(id=key, mark=mark, title=title, text=text, source=source, context=fields)


def vouch_for(passage: Passage) -> None:
    """Raise ValueError when *passage* is not what was once put there."""
    if mark_of(passage) != passage.mark:
        raise ValueError(f"passage {passage.id} is not what it was")


def _context(passage: Passage) -> str:
    return json.dumps({name: list(values) for name, values in passage.context.items()})


# ── searching ───────────────────────────────────────────────────────────────────────────────────────────────────────


def frequencies(connection: sqlite3.Connection, stems: Sequence[str]) -> dict[str, int]:
    """Return in how many passages each of the *stems* is that the knowledge has."""
    sql = f"SELECT stem, passages FROM stem WHERE stem IN ({_marks(stems)})"  # noqa: S608 - values are bound
    return dict(connection.execute(sql, stems))


def limits(connection: sqlite3.Connection, context: Mapping[str, Sequence[str]]) -> Sql:
    """Return the condition that *context* sets to the passages of an answer; its keys and values are ``plain``.

    A value that is part of a title limits to the passages under that title or with that value in the field.  A key that
    is a field rules out the passages that have other values there.  Anything else is no concern of the knowledge.
    """
    condition, given = "", []
    for key, values in context.items():
        one_of = f"value IN ({_marks(values)})"
        if _is_there(connection, f"{one_of} AND key = ?", [*values, TOPIC]):
            condition += f" AND id IN (SELECT passage FROM field WHERE {one_of} AND key IN (?, ?))"  # noqa: S608 - bound
            given += [*values, TOPIC, key]
        elif _is_there(connection, "key = ?", [key]):
            field = "EXISTS (SELECT 1 FROM field WHERE passage = id AND key = ?"
            condition += f" AND (NOT {field}) OR {field} AND {one_of}))"
            given += [key, key, *values]
    return condition, given


def _is_there(connection: sqlite3.Connection, condition: str, given: Sequence[Any]) -> bool:
    sql = f"SELECT 1 FROM field WHERE {condition} LIMIT 1"  # noqa: S608 - values are bound
    return connection.execute(sql, given).fetchone() is not None


def best_fits(connection: sqlite3.Connection, frequencies: Mapping[str, int], limit: Sql, most: int) -> list[Passage]:
    """Return the *most* passages within *limit* that fit the words best, by BM25.

    The rarest words decide: the others are left out as soon as they would bring more than 5,000 rows to look at.  If
    even the rarest is in more passages than that, the first ones that have it are returned.
    """
    if not frequencies:
        return []
    rarest, *others = sorted(frequencies, key=lambda stem: (frequencies[stem], stem))
    wanted, rows = [rarest], frequencies[rarest]
    for stem in others:
        rows += frequencies[stem]
        wanted += [stem] if rows <= MOST_ROWS else []
    order = "bm25(word, 5.0, 1.0)" if frequencies[rarest] <= MOST_ROWS else "word.rowid"
    condition, given = limit
    sql = (
        f"SELECT {COLUMNS} FROM word JOIN passage ON id = word.rowid"  # noqa: S608 - values are bound
        f" WHERE word MATCH ?{condition} ORDER BY {order} LIMIT ?"
    )
    match = " OR ".join(f'"{stem}"' for stem in wanted)  # letters and digits alone: nothing in it is an operator
    return [passage_of(row) for row in connection.execute(sql, [match, *given, most])]


def numbered(connection: sqlite3.Connection, numbers: Sequence[int], limit: Sql = ("", [])) -> list[Passage]:
    """Return the passages of these numbers that are there and within *limit*."""
    condition, given = limit
    sql = f"SELECT {COLUMNS} FROM passage WHERE id IN ({_marks(numbers)}){condition}"  # noqa: S608 - values are bound
    return [passage_of(row) for row in connection.execute(sql, [*numbers, *given])]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
