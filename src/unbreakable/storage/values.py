"""What is stored is kept as JSON, and reads back as what it was: times, decimals, sets, tuples and all.

The law of this file.  JSON stays JSON.  What JSON has no word for is an object with the key ``unbreakable:type``, which
names one of the types listed here; no other is looked for when a record is read, so that a record cannot bring in code.
A value of a subclass is recorded as the listed type that it is derived from, if it equals that: one that holds more,
as nanoseconds, is refused.  A zone that is always as far from UTC, whoever has made it, is recorded as that distance,
without its name.
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
from unbreakable.storage.payload import DEEPEST, Payload

TAG = "unbreakable:type"
RECORDABLE = (
    "None, bool, int, float, str, bytes, Decimal, UUID, datetime, date, time, timedelta, "
    "and lists, tuples, sets and dicts of them"
)


class Type(NamedTuple):
    """How values of one type are made of those of its subclasses, written as JSON, and read again.

    *plain* and *read* are given the type.  *plain* asks the type, not the value, for its parts: a subclass may tell
    others.
    """

    module: str
    plain: Callable[[Any, Any], Any]
    write: Callable[[Any], Any]
    read: Callable[[Any, Any], Any]


def _of_parts(*names: str) -> Callable[[Any, Any], Any]:
    return lambda kind, value: kind(**{name: getattr(kind, name).__get__(value) for name in names})


def _in_a_zone(value: Any) -> list[Any]:
    """Return a datetime or a time by its clock, and the name of its zone, whose offset changes with the seasons."""
    zone = getattr(value.tzinfo, "key", None)
    clock = value.replace(tzinfo=None) if zone else value
    return [clock.isoformat(), zone, value.fold]


def _out_of_a_zone(kind: Any, written: list[Any]) -> Any:
    text, zone, fold = written
    value = kind.fromisoformat(text).replace(fold=fold)
    return value if zone is None else value.replace(tzinfo=importlib.import_module("zoneinfo").ZoneInfo(zone))


DATE, CLOCK = ("year", "month", "day"), ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
TYPES = {  # a datetime is a date, too, and comes before it
    "datetime": Type("datetime", _of_parts(*DATE, *CLOCK), _in_a_zone, _out_of_a_zone),
    "date": Type(
        "datetime",
        _of_parts(*DATE),
        lambda value: value.isoformat(),
        lambda kind, text: kind.fromisoformat(text),
    ),
    "time": Type("datetime", _of_parts(*CLOCK), _in_a_zone, _out_of_a_zone),
    "timedelta": Type(
        "datetime",
        _of_parts("days", "seconds", "microseconds"),
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda kind, parts: kind(*parts),
    ),
    "Decimal": Type(
        "decimal",
        lambda kind, value: kind(kind.as_tuple(value)),
        str,
        lambda kind, text: kind(text),
    ),
    # Drivers derive UUIDs that lie otherwise in memory: what the type would read there by itself is no number.
    "UUID": Type("uuid", lambda kind, value: kind(int=value.int), str, lambda kind, text: kind(text)),
    "bytes": Type(
        "builtins",
        lambda kind, value: kind.__bytes__(value),
        lambda value: value.hex(),
        lambda kind, text: kind.fromhex(text),
    ),
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


def in_order(text: str) -> str:
    """Return *text* with the keys of each dictionary in an order that is the same for all that are equal.

    >>> in_order('{"b":1,"a":1.0}')
    '{"a":1.0,"b":1}'
    """
    return _encode(json.loads(text, object_hook=_with_keys_in_order))


def _with_keys_in_order(found: dict[str, Any]) -> dict[str, Any]:
    written = found.get("value")
    if found.get(TAG) == "dict" and isinstance(written, list):
        return _tagged("dict", sorted(written, key=_encode))
    return dict(sorted(found.items()))


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
    """Return a value that consists of no others, if it reads back as exactly what it is, or is derived from."""
    for name, known in TYPES.items():
        kind = _genuine(sys.modules.get(known.module), name)
        if kind in type(value).__mro__:
            plain = value if type(value) is kind else known.plain(kind, value)
            if plain is not value and not plain == value:  # noqa: SIM201 - one that is neither does not say it is equal
                break
            plain = _in_a_plain_zone(plain)
            written = known.write(plain)
            if repr(known.read(kind, written)) == repr(plain):
                return _tagged(name, written)
            break
    raise _refusal(f"{path} is {_named(value)}")


def _genuine(module: Any, name: str) -> Any:
    """Return a type by its name, also while a subclass stands in for it, as in tests that stop the clock."""
    found = getattr(module, name, None)
    return next((kind for kind in reversed(getattr(found, "__mro__", ())) if kind.__name__ == name), found)


def _in_a_plain_zone(value: Any) -> Any:
    """Return *value* in the ZoneInfo that its zone is derived from, or in a nameless one if that is always the same."""
    zone: Any = getattr(value, "tzinfo", None)
    listed = _genuine(sys.modules.get("zoneinfo"), "ZoneInfo")
    if zone is None or type(zone) is listed:
        return value
    if listed in type(zone).__mro__ and zone.key:
        plain = listed(zone.key)
    elif (distance := zone.utcoffset(None)) is not None:
        plain = _genuine(sys.modules.get("datetime"), "timezone")(distance)
    else:
        return value
    moved = value.replace(tzinfo=plain)
    return moved if moved.utcoffset() == value.utcoffset() else value


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
    "to_pydatetime": "return value.to_pydatetime()",
    "to_pytimedelta": "return value.to_pytimedelta()",
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
        return known.read(_genuine(importlib.import_module(known.module), name), written)
    except Exception as error:
        raise ValueError(f"a recorded {name!r:.40} cannot be read ({error!r:.80})") from error
