"""A forked child has the values of its parent and none of the loads that were under way."""

from __future__ import annotations

import functools

from tests import forking

pytestmark = forking.only_where_it_forks

SLOW = """
from unbreakable.nodes import CacheNode

begun, leave = threading.Event(), threading.Event()

def slow(key):
    begun.set()
    leave.wait(60)
    return "the parent's"
"""

in_a_program = functools.partial(forking.in_a_program, before=SLOW)


def test_a_child_keeps_what_is_fresh_for_as_long_as_it_is():
    """Values go along with their age; what either side does afterwards is its own."""
    parent, child = in_a_program("""
        cache = CacheNode(ttl=3.0, loader=lambda key: "loaded")
        cache.set("young", 1)
        cache.set("gone", 1)
        def look():
            cache.invalidate("gone")
            there = [key in cache for key in ("young", "gone")]
            over = time.monotonic() + 60
            while "young" in cache and time.monotonic() < over:
                time.sleep(0.01)
            return [there, "young" in cache, cache.get_sync("young")]
        child = forked(look)
        cache.set("gone", 1)
        print(json.dumps(["gone" in cache, child]))
    """)

    assert parent
    assert [[True, False], False, "loaded"] == child


def test_a_child_does_not_wait_for_its_parents_loads():
    """A load that a thread or a task of the parent carries does not exist in the child, which loads for itself."""
    children, parents = in_a_program("""
        cache = CacheNode(loader=slow)
        thread = threading.Thread(target=cache.get_sync, args=("thread",), daemon=True)
        thread.start()
        begun.wait(60)

        async def hang():
            begun_here.set()
            await asyncio.sleep(0.3)
            return "the parent's"

        async def story():
            task = asyncio.ensure_future(cache.get("task", hang))
            await begun_here.wait()
            child = forked(lambda: [cache.get_sync(key, lambda: "its own") for key in ("thread", "task")]
                           + [cache.get_status().in_flight])
            return child, await task

        begun_here = asyncio.Event()
        child, task = asyncio.run(story())
        leave.set()
        thread.join()
        print(json.dumps([child, [task, cache.get_sync("thread"), cache.get_status().in_flight]]))
    """)

    assert ["its own", "its own", 0] == children
    assert ["the parent's", "the parent's", 0] == parents


def test_a_child_of_a_parent_that_was_changing_something_begins_empty():
    """Whoever held the lock at the moment of the fork does not exist in the child; what it left is not trusted."""
    child = in_a_program("""
        cache = CacheNode(loader=slow)
        cache.set("k", 1)
        def hold():
            with cache.leases.lock:
                begun.set()
                leave.wait(60)
        thread = threading.Thread(target=hold, daemon=True)
        thread.start()
        begun.wait(60)
        child = forked(lambda: [len(cache), cache.get_sync("k", lambda: "its own"), cache.invalidate()])
        leave.set()
        thread.join()
        print(json.dumps(child))
    """)

    assert [0, "its own", 1] == child


def test_a_fork_in_the_middle_of_a_load_leaves_both_with_their_value():
    """The child of a load that forks ends the load, too; it is kept by the parent alone."""
    parent, child = in_a_program("""
        cache = CacheNode()
        reader, writer = os.pipe()
        here = os.getpid()
        cache.get_sync("k", os.fork)
        told = [cache.get_status().in_flight, "k" in cache]
        if os.getpid() != here:
            os.write(writer, json.dumps(told).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            print(json.dumps([told, json.loads(answer.read())]))
        os.wait()
    """)

    assert [0, True] == parent
    assert [0, False] == child
