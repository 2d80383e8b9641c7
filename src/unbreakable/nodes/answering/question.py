"""What a question asks for, in the words that count."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from unbreakable.nodes.answering.opposites import is_negated, places
from unbreakable.nodes.answering.sort import roles
from unbreakable.nodes.answering.stem import stem
from unbreakable.nodes.answering.words import AUXILIARIES, EMPTY, NUMBERS, SHORTENED, neighbours, word_set, words

MOST_CHARACTERS = 4_000  # of a question; what comes after them is not read
MOST_WORDS = 32  # of a question that are looked for

# Words that ask and say nothing of what is asked for, as long as others remain.
_ASKING = word_set("""
    advise answer anybody anyone anything describe detail details explain find get give go hello help hey hi inform
    info information know like list look mean need please question say see show somebody someone something take tell
    thank thanks use used using want wonder wondering
""")
_WHETHER = AUXILIARIES | SHORTENED | {"am", "be", "need"}
_INTERROGATIVES = word_set("how what when where which who whom whose why")
_HOW_MUCH = re.compile(
    r"\bhow (?:much|many|old|tall|high|long|far|big|large|deep|wide|heavy|fast|hot|cold|expensive)\b"
    r"|\b(?:what|which) (?:year|date|price)\b"
)
_WHEN = re.compile(r"^(?:since |until |till |by |from )?when\b|\b(?:what|which) (?:time|day|month|century)\b")
_HOW_TO = re.compile(r"how (?:am|are|can|could|did|do|does|is|may|might|must|shall|should|to|was|were|will|would)\b")
_NAME = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: the stems of its words, each once, in their order, and what sort of sentence would answer it."""

    stems: tuple[str, ...] = ()
    pairs: frozenset[tuple[str, str]] = frozenset()  #: stems side by side
    aside: frozenset[str] = frozenset()  #: stems of words that only ask: they break ties
    named: Mapping[str, str] = field(default_factory=dict)  #: names and numbers, by stem: an answer must speak of them
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)  #: what stands behind from, to and by
    negated: bool = False  #: whether it asks for what is not
    asks: bool = True  #: whether it asks for one thing; else it names a topic, as in "show me pyramids"
    whether: bool = False  #: whether yes or no would answer it
    how_much: bool = False  #: whether only a number would answer it
    when: bool = False  #: whether only a time would answer it
    sort: str = ""  #: "where", "why", "how" or "who": only a place, a reason, a way or somebody would answer it
    roles: tuple[str, str, str] | None = None  #: who does what to whom, where that is asked
    cut: bool = False  #: whether it was too long to be read whole


def read_question(text: str) -> Question:
    """Return what *text* asks for.

    >>> read_question("Please show me the pyramids!").stems
    ('pyramid',)
    """
    read = text[:MOST_CHARACTERS]
    found = words(read)
    telling = [word for word in found if word not in EMPTY]
    asking = [word for word in telling if word not in _ASKING] or telling
    asked = list(dict.fromkeys(map(stem, asking)))
    kept = asked[:MOST_WORDS]
    named = {key: name for key, name in _names(read) if key in kept}
    behind = places(found, reach=1)
    behind["to"] = behind.get("to", frozenset()) & named.keys()  # else it may be the "to" of a verb
    flat = " ".join(found)
    whether = bool(found) and found[0] in _WHETHER
    return Question(
        stems=tuple(kept),
        pairs=neighbours(kept),
        aside=frozenset(map(stem, telling)) - frozenset(kept),
        named=named,
        places=behind,
        negated=is_negated(found),
        asks=whether or read.rstrip().endswith("?") or not _INTERROGATIVES.isdisjoint(found),
        whether=whether,
        how_much=bool(_HOW_MUCH.search(flat)),
        when=bool(_WHEN.search(flat)),
        sort=_sort_of(found, flat),
        roles=roles(found, named),
        cut=len(text) > MOST_CHARACTERS or len(asked) > MOST_WORDS,
    )


def _sort_of(found: Sequence[str], flat: str) -> str:
    """Return what sort of thing is asked for, as far as the first word tells."""
    first = found[0] if found else ""
    if first in ("whose", "whom"):
        return "who"
    if first == "how":
        return "how" if _HOW_TO.match(flat) else ""
    return first if first in ("where", "why", "who") else ""


def _names(text: str) -> Iterator[tuple[str, str]]:
    """Yield the words that are names, as far as their first letter tells, or numbers, each with its stem."""
    for number, word in enumerate(_NAME.findall(text)):
        counts = not word.isalpha() or (word in NUMBERS and word != "one")
        if counts or (number > 0 and word[0].isupper()):
            yield from ((stem(each), word) for each in words(word))
