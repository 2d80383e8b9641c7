"""Circuits: who is let through, and whose answers are too old to count."""

from __future__ import annotations

import asyncio
import time

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.peer import Breaker, NotOffered
from tests.torture.matrix.target import Target, either, end_of, end_of_sync, fails, in_threads, lets_through

IS_STALE = "            if stamp != self.generation:\n"


async def half_open(peer, failures=1):
    """Return a target that is down, and its door, whose circuit has just rested."""
    target = Target(down=True)
    door = peer.protect(target.ask, breaker=Breaker(failures, 0.2))
    await fails(door, failures)
    assert not await lets_through(door, target), "the circuit did not open"
    await asyncio.sleep(0.25)
    return target, door


@behaviour("everybody is a probe", " and self.probes < self.settings.permits:", ":")
async def half_open_herd_of_tasks(peer):
    """Of twenty tasks at a circuit that has rested, one reaches the target, which is still down."""
    target, door = await half_open(peer)
    target.calls = 0
    await asyncio.gather(*(end_of(door(0.1)) for _ in range(20)))

    assert 1 == target.calls


@behaviour("everybody is a probe", " and self.probes < self.settings.permits:", ":")
def half_open_herd_of_threads(peer):
    """Of twenty threads at a circuit that has rested, one reaches the target, which is still down."""
    target = Target(down=True)
    door = peer.protect(target.ask_sync, breaker=Breaker(1, 0.2))
    end_of_sync(door)
    time.sleep(0.25)
    target.calls = 0
    in_threads(*[lambda: door(0.1)] * 20)

    assert 1 == target.calls


@behaviour(
    "any success closes",
    IS_STALE,
    "            if ok and self.state is State.OPEN:\n                return self._move(Change.RESET, now)\n"
    + IS_STALE,
)
async def stale_success_after_opening(peer):
    """A success that was under way when the circuit opened does not close it."""
    target = Target()
    door = peer.protect(target.ask, breaker=Breaker(3, 10.0))
    old = asyncio.ensure_future(door(0.2))
    await asyncio.sleep(0.05)
    await fails(door, 3, down=True)
    await old

    assert not await lets_through(door, target)


@behaviour(
    "any success closes",
    IS_STALE,
    "            if ok and self.state is State.OPEN:\n                return self._move(Change.RESET, now)\n"
    + IS_STALE,
)
def stale_success_in_threads(peer):
    """A success that another thread had under way when the circuit opened does not close it."""
    target = Target()
    door = peer.protect(target.ask_sync, breaker=Breaker(3, 10.0))

    def others():
        time.sleep(0.05)
        for _ in range(3):
            end_of_sync(door, 0.0, down=True)

    in_threads(lambda: door(0.3), others)
    before = target.calls
    end_of_sync(door)

    assert (4, 4) == (before, target.calls)


@behaviour("no generations", IS_STALE, "            if self.state is State.DISABLED:\n")
async def stale_success_after_reopening(peer):
    """A success of an earlier round is no verdict on the probe that is under way."""
    target = Target()
    door = peer.protect(target.ask, breaker=Breaker(3, 0.4))
    old = asyncio.ensure_future(door(0.7))
    await asyncio.sleep(0.05)
    await fails(door, 3, down=True)
    await asyncio.sleep(0.45)
    probe = asyncio.ensure_future(end_of(door(0.3, down=True)))
    await old
    assert not await lets_through(door, target), "the old success let another call through beside the probe"
    await probe

    assert not await lets_through(door, target), "the old success closed the circuit"


@behaviour(
    "old failures count",
    IS_STALE,
    "            if ok is False and stamp != self.generation and self.state is State.CLOSED:\n"
    "                return self._move(Change.TRIPPED, now)\n" + IS_STALE,
)
async def stale_failure_after_recovery(peer):
    """A failure that began before the circuit opened does not open it once it has closed again."""
    target = Target()
    door = peer.protect(target.ask, breaker=Breaker(1, 0.2))
    old = asyncio.ensure_future(end_of(door(0.5, down=True)))
    await asyncio.sleep(0.05)
    await fails(door, 1, down=True)
    await asyncio.sleep(0.25)
    assert "up" == await door(), "the probe was not let through"
    await old

    assert await lets_through(door, target)


@behaviour(
    "permits are for ever",
    "self.state is State.HALF_OPEN and now",
    "self.state is State.DISABLED and now",
)
async def probe_that_hangs(peer):
    """A probe that never returns does not keep the circuit shut for ever: after more rests another one goes through."""
    target, door = await half_open(peer)
    hung = asyncio.ensure_future(end_of(door(30.0)))
    await asyncio.sleep(0.7)
    try:
        assert await lets_through(door, target)
    finally:
        hung.cancel()


@behaviour("no generations", IS_STALE, "            if self.state is State.DISABLED:\n")
async def late_answer_of_a_probe(peer):
    """The answer of a probe that was given up does not speak for the probe that took its place."""
    target, door = await half_open(peer, failures=3)
    first = asyncio.ensure_future(door(0.5, down=False))
    await asyncio.sleep(0.35)
    second = asyncio.ensure_future(end_of(door(0.3, down=True)))
    await first
    if target.calls < 5:
        second.cancel()
        raise NotOffered  # a probe is never given up: that is told where one hangs
    await second

    assert not await lets_through(door, target)


@behaviour("no generations", IS_STALE, "            if self.state is State.DISABLED:\n")
async def late_success_of_a_failed_round(peer):
    """Of two probes one fails and the circuit opens again: what the other one finds is no verdict in the next round."""
    target = Target()
    door = peer.protect(target.ask, breaker=Breaker(3, 0.2, permits=2))
    await fails(door, 3, down=True)
    await asyncio.sleep(0.25)
    slow = asyncio.ensure_future(door(0.5))
    await asyncio.sleep(0.02)
    await fails(door, 1, down=True)
    await asyncio.sleep(0.25)
    first = asyncio.ensure_future(end_of(door(0.3)))
    await slow
    if isinstance(await first, peer.refused):
        raise NotOffered  # a round goes on until all of its probes have ended
    await fails(door, 1, down=True)

    assert not await lets_through(door, target), "two successes of two rounds closed the circuit"


@behaviour(
    "slow calls are fine",
    "            if ok and self.too_slow is not None and elapsed > self.too_slow:\n",
    "            if ok and self.too_slow is not None and elapsed > 1e9:\n",
)
async def slow_calls_open(peer):
    """A target whose answers are right, but come too late to be of use, opens the circuit."""
    target = Target()
    door = either(peer, target, breaker=Breaker(3, 10.0, slow=0.05))
    for _ in range(3):
        await end_of(door(0.1))

    assert not await lets_through(door, target)


@behaviour("permits are lost", "            self.probes -= 1\n", "")
async def cancelled_probe_frees_its_place(peer):
    """After a cancelled probe the next caller is let through."""
    target, door = await half_open(peer)
    probe = asyncio.ensure_future(end_of(door(30.0)))
    await asyncio.sleep(0.05)
    probe.cancel()
    await asyncio.wait({probe})

    assert await lets_through(door, target)


@behaviour("a cancelled probe has succeeded", "settle(stamp, None, ", "settle(stamp, True, ")
async def cancelled_probe_is_no_success(peer):
    """A cancelled probe does not close the circuit."""
    target, door = await half_open(peer, failures=3)
    probe = asyncio.ensure_future(end_of(door(30.0)))
    await asyncio.sleep(0.05)
    probe.cancel()
    await asyncio.wait({probe})
    await asyncio.sleep(0.25)
    await fails(door, 1)

    assert not await lets_through(door, target)


@behaviour(
    "every rest is as long as the first",
    "        self.rested = self._rest_after(self.rests)",
    "        self.rested = self._rest_after(0)",
)
async def rests_in_vain_grow(peer):
    """A circuit whose probe finds the target still down rests longer the next time."""
    target = Target(down=True)
    door = either(peer, target, breaker=Breaker(1, 0.2, most_rest=2.0))
    await fails(door, 1)
    await asyncio.sleep(0.25)
    await fails(door, 1)
    assert 2 == target.calls, "the probe was not let through"
    await asyncio.sleep(0.3)
    assert not await lets_through(door, target), "the second rest was no longer than the first"
    await asyncio.sleep(0.2)

    assert await lets_through(door, target)
