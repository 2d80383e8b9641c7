"""A knowledge base is made of what people have: dicts, lists, files, folders."""

from __future__ import annotations

import json
import os
import sqlite3

import pytest

from unbreakable.errors import ConfigurationError, StateError
from unbreakable.nodes import AgentNode, KnowledgeBase
from unbreakable.nodes.answering import tables


def quotes(knowledge, question):
    return [match.quote for match in knowledge.search(question)]


def test_files_of_each_kind_are_read(tmp_path):
    """JSON, Markdown and text, in a folder or alone, each passage with the file that it is from."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "one.json").write_text(json.dumps({"Egypt": {"Nile": "The Nile is long."}}))
    (tmp_path / "two.md").write_text("# Peru\n\nLima is foggy.\n")
    (tmp_path / "deep" / "three.txt").write_text("\ufeffParis is bright.\n\nRome is old.")
    (tmp_path / ".hidden.txt").write_text("Nobody reads this.")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")

    with KnowledgeBase(tmp_path) as knowledge:
        found = {match.passage.source: match for word in ("nile", "lima", "paris") for match in knowledge.search(word)}

    assert {"one.json", "two.md", "deep/three.txt"} == set(found)
    assert ["Peru", "three"] == [found[name].passage.title for name in ("two.md", "deep/three.txt")]
    assert "Paris is bright." == found["deep/three.txt"].quote
    assert 1 == len(KnowledgeBase(str(tmp_path / "one.json")))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", b"{", r"x.json must be JSON \(Expecting"),
        ("x.json", b'{"a": [1, null]}', r"x.json\['a'\]\[1\] must be a text"),
        ("x.json", b"[" * 100_000, "nested too deeply"),
        ("x.txt", b"caf\xe9", "must be UTF-8, which byte 3 is not"),
        ("x.png", b"\x89PNG", r"must be a .json, .md or .txt file"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path, name, content, message):
    """The error names the file and what is wrong with it."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigurationError, match=message):
        AgentNode(knowledge=tmp_path / name)


def test_a_folder_without_anything_to_read_is_told(tmp_path):
    """An empty folder is a wrong path, most likely."""
    with pytest.raises(ConfigurationError, match="a folder with 1 to 10000"):
        KnowledgeBase(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_what_is_neither_file_nor_folder_is_told(tmp_path):
    """A pipe, which would be read for ever, is refused; a folder is a folder, whatever its name."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "folder.db" / "x.txt").write_text("Old.")

    with pytest.raises(ConfigurationError, match="the path of a file or folder that exists"):
        KnowledgeBase(tmp_path / "pipe")
    assert 1 == len(KnowledgeBase(tmp_path / "folder.db"))


def test_a_file_may_have_any_name(tmp_path):
    """A name that is not Unicode is shown as far as it can be."""
    name = os.fsdecode(b"caf\xe9.txt")
    try:
        (tmp_path / name).write_text("Old.")
    except OSError:
        pytest.skip("this file system takes Unicode names alone")

    with KnowledgeBase(tmp_path) as knowledge:
        assert ("caf?", "caf?.txt") == (
            knowledge.search("old")[0].passage.title,
            knowledge.search("old")[0].passage.source,
        )


def test_adding_the_same_again_adds_nothing():
    """What is there already is not there twice; what is new is added."""
    with KnowledgeBase(["one", "two"]) as knowledge:
        assert [0, 1, 3] == [knowledge.add(["two", "one"]), knowledge.add(["two", "three"]), len(knowledge)]


def test_a_wrong_source_adds_nothing():
    """The right parts before a wrong one are not added either."""
    with KnowledgeBase() as knowledge:
        with pytest.raises(ConfigurationError, match=r"knowledge\[300\]"):
            knowledge.add([*(f"text {number}" for number in range(300)), None])
        assert 0 == len(knowledge)


def test_a_knowledge_base_can_be_emptied():
    """After clear nothing is found, and what is added then is."""
    with KnowledgeBase(["pyramids are old", "towers are new"]) as knowledge:
        knowledge.clear()
        assert (0, []) == (len(knowledge), quotes(knowledge, "pyramids"))
        knowledge.add(["pyramids are big"])
        assert ["pyramids are big"] == quotes(knowledge, "pyramids old")


def test_a_file_keeps_the_knowledge(tmp_path, egypt):
    """A knowledge base at a path is there the next time, under its path alone."""
    path = tmp_path / "new" / "egypt.db"
    with KnowledgeBase(egypt, path=path) as knowledge:
        passages = len(knowledge)
    agent = AgentNode(knowledge=path)

    assert passages == len(agent.knowledge) == agent.get_status().passages
    assert "extract" == agent.process_query_sync("Show me pyramids", {"country": "Egypt"}).kind
    with KnowledgeBase(egypt, path=path) as again:
        assert passages == len(again)


def test_two_of_one_file_see_each_other(tmp_path):
    """What one adds the other finds."""
    with KnowledgeBase(path=tmp_path / "x.db") as one, KnowledgeBase(path=tmp_path / "x.db") as other:
        one.add(["pyramids"])
        assert ["pyramids"] == quotes(other, "pyramid")


def test_a_database_of_another_program_is_left_alone(tmp_path):
    """A file that is not ours is refused where it is named, and not touched."""
    path = tmp_path / "app.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE users (name)")
    other.close()
    before = path.read_bytes()

    for make in (lambda: KnowledgeBase(path=path), lambda: AgentNode(knowledge=path)):
        with pytest.raises(ConfigurationError, match="a database of another program"):
            make()
    assert before == path.read_bytes()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    """What a newer version wrote is not read in part."""
    path = tmp_path / "x.db"
    KnowledgeBase(["x"], path=path).close()
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version=99")
    newer.close()

    with pytest.raises(ConfigurationError, match="format 99 of a newer Unbreakable"):
        KnowledgeBase(path=path)


def test_a_source_and_a_database_are_told_apart(tmp_path):
    """A database is named as path or as source, not as something to be added."""
    KnowledgeBase(["x"], path=tmp_path / "x.db").close()

    with pytest.raises(ConfigurationError, match="path must be None when the source is a knowledge base itself"):
        KnowledgeBase(tmp_path / "x.db", path=tmp_path / "y.db")
    with KnowledgeBase() as knowledge, pytest.raises(ConfigurationError, match=r"KnowledgeBase\(path="):
        knowledge.add(tmp_path / "x.db")


def test_what_is_closed_stays_closed(tmp_path):
    """After close every use says so."""
    for path in (None, tmp_path / "x.db"):
        knowledge = KnowledgeBase(["x"], path=path)
        knowledge.close()
        knowledge.close()
        for use in (lambda: knowledge.search("x"), lambda: knowledge.add(["y"]), lambda: len(knowledge)):  # noqa: B023
            with pytest.raises(StateError, match="was closed"):
                use()


async def test_the_agent_closes_what_it_opened(egypt):
    """A knowledge base that was given is its owner's to close; one that was made is closed with the agent."""
    own = KnowledgeBase(egypt)
    async with AgentNode(knowledge=own) as first, AgentNode(knowledge=egypt) as second:
        pass
    with first, AgentNode(knowledge=egypt) as third:
        pass

    assert "extract" == (await first.process_query("pyramids of Egypt")).kind
    for response in (await second.process_query("pyramids of Egypt"), third.process_query_sync("pyramids of Egypt")):
        assert ("degraded", "I cannot look anything up right now: the knowledge cannot be read.") == (
            response.kind,
            response.answer,
        )
        assert "was closed" in response.rungs[0].fell


def test_frequent_words_do_not_make_a_search_long(monkeypatch):
    """Beyond so many rows the rarest words decide; a word that is nearly everywhere finds the first that have it."""
    monkeypatch.setattr(tables, "MOST_ROWS", 10)
    with KnowledgeBase([f"tower number {number}" for number in range(200)]) as knowledge:
        rare = [match.passage.text for match in knowledge.search("Show me tower number 150", most=32)]
        frequent = [match.passage.text for match in knowledge.search("Show me the towers", most=32)]

    assert ["tower number 150"] == rare
    assert [f"tower number {number}" for number in range(16)] == frequent


def test_most_limits_what_is_returned():
    """At most so many matches come back, the best first."""
    with KnowledgeBase([f"pyramid number {number}" for number in range(50)]) as knowledge:
        assert [3, 16] == [len(knowledge.search("pyramid", most=most)) for most in (3, 1_000)]
        with pytest.raises(ConfigurationError, match="most must be a whole number"):
            knowledge.search("pyramid", most=0)


@pytest.mark.parametrize(
    ("old", "new"), [(b"title TEXT NOT", b"tktle TEXT NOT"), (b"TABLE passage", b"\xd4ABLE passage")]
)
def test_a_damaged_schema_is_told_as_damage(tmp_path, old, new):
    """By a response, as whatever else makes the knowledge unusable; no error of SQLite's comes out."""
    path = tmp_path / "egypt.db"
    with KnowledgeBase({"Egypt": "The pyramids stand at Giza."}, path=path):
        pass
    path.write_bytes(path.read_bytes().replace(old, new))
    agent = AgentNode(knowledge=path)

    assert ("degraded", "damaged") == (
        (response := agent.process_query_sync("Where do the pyramids stand?")).kind,
        str(response.answer).rpartition(" ")[2].rstrip("."),
    )
    agent.aclose_sync()


@pytest.mark.parametrize("size", [0, 1])
def test_a_knowledge_file_that_was_cut_off_is_warned_of(tmp_path, size):
    """An agent that knows nothing any more does not go unnoticed."""
    path = tmp_path / "egypt.db"
    with KnowledgeBase({"Egypt": "The pyramids stand at Giza."}, path=path):
        pass
    path.write_bytes(path.read_bytes()[:size])
    with pytest.warns(RuntimeWarning, match="it was cut off, or never filled"):
        KnowledgeBase(path=path).close()


def test_a_knowledge_file_that_is_replaced_is_answered_from(tmp_path):
    """New knowledge is put in the place of the old; neither answers, nor what is added, come from what nobody finds."""
    path, newer = tmp_path / "sky.db", tmp_path / "newer.db"
    with KnowledgeBase(["The new sky is green."], path=newer):
        pass
    with KnowledgeBase(["The old sky is blue."], path=path) as knowledge:
        newer.replace(path)
        assert ["The new sky is green."] == quotes(knowledge, "Is the sky green?")
        knowledge.add(["The sea is wide."])
    with KnowledgeBase(path=path) as found:
        assert (2, ["The sea is wide."]) == (len(found), quotes(found, "Is the sea wide?"))


def test_a_knowledge_file_that_is_moved_away_takes_everything_along(tmp_path):
    """What was added last is in the file, not in a log that stays behind."""
    path, archive = tmp_path / "sky.db", tmp_path / "archive.db"
    with KnowledgeBase(["The sky is blue."], path=path) as knowledge:
        path.rename(archive)
        assert [] == quotes(knowledge, "Is the sky blue?")
    with KnowledgeBase(path=archive) as found:
        assert ["The sky is blue."] == quotes(found, "Is the sky blue?")


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_knowledge_file_that_is_replaced_takes_everything_along_at_its_end(tmp_path, is_closed):
    """Nobody has asked since: closing the old one brings its log into it, not into what is at its place."""
    path, archive, newer = (tmp_path / name for name in ("sky.db", "archive.db", "newer.db"))
    with KnowledgeBase(["The new sky is green."], path=newer):
        pass
    knowledge = KnowledgeBase(["The old sky is blue."], path=path)
    path.rename(archive)
    newer.rename(path)
    if is_closed:
        knowledge.close()
    else:
        del knowledge  # nobody knows it any more
    for place, words in ((path, "The new sky is green."), (archive, "The old sky is blue.")):
        with KnowledgeBase(path=place) as found:
            assert [words] == quotes(found, "What is the sky like?")


@pytest.mark.parametrize("named", ["k.db", "./deep/../k.db"])
def test_a_file_stays_where_it_is_when_the_program_changes_its_directory(tmp_path, monkeypatch, named):
    """A relative path means what it meant when it was written, for passages and for what is judged."""
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path)
    agents = [
        AgentNode(knowledge=KnowledgeBase(["Cairo is the capital of Egypt."], path=named)),
        AgentNode(knowledge=named),
        AgentNode(knowledge=KnowledgeBase(named)),
    ]

    monkeypatch.chdir(tmp_path / "deep")
    answers = [agent.process_query_sync("What is the capital of Egypt?") for agent in agents]
    for agent, answer in zip(agents, answers, strict=True):
        agent.feedback_sync(answer, good=True)
        agent.knowledge.close()

    assert ["extract"] * 3 == [answer.kind for answer in answers]
    assert [] == list((tmp_path / "deep").iterdir())
