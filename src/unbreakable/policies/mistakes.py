"""Whether an error says that the request, or the program, is wrong: its target is well, and a repeat is in vain."""

from __future__ import annotations

from unbreakable.errors import Kind, known_by_type, told_by

_NO_SUCH_PATH = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
_UNWRITTEN = (NameError, ImportError)
_OF_PYTHON = frozenset({SyntaxError, IndentationError, TabError})  # others are of documents, as of XML that was cut off

# Databases name their errors after PEP 249, and so do the layers over them.
_OF_A_DATABASE = "DatabaseError"
_UNTRUE = frozenset({"IntegrityError", "DataError", "ProgrammingError", "NotSupportedError"})
_OF_MONGO, _THERE_ALREADY = "PyMongoError", "DuplicateKeyError"


def mistake(error: BaseException | type[BaseException]) -> Kind | None:
    """Return INVALID or BUG if *error*, or every error of that type, is a mistake; None if nothing says so.

    A path that is not there is one where the error names it: a socket that is not there names none, and may come back.
    Of a missing key or attribute nobody knows: an answer may have been cut off.

    >>> mistake(NameError()), mistake(KeyError("price"))
    (<Kind.BUG: 'bug'>, None)
    """
    type_: type[BaseException] = error if issubclass(type(error), type) else type(error)  # type: ignore[assignment]
    if issubclass(type_, _NO_SUCH_PATH):
        return None if told_by(error, "filename") is None else Kind.INVALID
    return Kind.BUG if issubclass(type_, _UNWRITTEN) or type_ in _OF_PYTHON else _of_database(type_)


@known_by_type
def _of_database(type_: type[BaseException]) -> Kind | None:
    names = {each.__name__ for each in type_.__mro__}
    untrue = _OF_A_DATABASE in names and not _UNTRUE.isdisjoint(names)
    return Kind.INVALID if untrue or {_OF_MONGO, _THERE_ALREADY} <= names else None
