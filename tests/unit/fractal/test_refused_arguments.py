"""What a node refuses when it is made, and what it says was expected."""

from __future__ import annotations

import re
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.fractal.heart import known_heart
from unbreakable.fractal.listening import MOST_LISTENERS
from unbreakable.runtime import ASYNCIO, BLOCKING


@pytest.mark.parametrize("runtime", [3, "asyncio", object(), type(BLOCKING), False])
def test_what_is_no_runtime_is_refused(runtime):
    """It is said what was expected, as for every other setting, and nothing is made."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"^n: runtime must be .*BLOCKING, or None, not ") as refused:
        ub.FractalNode("n", runtime=runtime)

    assert re.search(r"not (3|'asyncio'|<object|<class|False)", str(refused.value))


@pytest.mark.parametrize("runtime", [None, ASYNCIO, BLOCKING])
def test_a_runtime_is_taken(runtime):
    """Both of this process, and None for what suits the code that calls."""
    assert runtime is ub.FractalNode("n", runtime=runtime).runtime


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": 7}, "name must be a word, not 7"),
        ({"operation": 7}, "n: operation must be a function that takes the context or nothing, not 7"),
        ({"parent": "p"}, "n: parent must be a FractalNode or None, not 'p'"),
        ({"system": 7}, "n: system must be a ub.QuantumSystem or None, not 7"),
    ],
)
def test_every_other_argument_is_refused_alike(wrong: dict[str, Any], message):
    """Each says where it is wrong, and what was expected."""
    with pytest.raises(ub.errors.ConfigurationError, match=re.escape(message)):
        ub.FractalNode(**{"name": "n", **wrong})


@pytest.mark.parametrize("what", [(), (7,), ("KeyError",), (int,), (KeyError, 7), (None,)])
def test_what_no_failure_can_be_is_not_what_a_remedy_is_for(what):
    """An exception type, a tuple of them, or a predicate."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"^remedy must be given .*predicate"):
        ub.FractalNode("n").remedy(*what)


@pytest.mark.parametrize("remedies", ["wait", b"wait", {KeyError: print}, 7, [KeyError], [(KeyError,)]])
def test_what_is_no_list_of_remedies_is_refused(remedies):
    """A word, and a dictionary, would be taken for a list of something else."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"^n: remedies must be a list of pairs"):
        ub.FractalNode("n", remedies=remedies)


def test_a_list_of_remedies_may_hold_pairs_and_made_ones():
    """In the order in which they are tried."""
    node = ub.FractalNode("n", remedies=[ub.remedies.give_up(KeyError), (OSError, print)])

    assert ["give_up", "print"] == [remedy.name for remedy in node.remedies]


def test_only_so_many_may_listen():
    """A node whose every request adds a listener is told so, and does not grow."""
    node = ub.FractalNode("n")
    for _ in range(MOST_LISTENERS):
        node.on(ub.events.Event, print)

    with pytest.raises(ub.errors.ConfigurationError, match=f"n has {MOST_LISTENERS} listeners, the most a node may"):
        node.on(ub.events.Event, print)


def test_what_is_no_node_has_none_behind_it():
    """A protected function, and a node of a kind, have."""
    node, door = ub.FractalNode("n"), ub.protect("p")(lambda: 1)

    assert [node, door.node] == [known_heart(node), known_heart(door)]
    with pytest.raises(ub.errors.ConfigurationError, match="node must be a node or a protected function, not 7"):
        known_heart(7)
