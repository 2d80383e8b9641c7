"""A key, its tags and what loads its value are checked where they are given."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from unbreakable.errors import ValidationFailed
from unbreakable.fractal.operation import can_take_one, is_generator
from unbreakable.policies.check import refuse
from unbreakable.runtime import is_async

MOST_TAGS = 64  # of one value


def checked_key(key: Hashable) -> Hashable:
    """Return *key* if a value can be kept for it, else raise ValidationFailed."""
    try:
        hash(key)
    except TypeError as error:
        what = type(key).__name__
        raise ValidationFailed(f"a key must be hashable, as text, numbers and tuples of them are: {what}") from error
    return key


def checked_tags(tags: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Return *tags*, each once, if they are a list of what can be looked up; else raise ValidationFailed."""
    if isinstance(tags, (str, bytes)):
        raise ValidationFailed(f"tags must be a list of them, not one: [{tags!r}]")
    try:
        return tuple(dict.fromkeys(tags))
    except TypeError as error:
        raise ValidationFailed(f"tags must be a list of what is hashable, as text is: {error}") from error


def tags_of_a_value(tags: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Return *tags* if one value may have them, else raise ValidationFailed."""
    found = checked_tags(tags)
    if len(found) > MOST_TAGS:
        raise ValidationFailed(f"a value has at most {MOST_TAGS} tags, not {len(found)}")
    return found


def check_loader(loader: object) -> None:
    """Raise ConfigurationError unless *loader* is None or a function that takes the key and returns the value."""
    if loader is None:
        return
    expected = "a function that takes the key and returns the value"
    if not callable(loader) or is_generator(loader) or not can_take_one(loader):
        raise refuse("loader", expected, loader)


def check_fetch(fetch: object) -> None:
    """Raise ConfigurationError unless *fetch* is a function that returns the value."""
    if not callable(fetch) or is_generator(fetch):
        raise refuse("fetch", "a function that takes nothing and returns the value", fetch)


def check_plain(what: str, function: Callable[..., Any]) -> None:
    """Raise ConfigurationError if *function* is async, where nothing can be awaited."""
    if is_async(function):
        raise refuse(what, "a plain function in sync code (in async code: await get())", function)
