"""Any value in words that JSON has."""

from __future__ import annotations

import enum
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

MOST_SHOWN = 200  # characters of anything that is not a container


class _Brief(reprlib.Repr):
    """Show the first few entries of containers, and of all else the beginning and the end."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxlong = MOST_SHOWN

    def repr_instance(self, x: object, level: int) -> str:
        """Return ``repr(x)``, shortened in the middle."""
        text = in_words(x)
        return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN // 2]}…{text[-MOST_SHOWN // 2 :]}"


def plain(value: Any) -> Any:
    """Return *value* JSON-ready: records as dictionaries, numbers that are not finite as None, strange things as text.

    >>> plain({"p50": 0.1, "p99": float("inf"), "seats": (1, 2)})
    {'p50': 0.1, 'p99': None, 'seats': [1, 2]}
    """
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if callable(to_dict := getattr(value, "to_dict", None)) and not isinstance(value, type):
        return to_dict()
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else in_words(value)


def as_it_is(value: Any) -> Any:
    """Return *value* itself if JSON can say it, else its ``repr``."""
    import json

    try:
        json.dumps(value, allow_nan=False)
    except Exception:  # whatever the methods of somebody's dictionary or text raise
        return in_words(value)
    return value


def in_words(value: object) -> str:
    """Return the ``repr`` of *value*, or what can be said of it when that raises."""
    try:
        return repr(value)
    except Exception:
        return f"<a {type(value).__name__} that cannot be shown>"


def on_a_line(text: str) -> str:
    r"""Return *text* with what would move a terminal's cursor, or change its colours, shown as what it is.

    >>> print(on_a_line("Flüge \x1b[31m"))
    Flüge \x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def in_brief(value: object) -> str:
    """Return the ``repr`` of *value* in a few words, however large it is.

    >>> in_brief(list(range(1_000)))
    '[0, 1, 2, 3, 4, 5, ...]'
    """
    try:
        return _Brief().repr(value)
    except Exception:
        return in_words(value)


def nearest(option: object, offered: Sequence[str]) -> str:
    """Return the end of a sentence about an unknown *option*: which of those *offered* was meant, or all of them."""
    import difflib

    close = difflib.get_close_matches(str(option), offered, n=1)
    return f" (did you mean {close[0]!r}?)" if close else f"; there are {', '.join(offered)}"
