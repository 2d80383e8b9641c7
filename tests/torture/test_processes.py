"""Forked and spawned children: no lock stays shut, no place stays taken, no thread is missed."""

from __future__ import annotations

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from tests import forking

import unbreakable as ub

pytestmark = forking.only_where_it_forks

IN_FLIGHT = """
from unbreakable.errors import AttemptTimeout

def in_flight(door, *args):
    '''Begin a call in a thread; return what ends it.'''
    thread = threading.Thread(target=door, args=args, daemon=True)
    thread.start()
    return thread
"""

in_a_program = functools.partial(forking.in_a_program, before=IN_FLIGHT)


def test_a_child_does_not_inherit_the_calls_in_flight():
    """Places and permits held by threads of the parent are free in the child, and still held in the parent."""
    parent, child, after = in_a_program("""
        begun, leave = threading.Event(), threading.Event()

        @ub.protect("target", retry=False, bulkhead=ub.Bulkhead(1), breaker=ub.CircuitBreaker(1, rest=1e-6))
        def door(wait):
            if wait is None:
                raise OSError
            if wait:
                begun.set()
                leave.wait(60)
            return "works"

        door.outcome(None)                        # opens the circuit
        thread = in_flight(door, True)            # the probe, which holds the only place
        begun.wait(60)
        door.node.breaker.settings = ub.CircuitBreaker(1, rest=1e6)
        door.node.breaker.until = 1e12            # no other probe for a long time
        look = lambda: (door.node.get_status().in_flight, type(door.outcome(False).error).__name__)
        parent, child = look(), forked(look)
        leave.set()
        thread.join()
        print(json.dumps([parent, child, look()]))
    """)

    assert [1, "BulkheadFull"] == parent
    assert [0, "NoneType"] == child
    assert [0, "NoneType"] == after


EVERY_LOCK_HELD = """
        memory = ub.LocalMemory()
        options = dict(memory=memory, bulkhead=ub.Bulkhead(4), key=lambda word: word)
        door = ub.protect("target", breaker=ub.CircuitBreaker(9, ratio=0.5), **options)(lambda word: word)
        door.remedy(OSError)(lambda failure: None)
        door("hi")
        target, node = door.node.target, door.node
        held = [target.lock, target.learning._lock, target.gate.lock, target.circuit.lock, node.budget.lock]
        held += [memory._lock, target.experience._lock, node.targets.lock, *(r.turn.alone.lock for r in node.remedies)]
        from unbreakable.runtime import BLOCKING
        held.append(BLOCKING.world.lock)
        began, leave = threading.Event(), threading.Event()

        def hold():
            for lock in held:
                lock.acquire()
            began.set()
            leave.wait(2)
            for lock in held:
                lock.release()

        thread = in_flight(hold)
        assert began.wait(60)

        def look():
            tries = []
            @ub.protect("other", memory=memory, retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
            def flaky():
                tries.append(1)
                if len(tries) == 1:
                    raise OSError
                return "healed"
            for _ in range(100):
                door("hi")
            return [door("there"), door.outcome("hi").value, flaky(), node.get_status().success_count]

        child = forked(look)
        leave.set()
        thread.join()
        print(json.dumps(child))
"""


def test_a_child_finds_no_lock_shut():
    """Whatever lock another thread of the parent holds at the moment of the fork, the child's calls go through."""
    ends = in_a_program(EVERY_LOCK_HELD)

    assert ["there", "hi", "healed", 103] == ends


def test_a_child_keeps_the_limit_that_was_found_and_nobody_in_it():
    """What was found of the target holds in the child, too; who is in flight, or waits, in the parent is not there."""
    parent, child, after = in_a_program("""
        begun, leave = threading.Event(), threading.Event()

        @ub.protect("target", retry=False, limit=ub.AdaptiveLimit(first=3, wait=0.0), throttle=ub.Throttle())
        def door(wait):
            if wait:
                begun.set()
                leave.wait(60)

        node = door.node
        node.target.gate.resize(1)
        door(False)
        thread = in_flight(door, True)
        begun.wait(60)
        look = lambda: (node.get_status().limit, node.get_status().in_flight, type(door.outcome(False).error).__name__)
        parent, child = look(), forked(look)
        leave.set()
        thread.join()
        print(json.dumps([parent, child, look()]))
    """)

    assert [1, 1, "LimitReached"] == parent
    assert [1, 0, "NoneType"] == child
    assert [1, 0, "NoneType"] == after


def test_a_fork_inside_a_call_leaves_both_with_exact_counts():
    """The child of a call that forks ends the call, too; neither has a place too many or too few afterwards."""
    parent, child = in_a_program("""
        node = ub.FractalNode("target", bulkhead=ub.Bulkhead(2))
        reader, writer = os.pipe()
        child = node.execute_sync(os.fork).value
        inside = [node.get_status().in_flight]
        inside.append(node.execute_sync(lambda: node.get_status().in_flight).value)
        inside.append(node.get_status().in_flight)
        if child == 0:
            os.write(writer, json.dumps(inside).encode())
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            told = json.loads(answer.read())
        os.waitpid(child, 0)
        print(json.dumps([inside, told]))
    """)

    assert ([0, 1, 0], [0, 1, 0]) == (parent, child)


def test_a_child_has_threads_of_its_own():
    """Time limits, copies and learning, which need threads, work in a child that inherited none."""
    ends = in_a_program("""
        from unbreakable.runtime import BLOCKING
        quick = ub.protect("quick")(lambda: "works")
        for _ in range(50):
            quick()                               # the thread for chores is there
        hang = ub.protect("hang", retry=False, timeout=ub.Timeout(0.01))(lambda seconds: time.sleep(seconds))
        hang.outcome(1)                           # a thread is left behind

        def look():
            learned = ub.protect("learned")(lambda: "works")
            for _ in range(50):
                learned()
            over = time.monotonic() + 5
            while not learned.node.target.plan.observations and time.monotonic() < over:
                time.sleep(0.001)
            hedged = ub.protect("hedged", effects="none", hedge=ub.Hedge(0.001))(lambda: "works")
            observations = learned.node.target.plan.observations > 0
            return [type(hang.outcome(1).error).__name__, hedged(), observations, len(BLOCKING.world.busy)]

        print(json.dumps(forked(look)))
    """)

    assert ["AttemptTimeout", "works", True] == ends[:3]
    assert ends[3] <= 2


def test_a_child_of_a_running_event_loop_can_run_its_own():
    """A child forked from a program with a loop and calls in flight calls the same functions on a loop of its own."""
    ends = in_a_program("""
        @ub.protect("target", bulkhead=ub.Bulkhead(1), timeout=ub.Timeout(5.0))
        async def door(seconds):
            await asyncio.sleep(seconds)
            return "works"

        def serve():
            asyncio.run(door(0.5))

        thread = in_flight(serve)
        while not door.node.get_status().in_flight:
            time.sleep(0.001)
        child = forked(lambda: [door.node.get_status().in_flight, asyncio.run(door(0.0))])
        thread.join()
        print(json.dumps([child, asyncio.run(door(0.0))]))
    """)

    assert [[0, "works"], "works"] == ends


def test_parent_and_child_give_different_ids():
    """Outcomes and keys of two processes are never taken for one another's."""
    parent, child = in_a_program("""
        node = ub.FractalNode("target", lambda ctx: ctx.idempotency_key)
        node.execute_sync()
        look = lambda: [(outcome.id, outcome.value) for outcome in [node.execute_sync() for _ in range(3)]]
        child = forked(look)
        print(json.dumps([look(), child]))
    """)

    assert 12 == len({name for names in parent + child for name in names})


@ub.protect("in a pool", retry=False)
def halve(number):
    """Return half of an even number."""
    if number % 2:
        raise ValueError(number)
    return number // 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_protected_functions_work_in_process_pools(method, monkeypatch):
    """Functions, outcomes and exceptions travel to and from the workers of a pool, forked or spawned."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2])  # a child imports this file by its name

    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        value = pool.submit(halve, 4).result(30)
        outcome = pool.submit(halve.outcome, 3).result(30)
        error = pool.submit(halve, 3).exception(30)

    assert (2, "failed", ValueError) == (value, outcome.status.value, type(outcome.error))
    assert isinstance(error, ValueError)
    assert error.__notes__[0].startswith("unbreakable: in a pool failed after 1 attempt")


def test_the_interpreter_ends_with_calls_in_flight():
    """Hung threads, a running learner and an open circuit do not keep a program from ending."""
    assert "done" == in_a_program("""
        hang = ub.protect("hang", retry=False, timeout=ub.Timeout(0.01))(lambda: time.sleep(1000))
        assert isinstance(hang.outcome().error, AttemptTimeout)
        quick = ub.protect("quick")(lambda: 1)
        import atexit
        atexit.register(lambda: [quick() for _ in range(500)] and print(json.dumps("done")))
    """)


@pytest.mark.parametrize("seconds", [0.01, 0.04])
def test_a_fork_waits_for_an_import_under_way(seconds):
    """A child that is forked while a thread imports what plans need can plan by itself."""
    ends = in_a_program(f"""
        from unbreakable.simulation import numbers
        numbers.at_hand()
        time.sleep({seconds})

        def look():
            learned = ub.protect("learned", effects="none")(lambda: "works")
            over = time.monotonic() + 10
            while not numbers.at_hand() and time.monotonic() < over:
                time.sleep(0.001)
            for _ in range(50):
                learned()
            while not learned.node.target.plan.observations and time.monotonic() < over:
                time.sleep(0.001)
            return [numbers.at_hand(), learned.node.target.plan.observations > 0]

        print(json.dumps(forked(look)))
    """)

    assert [True, True] == ends
