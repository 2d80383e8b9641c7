"""An exception goes through pickle whatever it is: as itself, rebuilt around its constructor, or as text."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import Any, TypeAlias

from unbreakable.errors import Kind, RecordedError, told_by

TOLD = (
    "kind",
    "retry_after",
    "http_status",
    "refused",
    "in_doubt",
    "may_have_arrived",
)  # what an exception may say; see unbreakable.errors


Known: TypeAlias = dict[int, tuple[BaseException, Any]]  # how exceptions are pickled, by their identity
IN_HAND = (RecordedError, ("itself",))  # what stands in for an exception while it is found out how it is pickled


class Parcel:
    """Carry *error*; *text* is what is left of it where even its type is not known."""

    def __init__(self, error: BaseException, text: str) -> None:
        self.error, self.text = error, text

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            data = dumps(self.error)
        except Exception:  # whatever its own methods raise
            data = b""
        return unpacked, (data, self.text, facts(self.error))


def sealed(thing: Any, in_words: Callable[[BaseException], str]) -> list[Any]:
    """Return the fields of *thing*, a dataclass, as they are pickled: every exception in a parcel."""
    values = [getattr(thing, field.name) for field in fields(thing)]
    return [Parcel(value, in_words(value)) if isinstance(value, BaseException) else value for value in values]


def opened(thing: Any, values: list[Any]) -> None:
    """Give *thing*, a frozen dataclass that is being unpickled or copied, the *values* of its fields."""
    for field, value in zip(fields(thing), values, strict=True):
        object.__setattr__(thing, field.name, value.error if isinstance(value, Parcel) else value)


def unpacked(data: bytes, text: str, told: dict[str, Any]) -> Parcel:
    """Return the parcel that was sent; with a RecordedError in it if the exception cannot be read here."""
    try:
        error = pickle.loads(data)  # noqa: S301 - part of what is being unpickled anyway
    except Exception:
        error = None
    if not isinstance(error, BaseException):
        error = RecordedError(text)
        vars(error).update(told)
    return Parcel(error, text)


def dumps(thing: object, known: Known | None = None) -> bytes:
    """Return *thing* pickled, and every exception in it so that it can be read."""
    buffer = io.BytesIO()
    Packer(buffer, {} if known is None else known).dump(thing)
    return buffer.getvalue()


class Packer(pickle.Pickler):
    """Write exceptions that pickle would write and could not read, such as those made with keywords, another way.

    What is found out about each is *known* from then on: otherwise it would be found out twice as often at each level
    that exceptions hold others, and for ever where one holds itself.
    """

    def __init__(self, buffer: io.BytesIO, known: Known) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self.known = known

    def reducer_override(self, thing: Any) -> Any:
        """Return how *thing* is pickled."""
        if not isinstance(thing, BaseException):
            return NotImplemented
        if id(thing) not in self.known:
            self.known[id(thing)] = thing, IN_HAND
            self.known[id(thing)] = thing, self._reduced(thing)
        return self.known[id(thing)][1]

    def _reduced(self, thing: BaseException) -> Any:
        if survives(thing, pickle.dumps):
            return NotImplemented
        args = tuple(each if self._survives(each) else repr(each) for each in thing.args)
        state = {name: value for name, value in vars(thing).items() if self._survives(value)}
        return rebuilt, (type(thing), args), state, None, None, restore

    def _survives(self, value: Any) -> bool:
        is_in_hand = self.known.get(id(value), (None, None))[1] is IN_HAND  # and so survives if its holder does
        return is_in_hand or survives(value, partial(dumps, known=self.known))


def survives(thing: object, write: Callable[[Any], bytes]) -> bool:
    """Return whether what *write* makes of *thing* can be read."""
    try:
        return type(pickle.loads(write(thing))) is type(thing)  # noqa: S301 - written a moment ago
    except Exception:
        return False


def rebuilt(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    """Return an exception as it was after its constructor, which may want what nobody knows any more."""
    error = kind.__new__(kind, *args)
    error.args = args
    return error


def restore(error: BaseException, state: dict[str, Any]) -> None:
    """Give *error* its attributes; only now, so that one of them may be, or lead to, the error itself."""
    vars(error).update(state)


def facts(error: BaseException) -> dict[str, Any]:
    """Return what *error* says of itself that decides about repeats."""
    told = {name: told_by(error, name) for name in TOLD}
    return {name: value for name, value in told.items() if isinstance(value, (Kind, bool, int, float))}
