"""Ctrl-C at any line of a call leaves a cache that works: nothing stuck, nothing held, nothing old."""

from __future__ import annotations

import sys
import threading

import pytest
from tests.lines import AtLine

from unbreakable.nodes import cache
from unbreakable.nodes.cache import CacheNode
from unbreakable.nodes.caching import circle, flight, leases, loading, reading, shelf
from unbreakable.runtime import BLOCKING
from unbreakable.testing import virtual_time

OURS = {module.__file__ for module in (cache, circle, flight, leases, loading, reading, shelf)}


def interrupt_at(at):
    """Raise KeyboardInterrupt at the line of the cache's code that is reached as number *at*."""

    def strike():
        raise KeyboardInterrupt

    return AtLine(OURS, strike, at, closed=("with ",))


def is_free(lock):
    """Return whether another thread can have the lock."""
    free = []

    def look():
        free.append(lock.acquire(blocking=False))
        if free[0]:
            lock.release()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return free[0]


def full():
    """Return a cache that has to make room, some of it of what is too old."""
    node = CacheNode(ttl=10, max_size=3)
    for key in ("a", "b", "c", "d", "e"):
        node.get_sync(key, lambda key=key: key, tags=["old", key])
    return node


ACTS = {
    "load": lambda node: node.get_sync("k", lambda: "loaded", tags=["old"]),
    "fail": lambda node: node.get_sync.outcome("k", lambda: 1 / 0),
    "set": lambda node: node.set("e", "set", tags=["new"]),
    "invalidate": lambda node: node.invalidate("c", tags=["old"]),
    "invalidate all": lambda node: node.invalidate(),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a coroutine that was never begun
@pytest.mark.skipif(sys.gettrace() is not None, reason="somebody else traces")
@pytest.mark.parametrize("act", ACTS)
def test_an_interrupt_at_any_line_leaves_a_cache_that_works(act):
    """After it, loads begin at once and are kept, invalidations reach everything, and there is room for all."""
    with virtual_time():
        for at in range(1, 10_000):
            node = full()
            try:
                with interrupt_at(at) as interrupt:
                    ACTS[act](node)
            except KeyboardInterrupt:
                began = BLOCKING.now()
                assert node.get_sync("k", lambda: "new") in ("loaded", "new"), at
                assert 0 == node.get_status().in_flight, at
                kept, holds = node.leases.shelf.entries, node.leases.shelf
                assert all(entry in holds.tagged[tag] for entry in kept.values() for tag in entry.tags), at
                assert set(kept) <= {*holds.small, *holds.main}, at
                node.invalidate()
                values = [node.get_sync(key, lambda: "new") for key in ("k", "a", "c", "e") for _ in range(2)]
                assert ["new"] * 8 == values, at
                assert began == BLOCKING.now(), at
                assert len(node) <= 3, at
                assert {} == node.leases.flights, at
                assert is_free(node.leases.lock), at
                continue
            break

    assert interrupt.lines < at
    assert at > 10
