"""A passage is a piece of text about one thing, with what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unbreakable.nodes.answering.words import stems_of

TITLE = ": "  # between the parts of a title: the keys or headings that lead to the text


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A text with its title, where it comes from, and its context fields, such as ``{"country": ("Egypt",)}``.

    ``id`` is its number in the knowledge base, 0 before it is in one.
    """

    text: str
    title: str = ""
    source: str = ""
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    id: int = 0
    mark: bytes = field(default=b"", repr=False, compare=False)  #: made of all the rest when it was put there

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready, without the mark, which tells nothing to anybody else."""
        told = {name: getattr(self, name) for name in ("id", "text", "title", "source")}
        return {**told, "context": {name: list(values) for name, values in self.context.items()}}

    @property
    def about(self) -> str:
        """Return title and context fields as one text."""
        return " ".join([self.title, *(value for values in self.context.values() for value in values)])

    @property
    def around(self) -> frozenset[str]:
        """Return the stems that count as said by every sentence of the text."""
        return stems_of(self.about)
