"""What sort of thing a sentence tells is seen by its words and their order."""

from __future__ import annotations

import pytest

from unbreakable.nodes.answering.sort import other_way_round, roles, tells_how, tells_where, tells_who, tells_why
from unbreakable.nodes.answering.words import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It stands at the edge of Cairo.", True),
        ("The desk is upstairs.", True),
        ("Opposite the station.", True),
        ("It opens at 6 in the morning.", False),
        ("It was built in 1920.", False),
        ("On Mondays it is closed.", False),
        ("It has a pool.", False),
    ],
)
def test_places_are_told_from_times(text, expected):
    """By what stands behind the word that may lead to either."""
    assert expected is tells_where(words(text))


def test_reasons_and_ways_have_words_of_their_own():
    """Something that was done by somebody is no way to go."""
    assert tells_why(frozenset(words("It is closed because of the rain.")))
    assert not tells_why(frozenset(words("It is closed.")))
    assert tells_how(words("By train from Cairo."))
    assert not tells_how(words("It was built by them."))


def test_who_is_somebody_who_was_not_asked_for():
    """A name, a word for people, or for those who do something."""
    assert not tells_who(words("Petra opens early."), frozenset({"petra"}), frozenset({"petra"}))
    assert tells_who(words("The owner has the keys."), frozenset(), frozenset({"key"}))
    assert tells_who(words("Anna has the keys."), frozenset({"anna"}), frozenset({"key"}))


@pytest.mark.parametrize(
    ("question", "sentence", "expected"),
    [
        ("who manages Anna", "Anna manages Bob", True),
        ("who manages Bob", "Anna manages Bob", False),
        ("who did Anna hire", "Bob will hire Anna", True),
        ("does Bob manage Anna", "Anna is managed by Bob", False),
        ("does Anna manage Bob", "Anna is managed by Bob", True),
    ],
)
def test_who_does_it_to_whom_is_told_by_the_order(question, sentence, expected):
    """And by the passive, which turns it round."""
    asked = roles(words(question), {"anna": "Anna", "bob": "Bob"})

    assert asked is not None
    assert expected is other_way_round(asked, words(sentence))
