"""What a result must be like: a type, or a function that checks it; and how good it is."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable
from dataclasses import field
from typing import Any, TypeAlias

from unbreakable.errors import Kind, UnbreakableError, VerificationFailed, told_by
from unbreakable.fractal.operation import can_take_one
from unbreakable.fractal.signature import origins, relatives, told_of
from unbreakable.outcome import in_one_line, is_a
from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.policies.network import http_status
from unbreakable.record import Preset
from unbreakable.runtime import is_async

Check: TypeAlias = Callable[[Any], object]
Shape: TypeAlias = "type | types.UnionType | Callable[[Any], Any]"

_A_SCHEMA = "a class, a union of classes, or a function that checks the result and returns it"
NO_WAITING = (
    "a plain function, which does not wait for anything: what has to ask somebody does so in the operation, and raises "
    "ub.errors.VerificationFailed there"
)
SAID_NOTHING = float("0")  # the quality where a check returned None: this very object, for who tells of it


class Verify(Preset):
    """Accept a result whose quality, as *check* says, is *at_least* so much.

    *check* returns a quality in 0..1, as a number of any kind, or anything else that is true or false.
    """

    check: Check = field(default=bool, kw_only=False)
    at_least: float = 0.5

    def __post_init__(self) -> None:
        if not callable(self.check):
            raise refuse("verify", "a function of the result that returns a bool or a quality in 0..1", self.check)
        if is_async(self.check):
            raise refuse("verify", NO_WAITING, self.check)
        if not can_take_one(self.check):
            raise refuse("verify", "a function that takes the result and nothing else", self.check)
        check.share("Verify.at_least", self.at_least)

    def quality(self, value: Any) -> float:
        """Return the quality of *value* in 0..1."""
        return quality_of(self.check(value))


def quality_of(answer: object) -> float:
    """Return as a quality in 0..1 what a check has answered."""
    if isinstance(answer, bool):
        return float(answer)
    if answer is None:
        return SAID_NOTHING
    refuse_awaitable(answer)
    if not hasattr(type(answer), "__float__"):
        return 1.0 if answer else 0.0
    number = float(answer)  # type: ignore[arg-type] # so it is with numpy's numbers, Decimal and Fraction, too
    return 0.0 if math.isnan(number) else min(1.0, max(0.0, number))


_ANSWERS = frozenset({bool, int, float, type(None)})  # most are, and ``inspect`` takes long to find that out


def refuse_awaitable(answer: object) -> None:
    """Raise TypeError for what nobody here can wait for: taken for an answer, it would always be a yes."""
    if type(answer) in _ANSWERS or not inspect.isawaitable(answer):
        return
    if inspect.iscoroutine(answer):
        answer.close()
    raise TypeError("it returned something to be awaited: give a plain function, which does not wait for anything")


def is_refusal(answer: object) -> bool:
    """Return whether *answer* is False, or the False of another library, such as numpy's."""
    return type(answer).__name__ in ("bool", "bool_") and not answer


def checked_schema(path: str, schema: Any) -> Any:
    """Return *schema* if results can be held to it; ConfigurationError says what to give instead."""
    if schema is None or (isinstance(schema, type) and _can_be_asked(schema)):
        return schema
    if typing.get_origin(schema) in (typing.Union, types.UnionType) and all(
        isinstance(member, type) and _can_be_asked(member) for member in typing.get_args(schema)
    ):
        return schema
    origin = typing.get_origin(schema)
    if origin is not None or isinstance(schema, type) or type(schema).__module__ == "typing":
        plain = f"{origin.__name__}, or " if isinstance(origin, type) else ""
        instead = f"{plain}a function such as pydantic.TypeAdapter(…).validate_python"
        raise refuse(path, f"{_A_SCHEMA} ({instead}): nothing can be held to this type by asking isinstance", schema)
    if not callable(schema):
        raise refuse(path, _A_SCHEMA, schema)
    if is_async(schema):
        raise refuse(path, "a plain function, which does not wait for anything", schema)
    return schema


def _can_be_asked(kind: Any) -> bool:
    """Return whether isinstance works with *kind*: not for list[int], a TypedDict, Any, most Protocols."""
    try:
        isinstance(None, kind)
    except TypeError:
        return False
    return True


def fitted(schema: Any, value: Any) -> Any:
    """Return *value*, or what a *schema* function makes of it; raise VerificationFailed when it does not fit."""
    if isinstance(schema, type) or typing.get_origin(schema) is not None:
        if not isinstance(value, schema):
            expected = getattr(schema, "__name__", None) if isinstance(schema, type) else None
            raise VerificationFailed(f"expected {expected or schema}, not {type(value).__name__}", judged=False)
        return value
    try:
        made = schema(value)
        refuse_awaitable(made)
    except VerificationFailed:
        raise  # the program's own word
    except Exception as error:
        raise tripped(f"the result does not fit its schema: {in_one_line(error)}", error) from error
    return made


def tripped(message: str, error: Exception) -> VerificationFailed:
    """Return what a result comes to on which a check has tripped by *error*.

    An answer that the check raises, as ``response.raise_for_status()`` does, says there what it says anywhere else.
    """
    failed = VerificationFailed(message, judged=False)
    if any(is_a(each, UnbreakableError) for each in relatives(error, before=False)):
        return failed  # a call of ours in the check: what its circuit says is no wish of this target
    kind, failed.retry_after = told_of(error)
    failed.http_status = http_status(error)
    if kind is not Kind.UNKNOWN and any(map(_says_what_it_is, origins(error))):
        failed.kind = kind
    return failed


def _says_what_it_is(error: BaseException) -> bool:
    return http_status(error) is not None or isinstance(told_by(error, "kind"), Kind)


def turned_down(message: str, value: Any) -> VerificationFailed:
    """Return what *value* comes to, which is not good enough: an answer may ask to be left in peace, as one of 429."""
    failed, status = VerificationFailed(message, judged=True), http_status(value)
    if status is not None and status >= 400:
        kind, wish = told_of(value)
        if kind is Kind.THROTTLED:
            failed.retry_after = wish
            failed.kind = kind if status < 500 else failed.kind  # who is not well himself is no target that is well
    return failed
