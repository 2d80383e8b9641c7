"""Whatever the public face hands out as a record, directly or inside of another one, is JSON-ready."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.record import Record

MODULES = [
    importlib.import_module(each.name)
    for each in pkgutil.walk_packages(ub.__path__, "unbreakable.")
    if not each.name.startswith(("unbreakable.__main__", "unbreakable.demo", "unbreakable.cli"))
]
OURS = [
    thing
    for module in MODULES
    for thing in vars(module).values()
    if inspect.isclass(thing) and thing.__module__ == module.__name__
]
BY_NAME = {each.__name__: each for each in OURS}


def is_record(kind: Any) -> bool:
    """Return whether it is one of our frozen classes of fields; a named tuple is a list to JSON as it is."""
    return inspect.isclass(kind) and kind in OURS and (issubclass(kind, Record) or dataclasses.is_dataclass(kind))


def named(annotation: object, where: str) -> Iterator[Any]:
    """Yield the classes of ours that are named in *annotation*, as it is written in the module *where*."""
    for word in re.findall(r"\w+", str(annotation)):
        yield getattr(importlib.import_module(where), word, None) or BY_NAME.get(word)


def functions_of(public: Any) -> Iterator[FunctionType]:
    """Yield what people call: the function itself, or the public methods and properties of a class."""
    if isinstance(public, FunctionType):
        yield public
    for kind in public.__mro__ if inspect.isclass(public) else ():
        for name, thing in vars(kind).items():
            inner = getattr(thing, "fget", None) or getattr(thing, "__func__", None) or thing
            inner = inspect.unwrap(inner) if callable(inner) else inner
            if isinstance(inner, FunctionType) and not name.startswith("_") and name != "replace":
                yield inner


def handed_out() -> list[type]:
    """Return the records that some public call returns, with all records that are their fields, and all events."""
    todo = [each for each in OURS if issubclass(each, ub.events.Event)]
    for name in ub.__all__:
        for function in functions_of(getattr(ub, name)):
            returned = function.__annotations__.get("return", "")
            todo += filter(is_record, named(returned, function.__module__))
    found: dict[type, None] = {}
    while todo:
        kind = todo.pop()
        if kind not in found:
            found[kind] = None
            for each in kind.__mro__[:-1]:
                for annotation in inspect.get_annotations(each).values():
                    todo += filter(is_record, named(annotation, each.__module__))
    return sorted(found, key=lambda kind: kind.__qualname__)


HANDED_OUT = handed_out()


def test_records_are_found_wherever_they_are_handed_out():
    """A status, what lies inside of one, a result, an event, a decision and what an agent quotes."""
    names = {kind.__name__ for kind in HANDED_OUT}

    assert names >= {"SystemStatus", "LoopStatus", "Performance", "Latency", "Runs", "RunResult", "Healed", "Universe"}
    assert names >= {"AgentResponse", "Source", "Rung", "Match", "Ack", "DeadLetter", "QuantumStats", "Prediction"}


@pytest.mark.parametrize("kind", HANDED_OUT, ids=lambda kind: kind.__qualname__)
def test_every_record_that_is_handed_out_has_a_to_dict(kind):
    """Nobody has to know which of them can be written as JSON."""
    assert callable(getattr(kind, "to_dict", None))
