"""Whatever kind of node it is, closing it keeps what it learned, in either colour."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

import unbreakable as ub

CALLS = 30  # fewer than are learned from while a node is at work


def plain(memory):
    node = ub.FractalNode("plain", memory=memory)
    return node, lambda number: node.execute_sync(lambda: number)


def parent(memory):
    node = ub.FractalNode("parent", memory=memory)
    child = node.create_child("child", memory=memory)
    return node, lambda number: child.execute_sync(lambda: number)


def api(memory):
    transport = httpx2.MockTransport(lambda request: httpx2.Response(204))
    node = ub.APINode("https://api.test", transport=transport, memory=memory)
    return node, lambda number: node.make_request_sync()


def database(memory):
    node = ub.DatabaseNode("sqlite://", memory=memory)
    return node, lambda number: node.query_sync("SELECT 1")


def stream(memory):
    node = ub.StreamNode(lambda item: item, memory=memory)
    return node, lambda number: node.execute_sync(context=number)


def cache(memory):
    node = ub.CacheNode(loader=str, memory=memory)
    return node, node.get_sync


def agent(memory):
    node = ub.AgentNode(knowledge={"Egypt": "The Nile is long."}, memory=memory)
    return node, lambda number: node.process_query_sync(f"{number}?")


KINDS = [plain, parent, api, database, stream, cache, agent]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("colour", ["async", "sync"])
def test_closing_a_node_keeps_what_it_learned(kind, colour):
    """What had not been learned from when a node is closed is handed to its memory."""
    memory = ub.LocalMemory()
    node, call = kind(memory)
    for number in range(CALLS):
        call(number)
    if colour == "async":
        asyncio.run(node.aclose())
    else:
        node.aclose_sync()

    assert CALLS == memory.summary().learnings


@pytest.mark.parametrize("colour", ["async", "sync"])
def test_a_child_that_cannot_be_closed_keeps_no_other_open(colour):
    """All the others are closed, and the node itself; then what went wrong is raised."""
    closed = []

    class Child(ub.FractalNode):
        async def _let_go(self, runtime):
            closed.append(self.name)
            if self.name == "first":
                raise OSError("it hangs on")

    parent = Child("parent")
    parent.children += [Child("first"), Child("second")]

    with pytest.raises(OSError, match="it hangs on"):
        asyncio.run(parent.aclose()) if colour == "async" else parent.aclose_sync()

    assert ["first", "second", "parent"] == closed
