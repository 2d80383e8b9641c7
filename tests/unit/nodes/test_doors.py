"""The methods of nodes that have an ``outcome`` are methods to everybody who looks at them."""

from __future__ import annotations

import asyncio
import inspect
import pydoc

import httpx2
import pytest

import unbreakable as ub

DOORS = {
    "query": (ub.DatabaseNode, "sql"),
    "query_sync": (ub.DatabaseNode, "sql"),
    "run": (ub.DatabaseNode, "fn"),
    "run_sync": (ub.DatabaseNode, "fn"),
    "make_request": (ub.APINode, "data"),
    "make_request_sync": (ub.APINode, "data"),
    "get": (ub.CacheNode, "key"),
    "get_sync": (ub.CacheNode, "key"),
    "process_query": (ub.AgentNode, "query"),
    "process_query_sync": (ub.AgentNode, "query"),
}


def node(kind):
    return kind("https://api.test") if kind is ub.APINode else kind("sqlite://") if kind is ub.DatabaseNode else kind()


@pytest.mark.parametrize("name", DOORS)
def test_the_class_documents_its_methods(name):
    """``help()`` of a class shows the parameters and the words of each, and so does ``inspect``."""
    kind, first = DOORS[name]
    method = getattr(kind, name)
    shown = pydoc.render_doc(kind, renderer=pydoc.plaintext)

    assert ["self", first] == list(inspect.signature(method).parameters)[:2]
    assert f"{name}(self,{first}" in "".join(shown.replace(" |  ", "").split())  # newer Pythons give each a line
    assert method.__doc__.partition("\n")[0] in shown
    assert (name, f"{kind.__name__}.{name}") == (method.__name__, method.__qualname__)


@pytest.mark.parametrize("name", DOORS)
def test_a_node_documents_its_methods(name):
    """``help()`` of a node's method shows the same without the node."""
    kind, first = DOORS[name]
    method = getattr(node(kind), name)
    shown = pydoc.render_doc(method, renderer=pydoc.plaintext)

    assert first == next(iter(inspect.signature(method).parameters))
    assert f"{name}({first}" in "".join(shown.split())
    assert method.__doc__.partition("\n")[0] in shown


@pytest.mark.parametrize("name", DOORS)
def test_frameworks_see_what_is_to_be_awaited(name):
    """Async methods are told from plain ones, on the class and on a node."""
    kind, _ = DOORS[name]
    look = inspect.iscoroutinefunction

    assert {not name.endswith("_sync")} == {look(getattr(kind, name)), look(getattr(node(kind), name))}


def test_a_method_may_be_called_by_its_class():
    """With the node as its first argument, as methods are."""
    api = ub.APINode("https://api.test", transport=httpx2.MockTransport(lambda request: httpx2.Response(200, json=1)))

    assert 1 == ub.APINode.make_request_sync(api)
    assert 1 == asyncio.run(ub.APINode.make_request(api))
