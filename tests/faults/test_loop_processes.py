"""Operations in processes of their own: whatever they do to their process, the loop goes on."""

from __future__ import annotations

import asyncio
import functools
import sys

import pytest

import unbreakable as ub
from unbreakable.events import Failed
from unbreakable.loops.events import WorkerStarted

pytestmark = [pytest.mark.real, pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what lives")]


def run(operation, *, asynchronous=False, listen=(), **settings):
    """Run a loop to its end in real time; return it."""
    engine = ub.QuantumLoopEngine()
    loop = engine.create_loop(operation, **{"interval": 0, "isolation": "process", "effects": "once", **settings})
    for kind, listener in listen:
        loop.node.on(kind, listener)

    async def story():
        loop.start()
        await loop.wait()

    if asynchronous:
        asyncio.run(story())
    else:
        loop.start()
        loop.wait_sync()
    return loop


# ── whatever happens in the process ─────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=["plain", "async"])
def battery(request, operations):
    """Return the errors of a loop that met every fault once, by fault; the loop; and the processes started for it."""
    errors, started = [], []
    loop = run(
        operations.battery if request.param == "plain" else operations.battery_async,
        asynchronous=request.param == "async",
        max_iterations=2 * len(operations.NAMES),
        deadline=0.7,
        listen=[(Failed, lambda event: errors.append(event.error)), (WorkerStarted, started.append)],
    )
    return dict(zip(operations.NAMES, errors, strict=False)), loop, started


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("exception", "ValueError: broken"),
        ("base exception", "StrayExit: the operation raised Odd: odd"),
        ("sys.exit", "StrayExit: the operation raised SystemExit: 3"),
        ("keyboard interrupt", "StrayExit: the operation raised KeyboardInterrupt"),
        ("cancelled", "StrayExit: the operation raised CancelledError: my own"),
        ("recursion", "RecursionError: maximum recursion depth exceeded"),
        ("cannot be sent", "RemoteFailure: Refuses: locked"),
        ("cannot be read", "RemoteFailure: Needy: one"),
        ("state cannot be sent", "Unsendable: ctx.state cannot be sent between processes: TypeError"),
        ("state too big", "Unsendable: ctx.state is too big to be sent: 67,1"),
        ("os._exit", "exited with code 9"),
        ("segfault", "was killed by SIGSEGV"),
        ("abort", "was killed by SIGABRT"),
        ("kill -9", "was killed by SIGKILL"),
        ("kill -STOP", "DeadlineExceeded: the deadline came"),
        ("hang", "DeadlineExceeded: the deadline came"),
        ("closes everything", "WorkerLost: worker process"),
    ],
)
def test_a_fault_is_a_failed_iteration_and_told(battery, fault, told):
    """What happened can be read, whatever it was; the next iteration is good."""
    assert told in battery[0][fault]


def test_after_each_fault_the_loop_went_on(battery, operations, is_alive):
    """Every second iteration was good, and nothing is left of the processes that died."""
    _, loop, started = battery
    status = loop.get_status()

    assert (2 * len(operations.NAMES), 0.5, 0) == (
        status.current_iteration,
        status.performance.success_rate,
        status.consecutive_errors,
    )
    assert 0 == status.left_behind
    assert len({event.pid for event in started}) == len(started) >= 7
    assert not any(is_alive(event.pid) for event in started)


def test_what_only_looks_like_a_fault_is_none(operations, is_alive):
    """Results stay in the process, and signals that ask a program to end are for the loop's process to obey."""
    started = []
    loop = run(operations.oddities, max_iterations=len(operations.ODDITIES), listen=[(WorkerStarted, started.append)])

    assert (1.0, None) == (loop.get_status().performance.success_rate, loop.get_status().last_error)
    assert 1 == len(started)
    assert not is_alive(started[0].pid)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_processes_that_go_on_beside_each_other_lose_nothing_of_the_state(operations, notes, asynchronous):
    """Each has a copy of it from its beginning: what it has not changed there may be another's work by now."""
    meet = functools.partial(operations.meet, str(notes), 3)
    loop = run(meet, asynchronous=asynchronous, interval=0.1, overlap="allow_all", max_iterations=3, deadline=60.0)

    assert 3 == loop.get_status().ledger.run
    state = loop._work.slate.state
    assert ({1, 2, 3}, {*notes.pids()}) == ({*state}, {*state.values()})
