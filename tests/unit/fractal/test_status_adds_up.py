"""Every call counts in the status: under a parent, of a key that was dropped, of a child that was let go."""

from __future__ import annotations

import enum
import sys
import threading
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


def fail() -> None:
    raise ConnectionError("down")


def test_a_child_made_by_hand_counts_with_its_parent():
    """``parent=`` and ``create_child`` are the same."""
    parent = ub.FractalNode("parent")
    ub.FractalNode("child", lambda: 1, parent=parent).execute_sync()

    assert 1 == parent.get_status().total_executions


def test_the_failures_of_dropped_keys_count_as_its_successes_do():
    """A success rate over many keys is not the better for the keys that were forgotten."""

    @ub.protect(key=lambda number: number, retry=False)
    def door(number: int) -> None:
        if number % 2:
            fail()

    for number in range(3_000):
        door.outcome(number)
    status = door.node.get_status()

    assert (3_000, 1_500, 0.5) == (status.total_executions, status.failure_count, status.success_rate)


def test_the_failures_of_a_dropped_child_count_as_its_successes_do():
    """A parent that lets a child go keeps all that it did."""
    parent = ub.FractalNode("parent")
    child = parent.create_child("child", retry=False)
    child.execute_sync(fail)
    child.execute_sync(lambda: 1)
    parent.drop_child(child)
    status = parent.get_status()

    assert ((), 1, 1) == (status.children, status.success_count, status.failure_count)


def test_calls_in_flight_are_those_of_all_keys():
    """Who looks while two keys are busy sees what is under way for both."""
    seen = []

    @ub.protect(key=lambda key: key, bulkhead=ub.Bulkhead(2))
    def door(key: str) -> None:
        seen.append((door.node.get_status().limit, door.node.get_status().in_flight))
        if key == "outer":
            door("inner")

    door("outer")

    assert [(2, 1), (2, 2)] == seen
    assert 0 == door.node.get_status().in_flight


@pytest.fixture
def restless_threads():
    """Let threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*works: Any) -> None:
    """Run *works* at the same time, and wait for them."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("restless_threads")
def test_keys_may_come_and_go_while_calls_are_counted():
    """A key whose hash is written in Python lets other threads in between; the count does not mind."""
    keys = list(enum.Enum("Key", [f"k{number}" for number in range(1_500)]))
    trouble = []

    @ub.protect(key=lambda key: key)
    def door(key: Any) -> None:
        pass

    def call() -> None:
        for key in [*keys, *keys]:
            door(key)

    def count() -> None:
        try:
            for _ in range(300):
                door.node.successes()
        except RuntimeError as error:
            trouble.append(error)

    together(call, call, call, count, count)

    assert [] == trouble


@pytest.mark.usefixtures("restless_threads")
def test_threads_that_come_to_one_block_share_its_node():
    """The place in the code keeps its circuit and what it learned, however many threads pass."""
    nodes = set()

    def come() -> None:
        for _ in range(3_000):
            nodes.add(ub.attempts("block").node)

    together(*[come] * 8)

    assert 1 == len(nodes)


def test_the_plan_is_that_of_the_key_that_most_is_known_of():
    """With a key no call is made by the plan of the node's own, which stayed the cold one and was told."""

    @ub.protect("partner", effects="none", key=lambda tenant: tenant)
    def ask(tenant: str) -> None:
        clock.advance(0.1)

    with virtual_time() as clock:
        cold = ask.node.get_status().plan
        for number in range(120):
            ask("often" if number % 10 else "rarely")
        plan = ask.node.get_status().plan

    assert (0, 5, 30.0) == (cold["observations"], cold["breaker"], cold["rest"])
    assert (40, 26) == (plan["observations"], plan["breaker"])


def test_the_limit_is_one_that_calls_go_by():
    """With a key the node's own limit is nobody's: it stood at 20 for ever, and was told as the highest of all."""

    @ub.protect("search", key=lambda host: host, limit=ub.AdaptiveLimit(first=20))
    def search(host: str | None) -> None:
        return None

    search("host")
    search.node.targets.of(("host",), {}).gate.most = 8

    assert 8 == search.node.get_status().limit

    search(None)

    assert 20 == search.node.get_status().limit


def test_only_a_node_can_be_dropped():
    """Its name, say, is refused in words."""
    with pytest.raises(ub.errors.ConfigurationError, match="parent: drop_child must be a node, not 'child'"):
        ub.FractalNode("parent").drop_child("child")
