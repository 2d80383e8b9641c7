"""What a database says by the name of its error."""

from __future__ import annotations

import sqlite3

import pytest

from unbreakable.errors import Kind
from unbreakable.policies.mistakes import mistake


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("IntegrityError", Kind.INVALID),
        ("DataError", Kind.INVALID),
        ("ProgrammingError", Kind.INVALID),
        ("NotSupportedError", Kind.INVALID),
        ("OperationalError", None),
        ("InternalError", None),
        ("DatabaseError", None),
        ("InterfaceError", None),
    ],
)
def test_a_database_says_whose_mistake_it_is(name, kind):
    """The four that PEP 249 gives to the request are no outage, in any module; the others may be one."""
    error = getattr(sqlite3, name)
    of_another_driver = type(name, (type("DatabaseError", (Exception,), {}),), {})

    assert [kind] * 2 == [mistake(error("no")), mistake(of_another_driver)]


def test_an_error_of_that_name_that_is_no_databases_says_nothing():
    """Other programs have data, too."""
    assert mistake(type("DataError", (Exception,), {})) is None


def test_a_document_that_is_there_already_is_a_mistake():
    """The name that pymongo gives it, which knows nothing of PEP 249, says nothing in another library."""
    of_mongo = type("DuplicateKeyError", (type("PyMongoError", (Exception,), {}),), {})

    assert [Kind.INVALID, None] == [mistake(of_mongo), mistake(type("DuplicateKeyError", (Exception,), {}))]
    assert mistake(of_mongo.__base__) is None
