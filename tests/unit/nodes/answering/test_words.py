"""A text is its words, whatever their case, accents and endings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.nodes.answering.words import EMPTY, NUMBERS, plain, stems, stems_of, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Brasília", ["brasilia"]),
        ("Brasi\u0301lia", ["brasilia"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("\ufb01ne \uff12\uff10", ["fine", "20"]),
        ("don't", ["don", "t"]),
        ("a_b-c", ["a", "b", "c"]),
        ("café\0olé", ["cafe", "ole"]),
        ("Ελλάδα ΕΛΛΆΔΑ", ["ελλαδα", "ελλαδα"]),
        ("🎉 \ud800", []),
        ('"NEAR(*)" OR ^x:y', ["near", "or", "x", "y"]),
    ],
)
def test_only_letters_and_digits_are_left(text, expected):
    """Case, accents, ligatures and everything that is neither letter nor digit are gone."""
    assert expected == words(text)


@given(st.text())
def test_words_are_the_same_again(text):
    """Taking the words of words changes nothing, so that what was stored and what is asked for can meet."""
    found = words(text)

    assert found == words(" ".join(found))
    assert plain(text) == plain(plain(text))


@given(st.text())
def test_no_word_holds_what_a_search_could_take_for_an_operator(text):
    """Each word is letters and digits alone."""
    assert all(word.isalnum() for word in words(text))


def test_empty_words_are_left_out():
    """Articles, prepositions and auxiliaries say nothing of what a text is about; numbers and names do."""
    assert ["pyramid", "giza"] == stems(words("The pyramids of Giza, and the others that were there"))
    assert {"three", "2560"} == stems_of("In three of 2560")
    assert set() == EMPTY & NUMBERS
    assert "won" not in EMPTY
