"""Somebody goes on after Ctrl-C, or a time limit made of a signal, has struck in the middle of a put."""

from __future__ import annotations

import itertools
import threading

import pytest
from tests.lines import AtLine

import unbreakable as ub
from unbreakable.nodes.streaming import buffer, confirming
from unbreakable.storage import disk, log, turn

pytestmark = pytest.mark.real

# Lines at which Python itself lets no signal in: nothing is called before them, or they are left by a context manager.
CLOSED = ("with ", "try:", "self._next =", "self._unread +=", "self._passed =", "self._entries.append(", "if spills:")
BEFORE, AFTER = range(8), range(9, 20)


def struck(real, go):
    """Return *real*, which is interrupted once, as it returns, when it is told to."""

    def door(*args, **kwargs):
        value = real(*args, **kwargs)
        if go.is_set():
            go.clear()
            raise KeyboardInterrupt
        return value

    return door


@pytest.mark.parametrize(("durability", "most"), [("memory", 5), ("process", 5), ("process", 50), ("durable", 50)])
@pytest.mark.parametrize(
    "where",
    [
        (log.Log, "append"),
        *[(owner, name) for owner in (log.Task, turn.Turn) for name in ("__enter__", "__exit__")],
        (disk.Disk, "write"),
    ],
)
def test_an_interrupted_put_loses_nothing_and_stops_nobody(tmp_path, monkeypatch, durability, most, where):
    """What was told as accepted is handled once, in order; of the interrupted one nobody was told anything."""
    got, strike, may_go_on = [], threading.Event(), threading.Event()

    def handle(item):
        may_go_on.wait(60)
        got.append(item)

    owner, name = where
    monkeypatch.setattr(owner, name, struck(getattr(owner, name), strike))
    with ub.StreamNode(handle, max_buffer=most, overflow=tmp_path, durability=durability) as stream:
        for item in BEFORE:
            stream.put_sync(item)
        strike.set()
        try:
            stream.put_sync(8)
        except KeyboardInterrupt:
            strike.clear()
        for item in AFTER:
            stream.put_sync(item, wait=5.0)
        may_go_on.set()
        assert stream.drain_sync(60)

    assert [*BEFORE, *AFTER] == [item for item in got if item != 8]
    assert 1 >= got.count(8)


def test_whoever_drains_after_an_interrupted_put_does_not_wait_in_vain(monkeypatch):
    """The item was accepted, and the consumer not told."""
    got, strike = [], threading.Event()
    monkeypatch.setattr(buffer.Buffer, "_come", struck(buffer.Buffer._come, strike))
    with ub.StreamNode(got.append) as stream:
        stream.put_sync(0)
        assert stream.drain_sync(60)
        strike.set()
        with pytest.raises(KeyboardInterrupt):
            stream.put_sync(1)
        assert stream.drain_sync(60)

    assert [0, 1] == got


@pytest.mark.parametrize(("durability", "most"), [("memory", 1), ("memory", 9), ("process", 9), ("durable", 9)])
def test_a_put_is_interrupted_before_or_after_it_counts(tmp_path, durability, most):
    """An item stands in the line, and is counted, or neither; whatever comes later does so after it."""

    def strike():
        raise KeyboardInterrupt

    def story(at):
        got, may_go_on = [], threading.Event()

        def handle(item):
            may_go_on.wait(60)
            got.append(item)

        with ub.StreamNode(handle, max_buffer=most, overflow=tmp_path / str(at), durability=durability) as stream:
            stream.put_sync(0)
            try:
                with AtLine({buffer.__file__}, strike, at, CLOSED) as signal:
                    stream.put_sync(1)
            except KeyboardInterrupt:
                pass
            stream.put_sync(2, wait=5.0)
            may_go_on.set()
            assert stream.drain_sync(60), at
            status = stream.get_status()
        assert got in ([0, 2], [0, 1, 2]), at
        assert (len(got), len(got), 0, 0) == (status.accepted, status.handled, status.in_memory, status.on_disk), at
        return signal.lines

    for at in itertools.count(1):
        if story(at) < at:
            break


def test_a_sync_that_was_interrupted_as_it_began_is_begun_by_the_next(tmp_path):
    """Nobody would confirm anything any more."""

    def strike():
        raise KeyboardInterrupt

    with ub.StreamNode(overflow=tmp_path, durability="durable") as stream:
        for at in itertools.count(1):
            try:
                with AtLine({confirming.__file__}, strike, at, ("with ", "try:", "self._leave(")) as signal:
                    stream.put_sync(at)
            except KeyboardInterrupt:
                pass
            assert "durable" == stream.put_sync(at, wait=5.0).level, at
            if signal.lines < at:
                break
