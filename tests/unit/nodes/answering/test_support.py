"""A passage supports an answer by the words that it has, and fails by what it says."""

from __future__ import annotations

from collections import Counter

import pytest

from unbreakable.nodes.answering.passage import Passage
from unbreakable.nodes.answering.question import read_question
from unbreakable.nodes.answering.response import EXTRACT
from unbreakable.nodes.answering.support import best_match, rivals, sunk, weigh
from unbreakable.nodes.answering.words import stems, words

PYRAMID = Passage(
    id=1,
    title="Egypt: Great Pyramid",
    text="The Great Pyramid was built for Khufu. It is 138 metres tall. A ticket costs 9 euros.",
)


def match(question, passage=PYRAMID, *others, learned=None):
    """Return how well *passage* supports an answer to *question*, in a knowledge of it and *others*."""
    read = read_question(question)
    everything = (passage, *others)
    known = Counter(word for each in everything for word in {*stems(words(each.text)), *each.around})
    return best_match(read, weigh(read, known, len(everything)), passage, learned or {})


def test_a_passage_with_every_word_supports_an_answer_fully():
    """All words of the question in one sentence and its title are a quality of 1."""
    found = match("Who was the Great Pyramid built for?")

    assert (1.0, "The Great Pyramid was built for Khufu.", None) == (found.quality, found.quote, found.objection)


def test_the_title_counts_as_said():
    """A sentence need not repeat what it is about."""
    assert "A ticket costs 9 euros." == match("What does a ticket for the Great Pyramid cost?").quote


def test_a_word_that_nobody_knows_is_missed_most():
    """One unknown word outweighs the known ones."""
    assert match("Who painted the Great Pyramid?").quality < 0.5


def test_a_word_that_everybody_has_is_hardly_missed():
    """A word that tells passages apart weighs more than one that is in all of them."""
    others = [Passage(text=f"Egypt has a museum number {number}.") for number in range(20)]
    passage = Passage(text="The museum was built in 1902.")

    rare = match("Was the museum built?", Passage(text="Egypt has a museum."), passage, *others).quality
    common = match("Egypt museum built", passage, *others).quality
    assert rare < 0.5 < common


def test_a_sentence_that_points_back_is_read_with_the_one_before():
    """A pronoun joins two sentences into one answer; sentences about other things are not joined."""
    tower = Passage(text="The tower of Pisa leans. It is 57 metres tall. The cathedral is larger.")

    assert "The tower of Pisa leans. It is 57 metres tall." == match("How tall is the tower of Pisa?", tower).quote
    assert match("Is the tower of Pisa larger?", tower).quality < EXTRACT


@pytest.mark.parametrize(
    ("question", "text", "objection"),
    [
        ("Who sells oil to whom?", "Kuwait buys oil.", "it says the opposite"),
        ("Which cards are not accepted?", "Cards are accepted.", "it does not say what is not"),
        ("Which cards are accepted?", "Blue cards are not accepted.", "it says what is not"),
        ("How much is the ticket?", "The ticket is dear.", "it has no number"),
        ("When is the gate locked?", "The gate is locked.", "it does not say when"),
        ("wheat from Egypt", "Egypt buys wheat from Russia.", "it says it the other way round"),
        ("Where is the tower of Pisa?", "The tower is here.", "it does not speak of Pisa"),
        ("How many fit into 3 rooms?", "Fifty fit into 4 rooms.", "it does not speak of 3"),
    ],
)
def test_words_alone_are_not_enough(question, text, objection):
    """A sentence with the words that says the opposite, nothing of the sort, or of somebody else, is no answer."""
    found = match(question, Passage(text=text))

    assert objection == found.objection
    assert found.quality <= 0.5


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Are blue cards accepted?", "Blue cards are not accepted."),
        ("Which cards are not accepted?", "Blue cards are not accepted."),
        ("How much is the ticket?", "The ticket is nine euros."),
        ("When is the gate locked?", "The gate is locked after dark."),
        ("wheat from Russia", "Egypt buys wheat from Russia."),
    ],
)
def test_a_sentence_that_answers_meets_no_objection(question, text):
    """No, a number, a time, the right place: these are answers."""
    assert match(question, Passage(text=text)).objection is None


def test_a_lesson_stands_for_a_word():
    """What was taught counts in part as said; the whole passage is quoted, for nobody told which sentence it is."""
    taught = match("How high is the Great Pyramid?", learned={"high": 0.9})

    assert match("How high is the Great Pyramid?").quality < EXTRACT < taught.quality < 1.0
    assert PYRAMID.text == taught.quote


def test_a_lesson_about_other_words_changes_nothing():
    """Who learned that a word means a passage has not learned that all of them do."""
    assert match("How old is the Great Pyramid?") == match("How old is the Great Pyramid?", learned={"khufu": 0.9})


def test_what_was_judged_wrong_sinks():
    """A match that was judged wrong is worth half, but not halved twice."""
    good, doubtful = match("Great Pyramid"), match("How old is the Great Pyramid, from Khufu?")

    assert (1.0, 0.5) == (good.quality, sunk(good).quality)
    assert sunk(sunk(good)).quality == sunk(good).quality
    assert doubtful.objection is None or doubtful.quality == sunk(doubtful).quality


# ── rivals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def competitors(question, *passages):
    """Return the texts that compete with the best."""
    read = read_question(question)
    found = [match(question, each, *(other for other in passages if other is not each)) for each in passages]
    found.sort(key=lambda each: (each.quality, each.edge, each.own), reverse=True)
    return [other.passage.text for other in rivals(read, found)]


def test_two_countries_compete_for_one_capital():
    """Passages on different subjects that support an answer equally well are rivals."""
    cairo, lima = Passage(title="Egypt: capital", text="Cairo"), Passage(title="Peru: capital", text="Lima")

    assert ["Lima"] == competitors("What is the capital?", cairo, lima)
    assert [] == competitors("What is the capital of Egypt?", cairo, lima)


def test_numbers_that_differ_compete():
    """Two prices under one title contradict each other; the same price twice does not."""
    ten = Passage(title="Ticket", text="A ticket costs 10 euros.")
    twelve = Passage(title="Ticket", text="A ticket costs 12 euros.")
    again = Passage(title="Prices", text="A ticket costs 10 euros.")

    assert ["A ticket costs 12 euros."] == competitors("How much does a ticket cost?", ten, twelve)
    assert [] == competitors("How much does a ticket cost?", ten, again)


def test_passages_of_one_title_do_not_compete():
    """A long text that was cut into passages is no contradiction in itself."""
    one = Passage(title="Guide", text="The tower stands in Pisa.")
    two = Passage(title="Guide", text="The tower leans in Pisa.")

    assert [] == competitors("Where is the tower in Pisa?", one, two)


def test_what_only_asks_chooses_between_sentences():
    """Of two sentences that have what is asked about, the one answers that has what is asked of it."""
    refunds = Passage(text="Refunds are paid within 14 days. A refund needs the receipt.")

    assert "A refund needs the receipt." == match("What do I need for a refund?", refunds).quote
    assert "Refunds are paid within 14 days." == match("When are refunds paid?", refunds).quote


def test_words_that_stand_together_win():
    """The passage that has the question's words side by side is the one that is meant."""
    near = Passage(title="Roles", text="Receptionists cancel appointments.")
    far = Passage(title="Waiting list", text="An appointment that somebody else had to cancel is offered to others.")

    assert [] == competitors("Who can cancel appointments?", near, far)
