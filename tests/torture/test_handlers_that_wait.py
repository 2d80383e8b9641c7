"""A handler of signals that waits for what its own thread is in the middle of would wait for ever."""

from __future__ import annotations

import itertools

import pytest
from tests.dense import lines
from tests.lines import AtLine, in_time

import unbreakable as ub
from unbreakable.errors import StateInUse
from unbreakable.nodes import stream
from unbreakable.nodes.streaming import buffer, confirming, intake, life, line, milestone, taking
from unbreakable.runtime import line as places
from unbreakable.storage import log, turn

pytestmark = pytest.mark.real

OURS = {module.__file__ for module in (stream, buffer, confirming, intake, life, line, milestone, places, log, turn)}
STRIDES = {"memory": 2, "process": 3, "durable": 11}  # lines from one story to the next: there are very many


class Full:
    """A stream with a place for one item, which its handler soon makes free again."""

    def __init__(self, folder, durability):
        self.handled, self.accepted = [], []
        overflow = None if durability == "memory" else folder
        self.node = ub.StreamNode(self.handled.append, max_buffer=1, overflow=overflow, durability=durability)

    def put(self, item):
        self.node.put_sync(item)
        self.accepted.append(item)

    def drain(self, _):
        assert self.node.drain_sync()

    def look(self, _):
        self.node.get_status()


@pytest.mark.parametrize("durability", STRIDES)
@pytest.mark.parametrize("wants", ["drain", "put"])
@pytest.mark.parametrize("work", ["put", "drain", "look"])
def test_a_handler_that_waits_is_served_or_refused_at_once(tmp_path, monkeypatch, durability, wants, work):
    """At every line of the first put, of one that finds no room, and of who drains or looks."""
    monkeypatch.setattr(taking, "LOOK_AGAIN", 0.01)  # the consumer confirms what an interrupted put did not
    refused = []

    def story(at):
        thing = Full(tmp_path / str(at), durability)

        def handler():
            try:
                getattr(thing, wants)("handler")
            except StateInUse as error:
                refused.append(error)

        if work == "look":
            thing.put("before")
        with AtLine(OURS, handler, at) as signal:
            for item in range(3):
                getattr(thing, work)(item)
        assert thing.node.drain_sync(), at
        assert sorted(map(str, thing.accepted)) == sorted(map(str, thing.handled)), at
        assert not thing.node.aclose_sync().in_memory, at
        return signal.lines

    _, stride = lines(0, 1, STRIDES[durability], sparse=3)
    for at in itertools.count(1, stride):
        (tmp_path / str(at)).mkdir()
        if in_time(lambda at=at: story(at)) < at:
            break
    assert all("a signal's handler interrupted it" in str(each) for each in refused)
