"""Words of one family share a stem: pyramid and pyramids, build and building.

M. F. Porter, "An algorithm for suffix stripping", Program 14 (1980), as SQLite's FTS5 spells it: what is looked up here
must be what the index holds.  A test holds the two together.
"""

from __future__ import annotations

import functools
import re

MOST_BYTES = 64  # FTS5 leaves longer tokens as they are
SHORTEST = 3

# suffix -> what takes its place; the longer of two that end alike comes first
STEP_2 = {
    "ational": "ate",
    "tional": "tion",
    "enci": "ence",
    "anci": "ance",
    "izer": "ize",
    "logi": "log",
    "bli": "ble",
    "alli": "al",
    "entli": "ent",
    "eli": "e",
    "ousli": "ous",
    "ization": "ize",
    "ation": "ate",
    "ator": "ate",
    "alism": "al",
    "iveness": "ive",
    "fulness": "ful",
    "ousness": "ous",
    "aliti": "al",
    "iviti": "ive",
    "biliti": "ble",
}
STEP_3 = {
    "ical": "ic",
    "ness": "",
    "icate": "ic",
    "iciti": "ic",
    "ful": "",
    "ative": "",  # codespell:ignore ative
    "alize": "al",
}

_STEP_4 = re.compile(
    "(?:al|ance|ence|er|ic|able|ible|ant|ement|ment|ent|(?<=[st])ion|ou|ism|ate|iti|ous|ive|ize)$"  # codespell:ignore
)
_VOWEL_THEN_CONSONANT = re.compile("v+c")


@functools.lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """Return the stem of *word*, which is in lower case and without accents.

    >>> stem("pyramids"), stem("building"), stem("relational"), stem("Δ")
    ('pyramid', 'build', 'relat', 'Δ')
    """
    size = len(word.encode("utf-8", "replace"))
    if not SHORTEST <= size <= MOST_BYTES:
        return word
    word = _without_ed_and_ing(_without_s(word))
    if word.endswith("y") and "v" in _shape(word[:-1]):
        word = word[:-1] + "i"
    word = _replaced(_replaced(word, STEP_2), STEP_3)
    return _without_e_and_ll(_without_ending(word))


def _shape(word: str) -> str:
    """Return c or v for each letter; y is a vowel after a consonant."""
    shape, consonant = [], False
    for letter in word:
        consonant = not (letter in "aeiou" or (letter == "y" and consonant))
        shape.append("c" if consonant else "v")
    return "".join(shape)


def _measure(word: str) -> int:
    """Return how often a consonant follows a vowel: Porter's m."""
    return len(_VOWEL_THEN_CONSONANT.findall(_shape(word)))


def _is_short(word: str) -> bool:
    """Return whether *word* ends consonant, vowel, consonant, the last not w, x or y: Porter's star o."""
    return _shape(word).endswith("cvc") and word[-1] not in "wxy"


def _without_s(word: str) -> str:
    if not word.endswith("s") or word.endswith("ss"):
        return word
    if (len(word) > 4 and word.endswith("sses")) or (len(word) > 3 and word.endswith("ies")):
        return word[:-2]
    return word[:-1]


def _without_ed_and_ing(word: str) -> str:
    if word.endswith("eed") and len(word) > 3:
        return word[:-1] if _measure(word[:-3]) else word
    for suffix in ("ed", "ing"):
        rest = word[: -len(suffix)]
        if word.endswith(suffix) and "v" in _shape(rest):
            return _mended(rest)
    return word


def _mended(word: str) -> str:
    """Return *word*, which has lost its -ed or -ing, with the end that it had before."""
    if len(word) > 2 and word.endswith(("at", "bl", "iz")):
        return word + "e"
    last = word[-1]
    if word[-2:] == 2 * last and last not in "aeioulsz":
        return word[:-1]
    return word + "e" if _measure(word) == 1 and _is_short(word) else word


def _replaced(word: str, table: dict[str, str]) -> str:
    for suffix, instead in table.items():
        if word.endswith(suffix) and len(word) > len(suffix):
            rest = word[: -len(suffix)]
            return rest + instead if _measure(rest) else word
    return word


def _without_ending(word: str) -> str:
    ending = _STEP_4.search(word)
    return word[: ending.start()] if ending and _measure(word[: ending.start()]) > 1 else word


def _without_e_and_ll(word: str) -> str:
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _is_short(word[:-1])):
            word = word[:-1]
    if word.endswith("ll") and _measure(word[:-1]) > 1:
        word = word[:-1]
    return word
