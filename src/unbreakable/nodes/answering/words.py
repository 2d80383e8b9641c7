"""A text is the words in it that say something, whatever their case, accents and endings."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence

from unbreakable.nodes.answering.stem import stem

_WORD = re.compile(r"[^\W_]+")


def word_set(lines: str) -> frozenset[str]:
    """Return the words that *lines* list."""
    return frozenset(lines.split())


AUXILIARIES = word_set("""
    are can could did do does had has have is may might must shall should was were will would
""")
# What is left of "didn't" and "can't".
SHORTENED = frozenset(f"{word}n" for word in AUXILIARIES) | {"can", "needn", "won", "shan"}

# Words that say nothing of what a text is about.  Numbers do: they are not here.
EMPTY = (AUXILIARIES | SHORTENED - {"won"}) | word_set("""
    a about all also am an and another any as at be been being both but by cannot d doing each else ever every for
    further from having he her here hers herself him himself his how however i if in into it its itself just ll m many
    me mine much my myself neither never no none nor not of off on onto or other others our ours ourselves out over own
    per re s since so some such t than that the their theirs them themselves then there these they this those through to
    too toward towards under up upon us ve very via we what whatever when where wherever which while who whom whose why
    with within without you your yours yourself
""")

NUMBERS = word_set("""
    half one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion dozen
    zero once twice first second third fourth fifth sixth seventh eighth ninth tenth
""")


def words(text: str) -> list[str]:
    """Return the words of *text* in their order, without case and accents.

    >>> words("Where is Brasília?")
    ['where', 'is', 'brasilia']
    """
    if text.isascii():
        return _WORD.findall(text.lower())
    bare = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in bare if unicodedata.category(letter) != "Mn")
    return _WORD.findall(unicodedata.normalize("NFC", bare).casefold())


def stems(found: Iterable[str]) -> list[str]:
    """Return the stems of those *found* words that are not empty, in their order.

    >>> stems(words("The pyramids, and the pyramid"))
    ['pyramid', 'pyramid']
    """
    return [stem(word) for word in found if word not in EMPTY]


def neighbours(found: Sequence[str]) -> frozenset[tuple[str, str]]:
    """Return the pairs of words that stand side by side."""
    return frozenset(itertools.pairwise(found))


@functools.lru_cache(maxsize=4_096)
def stems_of(text: str) -> frozenset[str]:
    """Return which stems a short *text*, such as a title, has."""
    return frozenset(stems(words(text)))


def plain(text: str) -> str:
    """Return *text* as it is compared with another: its words alone.

    >>> plain("Côte d'Ivoire!") == plain("cote D’IVOIRE")
    True
    """
    return " ".join(words(text))
