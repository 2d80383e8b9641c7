"""Listeners are refused where they are given when they could never be told anything."""

from __future__ import annotations

import contextlib
from asyncio import CancelledError

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError

NODES = [
    lambda: ub.FractalNode("n"),
    ub.OrchestratorNode,
    ub.CacheNode,
    lambda: ub.APINode("http://localhost"),
    lambda: ub.protect("p")(lambda: None).node,
]


async def later(event):
    """Take an event, some time."""


@pytest.mark.parametrize("make", NODES)
@pytest.mark.parametrize(
    ("kind", "listener"),
    [("healed", print), (print, ub.events.Healed), (int, print), (ub.events.Healed, None), (ub.events.Healed, later)],
)
def test_what_is_no_kind_of_event_or_no_listener_is_refused(make, kind, listener):
    """At once, and not by every call after its work was done."""
    with pytest.raises(ConfigurationError, match=r"a kind of event|a plain function"):
        make().on(kind, listener)


@pytest.mark.parametrize("make", NODES)
def test_who_may_listen_is_given_back(make):
    """So that the form of a decorator works, too."""
    assert print is make().on(ub.events.Event, print)


def test_who_listens_no_more_is_told_nothing_more():
    """Whatever kinds of events it was given for; others are."""
    node, told, others = ub.FractalNode("n", lambda: 1), [], []
    node.on(ub.events.Succeeded, told.append)
    node.on(ub.events.Event, told.append)
    node.on(ub.events.Event, others.append)
    node.execute_sync()
    before = len(told)
    node.off(told.append)
    node.execute_sync()

    assert (2, 2, 2) == (before, len(told), len(others))


@pytest.mark.parametrize(
    ("raised", "is_dropped"),
    [(ValueError, True), (SystemExit, True), (CancelledError, True), (KeyboardInterrupt, False)],
)
def test_a_listener_that_raises_is_dropped_and_only_what_is_no_ordinary_error_passes_on(raised, is_dropped):
    """Whatever it is, but for Ctrl-C, which is not the listener's."""
    node, heard = ub.FractalNode("n"), []

    def listen(event):
        heard.append(event)
        raise raised

    node.on(ub.events.Healed, listen)
    for _ in range(2):
        with contextlib.nullcontext() if (heard and is_dropped) or raised is ValueError else pytest.raises(raised):
            node.tell(ub.events.Healed(at=0.0, node="n", attempts=2, remedies=(), elapsed=0.1))

    assert len(heard) == (1 if is_dropped else 2)
