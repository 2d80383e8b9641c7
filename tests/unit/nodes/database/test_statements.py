"""What a statement does is told by its first words, whatever stands before them."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import column, select, table, text

from unbreakable.errors import Kind
from unbreakable.nodes.database.statements import REFUSED, first_word, reads
from unbreakable.nodes.database.trouble import code_of, is_locked, mark, sort_of


@pytest.mark.parametrize(
    ("sql", "does"),
    [
        ("SELECT 1", True),
        ("  -- a remark\n\tselect 1", True),
        ("/* INSERT */ SELECT 1", True),
        ("/* never closed", False),
        ("/***/values (1)", True),
        ("EXPLAIN QUERY PLAN DELETE FROM t", True),
        ("WITH a AS (SELECT 1) SELECT * FROM a", True),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", False),
        ("with a as (select 1) delete from t", False),
        ("INSERT INTO t VALUES (1)", False),
        ("PRAGMA user_version", False),
        ("CREATE TABLE t (a)", False),
        ("SELECTED", False),
        ("", False),
        (";", False),
        (text("SELECT 1"), True),
        (text("DELETE FROM t"), False),
        (select(1), True),
        (table("t", column("a")).delete(), False),
        (None, False),
        (7, False),
    ],
)
def test_what_reads(sql, does):
    """In doubt it counts as writing, which is slower and never wrong."""
    assert does is reads(sql)


NOISE = st.lists(st.sampled_from([" ", "\n", ";", "-- so\n", "/* so */", "/**/", "/***/", "/* * / */", "\ufeff"]))


@given(noise=NOISE, word=st.sampled_from(sorted(REFUSED)))
def test_no_noise_hides_a_word(noise, word):
    """What SQLite skips before the first word is skipped here as well."""
    assert word == first_word("".join(noise) + word.lower())


@given(noise=NOISE)
def test_the_noise_is_what_sqlite_skips(noise):
    """The test above is about noise that SQLite really skips."""
    plain = sqlite3.connect(":memory:", isolation_level=None)
    plain.execute("BEGIN")
    plain.execute("".join(noise) + "COMMIT")
    ended = not plain.in_transaction
    plain.close()

    assert ended


def test_a_long_remark_is_read_in_no_time():
    """Neither stars nor dashes nor slashes make the reader slow."""
    for remark in ("/*" * 50_000, "/*" + "*" * 100_000, "--" * 50_000, ";" * 100_000):
        assert "" == first_word(remark)


# ── trouble ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Wrapped(Exception):
    """An error as SQLAlchemy raises it: SQLite's own is inside."""

    def __init__(self, code):
        super().__init__("…")
        self.orig = sqlite3.OperationalError("…")
        if code is not None:
            self.orig.sqlite_errorcode = code


@pytest.mark.parametrize(
    ("code", "kind", "passes"),
    [
        (5, Kind.TRANSIENT, True),
        (517, Kind.TRANSIENT, True),  # BUSY_SNAPSHOT: an extended code
        (6, Kind.TRANSIENT, True),
        (10, Kind.TRANSIENT, True),
        (778, Kind.TRANSIENT, True),  # IOERR_WRITE
        (13, Kind.TRANSIENT, False),
        (8, Kind.INVALID, False),
        (11, Kind.INVALID, False),
        (14, Kind.UNREACHABLE, True),
        (1, Kind.INVALID, False),
        (2067, Kind.INVALID, False),  # CONSTRAINT_UNIQUE
        (None, Kind.INVALID, False),
    ],
)
def test_what_a_code_means(code, kind, passes):
    """Whose fault it is, and whether it passes."""
    error = Wrapped(code)
    mark(error, "app.db")
    words = sort_of(error).words

    assert (kind, passes) == (error.kind, sort_of(error).passes)
    assert ([f"app.db: {words}"] if words else []) == getattr(error, "__notes__", [])
    assert is_locked(error) is (code_of(error) in (5, 6))


def test_our_own_errors_say_it_themselves():
    """They are not marked."""
    error = RuntimeError("the transaction is over")
    mark(error, "app.db")

    assert {} == vars(error)
