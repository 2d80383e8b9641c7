"""Listeners are refused where they are given when they could never be told anything."""

from __future__ import annotations

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
