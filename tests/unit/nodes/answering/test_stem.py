"""Words of one family share a stem, the same as with the stemmer that SQLite brings."""

from __future__ import annotations

import itertools
import random
import sqlite3

import pytest
from tests.dense import most

from unbreakable.nodes.answering.stem import stem
from unbreakable.nodes.answering.words import word_set

BASES = word_set("a be cat hop fall rel comp try y sky beauty happy depend control fil siding roll general agreement")
SUFFIXES = word_set("""
    s es ies sses ed eed ing y ational tional enci anci izer logi bli alli entli eli ousli ization ation ator alism
    iveness fulness ousness aliti iviti biliti ical ness icate iciti ful alize al ance ence er ic able ible ant ement
    ent ism ate iti ous ive ize sion tion ion ou e ll lle
""")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("pyramids", "pyramid"),
        ("built", "built"),
        ("building", "build"),
        ("cancelled", "cancel"),
        ("flies", "fli"),
        ("at", "at"),
        ("", ""),
        ("x" * 100 + "ing", "x" * 100 + "ing"),
        ("πυραμιδες", "πυραμιδες"),
    ],
)
def test_a_word_loses_its_ending(word, expected):
    """Endings go, short and very long words and other scripts stay."""
    assert expected == stem(word)


def test_the_stems_are_those_of_an_independent_stemmer():
    """FTS5's own Porter stemmer, written in C by others, finds the same stem for thousands of words."""
    dice = random.Random(7)
    made = {base + first + second for base, first, second in itertools.product(BASES, SUFFIXES, ["", *SUFFIXES])}
    made |= {"".join(dice.choices("aeiouybcdlmnstzwx", k=dice.randint(1, 9))) for _ in range(most(20_000, 5_000))}
    words = sorted(made)
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE word USING fts5(text, tokenize='porter unicode61')")
    database.execute("CREATE VIRTUAL TABLE term USING fts5vocab(word, instance)")
    database.executemany("INSERT INTO word (rowid, text) VALUES (?, ?)", enumerate(words))
    theirs = dict(database.execute("SELECT doc, term FROM term").fetchall())
    database.close()

    assert len(words) == len(theirs)
    assert [] == [(word, stem(word), theirs[at]) for at, word in enumerate(words) if stem(word) != theirs[at]]
