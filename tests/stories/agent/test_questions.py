"""How often an agent is right, silent, or wrong, on questions to three small bodies of knowledge.

The thresholds and word lists were made with *travel* and *handbook* at hand.  *library* was written afterwards, before
any of its questions was asked, and nothing was changed for it: it is what to expect of new knowledge.  A question is
answerable when the knowledge says the answer in so many words; an unanswerable one often has most of its words in it.
"""

from __future__ import annotations

import pytest

from unbreakable.nodes import AgentNode

FILES = {"travel": "travel.json", "handbook": "handbook.md", "library": "library.json"}


@pytest.fixture(params=FILES)
def asked(request, data, folder):
    """Return what became of the questions: name, right answers, answerable, wrong answers, inventions, unanswerable."""
    agent = AgentNode(knowledge=folder / FILES[request.param])
    questions = data("questions.json")[request.param]
    answered = [(agent.process_query_sync(text, context), told) for text, context, told in questions["answerable"]]
    extracts = [(response, told) for response, told in answered if response.kind == "extract"]
    right = sum(told in response.answer for response, told in extracts)
    unanswerable = [agent.process_query_sync(text, context) for text, context in questions["unanswerable"]]
    invented = sum(response.ok for response in unanswerable)
    return request.param, right, len(answered), len(extracts) - right, invented, len(unanswerable)


def test_most_answerable_questions_are_answered_right(asked):
    """At least three of four answerable questions get the sentence that answers them."""
    name, right, answerable, *_ = asked

    assert right >= 0.75 * answerable, (name, right, answerable)


def test_hardly_any_extract_is_wrong(asked):
    """At most 6 % of the extracts, those to unanswerable questions included, are not the answer."""
    name, right, _, wrong, invented, _ = asked

    assert wrong + invented <= 0.06 * (right + wrong + invented), (name, right, wrong, invented)


def test_unanswerable_questions_are_left_unanswered(asked):
    """At least 97 of a hundred unanswerable questions get no extract."""
    name, *_, invented, unanswerable = asked

    assert invented <= 0.03 * unanswerable, (name, invented, unanswerable)


FACTS = [
    "Petra was built by the Nabataeans. Petra opens at 6 in the morning.",
    "Anna manages Bob.",
    "The Nile Inn has a pool.",
]


@pytest.mark.parametrize(
    "question",
    [
        "Where is Petra?",
        "How do I get to Petra?",
        "Why was Petra built?",
        "When does Petra close?",
        "Where is the Nile Inn?",
        "Why is Anna a manager?",
        "Where is Bob?",
        "Does Bob manage Anna?",
        "Who manages Anna?",
        "Whom does Bob manage?",
        "Who owns the Nile Inn?",
    ],
)
def test_what_it_cannot_know_it_does_not_answer(question):
    """A sentence about the same things is not an answer when it tells something else."""
    response = AgentNode(knowledge=FACTS).process_query_sync(question)

    assert response.kind in {"closest", "abstain"}
    assert response.confidence < 0.3


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who manages Bob?", "Anna manages Bob."),
        ("Whom does Anna manage?", "Anna manages Bob."),
        ("Does Anna manage Bob?", "Anna manages Bob."),
        ("Who built Petra?", "Petra was built by the Nabataeans."),
        ("When does Petra open?", "Petra opens at 6 in the morning."),
        ("Does the Nile Inn have a pool?", "The Nile Inn has a pool."),
    ],
)
def test_what_is_told_is_answered(question, answer):
    """In the words of the knowledge."""
    assert answer == AgentNode(knowledge=FACTS).process_query_sync(question).answer


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Petra lies in the south of Jordan.", "Where is Petra?"),
        ("Take the bus from Amman to Petra.", "How do I get to Petra?"),
        ("The museum is closed because the roof leaks.", "Why is the museum closed?"),
        ("Bob is managed by Anna.", "Who manages Bob?"),
        ("Bob is managed by Anna.", "Does Anna manage Bob?"),
    ],
)
def test_the_sort_of_thing_that_is_asked_for_is_seen(text, question):
    """A place, a way, a reason, and who does it also where that comes last."""
    assert text == AgentNode(knowledge=[text]).process_query_sync(question).answer
