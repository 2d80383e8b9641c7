"""What nodes have not learned from yet is learned when their memory is closed, or asked to write."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

import unbreakable as ub

pytestmark = pytest.mark.real

FEW = 35  # less than what is learned from at a time


@pytest.fixture
def place(tmp_path):
    return tmp_path / "x.db"


def learnings(place) -> int:
    with ub.SqliteMemory(place) as memory:
        return memory.summary().learnings


def call_plain(memory) -> object:
    function = ub.protect("svc", memory=memory)(lambda: 1)
    for _ in range(FEW):
        function()
    return function


def call_async(memory) -> object:
    @ub.protect("svc", memory=memory)
    async def function() -> int:
        return 1

    async def story() -> None:
        for _ in range(FEW):
            await function()

    asyncio.run(story())
    return function


def call_cache(memory) -> object:
    cache = ub.CacheNode(name="svc", memory=memory)
    for key in range(FEW):
        cache.get_sync(key, lambda: 1)
    return cache


def call_children(memory) -> object:
    parent = ub.FractalNode("parent", memory=memory)
    child = parent.create_child("svc", memory=memory)
    for _ in range(FEW):
        child.execute_sync(lambda: 1)
    return parent


CALLS = [call_plain, call_async, call_cache, call_children]


@pytest.mark.parametrize("call", CALLS)
def test_closing_a_memory_gathers_what_few_calls_have_taught(place, call):
    """Three starts with too few calls to learn from at once add up all the same."""
    for start in (1, 2, 3):
        with ub.SqliteMemory(place) as memory:
            held = call(memory)

        assert start * FEW == learnings(place)
        del held


@pytest.mark.parametrize("call", CALLS)
def test_flushing_a_memory_gathers_too(place, call):
    """What is in the file is all that was seen until then."""
    with ub.SqliteMemory(place) as memory:
        held = call(memory)
        assert memory.flush()
        assert FEW == memory.summary().learnings
        del held


def test_a_program_that_just_ends_has_kept_it(place):
    """Who forgets to close loses nothing either."""
    code = f"""
import unbreakable as ub
function = ub.protect("svc", memory=ub.SqliteMemory({str(place)!r}))(lambda: 1)
for _ in range({FEW}):
    function()
"""
    run = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)

    assert "" == run.stderr
    assert FEW == learnings(place)


def test_what_is_learned_at_that_moment_is_waited_for(place):
    """Closing in the middle of learning keeps what is being learned."""
    with ub.SqliteMemory(place) as memory:
        function = ub.protect("svc", memory=memory, effects="none")(lambda: 1)
        for _ in range(1_000):
            function()  # which asks for learning in a thread

    assert 1_000 == learnings(place)


def test_a_listener_may_flush(place):
    """Called while its node learns, it does not wait for itself for ever."""
    with ub.SqliteMemory(place) as memory:
        node = ub.FractalNode("svc", memory=memory)
        done = []
        node.on(ub.events.PlanPublished, lambda _: done.append(memory.flush()))
        for _ in range(60):
            node.execute_sync(lambda: 1)
        memory.flush()

    assert {True} == set(done)
