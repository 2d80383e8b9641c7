"""What people give as knowledge, a dict, a list, a text with headings, becomes passages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from unbreakable.errors import ConfigurationError
from unbreakable.nodes.answering.passage import TITLE, Passage
from unbreakable.nodes.answering.sentences import passages
from unbreakable.policies.check import refuse

MOST_DEPTH = 32  # of dicts and lists in each other; what is deeper most likely contains itself
MOST_FIELDS = 32  # context fields of one entry, and values of one field
MOST_TITLE = 1_000  # characters of a key, a title or a context value

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*)$", re.MULTILINE)
_NO_CONTEXT = frozenset(("text", "title", "source"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the knowledge something stands: its path for error messages, the titles above it, its source."""

    path: str = "knowledge"
    titles: tuple[str, ...] = ()
    source: str = ""
    depth: int = 0

    def into(self, key: object, *titles: str) -> Place:
        """Return the place of what is found there under *key*."""
        path, depth = f"{self.path}[{key!r}]", self.depth + 1
        return replace(self, path=path, titles=(*self.titles, *titles), depth=depth)


def read_data(data: Any, at: Place) -> Iterator[Passage]:
    """Yield the passages of nested dicts and lists; their keys become titles.

    A text, or a number, stands for itself.  A dict with a text under "text" is one entry: "title" and "source" say what
    it is, all else is context.  Raises ConfigurationError that names the wrong part, as ``knowledge['Egypt'][3]``.
    """
    if at.depth > MOST_DEPTH:
        raise refuse(at.path, f"at most {MOST_DEPTH} levels deep", data)
    if isinstance(data, Mapping) and not _is_text(data.get("text")):
        for key, value in data.items():
            yield from read_data(value, at.into(key, short(f"a key of {at.path}", key)))
    elif isinstance(data, Mapping):
        yield from _read_entry(data, at)
    elif isinstance(data, (list, tuple)):
        for number, value in enumerate(data):
            there = at.into(number)
            if isinstance(value, Mapping) and not _is_text(value.get("text")):
                raise refuse(there.path, 'a text, or a dict with a text under "text"', value)
            yield from read_data(value, there)
    else:
        yield from read_text(text_of(at.path, data, "a text, a number, a dict or a list"), at)


def _read_entry(entry: Mapping[Any, Any], at: Place) -> Iterator[Passage]:
    title, source = entry.get("title"), entry.get("source")
    titles = () if title is None else (short(at.into("title").path, title),)
    at = replace(at, titles=(*at.titles, *titles))
    if source is not None:
        at = replace(at, source=short(at.into("source").path, source))
    context = {
        short(f"a key of {at.path}", key): _values(at.into(key).path, value)
        for key, value in entry.items()
        if key not in _NO_CONTEXT
    }
    if len(context) > MOST_FIELDS:
        raise refuse(at.path, f"an entry of at most {MOST_FIELDS} context fields", entry)
    yield from read_text(text_of(at.into("text").path, entry["text"]), at, context)


def _values(path: str, value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, (list, tuple)) else (value,)
    if len(values) > MOST_FIELDS:
        raise refuse(path, f"at most {MOST_FIELDS} values", value)
    return tuple(short(path, each) for each in values)


def read_text(text: str, at: Place, context: Mapping[str, tuple[str, ...]] | None = None) -> Iterator[Passage]:
    """Yield the passages of plain text."""
    title = TITLE.join(filter(None, at.titles))[:MOST_TITLE]
    for piece in passages(text):
        yield Passage(text=piece, title=title, source=at.source, context=context or {})


def read_markdown(text: str, at: Place) -> Iterator[Passage]:
    """Yield the passages of a text with headings; those above a passage are its title, the given one where none is."""
    above: list[tuple[int, str]] = []
    start = 0

    def so_far(end: int) -> Iterator[Passage]:
        titles = tuple(heading[:MOST_TITLE] for _, heading in above)
        return read_text(text[start:end], replace(at, titles=titles or at.titles))

    for heading in _HEADING.finditer(text):
        yield from so_far(heading.start())
        start, level = heading.end(), len(heading[1])
        above = [*(each for each in above if each[0] < level), (level, heading[2].rstrip(" \t\r#"))]
    yield from so_far(len(text))


# ── checking ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _is_text(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def text_of(path: str, value: Any, expected: str = "a text or a number") -> str:
    """Return *value* as text that can be stored; what is not Unicode in it becomes a question mark."""
    if not _is_text(value):
        raise refuse(path, expected, value)
    try:
        return str(value).encode("utf-8", "replace").decode("utf-8")
    except ValueError:  # Python writes no number of more than 4,300 digits
        raise ConfigurationError(f"{path} must be {expected}, not a number of so many digits") from None


def short(path: str, value: Any) -> str:
    """Return *value* as a text of one title's length."""
    text = text_of(path, value)
    if len(text) > MOST_TITLE:
        raise refuse(path, f"at most {MOST_TITLE} characters long", text)
    return text
