"""A text is cut into passages, and a passage into sentences, where its writer paused."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from unbreakable.nodes.answering.opposites import is_negated, places
from unbreakable.nodes.answering.words import NUMBERS, neighbours, stems, word_set, words

PASSAGE_CHARACTERS = 1_000  # about 170 words: small enough to be about one thing
SENTENCE_CHARACTERS = 400  # a longer one is cut between words: nobody reads it as an answer
POINTING_WORDS = 4  # a sentence that points back does so with one of its first words

_PARAGRAPH = re.compile(r"\n[ \t\r]*\n\s*")
_END = re.compile(r"(?<=[.!?…。\uff01\uff1f])[\"'”’)\]]*\s+|\n+")
_ABBREVIATION = re.compile(
    r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Mt|No|vs|etc|approx|ca|c|cf|e\.g|i\.e|Inc|Ltd|Co|Jr|Sr|Fig|Nr|ed|vol|al)\.$"
)
_ABBREVIATION_CHARACTERS = 12  # before an end that are looked at
_CAPITAL = re.compile(r"\b[^\W\d_a-z][^\W_]*")
_POINTING = word_set("he her his it its she that their them these they this those")
_TIMES = word_set("""
    january february march april june july august september october november december monday tuesday wednesday
    thursday friday saturday sunday morning afternoon evening night noon midnight daily weekly monthly yearly spring
    summer autumn winter century era dynasty today tomorrow yesterday always never after before during until when
    while within
""")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it stands in the passage, and what is compared of it."""

    text: str
    stems: frozenset[str]
    pairs: frozenset[tuple[str, str]]  #: stems side by side
    negated: bool
    numbers: frozenset[str]
    tells_when: bool
    points_back: bool  #: whether it goes on about what the sentence before it named
    places: Mapping[str, frozenset[str]]
    words: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()  #: the stems of words that begin with a capital
    is_value: bool = False  #: whether it is what a title stands for, and not a sentence


def passages(text: str) -> Iterator[str]:
    """Cut *text* into passages of at most 1,000 characters, between paragraphs or else between sentences."""
    for paragraph in _PARAGRAPH.split(text):
        gathered = ""
        for piece in split(paragraph):
            if gathered and len(gathered) + 1 + len(piece) > PASSAGE_CHARACTERS:
                yield gathered
                gathered = ""
            gathered = f"{gathered} {piece}" if gathered else piece
        if gathered:
            yield gathered


def split(text: str) -> list[str]:
    """Return the sentences of *text*.

    >>> split("Dr. Lehner dug here. Was it in 1988?  Yes.")
    ['Dr. Lehner dug here.', 'Was it in 1988?', 'Yes.']
    """
    found, start = [], 0
    for end in _END.finditer(text):
        before = text[max(start, end.start() - _ABBREVIATION_CHARACTERS) : end.start()]
        if "\n" in end[0] or not _ABBREVIATION.search(before):
            found.append(text[start : end.end()])
            start = end.end()
    found.append(text[start:])
    return [piece for sentence in found for piece in _shortened(" ".join(sentence.split()))]


def _shortened(sentence: str) -> Iterator[str]:
    start = 0
    while len(sentence) - start > SENTENCE_CHARACTERS:
        cut = sentence.rfind(" ", start + 1, start + SENTENCE_CHARACTERS + 1)
        cut = start + SENTENCE_CHARACTERS if cut < 0 else cut
        yield sentence[start:cut]
        start = cut + (sentence[cut] == " ")
    if start < len(sentence):
        yield sentence[start:]


@functools.lru_cache(maxsize=512)  # a passage of 1,000 characters takes 35 kB once it is read
def read(text: str) -> tuple[Sentence, ...]:
    """Return the sentences of a passage, ready to be compared."""
    return tuple(_sentence(piece) for piece in split(text))


def _sentence(text: str) -> Sentence:
    found = words(text)
    numbers = frozenset(word for word in found if word in NUMBERS or not word.isalpha())
    telling = stems(found)
    return Sentence(
        text=text,
        stems=frozenset(telling),
        pairs=neighbours(telling),
        negated=is_negated(found),
        numbers=numbers,
        tells_when=bool(numbers) or not _TIMES.isdisjoint(found),
        points_back=not _POINTING.isdisjoint(found[:POINTING_WORDS]),
        places=places(found),
        words=tuple(found),
        names=frozenset(stems(word for each in _CAPITAL.findall(text) for word in words(each))),
        is_value=not text.rstrip("\"'”’)]").endswith((".", "!", "?", "…")),
    )
