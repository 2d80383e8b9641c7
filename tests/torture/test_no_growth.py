"""What a call costs does not grow with the history of its node, nor what a node keeps with the keys that it has met.

Work is counted in bytecodes of the caller's thread, in virtual time, where chores are done there and at once: so the
count is the same on any machine, and a chore that takes longer and longer shows as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import statistics
import sys

import pytest
from tests.dense import most
from tests.torture.test_memory import size_of

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

YOUNG = 1_000  # calls
SAMPLE, GLANCE = 512, 64  # calls; in a sample two batches of successes are learned from, a glance sees calls alone
AT_ONCE = {"retry": ub.Retry(2, backoff=ub.Backoff(0.0)), "breaker": False, "budget": False}


class Opcodes:
    """Count the bytecodes of the frames that are entered in a block."""

    def __init__(self):
        self.seen = 0

    def _trace(self, frame, event, argument):
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.seen += event == "opcode"
        return self._trace

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error):
        sys.settrace(self.before)


def counted(call):
    with Opcodes() as opcodes:
        call()
    return opcodes.seen


def succeeding():
    """Succeed at once."""
    return ub.protect("succeeds")(lambda: 1)


def with_everything():
    """Succeed with every policy pinned, for some keys."""
    options = {"verify": lambda value: value >= 0, "validate": lambda number: True, "key": lambda number: number % 50}
    breaker = ub.CircuitBreaker(ratio=0.5, slow=1.0)
    door = ub.protect("everything", **options, breaker=breaker, limit=ub.AdaptiveLimit(), throttle=ub.Throttle())(abs)
    numbers = iter(range(10**9))
    return lambda: door(next(numbers))


def nested():
    """Succeed in a call that is made in another."""
    inner = ub.protect("inner")(lambda: 1)

    @ub.protect("outer")
    def door():
        return inner()

    return door


def healing():
    """Fail once and succeed."""

    @ub.protect("heals", **AT_ONCE)
    def door(tries):
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("down")

    return lambda: door([])


def failing():
    """Fail with a message that never came before."""
    numbers = iter(range(10**9))

    @ub.protect("fails", **AT_ONCE)
    def door():
        raise ConnectionError(f"down, for the {next(numbers)}th time")

    return door.outcome


def turned_away():
    """Be refused by an open circuit."""

    @ub.protect("open")
    def door():
        raise AssertionError("nobody gets here")

    door.node.breaker.force_open()

    def call():
        with contextlib.suppress(ub.errors.CircuitOpen):
            door()

    return call


def handing_on():
    """Read the items of a generator."""
    door = ub.protect("items")(items)
    return lambda: list(door())


def items():
    yield 1
    yield 2


def in_a_block():
    """Run a block of attempts."""

    def call():
        for attempt in ub.attempts("block"):
            with attempt:
                pass

    return call


QUICK = [  # how often it is called: in the lab, and each time
    (succeeding, 10**6, 30_000),
    (nested, 10**6, 8_000),
    (turned_away, 10**6, 30_000),
]
SLOW = [
    (with_everything, 10**5, 1_500),
    (healing, 10**5, 1_000),
    (failing, 10**5, 500),
    (handing_on, 10**5, 1_000),
    (in_a_block, 10**5, 1_000),
]


def young_and_old(kind, times, sample):
    """Return what each of so many calls costs after the first thousand, and after so many *times* more."""
    with virtual_time():
        call = kind()
        for _ in range(YOUNG):
            call()
        young = [counted(call) for _ in range(sample)]
        for _ in range(times):
            call()
        return young, [counted(call) for _ in range(sample)]


@pytest.mark.parametrize(("kind", "dense", "sparse"), QUICK, ids=[kind.__name__ for kind, _, _ in QUICK])
def test_a_quick_call_and_its_chores_cost_the_same_after_very_many(kind, dense, sparse):
    """What it pays for by the way, such as to learn, does not grow either."""
    young, old = young_and_old(kind, most(dense, sparse), SAMPLE)

    assert statistics.median(young) == pytest.approx(statistics.median(old), rel=0.02)
    assert cheapest_chore(old) <= 1.02 * cheapest_chore(young)


def cheapest_chore(sample):
    """Return what it costs to learn from a batch where no new plan is made; 0 where nothing is learned."""
    return min((cost for cost in sample if cost > 10 * statistics.median(sample)), default=0)


@pytest.mark.parametrize(("kind", "dense", "sparse"), SLOW, ids=[kind.__name__ for kind, _, _ in SLOW])
def test_any_other_call_costs_the_same_after_very_many(kind, dense, sparse):
    """With all policies, healed, failed, as a generator or as a block."""
    young, old = young_and_old(kind, most(dense, sparse), GLANCE)

    assert statistics.median(young) == pytest.approx(statistics.median(old), rel=0.02)


def test_an_async_call_costs_the_same_after_very_many():
    """On an event loop, too, whose own work in between is not counted."""

    @ub.protect("async")
    async def door():
        return 1

    async def story():
        await in_turns(door, YOUNG)
        young = await cost(door)
        await in_turns(door, most(10**6, 20_000))
        return young, await cost(door)

    with virtual_time():
        young, old = asyncio.run(story())

    assert young == pytest.approx(old, rel=0.02)


async def in_turns(door, times):
    """Call so many times, and let the loop do its chores now and then."""
    for number in range(times):
        await door()
        if number % 64 == 0:
            await ASYNCIO.sleep(0)


async def cost(door):
    """Return what a call costs."""
    seen = []
    for _ in range(GLANCE):
        with Opcodes() as opcodes:
            await door()
        seen.append(opcodes.seen)
    return statistics.median(seen)


def test_a_node_keeps_no_more_of_many_keys_than_of_those_it_can_hold():
    """After the thousandth key each new one takes the place of the one that was not asked for longest."""

    @ub.protect("keyed", key=lambda tenant: tenant)
    def door(tenant):
        return tenant

    def keep(tenants):
        for tenant in tenants:
            door(f"tenant {tenant}")
        gc.collect()
        return size_of(door.node, *door.node.drivers, door.node.settings, door.node.new_chooser)

    full = keep(range(1_100))

    assert keep(range(1_100, most(100_000, 2_500))) <= 1.02 * full
