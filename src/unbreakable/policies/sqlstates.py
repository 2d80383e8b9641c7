"""What a database says by a code: SQLSTATE, which PostgreSQL's drivers and others hand on, or SQLite's own.

A driver's class says less, or nothing: those of asyncpg are not named after PEP 249, and an OperationalError is a table
that is missing as well as a server that is.  No driver has to be installed: the codes are read by name.
"""

from __future__ import annotations

from unbreakable.errors import Kind, told_by

#: By the first two characters, the class (ISO 9075, and PostgreSQL's own).  Of the others nothing can be told.
_BY_CLASS = {
    "08": Kind.UNREACHABLE,  # connection exception
    "28": Kind.CREDENTIALS,  # invalid authorization
    "40": Kind.TRANSIENT,  # transaction rollback: serialization failure, deadlock
    "53": Kind.TRANSIENT,  # insufficient resources
    "57": Kind.TRANSIENT,  # operator intervention
    # feature, cardinality, data, constraint, catalog, schema, syntax or access, check option
    **dict.fromkeys(("0A", "21", "22", "23", "3D", "3F", "42", "44"), Kind.INVALID),
}
_BY_STATE = {
    "40003": Kind.UNREACHABLE,  # statement completion unknown
    "53300": Kind.THROTTLED,  # too many connections
    "55P03": Kind.TRANSIENT,  # lock not available
    "57014": Kind.TIMEOUT,  # query canceled, as by statement_timeout
    "57P01": Kind.UNREACHABLE,  # admin shutdown: it hangs up in the middle of what it did
    "57P02": Kind.UNREACHABLE,  # crash shutdown
    "57P05": Kind.UNREACHABLE,  # idle session timeout
}
#: asyncpg's, after a migration: its code is that of a missing feature, and its documentation says to repeat
_BY_NAME = {"InvalidCachedStatementError": Kind.TRANSIENT}
_SQLITE_ERROR = 1  # no such table or column, a syntax error; what passes by itself has a code of its own


def said_by_database(error: BaseException | type[BaseException]) -> Kind | None:
    """Return what sort of failure a database says by the code of *error*, or of what SQLAlchemy put into it.

    >>> said_by_database(type("UniqueViolationError", (Exception,), {"sqlstate": "23505"}))
    <Kind.INVALID: 'invalid'>
    """
    for each in (error, told_by(error, "orig")):
        for name in ("sqlstate", "pgcode"):
            state = told_by(each, name)
            if type(state) is str and len(state) == 5:
                named = _BY_NAME.get((each if isinstance(each, type) else type(each)).__name__)
                return named or _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
        code = told_by(each, "sqlite_errorcode")
        if type(code) is int and code == _SQLITE_ERROR:
            return Kind.INVALID
    return None
