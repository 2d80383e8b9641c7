"""A question is read for what it asks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.nodes.answering.question import MOST_WORDS, Question, read_question


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Show me pyramids", ("pyramid",)),
        ("Please tell me about the pyramids of Giza!", ("pyramid", "giza")),
        ("pyramid PYRAMIDS Pyramid", ("pyramid",)),
        ("show", ("show",)),
        ("What is it?", ()),
        ("", ()),
    ],
)
def test_the_words_that_count(text, expected):
    """What only asks is left out, unless there is nothing else."""
    assert expected == read_question(text).stems


def test_what_only_asks_breaks_ties():
    """The words that ask are kept aside."""
    assert {"see"} == read_question("What can dentists see?").aside
    assert {"need"} == read_question("What do I need for a refund?").aside


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("How tall is the Great Pyramid?", {"great", "pyramid"}),
        ("Pyramids near Cairo", {"cairo"}),
        ("above 4,000 metres for three days", {"4", "000", "three"}),
        ("who lives in cairo", set()),
        ("Which one is it?", set()),
    ],
)
def test_names_and_numbers_are_known_by_their_looks(text, expected):
    """Capitals inside the question and numbers must be spoken of in an answer."""
    assert expected == set(read_question(text).named)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Which dogs are not allowed?", {"negated": True, "asks": True}),
        ("Is the pool open", {"whether": True, "asks": True}),
        ("Isn't the pool open?", {"whether": True, "negated": True, "asks": True}),
        ("How much is it?", {"how_much": True, "asks": True}),
        ("When does it open?", {"when": True, "asks": True}),
        ("tell me when to come", {"asks": True}),
        ("pyramids", {"asks": False}),
        ("Show me pyramids", {"asks": False}),
        ("Pyramids?", {"asks": True}),
    ],
)
def test_what_sort_of_answer_would_do(text, expected):
    """Denials, yes-or-no, numbers, times and topics are told apart."""
    read = read_question(text)
    sorts = ("negated", "whether", "how_much", "when", "asks")

    assert {sort for sort in sorts if expected.get(sort)} == {sort for sort in sorts if getattr(read, sort)}


def test_a_long_question_is_cut():
    """Of a megabyte the beginning is read, and the question says so."""
    read = read_question(" ".join(f"word{number}" for number in range(200_000)))

    assert (MOST_WORDS, True) == (len(read.stems), read.cut)
    assert not read_question("short").cut


@given(st.text())
def test_any_text_is_a_question(text):
    """Whatever the text, it is read, each word once."""
    read = read_question(text)

    assert isinstance(read, Question)
    assert len(set(read.stems)) == len(read.stems) <= MOST_WORDS
    assert set(read.named) <= set(read.stems)
    assert read.aside.isdisjoint(read.stems)
