"""Feedback teaches wordings that the knowledge does not use, and wrong feedback does little harm.

*wordings.json* asks about *library.json* in other words than it has: for each answer two wordings to teach and two that
are never taught, to see what was learned.
"""

from __future__ import annotations

import random

import pytest

from unbreakable.nodes import AgentNode


class School:
    """An agent, its teacher and the exam."""

    def __init__(self, data, folder, wrong):
        self.agent = AgentNode(knowledge=folder / "library.json")
        self.lessons, self.library = data("wordings.json"), data("questions.json")["library"]
        self.wrong, self.dice = wrong, random.Random(3)
        knowledge = self.agent.knowledge
        everything = [match.passage for answer, *_ in self.lessons for match in knowledge.search(answer, most=32)]
        self.passages = sorted({passage.id for passage in everything})
        self.answers = {
            answer: next(each.id for each in everything if answer in each.text) for answer, *_ in self.lessons
        }

    def teach(self):
        """Ask each wording of the lessons, and name the passage that answers; *wrong* of the time another one."""
        asked = [(answer, wording) for answer, taught, _ in self.lessons for wording in taught]
        self.dice.shuffle(asked)
        for answer, wording in asked:
            response = self.agent.process_query_sync(wording)
            good, passage = response.ok and answer in response.answer, self.answers[answer]
            if self.dice.random() < self.wrong:
                good, passage = not good, self.dice.choice(self.passages)
            self.agent.feedback_sync(response, good=good, passage=passage)

    def exam(self):
        """Return how many of the wordings never taught are answered right, and how many wrong."""
        asked = [(answer, wording) for answer, _, untaught in self.lessons for wording in untaught]
        answers = [(answer, self.agent.process_query_sync(wording)) for answer, wording in asked]
        right = sum(response.ok and answer in response.answer for answer, response in answers)
        return right, sum(response.ok for _, response in answers) - right

    def inventions(self):
        """Return how many unanswerable questions get an answer all the same."""
        return sum(self.agent.process_query_sync(text, context).ok for text, context in self.library["unanswerable"])

    def known(self):
        """Return how many questions in the knowledge's own words are answered right."""
        asked = self.library["answerable"]
        return sum(told in self.agent.process_query_sync(text, where).answer for text, where, told in asked)


@pytest.mark.parametrize("wrong", [0.0, 0.2])
def test_wordings_never_taught_are_understood_after_teaching(data, folder, wrong):
    """After two rounds 10 of 32 new wordings are answered, where none was, even if a fifth of the lessons is wrong."""
    school = School(data, folder, wrong)
    assert (0, 0) == school.exam()
    known, inventions = school.known(), school.inventions()

    for _ in range(2):
        school.teach()
    right, mistaken = school.exam()
    assert right >= 10
    assert mistaken <= 1
    assert school.known() >= known
    assert school.inventions() <= inventions + 1


def test_feedback_that_is_mostly_wrong_makes_an_agent_silent_rather_than_wrong(data, folder):
    """When four of five lessons are wrong, hardly anything wrong is said, and what it knew it still knows."""
    school = School(data, folder, 0.8)
    known = school.known()
    for _ in range(2):
        school.teach()

    _, mistaken = school.exam()
    assert mistaken <= 4
    assert school.known() >= known - 2
