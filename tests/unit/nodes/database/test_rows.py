"""Rows are read by name and by place, and never change."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from unbreakable.nodes.database.rows import Row, Rows

PEOPLE = Rows(("id", "name"), [(1, "Ada"), (2, "Bob")], 2)


def test_a_row_is_read_in_every_way():
    """By attribute, by key, by place, by unpacking, as a dictionary."""
    row = PEOPLE[0]
    number, name = row

    assert (1, "Ada") == (row.id, row.name) == (row["id"], row["name"]) == (row[0], row[-1]) == (number, name)
    assert {"id": 1, "name": "Ada"} == dict(row) == row.to_dict()
    assert (2, ("id", "name"), ("Ada",)) == (len(row), row.keys(), row[1:])


def test_rows_are_a_sequence():
    """They have a size, places and an order."""
    assert (2, "Bob", ["Ada", "Bob"]) == (len(PEOPLE), PEOPLE[-1].name, [row.name for row in PEOPLE])
    assert [(2, "Bob")] == list(PEOPLE[1:])
    assert (1, True, False) == (PEOPLE[1:].rowcount, (1, "Ada") in PEOPLE, bool(Rows()))


def test_what_there_is_one_of():
    """One row, the first, one value."""
    assert (1, 1, "Ada") == (PEOPLE.scalar(), PEOPLE.first().id, PEOPLE[:1].one().name)
    assert (None, None) == (Rows().first(), Rows().scalar())


@pytest.mark.parametrize(("rows", "found"), [(Rows(), 0), (PEOPLE, 2)])
def test_not_exactly_one_row(rows, found):
    """It is told how many there are."""
    with pytest.raises(LookupError, match=f"expected exactly one row, found {found}"):
        rows.one()


@pytest.mark.parametrize("read", [lambda row: row.age, lambda row: row["age"]], ids=["attribute", "key"])
def test_a_column_that_is_not_there(read):
    """The message says which are."""
    with pytest.raises((AttributeError, KeyError), match="'age'; called otherwise: id, name"):
        read(PEOPLE[0])


def test_a_name_that_two_columns_share():
    """It reads neither of them; their places do."""
    row = Rows(("id", "id", "name"), [(1, 2, "Ada")])[0]

    assert (1, 2, "Ada") == tuple(row)
    assert ("name",) == row.keys()
    assert "Row(1, 2, 'Ada')" == repr(row)
    with pytest.raises(KeyError, match="more than one"):
        row["id"]
    with pytest.raises(ValueError, match="give each its own with AS"):
        row.to_dict()


def test_columns_may_be_called_anything():
    """A column named like a method is read by key."""
    row = Rows(("keys", "count", "index", "_values"), [(1, 2, 3, 4)])[0]

    assert [1, 2, 3, 4] == [row[name] for name in ("keys", "count", "index", "_values")]
    assert (2, 3) == (row.count, row.index)


@pytest.mark.parametrize("name", ["id", "_values", "other"])
def test_a_row_never_changes(name):
    """Neither setting nor deleting does anything but raise."""
    with pytest.raises(AttributeError, match="cannot be set"):
        setattr(PEOPLE[0], name, 7)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        delattr(PEOPLE[0], name)


def test_rows_are_values():
    """They are equal, hashed, copied and pickled by what they hold."""
    for twin in (pickle.loads(pickle.dumps(PEOPLE)), copy.deepcopy(PEOPLE)):  # noqa: S301 - our own
        assert (PEOPLE, hash(PEOPLE)) == (twin, hash(twin))
    assert PEOPLE[0] == pickle.loads(pickle.dumps(PEOPLE[0])) == (1, "Ada")  # noqa: S301 - our own
    assert PEOPLE != Rows(("id", "nick"), [(1, "Ada"), (2, "Bob")], 2)
    assert PEOPLE[0] != [1, "Ada"]
    assert {(1, "Ada"): "x"}[PEOPLE[0]] == "x"


def test_rows_are_json_ready():
    """As a dictionary they hold columns, rows and count."""
    assert {"columns": ["id", "name"], "rows": [[1, "Ada"], [2, "Bob"]], "rowcount": 2} == json.loads(
        json.dumps(PEOPLE.to_dict())
    )
    assert "<Rows: 2 of (id, name), rowcount 2>" == repr(PEOPLE)


def test_a_row_shows_what_it_holds():
    """At a prompt one sees names and values."""
    assert "Row(id=1, name='Ada')" == repr(Row({"id": 0, "name": 1}, (1, "Ada")))
