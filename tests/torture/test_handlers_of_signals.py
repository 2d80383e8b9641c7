"""A handler of signals may come between any two lines of who uses a file, in the same thread, and closes it or asks."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading

import pytest
from tests.dense import lines
from tests.lines import PATIENCE, AtLine, in_time

import unbreakable as ub
from unbreakable.bell import Bell
from unbreakable.errors import Rejected, RunInProgress, StateError, StateInUse
from unbreakable.fractal import memory
from unbreakable.knowledge.sqlite import SqliteMemory
from unbreakable.nodes.answering import knowledge, shelf
from unbreakable.nodes.answering.knowledge import KnowledgeBase
from unbreakable.nodes.orchestrating import books
from unbreakable.nodes.streaming import buffer, confirming, intake
from unbreakable.storage import asking, background, forking, log, shared, sqlite, turn, writing
from unbreakable.storage.lookup import look_up
from unbreakable.workflows import table

pytestmark = pytest.mark.real

OURS = {
    module.__file__
    for module in (
        *(knowledge, shelf, books, buffer, confirming, intake, asking, background, forking, log, shared, sqlite),
        *(turn, writing, table),
    )
}
STEPS = [ub.Step("a", lambda: 1)]
TEXTS = [f"The tower number {number} stands in Cairo." for number in range(5)]
CLOSED = ("with ", "try:")


class Stream:
    """A stream of which every put that returned is counted."""

    works = ("put",)

    def __init__(self, folder, durability):
        self.place, self.durability, self.acks = None if durability == "memory" else folder, durability, 0
        self.node = ub.StreamNode(overflow=self.place, durability=durability)
        self.node.start()

    def put(self):
        self.node.put_sync(1, wait=5.0)
        self.acks += 1

    def close(self):
        self.node.aclose_sync(0.0)

    def look(self):
        assert self.node.get_status().accepted in (self.acks, self.acks + 1)

    def is_closed(self):
        return self.node.get_status().is_closed

    def found(self):
        if self.place is None:
            return self.acks
        with ub.StreamNode(overflow=self.place, durability=self.durability) as again:
            return again.get_status().on_disk


class BusyStream(Stream):
    """A stream that is consumed, and looked at, at the same time."""

    def __init__(self, folder, durability):
        super().__init__(folder, durability)
        self.node.aclose_sync(0.0)
        self.node, self.handled = ub.StreamNode(self.handle, overflow=self.place), []
        self.put()
        threading.Thread(target=self.look_on, daemon=True).start()

    def handle(self, item):
        self.handled.append(item)

    def look_on(self):
        for _ in range(300):
            self.node.get_status()

    def close(self):
        self.node.aclose_sync(5.0)

    def found(self):
        return len(self.handled)


class Knowledge:
    """A knowledge base in a file, and an agent that answers from it."""

    works = ("ask", "put")

    def __init__(self, folder, _):
        self.place, self.acks = folder / "knowledge.db", 0
        self.base = KnowledgeBase(TEXTS, path=self.place)
        self.agent = ub.AgentNode(knowledge=self.base)
        self.ask()

    def ask(self):
        self.agent.process_query_sync("Where stands the tower number 3?")

    def put(self):
        self.base.add(["The river is the Nile."])
        self.acks += 1

    def close(self):
        self.base.close()

    def look(self):
        assert self.agent.get_status().passages in (5, 6)

    def is_closed(self):
        return self.base.shelf.closed

    def found(self):
        with KnowledgeBase(path=self.place) as again:
            return self.acks if len(again) > len(TEXTS) else 0


class Runs:
    """An orchestrator on a state file."""

    works = ("put", "ask")

    def __init__(self, folder, durability):
        self.place, self.acks, self.numbers = folder / "runs.db", 0, itertools.count()
        self.node = ub.OrchestratorNode(state=self.place, durability=durability)
        self.node.pending()

    def put(self):
        assert "committed" == self.node.orchestrate_sync(STEPS, run_id=str(next(self.numbers))).status
        self.acks += 1

    def ask(self):
        self.node.pending()

    def close(self):
        self.node.aclose_sync(0.0)

    def look(self):
        assert self.node.get_status().in_flight in (0, 1)

    def is_closed(self):
        self.close()  # a run that was at work when it was closed goes on, and may have opened it again
        return self.place.resolve() not in shared._files

    def found(self):
        [(ended,)] = look_up(self.place, "SELECT count(*) FROM run WHERE status = 'committed'")
        return ended


class Memory:
    """What was learned, in a state file."""

    works = ("put",)

    def __init__(self, folder, _):
        self.place, self.acks = folder / "runs.db", 0
        self.memory = SqliteMemory(self.place)
        self.node = ub.FractalNode("partner", lambda: None, memory=self.memory)
        self.node.execute_sync()

    def put(self):
        self.acks += self.memory.flush()

    def close(self):
        self.memory.close()

    def look(self):
        self.memory.summary()
        assert self.memory.trouble is None

    def is_closed(self):
        self.close()  # the thread that writes may have been at work then: whoever is at work closes it, and we wait
        return self.place.resolve() not in shared._files

    def found(self):
        [(known,)] = look_up(self.place, "SELECT count(*) FROM knowledge")
        return self.acks if known else 0


KINDS = {
    "memory": (Memory, ""),
    "stream in memory": (Stream, "memory"),
    "stream": (Stream, "process"),
    "busy stream": (BusyStream, "memory"),
    "durable stream": (Stream, "durable"),
    "knowledge": (Knowledge, ""),
    "runs": (Runs, "process"),
}
STRIDES = {"runs": 11}  # lines from one story to the next, where there are very many
CASES = [(kind, work) for kind, (thing, _) in KINDS.items() for work in thing.works]


class Exit(BaseException):
    """Stand for the SystemExit of a handler, which pytest would take for its own."""


def interrupted(thing, work, handler, at, raises=False):
    """Do *work*, with *handler* at the line *at*; return how many lines there were."""
    with AtLine(OURS, handler, at, CLOSED if raises else ()) as signal, contextlib.suppress(Rejected, StateError, Exit):
        getattr(thing, work)()
    return signal.lines


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it is raised at lines of the collector
@pytest.mark.parametrize("leaves", [False, True], ids=["goes on", "exits"])
@pytest.mark.parametrize(("kind", "work"), CASES)
def test_a_handler_may_close_at_any_line(tmp_path, kind, work, leaves):
    """It returns, what it interrupted is over before the thing is closed, and whatever was confirmed is there."""
    make, durability = KINDS[kind]

    def story(at):
        thing = make(tmp_path / str(at), durability)

        def handler():
            thing.close()
            if leaves:
                raise Exit

        passed = interrupted(thing, work, handler, at, leaves)
        if passed < at:
            thing.close()
        elif not leaves:
            assert thing.is_closed(), at
        assert thing.found() >= thing.acks, at
        return passed

    first, stride = lines(leaves, 2, STRIDES.get(kind, 1), sparse=2)
    for at in itertools.count(1 + first, stride):
        (tmp_path / str(at)).mkdir()
        if in_time(lambda at=at: story(at)) < at:
            break


@pytest.mark.parametrize(("kind", "work"), CASES)
def test_a_handler_may_look_at_any_line(tmp_path, kind, work):
    """The figures may be a moment old."""
    make, durability = KINDS[kind]
    thing = make(tmp_path, durability)

    for at in itertools.count(1):
        before = thing.acks
        if in_time(lambda at=at: interrupted(thing, work, thing.look, at)) < at:
            break
        assert work == "ask" or thing.acks > before
    thing.close()


@pytest.mark.parametrize(("kind", "work"), CASES)
def test_a_handler_that_works_with_it_is_served_or_refused_at_once(tmp_path, kind, work):
    """What cannot be done in the middle of the same work raises, and harms neither."""
    make, durability = KINDS[kind]
    thing, refused = make(tmp_path, durability), []

    def handler():
        try:
            getattr(thing, make.works[0])()
        except (Rejected, StateError) as error:
            refused.append(error)

    for at in itertools.count(1):
        if in_time(lambda at=at: interrupted(thing, work, handler, at)) < at:
            break
    thing.close()
    assert thing.found() >= thing.acks
    assert {StateInUse} >= {*map(type, refused)} - {RunInProgress}
    assert all("a signal's handler interrupted it" in str(each) for each in refused if type(each) is StateInUse)


def test_a_handler_may_close_a_memory_of_which_something_is_still_to_be_written(tmp_path):
    """The thread that writes wants the lock that the handler has interrupted, so nobody there waits for it."""

    def story(at):
        thing = Memory(tmp_path / str(at), "")
        thing.put()
        record = thing.memory.get("partner")
        for _ in range(2):  # the first is being written, the second waits for its turn
            thing.memory.add("partner", record, None)
        with AtLine({memory.__file__, background.__file__, threading.__file__}, thing.close, at) as signal:
            thing.memory.add("partner", record, None)
        assert thing.is_closed(), at
        assert thing.found(), at
        return signal.lines

    for at in itertools.count(1):
        (tmp_path / str(at)).mkdir()
        if in_time(lambda at=at: story(at)) < at:
            break


def test_a_handler_may_close_while_the_consumer_is_woken(monkeypatch):
    """The line is locked then, and the consumer would need it to go on: closing comes after that."""
    handled = []
    stream = ub.StreamNode(handled.append)
    stream.put_sync(0)
    stream.drain_sync(PATIENCE)
    real = Bell.ring

    def ring(bell):
        monkeypatch.setattr(Bell, "ring", real)
        stream.aclose_sync(5.0)
        real(bell)

    def story():
        monkeypatch.setattr(Bell, "ring", ring)
        stream.put_sync(1)

    in_time(story)
    assert ([0, 1], True) == (handled, stream.get_status().is_closed)


def test_a_handler_may_close_what_is_just_opened(tmp_path, monkeypatch):
    """The put that opened it is refused, and so is every later one."""
    stream, real = ub.StreamNode(overflow=tmp_path), os.fsync

    def fsync(descriptor):
        monkeypatch.setattr(os, "fsync", real)
        stream.aclose_sync(1.0)
        return real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for _ in range(2):
        with pytest.raises(Rejected, match="closed"):
            stream.put_sync(1)
    with ub.StreamNode(overflow=tmp_path) as again:
        assert 0 == again.get_status().on_disk
