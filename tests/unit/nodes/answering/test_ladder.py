"""The first rung that holds answers, and each that fell says why."""

from __future__ import annotations

import pytest

from unbreakable.nodes.answering.ladder import LADDER, Answer, Asked, climb_down
from unbreakable.nodes.answering.passage import Passage
from unbreakable.nodes.answering.question import read_question
from unbreakable.nodes.answering.support import Match


def match(number, quality, *, quote=None, title=None, objection=None):
    passage = Passage(id=number, title=f"T{number}" if title is None else title, text="text")
    return Match(passage=passage, quote=quote or f"quote {number}", quality=quality, objection=objection)


async def climbed(question, *matches, ladder=LADDER, passages=9):
    asked = Asked(question=read_question(question), matches=matches, passages=passages)
    return await climb_down(ladder, asked)


async def test_a_supported_passage_is_quoted():
    """The best passage that supports an answer well enough is the answer, and no other rung is tried."""
    answer, rungs = await climbed("Where is it from?", match(1, 0.9), match(2, 0.4))

    assert ("extract", "quote 1", 0.9) == (answer.kind, answer.text, answer.quality)
    assert [("extract", None)] == [(rung.name, rung.fell) for rung in rungs]


@pytest.mark.parametrize(
    ("matches", "why"),
    [
        ([match(1, 0.84)], "T1 supports an answer to 0.84, which is less than 0.85"),
        ([match(1, 0.5, objection="it says the opposite")], "T1: it says the opposite"),
        ([match(1, 1.0), match(2, 1.0)], "T1 and T2 support different answers"),
    ],
)
async def test_what_does_not_answer_is_named_as_nearest(matches, why):
    """Too little support, an objection, or two answers at once: the passages are named, and the rung says why."""
    answer, rungs = await climbed("Where is it from?", *matches)

    assert "closest" == answer.kind
    assert answer.text.startswith("I have no passage that answers this. Nearest: T1")
    assert 0.2 <= answer.quality < 0.85
    assert [("extract", why), ("closest", None)] == [(rung.name, rung.fell) for rung in rungs]


async def test_a_question_that_was_cut_is_not_answered():
    """What comes after the part that was read may change everything."""
    answer, rungs = await climbed("tower " * 1_000, match(1, 1.0))

    assert ("closest", "the question is too long to be read whole") == (answer.kind, rungs[0].fell)


async def test_nothing_near_is_an_abstention():
    """Without a passage that comes near, nothing is said."""
    answer, rungs = await climbed("Where is the tower?", match(1, 0.1))

    assert ("abstain", "I have nothing on this.", (), 0.0) == (answer.kind, answer.text, answer.sources, answer.quality)
    assert ["extract", "closest", "abstain"] == [rung.name for rung in rungs]


async def test_an_abstention_says_what_it_lacks():
    """An empty knowledge and an empty question are told from a question without an answer."""
    assert "I know nothing yet." == (await climbed("pyramids", passages=0))[0].text
    assert "no word" in (await climbed("What is it?"))[0].text


async def test_a_topic_may_have_several_passages():
    """Who names a topic instead of asking gets up to three passages, a line each."""
    answer, _ = await climbed("Show me towers", *(match(number, 1.0) for number in range(1, 6)))

    assert "quote 1\nquote 2\nquote 3" == answer.text
    assert [1, 2, 3] == [source.passage for source in answer.sources]


async def test_a_passage_without_a_title_is_named_by_its_words():
    """What has no title is called by how it begins."""
    answer, _ = await climbed("Where?", match(1, 0.5, title="", quote="A very long sentence. " * 20))

    assert "“A very long sentence." in answer.text
    assert len(answer.text) < 200


async def test_a_model_would_be_one_more_rung():
    """Whatever is put above is asked first, and the ladder goes on below it."""

    async def model(asked):
        return "it is not there" if asked.passages else Answer(kind="answer", text="42")

    ladder = (("model", model), *LADDER)

    assert "answer" == (await climbed("Where?", ladder=ladder, passages=0))[0].kind
    answer, rungs = await climbed("Where?", match(1, 0.9), ladder=ladder)
    assert ("extract", "it is not there") == (answer.kind, rungs[0].fell)
