"""The opposite of a sentence has the same words and is told from it."""

from __future__ import annotations

import pytest

from unbreakable.nodes.answering.opposites import OPPOSITES, changes_places, contradicts, is_negated, places
from unbreakable.nodes.answering.stem import stem
from unbreakable.nodes.answering.words import stems, words


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("We do not accept cheques.", True),
        ("We don't accept cheques.", True),
        ("We don’t accept cheques.", True),
        ("You cannot enter without a ticket.", True),
        ("No dogs.", True),
        ("We accept cheques.", False),
        ("Tea and T-shirts", False),
        ("Nothing", True),
    ],
)
def test_a_denial_is_seen(sentence, expected):
    """Not, never, no, their contractions and their like deny; a lone t does not."""
    assert expected is is_negated(words(sentence))


def test_opposites_are_mutual():
    """Each word is the opposite of its opposites, and none of itself."""
    assert [] == [word for word, others in OPPOSITES.items() if word in others]
    assert [] == [(one, other) for one, others in OPPOSITES.items() for other in others if one not in OPPOSITES[other]]


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        ("who sells oil", "Kuwait buys oil", True),
        ("who sells oil", "Kuwait buys and sells oil", False),
        ("who sells oil", "Kuwait pumps oil", False),
        ("when does it open", "it closes at six", True),
        ("the largest pyramid", "the smallest pyramid", True),
    ],
)
def test_the_opposite_of_what_was_asked_contradicts(asked, said, expected):
    """A sentence contradicts when it has the opposite of a word that it does not have itself."""
    assert expected is contradicts(frozenset(stems(words(asked))), frozenset(stems(words(said))))


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        ("a train from Luxor to Cairo", "The train from Cairo to Luxor leaves at 20:20.", True),
        ("a train from Cairo to Luxor", "The train from Cairo to Luxor leaves at 20:20.", False),
        ("wheat from Egypt", "Egypt imports wheat from Russia.", True),
        ("wheat from Russia", "Egypt imports wheat, mostly from the fields of Russia.", False),
        ("wheat from Russia", "Russia sells wheat.", False),
        ("painted by Rembrandt", "Rembrandt was painted by a pupil.", True),
    ],
)
def test_words_that_change_places_are_seen(asked, said, expected):
    """Who is behind from, to or by in the question and elsewhere in the sentence makes it another statement."""
    found = words(said)

    assert expected is changes_places(places(words(asked), reach=1), places(found), set(map(stem, found)))
