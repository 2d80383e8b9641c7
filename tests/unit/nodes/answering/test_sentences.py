"""Texts are cut where their writers paused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.nodes.answering.sentences import PASSAGE_CHARACTERS, SENTENCE_CHARACTERS, passages, read, split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is old. It is tall!", ["It is old.", "It is tall!"]),
        ('He said "Go." Then he left.', ['He said "Go."', "Then he left."]),
        ("Dr. No was built c. 2560 BC. Yes.", ["Dr. No was built c. 2560 BC.", "Yes."]),
        ("It is 3.5 km long.", ["It is 3.5 km long."]),
        ("- one\n- two", ["- one", "- two"]),
        ("no end", ["no end"]),
        ("   ", []),
        ("a\n\n\nb", ["a", "b"]),
    ],
)
def test_sentences_end_where_they_end(text, expected):
    """Full stops end a sentence, those of abbreviations and numbers do not; a new line always does."""
    assert expected == split(text)


@given(st.text(alphabet=st.sampled_from("ab. \n!?“”é")))
def test_nothing_is_lost_by_cutting(text):
    """Passages and sentences hold every character of the text but its white space, in order, none too long."""
    pieces = list(passages(text))

    assert "".join(text.split()) == "".join("".join(pieces).split())
    assert all(0 < len(piece) <= PASSAGE_CHARACTERS for piece in pieces)


def test_a_text_without_any_pause_is_cut_all_the_same():
    """A word of 10,000 letters becomes pieces that are not too long."""
    pieces = split("x" * 10_000)

    assert 10_000 == sum(map(len, pieces))
    assert SENTENCE_CHARACTERS == max(map(len, pieces))


def test_paragraphs_are_passages():
    """A blank line begins a new passage, a long paragraph is cut between sentences."""
    text = "First.\n\n" + "Second sentence of many. " * 60

    first, *others = passages(text)
    assert "First." == first
    assert 2 == len(others)
    assert all(other.endswith("many.") for other in others)


def test_what_is_compared_of_a_sentence():
    """Denial, numbers, times, and whether it points back are read once."""
    tall, open_, it = read("The tower is 146 metres tall. It never opens before noon. Its door is green.")

    assert (False, {"146"}, True, False) == (tall.negated, tall.numbers, tall.tells_when, tall.points_back)
    assert (True, set(), True, True) == (open_.negated, open_.numbers, open_.tells_when, open_.points_back)
    assert ({"door", "green"}, False, True) == (it.stems, it.tells_when, it.points_back)
