"""A value that is stored reads back the same, or is refused with what to return instead."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

from unbreakable.errors import NotRecordable

DEEPEST = 100
SIMPLE = frozenset({type(None), bool, int, float, str, bytes})


class Payload(NamedTuple):
    """Hold a value as text, and as it reads back."""

    text: str
    value: Any

    def handed(self) -> Any:
        """Return the value for somebody who may change it: what is kept stays as it is."""
        return apart(self.value)


def apart(value: Any) -> Any:
    """Return *value* with its dicts, lists, tuples and sets made anew, however deep; all else in it is shared.

    >>> before = {"seats": [1, 2]}
    >>> apart(before)["seats"].append(3), before
    (None, {'seats': [1, 2]})
    """
    try:
        return value if type(value) in SIMPLE else _apart(value, {})
    except RecursionError:
        return value  # so deep that nobody changes it by accident


def _apart(value: Any, made: dict[int, Any]) -> Any:
    kind = type(value)
    if kind not in (dict, list, tuple, set):
        return value
    if id(value) in made:
        return made[id(value)]
    if kind is tuple:
        return tuple(_apart(item, made) for item in value)
    made[id(value)] = copy = kind()
    if kind is dict:
        copy.update((key, _apart(item, made)) for key, item in value.items())
    elif kind is list:
        copy.extend(_apart(item, made) for item in value)
    else:
        copy.update(value)
    return copy


def record(value: Any, what: str) -> Payload:
    """Return *value* as plain JSON, tuples as lists; NotRecordable begins with *what* and names the culprit.

    >>> record({"seats": (1, 2)}, "the result of 'hold'").value
    {'seats': [1, 2]}
    """
    encode, decode = _codec()
    try:
        text = encode(value)
        back = decode(text)
        if back == value:
            return Payload(text, back)
    except Exception:  # besides json's own errors whatever the methods of somebody's dictionary or text raise
        text, back = "", None
    culprit = _culprit(value, what) or ("" if text else f"{what} cannot be written as JSON")
    if culprit:
        raise NotRecordable(f"{culprit}: only None, bool, int, float, str, and lists and dicts of them can be recorded")
    return Payload(text, back)


def read(text: str) -> Any:
    """Return the value that was recorded as *text*."""
    return _codec()[1](text)


@cache
def _codec() -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    import json

    return json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode, json.JSONDecoder().decode


def _culprit(value: Any, what: str) -> str:
    """Return the first part of *value* that cannot be recorded, empty if it has none or does not let itself be read."""
    try:
        return next(_culprits(value, what, 0), "")
    except Exception:
        return ""


def _culprits(value: Any, path: str, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        yield f"{path} is more than {DEEPEST} levels deep, or holds itself"
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield f"{path} has the key {key!r:.80}, which is not text"
            yield from _culprits(item, f"{path}[{key!r:.80}]", depth + 1)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _culprits(item, f"{path}[{index}]", depth + 1)
    elif not _is_simple(value):
        yield f"{path} is {_named(value)}"


def _is_simple(value: object) -> bool:
    return isinstance(value, (str, int, type(None))) or (isinstance(value, float) and math.isfinite(value))


def _named(value: object) -> str:
    if isinstance(value, float):
        return f"{value!r}, which is no JSON number"
    name = type(value).__name__
    return f"a {name}{ADVICE.get(name, '')}"


ADVICE = {
    "datetime": " (return value.isoformat())",
    "date": " (return value.isoformat())",
    "Decimal": " (return str(value))",
    "UUID": " (return str(value))",
    "set": " (return sorted(value))",
    "bytes": " (return value.hex())",
    "Response": " (return response.json())",
    "Row": " (return row.to_dict())",
}
