"""Circuits: what counts as a failure, and what says nothing of the target."""

from __future__ import annotations

import asyncio
import gc
import weakref

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.peer import Breaker, Retry
from tests.torture.matrix.target import Target, either, end_of, end_of_sync, fails, lets_through


async def cancelled_calls(door, number):
    """Make so many calls and cancel each."""
    for _ in range(number):
        call = asyncio.ensure_future(door(30.0))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait({call})


@behaviour(
    "cancelled calls have failed",
    "says = None if failure is None",
    "says = False if failure is None",
)
async def cancelled_callers_do_not_open(peer):
    """Callers who lose patience are no failures of the target."""
    target = Target()
    door = peer.protect(target.ask, breaker=Breaker(3, 10.0))
    await cancelled_calls(door, 10)

    assert await lets_through(door, target)


@behaviour(
    "cancelled calls have succeeded",
    "says = None if failure is None",
    "says = True if failure is None",
)
async def cancelled_callers_are_no_successes(peer):
    """A cancelled call between failures does not make the circuit forget them."""
    target = Target(down=True)
    door = peer.protect(target.ask, breaker=Breaker(3, 10.0))
    await fails(door, 2)
    await cancelled_calls(door, 1)
    await fails(door, 1)

    assert not await lets_through(door, target)


@behaviour(
    "what was cut says nothing",
    "return None if is_refusal or",
    "return None if result.cut or is_refusal or",
)
async def own_timeouts_open(peer):
    """A target that hangs into our own time limit opens the circuit."""
    target = Target()
    door = peer.protect(target.ask, timeout=0.05, breaker=Breaker(3, 10.0, on=Exception))
    await fails(door, 3, 30.0)

    assert not await lets_through(door, target)


@behaviour(
    "a refusal begins the rest anew",
    "        rest = circuit.until - runtime.now()\n",
    "        circuit.until = runtime.now() + circuit.settings.rest\n        rest = circuit.until - runtime.now()\n",
)
async def refusals_do_not_prolong_the_rest(peer):
    """Callers that knock at an open circuit all the time do not keep it open."""
    target = Target(down=True)
    door = either(peer, target, breaker=Breaker(1, 0.3))
    await fails(door, 1)
    target.down = False
    for _ in range(14):
        await asyncio.sleep(0.025)
        await end_of(door())

    assert 2 <= target.calls


@behaviour(
    "an open circuit is slept through",
    "    slow: float | Slow | None = None\n    wait: float = 0.0\n",
    "    slow: float | Slow | None = None\n    wait: float = 60.0\n",
)
async def open_circuit_is_not_retried(peer):
    """A retry around an open circuit tells its caller at once, and does not sleep in between."""
    target = Target(down=True)
    door = peer.protect(target.ask, breaker=Breaker(3, 10.0), retry=Retry(3, 0.3))
    await fails(door, 3)
    calls = target.calls
    began = peer.now()
    ended = await end_of(door())

    assert isinstance(ended, peer.refused), f"the refused call ended in {ended!r}"
    assert peer.now() - began < 0.2
    assert calls == target.calls


@behaviour(
    "only exceptions are told to the circuit",
    "    if (result.mendable and not circuit",
    '    if type(result.error).__name__ == "VerificationFailed" or (result.mendable and not circuit',
)
async def wrong_results_open(peer):
    """Results that are not what was asked for open the circuit, though nothing is raised."""
    target = Target()
    door = peer.protect(target.ask, breaker=Breaker(3, 10.0), verify=lambda answer: answer != "up")
    for _ in range(3):
        await end_of(door())

    assert not await lets_through(door, target)


@behaviour("every error counts", "return retry is None or retry.on is Exception or", "return True or")
async def errors_of_other_types_do_not_open(peer):
    """An error that the circuit is not meant for, such as a caller's own mistake, does not open it."""

    class Shop(Target):
        """A target that knows no such customer."""

        def _answer(self, down):
            super()._answer(down)
            raise LookupError("no such customer")

    shop = Shop()
    await fails(either(peer, shop, breaker=Breaker(3, 10.0)), 10)

    assert 10 == shop.calls


@behaviour(
    "who finds no place has failed",
    "            return ctx.refuse(error)\n        ctx.permit = gate\n",
    "            ctx.target.circuit.settle(ctx.target.circuit.generation, False, ctx.runtime.now())\n"
    "            return ctx.refuse(error)\n        ctx.permit = gate\n",
)
async def full_bulkhead_is_no_failure(peer):
    """Calls that our own bulkhead refuses say nothing of the target, and do not open the circuit."""
    target = Target()
    door = peer.protect(target.ask, bulkhead=1, breaker=Breaker(3, 10.0, on=Exception))
    holder = asyncio.ensure_future(door(0.3))
    await asyncio.sleep(0.05)
    for _ in range(5):
        await end_of(door())
    assert (1, "up") == (target.calls, await holder)

    assert await lets_through(door, target)


@behaviour("forced open is merely open", "self._by_hand(Change.FORCED, now=math.inf)", "self._by_hand(Change.TRIPPED)")
async def forced_open_stays_open(peer):
    """A circuit that was opened by hand lets nobody through, however long it rests."""
    target = Target()
    door = either(peer, target, breaker=Breaker(3, 0.1))
    await door()
    peer.force_open(door)
    await asyncio.sleep(0.25)

    assert not await lets_through(door, target)


@behaviour(
    "one target for all keys",
    "key = None if self.key is None else self.key(*args, **kwargs)",
    "key = None",
)
async def keys_are_apart(peer):
    """One host that is down does not shut the others out."""
    calls = []

    async def work(host):
        calls.append(host)
        if host == "bad":
            raise OSError(host)
        return host

    door = peer.keyed(work, Breaker(3, 10.0))
    await fails(door, 3, "bad")

    assert "good" == await door("good")
    assert not isinstance(await end_of(door("bad")), str)
    assert 3 == calls.count("bad")


class Host(str):
    """A name whose end can be seen."""

    __slots__ = ("__weakref__",)


@behaviour("keys are kept for ever", "MOST_KEYS = 1_000", "MOST_KEYS = 1_000_000")
async def keys_are_bounded(peer):
    """Of three thousand hosts that are asked once, the latest are remembered, and the first are forgotten."""

    async def work(host):
        return host

    door, seen = peer.keyed(work, Breaker(3, 10.0)), []
    for number in range(3_000):
        host = Host(f"host {number}")
        seen.append(weakref.ref(host))
        await door(host)
    del host
    gc.collect()

    assert sum(each() is not None for each in seen) < 2_000


@behaviour("interrupts have failed", "says = None if failure is None", "says = False if failure is None")
def interrupts_do_not_open(peer):
    """Ctrl-C during calls is no failure of the target."""
    presses, calls = [KeyboardInterrupt] * 5, []

    def work():
        calls.append(1)
        if presses:
            raise presses.pop()
        return "up"

    door = peer.protect(work, breaker=Breaker(3, 10.0, on=Exception))
    for _ in range(5):
        assert isinstance(end_of_sync(door), KeyboardInterrupt)

    assert "up" == door()
