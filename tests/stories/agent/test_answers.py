"""An agent answers from what it knows, with the source, or says that it does not know."""

from __future__ import annotations

import asyncio
import json

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.nodes import AgentNode, AgentResponse, KnowledgeBase


@pytest.fixture(params=["async", "sync"])
def ask(request):
    """Return a function that asks one question in one of the two colours."""

    async def ask(agent: AgentNode, *args) -> AgentResponse:
        if request.param == "async":
            return await agent.process_query(*args)
        return await asyncio.to_thread(agent.process_query_sync, *args)

    return ask


async def test_the_founding_example(egypt, ask):
    """Show me pyramids, in Egypt: the sentence, word for word, and where it stands."""
    async with AgentNode(dna={"score": 850}, knowledge=egypt) as agent:
        response = await ask(agent, "Show me pyramids", {"country": "Egypt"})

    assert "extract" == response.kind
    assert response.ok
    assert not response.degraded
    assert "The pyramids of Giza stand at the edge of Cairo." == response.answer
    assert [("Egypt: pyramids", response.answer)] == [(each.title, each.quote) for each in response.sources]
    assert ("prior", 1.0) == (response.confidence_source, response.quality)
    assert [("extract", None)] == [(rung.name, rung.fell) for rung in response.rungs]


async def test_the_context_decides_between_countries(egypt, ask):
    """The same words with another country have another answer; without one, a question has none."""
    async with AgentNode(knowledge=egypt) as agent:
        responses = [await ask(agent, "What is the capital?", where) for where in ({"country": "Mexico"}, None)]

    assert ["extract", "closest"] == [response.kind for response in responses]
    assert "Mexico City" == responses[0].answer
    assert "Nearest: Egypt: capital; Mexico: capital." in responses[1].answer


async def test_other_keys_of_the_context_do_no_harm(egypt, ask):
    """What the knowledge has never heard of does not change the answer."""
    strange = {"user": "Bob", "lang": "en", 7: "x", "deep": {"a": [1]}, "none": None, "big": 10**5_000, "flag": True}
    async with AgentNode(knowledge=egypt) as agent:
        responses = [await ask(agent, "How tall is the Pyramid of the Sun?", where) for where in (None, strange)]

    assert ["The Pyramid of the Sun is about 65 metres tall."] * 2 == [response.answer for response in responses]


@pytest.mark.parametrize(
    "question",
    [
        "Who is the president of Egypt?",
        "How many stones are in the Great Pyramid?",
        "When was the Pyramid of the Moon built?",
        "Explain quantum chromodynamics",
        "What is love?",
        "Did the Nile flow south?",
        "pyramids of Sudan",
    ],
)
async def test_what_is_not_known_is_not_answered(egypt, ask, question):
    """A question that the knowledge does not answer gets no extract, and says what comes near, if anything."""
    async with AgentNode(knowledge=egypt) as agent:
        response = await ask(agent, question)

    assert response.kind in {"closest", "abstain"}
    assert not response.ok
    assert ("closest" == response.kind) == bool(response.sources)
    assert ("I have no passage that answers this." in response.answer) == ("closest" == response.kind)
    assert response.rungs[0].fell


async def test_an_agent_without_knowledge_knows_nothing(ask):
    """No knowledge, or an empty one, is no error."""
    for knowledge in (None, {}, [], KnowledgeBase()):
        async with AgentNode(knowledge=knowledge) as agent:
            response = await ask(agent, "Show me pyramids", {"country": "Egypt"})

        assert ("abstain", "I know nothing yet.", 0.0) == (response.kind, response.answer, response.confidence)


async def test_the_answer_is_a_part_of_the_passage(egypt, ask):
    """Of a passage with several sentences the one that answers is quoted."""
    async with AgentNode(knowledge=egypt) as agent:
        response = await ask(agent, "How long do cruises between Luxor and Aswan take?")
        again = await ask(agent, "In which year was the Great Pyramid built?", {"country": "Egypt"})

    assert "closest" == response.kind  # no passage has the word "long"
    assert "Cruises between Luxor and Aswan take three to five days." == response.sources[0].quote
    assert "closest" == again.kind


async def test_accents_do_not_matter(ask):
    """Who types without accents, or with others, finds the same."""
    async with AgentNode(knowledge=["Brasília has been the capital since 1960."]) as agent:
        answers = [await ask(agent, question) for question in ("brasilia", "BRASÍLIA", "Brasi\u0301lia capital")]

    assert {"Brasília has been the capital since 1960."} == {response.answer for response in answers}


async def test_passages_that_contradict_each_other_are_both_named(ask):
    """Two prices are no answer; both are shown."""
    async with AgentNode(knowledge=["The ticket costs 10 euros.", "The ticket costs 12 euros."]) as agent:
        response = await ask(agent, "How much does the ticket cost?")
        topic = await ask(agent, "ticket costs")

    assert "closest" == response.kind
    assert {"The ticket costs 10 euros.", "The ticket costs 12 euros."} == {each.quote for each in response.sources}
    assert response.rungs[0].fell.endswith("support different answers")
    assert ("extract", 2) == (topic.kind, len(topic.sources))


async def test_the_opposite_is_no_answer(ask):
    """Who buys is not who sells, and what is not allowed does not answer what is."""
    knowledge = ["Kuwait buys grain from Egypt every year.", "Dogs are not allowed in the museum."]
    async with AgentNode(knowledge=knowledge) as agent:
        right = [await ask(agent, "Who buys grain from Egypt every year?"), await ask(agent, "Are dogs allowed?")]
        wrong = [await ask(agent, "Who sells grain to Egypt every year?"), await ask(agent, "Which dogs are allowed?")]

    assert ["extract", "extract"] == [response.kind for response in right]
    assert ["closest", "closest"] == [response.kind for response in wrong]


async def test_a_response_is_json_ready(egypt, ask):
    """Whatever the kind, a response can be written down."""
    async with AgentNode(knowledge=egypt) as agent:
        responses = [
            await ask(agent, question) for question in ("pyramids", "Who?", "Is the Great Pyramid painted?", None)
        ]

    assert ["extract", "abstain", "closest", "degraded"] == [response.kind for response in responses]
    assert responses == [AgentResponse.from_dict(json.loads(json.dumps(response.to_dict()))) for response in responses]
    assert [False, False, False, True] == [response.to_dict()["degraded"] for response in responses]
    assert 4 == len({response.id for response in responses})


@pytest.mark.parametrize(
    "data", [None, [], {}, {"id": "x"}, {"id": "x", "kind": "extract", "answer": "y", "sources": 3}]
)
def test_what_is_no_response_is_refused(data):
    """A dict that is no response's is told."""
    with pytest.raises(ConfigurationError, match="response must be what"):
        AgentResponse.from_dict(data)


async def test_a_question_that_is_no_text_is_told(egypt, ask):
    """Even a question, or a context, of the wrong type is answered by a response."""
    async with AgentNode(knowledge=egypt) as agent:
        responses = [await ask(agent, *given) for given in ((None,), (b"x",), ("pyramids", "Egypt"), ("pyramids", 7))]

    assert {"degraded"} == {response.kind for response in responses}
    assert "I cannot look anything up right now: the question cannot be read." == responses[0].answer
    assert "TypeError: a query must be text, not NoneType" == responses[0].rungs[0].fell
    assert "TypeError: a context must be a dict or None, not str" == responses[2].rungs[0].fell


async def test_an_agent_is_a_node(egypt):
    """Its calls have outcomes, listeners, a status, and run inside workflows."""
    heard = []
    async with AgentNode(knowledge=egypt, name="guide") as agent:
        agent.on(ub.events.Event, heard.append)
        outcome = await agent.process_query.outcome("pyramids", {"country": "Egypt"})
        executed = await agent.execute(context="pyramids of Egypt")
        asked = await agent.execute(context={"query": "What is the capital?", "context": {"country": "Mexico"}})
        status = agent.get_status()

    assert (ub.Status.OK, "extract") == (outcome.status, outcome.value.kind)
    assert ("extract", "Mexico City") == (executed.value.kind, asked.value.answer)
    assert ("guide", 3, {"extract": 3}, 5) == (status.name, status.queries, status.kinds, status.passages)
    assert (3, 850.0) == (status.total_executions, status.rating.score)
    assert 850.0 == json.loads(json.dumps(status.to_dict()))["rating"]["score"]
    assert {"Succeeded"} == {type(event).__name__ for event in heard}


def test_virtual_time_does_not_disturb_an_agent(egypt):
    """In a test that drives the clock, questions are answered at once."""
    with ub.testing.virtual_time() as clock:
        agent = AgentNode(knowledge=egypt)
        assert agent.process_query_sync("pyramids").ok
        assert asyncio.run(agent.process_query("pyramids")).ok
        assert 0.0 == clock.now()


async def test_verify_sees_the_quality(egypt):
    """Who asks for a quality gets the degraded response where it is not reached."""
    async with AgentNode(knowledge=egypt, verify=lambda response: response.quality) as agent:
        good = await agent.process_query.outcome("pyramids", {"country": "Egypt"})
        bad = await agent.process_query.outcome("the president of Egypt")

    assert (ub.Status.OK, ub.Status.DEGRADED) == (good.status, bad.status)
    assert ("degraded", 1) == (bad.value.kind, bad.attempts)


async def test_a_fallback_of_the_user_takes_the_place_of_ours(egypt):
    """What the user wants to say instead is said."""
    async with AgentNode(knowledge=egypt, fallback=lambda failure: "ask a human") as agent:
        assert "ask a human" == await agent.process_query(None)
