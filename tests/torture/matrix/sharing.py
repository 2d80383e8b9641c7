"""One protected function, many callers: tasks, threads and event loops do not get in each other's way."""

from __future__ import annotations

import asyncio
import threading
import time

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.breaking import AWAITED, MINE
from tests.torture.matrix.peer import Breaker, Retry
from tests.torture.matrix.target import Target, end_of, end_of_sync, in_threads


class Third:
    """Work that fails twice for each caller, and counts each one's attempts."""

    def __init__(self):
        self.attempts = {}

    def _answer(self, caller):
        self.attempts[caller] = self.attempts.get(caller, 0) + 1
        if self.attempts[caller] % 3:
            raise OSError("not yet")
        return caller

    async def ask(self, caller):
        """Be one attempt of *caller*."""
        await asyncio.sleep(0.01)
        return self._answer(caller)

    def ask_sync(self, caller):
        """Be one attempt of *caller*, in plain code."""
        time.sleep(0.01)
        return self._answer(caller)


@behaviour(
    "attempts are counted for all callers together",
    "        ctx.attempt = ctx.made = 2\n",
    '        ctx.attempt = ctx.made = ctx.node.__dict__["made"] = ctx.node.__dict__.get("made", 1) + 1\n',
)
async def tasks_have_their_own_attempts(peer):
    """Five tasks that share a protected function have three attempts each."""
    third = Third()
    door = peer.protect(third.ask, retry=Retry(3, 0.01))

    assert list(range(5)) == await asyncio.gather(*(door(caller) for caller in range(5)))
    assert [3] * 5 == list(third.attempts.values())


@behaviour(
    "attempts are counted for all callers together",
    "        ctx.attempt = ctx.made = 2\n",
    '        ctx.attempt = ctx.made = ctx.node.__dict__["made"] = ctx.node.__dict__.get("made", 1) + 1\n',
)
def threads_have_their_own_attempts(peer):
    """Eight threads that share a protected function have three attempts for each of their calls."""
    third = Third()
    door = peer.protect(third.ask_sync, retry=Retry(3, 0.01))

    def calls():
        return [door((threading.get_ident(), number)) for number in range(5)]

    assert [5] * 8 == [len(end) for end in in_threads(*[calls] * 8)]
    assert {3} == set(third.attempts.values())


@behaviour(
    "attempts are counted for all callers together",
    "        ctx.attempt += 1\n",
    '        ctx.attempt = ctx.node.__dict__["made"] = ctx.node.__dict__.get("made", 1) + 1\n',
)
async def blocks_have_their_own_attempts(peer):
    """Five tasks at one block of code that is retried have three attempts each."""
    third = Third()
    run = peer.block(Retry(3, 0.01))

    async def block(caller):
        await run(lambda: third.ask(caller))

    await asyncio.gather(*(block(caller) for caller in range(5)))

    assert [3] * 5 == list(third.attempts.values())


@behaviour(
    "two attempts at most",
    "if failure.attempt >= self.attempts or",
    "if failure.attempt >= min(2, self.attempts) or",
)
def plain_blocks_are_retried(peer):
    """A block of plain code is tried until it succeeds, and no longer."""
    third = Third()
    peer.sync_block(Retry(5, 0.01))(lambda: third.ask_sync("block"))

    assert {"block": 3} == third.attempts


@behaviour(
    "attempts told are everybody's",
    "        attempts=ctx.made,\n        elapsed",
    '        attempts=ctx.node.__dict__.setdefault("made", []).append(ctx.made) or sum(ctx.node.__dict__["made"]),\n'
    "        elapsed",
)
async def attempts_told_are_true(peer):
    """What is told of calls that run at the same time is how many attempts each of them took."""
    third = Third()
    door = peer.protect(third.ask, retry=Retry(3, 0.01))

    assert [3] * 5 == await peer.told(door, [(caller,) for caller in range(5)])


@behaviour(
    "failures are not counted",
    "            target.counts.failed += 1\n",
    "            target.counts.failed += target.counts.failed < 199\n",
)
def counts_are_exact(peer):
    """After eight threads have made a hundred calls each, a quarter of them failing, the counts are exact."""

    def work(number):
        if number % 4 == 0:
            raise OSError("one in four")
        return number

    door = peer.protect(work, breaker=Breaker(1_000_000, 10.0))

    def calls():
        for number in range(100):
            end_of_sync(door, number)

    in_threads(*[calls] * 8)

    assert (600, 200) == peer.counted(door)


@behaviour(
    "a lock of the first event loop",
    AWAITED,
    f"await {MINE}.behind_a_lock(self.node, self.function(*args, **kwargs))\n",
)
def one_event_loop_after_another(peer):
    """What was used on an event loop that is closed by now works on the next one."""
    target = Target()
    door = peer.protect(target.ask, retry=Retry(2, 0.0), breaker=Breaker(50, 10.0))

    async def crowd():
        return await asyncio.gather(*(end_of(door(0.02)) for _ in range(5)))

    assert ["up"] * 5 == asyncio.run(crowd())
    assert ["up"] * 5 == asyncio.run(crowd())


@behaviour(
    "a lock of the first event loop",
    AWAITED,
    f"await {MINE}.behind_a_lock(self.node, self.function(*args, **kwargs))\n",
)
def two_event_loops_at_once(peer):
    """Two threads, each with an event loop of its own, share a protected function."""
    target = Target()
    door = peer.protect(target.ask, retry=Retry(2, 0.0), breaker=Breaker(50, 10.0))

    async def crowd():
        return await asyncio.gather(*(end_of(door(0.02)) for _ in range(10)))

    assert [["up"] * 10] * 2 == in_threads(*[lambda: asyncio.run(crowd())] * 2)


@behaviour(
    "plain code needs no place",
    "        if not (gate.enter_nowait() or await stood_in_line(gate, ctx, wait)):",
    "        if not (not ctx.runtime.preemptive or gate.enter_nowait() or await stood_in_line(gate, ctx, wait)):",
)
def one_bulkhead_for_threads_and_loops(peer):
    """A bulkhead of two lets two in, over threads and two event loops together."""
    target = Target()
    guard = peer.shared_bulkhead(2)
    plain, coloured = guard(target.ask_sync), guard(target.ask)

    async def crowd():
        await asyncio.gather(*(end_of(coloured(0.2)) for _ in range(4)))

    in_threads(*[lambda: plain(0.2)] * 4, *[lambda: asyncio.run(crowd())] * 2)

    assert 2 == target.peak


@behaviour(
    "places are lost", "    if ctx.permit is not None:\n        ctx.permit.leave(ctx)\n", "    ctx.permit = None\n"
)
async def cancelled_calls_give_their_place_back(peer):
    """Calls that are cancelled, or fail, leave their place in the bulkhead to the next."""
    target = Target()
    door = peer.protect(target.ask, bulkhead=2)
    for _ in range(5):
        call = asyncio.ensure_future(door(5.0))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait({call})
        await end_of(door(down=True))

    assert ["up"] * 2 == await asyncio.gather(*(end_of(door(0.05)) for _ in range(2)))


@behaviour("whoever comes is let in", "is_made = self.made <= self.most", "is_made = True")
async def full_bulkhead_refuses(peer):
    """A full bulkhead refuses the next call at once, and says so."""
    target = Target()
    door = peer.protect(target.ask, bulkhead=2)
    ends = await asyncio.gather(*(end_of(door(0.2)) for _ in range(5)))

    assert (2, 2) == (target.peak, ends.count("up"))
    assert 3 == sum(isinstance(end, peer.refused) for end in ends), ends
