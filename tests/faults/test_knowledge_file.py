"""A knowledge file that is torn, locked, full, killed over or forked over: what an agent says then."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import textwrap
import time
from contextlib import closing

import pytest
from tests.nursery import SOURCE, Child

from unbreakable.errors import StateBroken, StateFull, StateLocked
from unbreakable.nodes import AgentNode, KnowledgeBase

pytestmark = pytest.mark.real

KNOWLEDGE = {f"Topic {number}": f"The tower number {number} is {number} metres tall." for number in range(2_000)}
QUESTION = "Tell me about tower number 7"
ANSWER = "The tower number 7 is 7 metres tall."


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return the bytes of a knowledge file in order."""
    path = tmp_path_factory.mktemp("sound") / "x.db"
    KnowledgeBase(KNOWLEDGE, path=path).close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path, sound):
    """Return the path of a knowledge file of one's own."""
    path = tmp_path / "x.db"
    path.write_bytes(sound)
    return path


def program(story, *arguments, **settings):
    """Begin a program of its own that knows the library."""
    environment = {**os.environ, "PYTHONPATH": SOURCE, "PYTHONWARNINGS": "ignore"}
    return Child(["-c", textwrap.dedent(story), *arguments], env=environment, stdout=subprocess.PIPE, **settings)


def told_by(story, *arguments):
    """Return what a program prints as JSON."""
    with program(story, *arguments) as running:
        out, _ = running.communicate(timeout=60)
    assert 0 == running.returncode
    return json.loads(out)


# ── damage ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kept", [0.01, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_told(path, sound, kept):
    """An agent over half a file starts, and says of each question that its knowledge is damaged; mended, it answers."""
    path.write_bytes(sound[: int(kept * len(sound))])
    agent = AgentNode(knowledge=path)
    response = agent.process_query_sync(QUESTION)

    assert ("degraded", ()) == (response.kind, response.sources)
    assert "I cannot look anything up right now: the knowledge is damaged." == response.answer
    assert "StateBroken" in response.rungs[0].fell
    assert (None, 850.0) == (agent.get_status().passages, agent.intelligence.score)
    with pytest.raises(StateBroken):
        agent.knowledge.search(QUESTION)

    path.write_bytes(sound)
    assert ANSWER == agent.process_query_sync(QUESTION).answer


@pytest.mark.parametrize("content", [b"garbage" * 1_000, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_of_garbage_is_told(path, content):
    """What is no database any more is damaged knowledge, not an exception."""
    path.write_bytes(content)

    assert "degraded" == AgentNode(knowledge=path).process_query_sync(QUESTION).kind


def test_flipped_bits_are_told_or_harmless(path, sound):
    """Whichever byte is wrong, the answer is right, silent, or says that the knowledge is damaged."""
    dice = random.Random(5)
    kinds = []
    for _ in range(60):
        torn = bytearray(sound)
        for _ in range(dice.choice((1, 100))):
            torn[dice.randrange(len(torn))] ^= 1 << dice.randrange(8)
        path.write_bytes(torn)
        try:
            agent = AgentNode(knowledge=path)
        except ValueError:  # the mark itself: it is not ours any more
            continue
        response = agent.process_query_sync(QUESTION)
        kinds.append(response.kind)
        assert response.answer == ANSWER or not response.ok
        assert (response.kind == "degraded") == (not response.sources and response.rungs[0].name == "knowledge")
        agent.knowledge.close()

    assert {"extract", "degraded"} <= set(kinds) <= {"extract", "closest", "abstain", "degraded"}


def test_a_passage_that_was_changed_is_not_quoted(path):
    """A passage that is not what was once put there is told; the others are answered from."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE passage SET text = replace(text, 'is 7 metres', 'is 8 metres')")
    other.close()
    agent = AgentNode(knowledge=path)
    torn, whole = agent.process_query_sync(QUESTION), agent.process_query_sync("Tell me about tower number 1234")

    assert ("degraded", "StateBroken") == (torn.kind, torn.rungs[0].fell.partition(":")[0])
    assert "The tower number 1234 is 1234 metres tall." == whole.answer


def test_a_file_torn_under_a_living_agent_is_told(path):
    """Overwritten while it is open, the file answers from what was read, or is told; nothing is raised."""
    agent = AgentNode(knowledge=path)
    assert ANSWER == agent.process_query_sync(QUESTION).answer
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xa5" * 200_000)
    other = sqlite3.connect(path)  # whose change makes our connection read the file again
    other.execute("PRAGMA user_version")
    other.close()

    kinds = {agent.process_query_sync(f"tower number {number}").kind for number in range(0, 2_000, 50)}
    assert kinds <= {"extract", "closest", "abstain", "degraded"}


# ── disk and locks ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_stores_nothing_and_still_answers(path):
    """A verdict that has no room is refused and does not count; questions are answered all the same."""
    agent = AgentNode(knowledge=path)
    response = agent.process_query_sync(QUESTION)
    with agent.knowledge.shelf.at_work() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    with pytest.raises(StateFull):
        agent.knowledge.add([f"A tower that does not fit in any more: {number} {'x' * 900}" for number in range(100)])
    judged = agent.intelligence.judged
    assert (0, ANSWER) == (judged, agent.process_query_sync(QUESTION).answer)
    with agent.knowledge.shelf.at_work() as connection:
        connection.execute("PRAGMA max_page_count=1000000")
    assert 1 == agent.feedback_sync(response, good=True).judged


def test_a_locked_file_is_read_and_its_verdicts_wait(path):
    """While another program writes, questions are answered, and a verdict is refused after a second, to be repeated."""
    agent = AgentNode(knowledge=path)
    response = agent.process_query_sync(QUESTION)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    started = time.monotonic()
    assert ANSWER == agent.process_query_sync(QUESTION).answer
    with pytest.raises(StateLocked):
        agent.feedback_sync(response, good=True)
    assert 0.5 < time.monotonic() - started < 5
    other.execute("ROLLBACK")
    other.close()
    assert 1 == agent.feedback_sync(response, good=True).judged


# ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────────

JUDGING = """
    import sys
    from unbreakable.nodes import AgentNode
    agent = AgentNode(knowledge=sys.argv[1])
    for number in range(int(sys.argv[2])):
        response = agent.process_query_sync("Tell me about tower number 7")
        agent.feedback_sync(response, good=True)
        print(response.id, flush=True)
"""


def test_a_verdict_that_was_acknowledged_survives_a_kill(path):
    """Killed at any moment, the process leaves each verdict whose feedback returned, and a file in order."""
    acknowledged = []
    for patience in (5, 20, 60):
        with program(JUDGING, path, 100_000) as judging:
            acknowledged += [judging.stdout.readline().strip() for _ in range(patience)]
            os.kill(judging.pid, signal.SIGKILL)
            acknowledged += [line.strip() for line in judging.stdout if line.endswith("\n")]
    agent = AgentNode(knowledge=path)
    with agent.knowledge.shelf.at_work() as connection:
        kept = {row[0] for row in connection.execute("SELECT id FROM judgement")}

    assert len(acknowledged) >= 85
    assert set() == set(acknowledged) - kept
    assert len(kept) <= len(acknowledged) + 3
    assert ANSWER == agent.process_query_sync(QUESTION).answer


def test_a_process_killed_while_adding_leaves_whole_passages(tmp_path):
    """What was added before the kill is found, and adding the same again adds the rest."""
    path = tmp_path / "x.db"
    adding = """
        import sys
        from unbreakable.nodes import KnowledgeBase
        knowledge = KnowledgeBase(path=sys.argv[1])
        print("ready", flush=True)
        knowledge.add({f"Topic {n}": f"The tower number {n} is {n} metres tall." for n in range(20_000)})
    """
    with program(adding, path) as killed:
        killed.stdout.readline()
        log, until = path.with_name("x.db-wal"), time.monotonic() + 20
        while log.stat().st_size < 500_000 and time.monotonic() < until:
            time.sleep(0.001)  # until it is in the middle
        os.kill(killed.pid, signal.SIGKILL)
    with KnowledgeBase(path=path) as knowledge:
        before = len(knowledge)
        assert before % 200 == 0
        added = knowledge.add({f"Topic {n}": f"The tower number {n} is {n} metres tall." for n in range(5_000)})
        assert max(before, 5_000) == before + added == len(knowledge)
        assert ANSWER == knowledge.search(QUESTION)[0].quote


def test_several_processes_make_and_judge_one_file(tmp_path):
    """Four processes that open the same new file at once all get it, and each verdict of each counts."""
    path = tmp_path / "new.db"
    story = """
        import json, sys
        from unbreakable.nodes import AgentNode, KnowledgeBase
        agent = AgentNode(knowledge=KnowledgeBase(["The tower is 7 metres tall."], path=sys.argv[1]))
        for number in range(25):
            agent.feedback_sync(agent.process_query_sync("tower"), good=True)
        print(json.dumps(len(agent.knowledge)))
    """
    running = [program(story, path) for _ in range(4)]
    told = [each.communicate(timeout=60)[0] for each in running]

    assert ["1"] * 4 == [each.strip() for each in told]
    assert 100 == AgentNode(knowledge=path).intelligence.judged


FORKING = """
    import json, os, signal, sys, threading
    from unbreakable.nodes import AgentNode, KnowledgeBase

    agents = [AgentNode(knowledge=sys.argv[1]), AgentNode(knowledge=KnowledgeBase(["tower number 7 is tall"]))]
    stop = threading.Event()

    def search():
        while not stop.is_set():
            for agent in agents:
                agent.process_query_sync("tower number 7")

    threads = [threading.Thread(target=search, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    told = []
    for turn in range(20):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            responses = [agent.process_query_sync("tower number 7") for agent in agents]
            rating = agents[0].feedback_sync(responses[0], good=True)
            kinds = [response.kind for response in responses]
            os.write(writer, json.dumps([*kinds, responses[0].id, rating.judged]).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            text = answer.read()
        assert os.waitpid(child, 0)[1] == 0, "the child hung or failed"
        told.append(json.loads(text))
    stop.set()
    for thread in threads:
        thread.join()
    told.append([agent.process_query_sync("tower number 7").kind for agent in agents])
    told.append(agents[0].intelligence.judged)
    print(json.dumps(told))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_goes_on_by_itself(path):
    """In memory or in a file, forked in the middle of other threads' searches, parent and child both go on."""
    told = told_by(FORKING, path)

    *children, parent, judged = told
    assert {("extract", "extract")} == {tuple(child[:2]) for child in children}
    assert 20 == len({child[2] for child in children})
    assert [child[3] for child in children] == list(range(1, 21))
    assert (["extract", "extract"], 20) == (parent, judged)
