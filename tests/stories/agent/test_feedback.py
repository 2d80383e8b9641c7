"""People judge what an agent answers, and that alone makes it better or worse."""

from __future__ import annotations

import asyncio
import dataclasses
import pickle

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError, StateError
from unbreakable.nodes import AgentNode, KnowledgeBase


@pytest.fixture
def agent(egypt):
    """Return an agent that knows two countries."""
    return AgentNode({"score": 850}, egypt)


async def test_questions_that_nobody_judges_change_nothing(agent):
    """A hundred answers are no evidence."""
    before = agent.intelligence
    for _ in range(100):
        await agent.process_query("pyramids", {"country": "Egypt"})

    assert before == agent.intelligence
    assert (850.0, 0, False) == (before.score, before.judged, before.verified)
    assert before.low < 850 < before.high


async def test_a_bad_verdict_lowers_the_rating_and_a_good_one_raises_it(agent):
    """The rating moves with each judged response, and feedback returns it."""
    first, second = [await agent.process_query("pyramids", {"country": where}) for where in ("Egypt", "Mexico")]

    down = await agent.feedback(first, good=False)
    up = await agent.feedback(second, good=True)
    assert down.score < 850
    assert down.score < up.score
    assert (up, 2) == (agent.intelligence, up.judged)


async def test_a_verdict_counts_once_and_can_be_taken_back(agent):
    """The same verdict again changes nothing, the other one takes its place."""
    response = await agent.process_query("pyramids", {"country": "Egypt"})

    bad = await agent.feedback(response, good=False)
    assert bad == await agent.feedback(response, good=False) == await agent.feedback(response, good=0)
    good = await agent.feedback(response, good=True)
    assert (1, bad.score < 850 < good.score) == (good.judged, True)
    assert bad == await agent.feedback(response, good=False)


async def test_a_score_is_a_verdict_in_part(agent):
    """Half good is between good and bad."""
    response = await agent.process_query("pyramids", {"country": "Egypt"})

    bad, half, good = [(await agent.feedback(response, score)).score for score in (0.0, 0.5, 1.0)]
    assert bad < half < good
    assert half == pytest.approx((bad + good) / 2)


@pytest.mark.parametrize("good", [None, "yes", 2, -0.1, float("nan"), float("inf"), [True]])
async def test_what_is_no_verdict_is_refused(agent, good):
    """The error says what is expected, and nothing is counted."""
    response = await agent.process_query("pyramids", {"country": "Egypt"})

    with pytest.raises(ConfigurationError, match="feedback: good must be True, False or a score from 0 to 1"):
        await agent.feedback(response, good)
    assert 0 == agent.intelligence.judged


async def test_only_its_own_responses_are_judged(agent, egypt):
    """What another agent answered, or nobody, is refused; both kinds of error are a ValueError."""
    theirs = await AgentNode(knowledge=egypt).process_query("pyramids")
    namesake = await AgentNode(knowledge=agent.knowledge, name="other").process_query("pyramids")
    made_up = dataclasses.replace(theirs, id="made-up")

    for response in (theirs, namesake, made_up):
        with pytest.raises(ValueError, match="feedback: response must be one of 'agent' with this knowledge"):
            await agent.feedback(response, good=True)
    with pytest.raises(ValueError, match="feedback: response must be an AgentResponse, not 'pyramids'"):
        agent.feedback_sync("pyramids", good=True)
    assert 0 == agent.intelligence.judged


async def test_two_agents_on_one_knowledge_are_judged_apart(egypt):
    """Each has its own rating and its own lessons."""
    knowledge = KnowledgeBase(egypt)
    one, other = AgentNode(knowledge=knowledge, name="one"), AgentNode(knowledge=knowledge, name="other")
    await one.feedback(await one.process_query("pyramids", {"country": "Egypt"}), good=False)

    assert (1, 0) == (one.intelligence.judged, other.intelligence.judged)
    assert ["closest", "extract"] == [
        (await agent.process_query("pyramids", {"country": "Egypt"})).kind for agent in (one, other)
    ]


async def test_what_was_judged_wrong_is_not_said_again(agent):
    """After a bad verdict the same words get another answer, or none; a good one brings it back."""
    response = await agent.process_query("Show me pyramids", {"country": "Egypt"})
    await agent.feedback(response, good=False)

    again = await agent.process_query("show me the PYRAMIDS", {"country": "Egypt"})
    assert ("closest", "Egypt: pyramids: it was judged wrong for this question") == (again.kind, again.rungs[0].fell)
    await agent.feedback(response, good=True)
    assert "extract" == (await agent.process_query("pyramids", {"country": "Egypt"})).kind


async def test_what_was_judged_wrong_gives_way_to_the_next_best():
    """Another passage that supports an answer takes the place of the one that was wrong."""
    agent = AgentNode(knowledge=["Berlin tickets cost 10 euros.", "Berlin tickets cost 12 euros in June."])
    first = await agent.process_query("Berlin tickets")
    assert 2 == len(first.sources)
    wrong = await agent.process_query("How much do Berlin tickets cost in June?")
    await agent.feedback(wrong, good=False)

    assert "closest" == (await agent.process_query("How much do Berlin tickets cost in June?")).kind


async def test_a_passage_can_be_taught(agent):
    """Who names the passage that answers teaches words that it does not have; three lessons are enough."""
    passage = agent.knowledge.search("Nile cruises")[0].passage.id
    assert "abstain" == (await agent.process_query("ship holidays")).kind

    for question in ("ship holidays", "holidays on a ship", "Are there ships for holidays?"):
        await agent.feedback(await agent.process_query(question), good=False, passage=passage)
    response = await agent.process_query("Show me a ship for the holidays")
    assert ("extract", passage) == (response.kind, response.sources[0].passage)
    assert response.answer == agent.knowledge.search("Nile cruises")[0].passage.text


@pytest.mark.parametrize("passage", [0, -1, 10_000, "1", True, 1.0])
async def test_only_a_passage_that_is_there_can_be_taught(agent, passage):
    """A number of no passage is refused, and nothing is counted."""
    response = await agent.process_query("pyramids")

    with pytest.raises(ConfigurationError, match="feedback: passage must be"):
        await agent.feedback(response, good=True, passage=passage)
    assert 0 == agent.intelligence.judged


async def test_a_response_can_be_judged_after_a_restart(tmp_path, egypt):
    """Verdicts are kept with the knowledge, and a response that was stored is still judged once."""
    path = tmp_path / "egypt.db"
    async with AgentNode(knowledge=KnowledgeBase(egypt, path=path)) as agent:
        response = await agent.process_query("pyramids", {"country": "Egypt"})
        rating = await agent.feedback(response, good=False)
        stored = pickle.loads(pickle.dumps(response))  # noqa: S301 - our own
    async with AgentNode(knowledge=path) as restarted:
        assert rating == restarted.intelligence
        assert "closest" == (await restarted.process_query("pyramids", {"country": "Egypt"})).kind
        assert rating == await restarted.feedback(stored, good=False)
        assert 1 == (await restarted.feedback(stored, good=True)).judged


async def test_a_verdict_that_cannot_be_stored_does_not_count(egypt):
    """The error is told, and the rating is what it was."""
    knowledge = KnowledgeBase(egypt)
    agent = AgentNode(knowledge=knowledge)
    response = await agent.process_query("pyramids")
    knowledge.close()

    with pytest.raises(StateError, match="was closed"):
        await agent.feedback(response, good=False)
    assert 850.0 == agent.intelligence.score
    assert (None, 850.0) == (agent.get_status().passages, agent.get_status().rating.score)


async def test_confidence_is_judged_once_there_is_enough_to_go_by(agent):
    """After fifty judged answers confidence is the share that was good, and says so."""
    unsure = await agent.process_query("pyramids", {"country": "Mexico"})
    for number in range(50):
        response = await agent.process_query("pyramids", {"country": "Mexico"})
        await agent.feedback(response, good=number % 4 < 3)
    judged = await agent.process_query("pyramids", {"country": "Mexico"})

    assert ("prior", "judged") == (unsure.confidence_source, judged.confidence_source)
    assert (0.85, pytest.approx(0.75, abs=0.02)) == (unsure.confidence, judged.confidence)
    assert agent.intelligence.verified


async def test_the_last_thousand_verdicts_count(agent):
    """An agent that was bad can become good: old verdicts leave the window."""
    response = await agent.process_query("pyramids", {"country": "Egypt"})
    for number in range(1_200):
        agent.judgements.keep(dataclasses.replace(response, id=f"{response.id}{number}"), float(number >= 200), None)
    rating = agent.intelligence

    assert 1_000 == rating.judged
    assert rating.score > 990


async def test_the_verdicts_kept_are_bounded(agent):
    """A knowledge base forgets its oldest verdicts beyond ten thousand."""
    response = await agent.process_query("pyramids", {"country": "Egypt"})
    with agent.knowledge.shelf.writing() as connection:
        connection.execute("UPDATE fact SET value = 10000000 WHERE name = 'judged'")
        rows = [(number, f"old{number}", "agent", 1.0, 1.0, "x") for number in range(9_990_000, 10_000_001)]
        connection.executemany(
            "INSERT INTO judgement (number, id, agent, good, quality, stems) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
    agent.feedback_sync(response, good=True)

    with agent.knowledge.shelf.at_work() as connection:
        assert 10_000 == connection.execute("SELECT count(*) FROM judgement").fetchone()[0]


async def test_judging_from_many_threads_counts_each_once(agent):
    """A hundred verdicts from threads at the same time are a hundred verdicts."""
    responses = [await agent.process_query("pyramids", {"country": "Egypt"}) for _ in range(100)]

    await asyncio.gather(*(asyncio.to_thread(agent.feedback_sync, each, good=True) for each in responses * 2))
    assert 100 == agent.intelligence.judged


@pytest.mark.parametrize("judges", [True, False])
async def test_a_verdict_is_something_that_a_step_has_done(agent, judges):
    """That the mail was refused says nothing of it: its compensation may judge the other way."""
    response, undone = await agent.process_query("pyramids", {"country": "Egypt"}), []

    async def review():
        if judges:
            await agent.feedback(response, good=False)
        raise ConnectionRefusedError("mail is down")

    async def think_better_of_it():
        undone.append((await agent.feedback(response, good=True)).judged)

    step = ub.Step("review", review, compensate=think_better_of_it)
    result = await ub.OrchestratorNode(retry=False).orchestrate([step])

    expected = ("undone", [1]) if judges else ("not_begun", [])
    assert expected == (result.ledger["review"].value, undone)
