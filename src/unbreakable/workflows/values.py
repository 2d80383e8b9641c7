"""What a step returns is kept as JSON, and reads back as what it was: times, decimals, sets, tuples and all.

The law of this file.  JSON stays JSON.  What JSON has no word for is an object with the key ``unbreakable:type``, which
names one of the types listed here; no other is looked for when a record is read, so that a record cannot bring in code.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from unbreakable.errors import NotRecordable
from unbreakable.workflows.payload import DEEPEST, Payload

TAG = "unbreakable:type"
RECORDABLE = (
    "None, bool, int, float, str, bytes, Decimal, UUID, datetime, date, time, timedelta, "
    "and lists, tuples, sets and dicts of them"
)


class Type(NamedTuple):
    """How values of one type are written as JSON and read again; *read* is given the type."""

    module: str
    write: Callable[[Any], Any]
    read: Callable[[Any, Any], Any]


def _in_a_zone(value: Any) -> list[Any]:
    """Return a datetime or a time by its clock, and the name of its zone, whose offset changes with the seasons."""
    zone = getattr(value.tzinfo, "key", None)
    clock = value.replace(tzinfo=None) if zone else value
    return [clock.isoformat(), zone, value.fold]


def _out_of_a_zone(kind: Any, written: list[Any]) -> Any:
    text, zone, fold = written
    value = kind.fromisoformat(text).replace(fold=fold)
    return value if zone is None else value.replace(tzinfo=importlib.import_module("zoneinfo").ZoneInfo(zone))


TYPES = {
    "datetime": Type("datetime", _in_a_zone, _out_of_a_zone),
    "date": Type("datetime", lambda value: value.isoformat(), lambda kind, text: kind.fromisoformat(text)),
    "time": Type("datetime", _in_a_zone, _out_of_a_zone),
    "timedelta": Type(
        "datetime",
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda kind, parts: kind(*parts),
    ),
    "Decimal": Type("decimal", str, lambda kind, text: kind(text)),
    "UUID": Type("uuid", str, lambda kind, text: kind(text)),
    "bytes": Type("builtins", lambda value: value.hex(), lambda kind, text: kind.fromhex(text)),
}
CONTAINERS: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset, "dict": dict}


def record(value: Any, what: str) -> Payload:
    """Return *value* as it is kept; raise NotRecordable, which begins with *what* and names the culprit.

    >>> record({"seats": (1, 2)}, "the result of 'hold'").value
    {'seats': (1, 2)}
    """
    try:
        text = _encode(value)
        if TAG not in text and (back := json.loads(text)) == value:
            return Payload(text, back)
    except Exception:  # noqa: S110 - it is no JSON, or its methods raise: then it is taken apart
        pass
    try:
        text = _encode(_tree(value, what, 0))
        return Payload(text, read(text))
    except NotRecordable:
        raise
    except Exception:
        raise NotRecordable(f"{what} cannot be written as JSON: only {RECORDABLE} can be recorded") from None


def read(text: str) -> Any:
    """Return the value that was recorded as *text*; ValueError when it is damaged, or of a newer version."""
    return json.loads(text, object_hook=_read_object if TAG in text else None)


@cache
def _encoder() -> json.JSONEncoder:
    return json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def _encode(value: Any) -> str:
    return _encoder().encode(value)


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _tree(value: Any, path: str, depth: int) -> Any:
    """Return *value* as what JSON has words for."""
    if depth > DEEPEST:
        raise _refusal(f"{path} is more than {DEEPEST} levels deep, or holds itself")
    if isinstance(value, dict):
        return _tree_of_dict(value, path, depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [_tree(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(value)]
        if isinstance(value, list):
            return items
        if isinstance(value, tuple):
            return _tagged("tuple", items)
        # In an order that is the same in every process.
        return _tagged("set" if isinstance(value, set) else "frozenset", sorted(items, key=_encode))
    if value is None or isinstance(value, (int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _tree_of_one(value, path)


def _tree_of_dict(value: dict[Any, Any], path: str, depth: int) -> Any:
    if TAG not in value and all(isinstance(key, str) for key in value):
        return {key: _tree(item, f"{path}[{key!r:.80}]", depth + 1) for key, item in value.items()}
    pairs = [
        [_tree(key, f"the key {key!r:.80} of {path}", depth + 1), _tree(item, f"{path}[{key!r:.80}]", depth + 1)]
        for key, item in value.items()
    ]
    return _tagged("dict", pairs)


def _tree_of_one(value: Any, path: str) -> Any:
    """Return a value that consists of no others, if it reads back as exactly what it is."""
    name = type(value).__name__
    known = TYPES.get(name)
    if known is not None and getattr(sys.modules.get(known.module), name, None) is type(value):
        written = known.write(value)
        if repr(known.read(type(value), written)) == repr(value):
            return _tagged(name, written)
    raise _refusal(f"{path} is {_named(value)}")


def _tagged(name: str, written: Any) -> dict[str, Any]:
    return {TAG: name, "value": written}


def _refusal(culprit: str) -> NotRecordable:
    return NotRecordable(f"{culprit}: only {RECORDABLE} can be recorded")


def _named(value: object) -> str:
    if isinstance(value, float):
        return f"{value!r}, which is no JSON number"
    name = type(value).__name__
    return f"a {name}{next((f' ({advice})' for trait, advice in ADVICE.items() if hasattr(value, trait)), '')}"


ADVICE = {  # by an attribute that tells what sort of thing it is
    "__dataclass_fields__": "return dataclasses.asdict(value)",
    "model_dump": "return value.model_dump()",
    "to_dict": "return value.to_dict()",
    "_value_": "return value.value",
    "status_code": "return response.json()",
    "astimezone": "return value.astimezone(datetime.UTC)",
    "__next__": "return list(value)",
    "tolist": "return value.tolist()",
}


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_object(found: dict[str, Any]) -> Any:
    if TAG not in found:
        return found
    name, written = found[TAG], found.get("value")
    try:
        if name in CONTAINERS:
            return CONTAINERS[name](written)
        known = TYPES[name]
        return known.read(getattr(importlib.import_module(known.module), name), written)
    except Exception as error:
        raise ValueError(f"a recorded {name!r:.40} cannot be read ({error!r:.80})") from error
