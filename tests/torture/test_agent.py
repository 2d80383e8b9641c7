"""Whatever is asked, from wherever, an agent answers with a response that holds together."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import random
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dense import most

import unbreakable as ub
from unbreakable.errors import DeadlineExceeded, StateError
from unbreakable.nodes import AgentNode, KnowledgeBase
from unbreakable.nodes.answering.files import read_path
from unbreakable.nodes.answering.question import read_question
from unbreakable.nodes.answering.words import word_set, words

DESCRIPTORS = Path("/proc/self/fd")
KNOWLEDGE = {
    "Egypt": {"pyramids": "The pyramids of Giza are old. Don't climb them! Entry: 9 €.", "Nile": 'It "flows" north.'},
    "Brasília": ["Brasília is the capital of Brazil.", "NEAR the lake AND the palace OR NOT"],
    "emoji": "🎉 party at the Nile 🎉",
}
WORDS = word_set("""
    pyramids Giza Nile Egypt Brasilia capital who what not never NEAR AND OR NOT near( around: text: {around pyramids*
    ^pyramids pyramids^2 -pyramids +pyramids pyramids:Giza NEAR(a,b,5) OR'1'='1 '; DROP passage; ${x} {{x}} <script> //
""")
SIGNS = "\"'*^-:(){}[];/%\\\0\n\t🎉é\u0301ßςΣ漢字قطرहि\ud800\u202e\ufeff\ufb01\u0130\u0131\U0001f1ea"
PIECES = [*sorted(WORDS), *SIGNS]


def holds_together(response, knowledge):
    """Assert what is true of every response."""
    texts = {
        match.passage.id: match.passage
        for word in ("pyramids", "nile", "capital", "near", "party")
        for match in knowledge.search(word)
    }
    assert response.kind in {"extract", "closest", "abstain"}, response.rungs
    assert response.ok is (response.kind == "extract")
    assert bool(response.sources) is (response.kind != "abstain")
    assert 0.0 <= response.confidence <= 1.0
    assert 0.0 <= response.quality <= 1.0
    assert (response.confidence > 0) is bool(response.sources)
    assert (response.quality >= 0.85) is response.ok
    assert [rung.fell is None for rung in response.rungs] == [False] * (len(response.rungs) - 1) + [True]
    for source in response.sources:
        assert source.quote in texts[source.passage].text
    if response.ok:
        told = [word for source in response.sources for word in words(texts[source.passage].text)]
        assert [] == [word for word in words(response.answer) if word not in told]
        assert response.answer == "\n".join(source.quote for source in response.sources)


def test_thousands_of_strings_are_answered():
    """Operators, quotes, control characters, emoji, half characters: each is a question, none an error."""
    dice, count = random.Random(20), most(10_000, 3_000)
    with KnowledgeBase(KNOWLEDGE) as knowledge:
        agent = AgentNode(knowledge=knowledge)
        kinds = set()
        for _ in range(count):
            text = dice.choice(("", " ")).join(dice.choices(PIECES, k=dice.randint(0, 8)))
            response = agent.process_query_sync(text)
            kinds.add(response.kind)
            if dice.random() < 0.1:
                holds_together(response, knowledge)

        assert {"extract", "closest", "abstain"} == kinds
        assert count == agent.get_status().queries


AGENT = AgentNode(knowledge=KNOWLEDGE)
CONTEXTS = st.dictionaries(
    st.text() | st.integers() | st.none() | st.tuples(st.text()),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.sampled_from(PIECES),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=6,
)


@given(st.text(st.characters(exclude_categories=())) | st.lists(st.sampled_from(PIECES)).map(" ".join), CONTEXTS)
def test_any_question_in_any_context_is_answered(text, context):
    """Whatever the text and the context, the response holds together."""
    holds_together(AGENT.process_query_sync(text, context), AGENT.knowledge)


class Hostile(str):
    """A text that cannot be looked at."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __getitem__(self, key: object) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "given", [(Hostile("pyramids"),), ("pyramids", {"a": Hostile("b")}), ("pyramids", {Hostile("a"): "b"}), (object(),)]
)
def test_hostile_objects_are_answered(given):
    """Even objects that raise when they are looked at get a response."""
    assert AGENT.process_query_sync(*given).kind in {"degraded", "extract"}


def test_a_megabyte_is_answered_at_once():
    """Of a huge question the beginning is read, in well under a second."""
    started = time.process_time()
    responses = [
        AGENT.process_query_sync(text)
        for text in ("pyramids of Giza " * 60_000, "x" * 2**20, '"' * 2**20, "\0" * 2**20, "é" * 2**20, "?" * 2**20)
    ]

    assert ["closest", "abstain", "abstain", "abstain", "abstain", "abstain"] == [each.kind for each in responses]
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    "text",
    [
        "# a" + " " * 200_000 + "b",
        "#" * 200_000,
        "x" * 16_000_000,
        "x " * 1_000_000,
        "." * 1_000_000,
        ". " * 500_000,
        '."' * 500_000,
        "\n" * 1_000_000,
        "\n " * 500_000,
        "Mr. " * 300_000,
        "e\u0301" * 500_000,
        "# a\n" * 100_000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_no_text_takes_for_ever_to_read(tmp_path, text):
    """Megabytes of whatever are read within seconds, in proportion to their length."""
    path, part = tmp_path / "x.md", most(1, 4)
    path.write_text(text[: len(text) // part], encoding="utf-8")
    started = time.process_time()
    for _ in read_path(path, 2**24):
        pass

    assert time.process_time() - started < 6.0 / part


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_deadline_that_has_passed_is_told():
    """Who has no time left gets the degraded response, not an exception."""
    agent = AgentNode(knowledge=KNOWLEDGE, deadline=1e-9)

    outcome = await agent.process_query.outcome("pyramids of Giza")
    assert ("degraded", ub.Status.DEGRADED) == (outcome.value.kind, outcome.status)
    assert "I cannot look anything up right now: the time was up." == outcome.value.answer
    assert isinstance(outcome.error, DeadlineExceeded)


def test_a_search_stops_at_the_deadline():
    """A search that takes too long is stopped inside SQLite, and the next one works."""
    with KnowledgeBase([f"pyramid number {number}" for number in range(2_000)]) as knowledge:
        question = read_question("pyramid number")
        with pytest.raises(DeadlineExceeded, match="the deadline came during the search"):
            knowledge.find(question, {}, late=lambda: True)
        assert 2_000 == knowledge.find(question, {}, late=lambda: False).passages


async def test_cancellation_is_not_swallowed():
    """A cancelled caller is cancelled, and the agent answers the next one."""
    before = AGENT.get_status().failure_count
    task = asyncio.ensure_future(AGENT.process_query("pyramids"))
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert before == AGENT.get_status().failure_count
    assert (await AGENT.process_query("pyramids of Giza")).ok


# ── many at once ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_threads_and_event_loops_share_an_agent():
    """Three threads and two event loops ask, judge and add at the same time; everything adds up."""
    knowledge = KnowledgeBase(KNOWLEDGE)
    agent = AgentNode(knowledge=knowledge)

    def in_a_thread(number):
        for turn in range(60):
            response = agent.process_query_sync("pyramids of Giza")
            assert response.kind in {"extract", "closest"}, response
            if turn % 10 == 0:
                agent.feedback_sync(response, good=True)
                knowledge.add([f"thread {number} turn {turn}"])

    async def on_a_loop():
        for turn in range(60):
            response = await agent.process_query("Nile of Egypt")
            assert response.kind in {"extract", "closest"}, response
            if turn % 10 == 0:
                await agent.feedback(response, good=True)

    jobs = [lambda number=number: in_a_thread(number) for number in range(3)]
    jobs += [lambda: asyncio.run(on_a_loop()) for _ in range(2)]
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        for job in [pool.submit(job) for job in jobs]:
            job.result(timeout=60)

    status = agent.get_status()
    assert (300, 30, 5 + 18) == (status.queries, status.rating.judged, status.passages)
    knowledge.close()


def test_closing_under_a_search_is_told():
    """Who asks while somebody closes the knowledge gets an answer or the degraded response."""
    knowledge = KnowledgeBase(KNOWLEDGE)
    agent = AgentNode(knowledge=knowledge)
    kinds = []

    def ask():
        kinds.extend(agent.process_query_sync("pyramids of Giza").kind for _ in range(200))

    thread = threading.Thread(target=ask)
    thread.start()
    while len(kinds) < 20:
        pass
    knowledge.close()
    thread.join(30)

    assert {"extract", "degraded"} == set(kinds)
    with pytest.raises(StateError):
        len(knowledge)


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="this system does not list what a process has open")
def test_an_agent_that_is_let_go_closes_its_knowledge(tmp_path):
    """Nothing is left open, and no ResourceWarning is raised, when an agent is dropped without being closed."""
    agent = AgentNode(knowledge=KnowledgeBase(KNOWLEDGE, path=tmp_path / "x.db"))
    agent.process_query_sync("pyramids")
    before = len(list(DESCRIPTORS.iterdir()))
    del agent
    AGENT.process_query_sync("another call takes the place of the last one that this thread made")
    gc.collect()

    assert len(list(DESCRIPTORS.iterdir())) < before
