"""What judged responses amount to."""

from __future__ import annotations

import pytest

from unbreakable.nodes.answering.evidence import Judgement, weigh_up

WORDS = ("how", "high")


def judged(good, passage=None, taught=None, stems=WORDS, quality=0.9):
    return Judgement(good=good, quality=quality, passage=passage, taught=taught, stems=stems)


def test_nothing_judged_is_the_prior():
    """Without judgements there is the prior, and nothing else."""
    evidence = weigh_up([], 850)

    assert (850.0, None, {}, {}) == (evidence.rating.score, evidence.confidences, evidence.votes, evidence.verdicts)
    assert 0.0 < evidence.confidence(0.5) < evidence.confidence(1.0) <= 0.85


def test_nothing_is_ever_sure_of_an_answer_that_is_none():
    """What is too far away to be named has no confidence."""
    assert 0.0 == weigh_up([], 1000).confidence(0.1) == weigh_up([judged(1.0)] * 100, 1000).confidence(0.0)


def test_confidence_is_judged_from_fifty_answers_on():
    """Fifty judged answers make the curve; responses that named nothing do not count for it."""
    assert weigh_up([judged(1.0)] * 49 + [judged(1.0, quality=0.0)] * 50, 850).confidences is None
    evidence = weigh_up([judged(0.0)] * 50, 850)
    assert evidence.confidences is not None
    assert evidence.confidence(0.9) < 0.2


@pytest.mark.parametrize(
    ("judgements", "lesson"),
    [
        ([judged(1.0, taught=7)], 2 / 3),
        ([judged(1.0, taught=7)] * 3, 6 / 7),
        ([judged(0.0, taught=7)], 2 / 3),
        ([judged(1.0, passage=7)], 2 / 3),
        ([judged(1.0, passage=7, taught=7)], 2 / 3),
        ([judged(0.75, passage=7)], 0.5),
        ([judged(1.0, passage=7), judged(0.0, passage=7)], 0.0),
        ([judged(1.0)], 0.0),
    ],
)
def test_verdicts_teach_words(judgements, lesson):
    """What answered well, or was named as the answer, is learned with the words of the question."""
    learned = weigh_up(judgements, 850).lessons(WORDS).get(7, {})

    assert pytest.approx(lesson) == learned.get("high", 0.0) == learned.get("how", 0.0)


def test_a_bad_verdict_is_remembered_for_the_same_words_only():
    """A passage that was wrong for a question is not wrong for another with a word in common."""
    evidence = weigh_up([judged(0.0, passage=7)], 850)

    assert [True, True, False, False] == [
        evidence.was_wrong(("high", "how"), 7),
        evidence.was_wrong(("how", "high"), 7),
        evidence.was_wrong(("high",), 7),
        evidence.was_wrong(("high", "how"), 8),
    ]
    assert not weigh_up([judged(0.0, passage=7), judged(1.0, passage=7)], 850).was_wrong(("how", "high"), 7)
