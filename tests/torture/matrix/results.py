"""What comes out: the caller's own exceptions, honest fallbacks, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import weakref

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.breaking import AWAITED, MINE
from tests.torture.matrix.peer import Breaker, Retry
from tests.torture.matrix.target import Target, end_of, end_of_sync, lets_through


@behaviour(
    "errors are wrapped",
    "    error = result.error\n    try:\n        note(",
    "    error = RuntimeError(str(result.error))\n    try:\n        note(",
)
async def own_error_comes_out(peer):
    """When all attempts have failed the caller gets the work's own exception, the very object."""
    own = OSError("down")

    async def work():
        raise own

    assert own is await end_of(peer.protect(work, retry=Retry(2, 0.0))())


@behaviour(
    "errors are wrapped",
    "    error = result.error\n    try:\n        note(",
    "    error = RuntimeError(str(result.error))\n    try:\n        note(",
)
def own_error_comes_out_of_plain_code(peer):
    """When all attempts of a plain function have failed the caller gets its own exception, the very object."""
    own = OSError("down")

    def work():
        raise own

    assert own is end_of_sync(peer.protect(work, retry=Retry(2, 0.0)))


class Order:
    """An argument whose end can be seen."""


@behaviour(
    "a frame holds what its exception holds",
    "        del error, result  # the",
    "        pass  # the",
)
def failed_call_leaves_nothing_behind(peer):
    """A failed call lets go of its arguments at once, and leaves no work for the garbage collector."""

    def work(order):
        raise OSError("down")

    door, order = peer.protect(work, retry=Retry(2, 0.0)), Order()
    seen = weakref.ref(order)
    gc.disable()
    try:
        end_of_sync(door, Order())  # whatever is kept for good is kept by now
        end_of_sync(door, order)
        del order

        assert seen() is None
    finally:
        gc.enable()


@behaviour("fallbacks are not asked", "if not isinstance(result, Failure) or (", "if True or (")
async def fallback_answers(peer):
    """The fallback's answer is what the caller gets when all attempts have failed."""
    target = Target(down=True)
    door = peer.protect(target.ask, retry=Retry(2, 0.0), fallback=lambda error: "cached")

    assert "cached" == await door()
    assert target.calls >= 2


@behaviour(
    "a fallback is a success like any",
    "return Success(value, quality=0.0, degraded=reason)",
    "return Success(value)",
)
async def fallback_is_visible(peer):
    """A caller that wants to know is told whether the answer is the fallback's."""
    target = Target(down=True)
    door = peer.protect(target.ask, fallback=lambda error: "cached")
    stale = await peer.outcome(door)
    target.down = False

    assert [("cached", False), ("up", True)] == [stale, await peer.outcome(door)]


@behaviour(
    "the circuit takes the fallback's word",
    "    if (result.mendable and not circuit",
    "    if ctx.node.settings.fallback is not None or (result.mendable and not circuit",
)
async def fallback_hides_nothing_from_the_circuit(peer):
    """A target that is down opens its circuit, though a fallback answers all callers."""
    target = Target(down=True)
    door = peer.protect(target.ask, breaker=Breaker(3, 10.0), fallback=lambda error: "cached")
    answers = [await door() for _ in range(3)]

    assert ["cached"] * 3 == answers
    assert not await lets_through(door, target)


@behaviour(
    "a cancellation is a failure",
    AWAITED,
    f"await {MINE}.fails_when_cancelled(self.function(*args, **kwargs))\n",
)
async def fallback_is_no_answer_to_cancellation(peer):
    """A call that is cancelled ends as cancelled, and not in the fallback's answer."""
    target = Target()
    door = peer.protect(target.ask, fallback=lambda error: "cached")
    call = asyncio.ensure_future(door(5.0))
    await asyncio.sleep(0.05)
    call.cancel()
    await asyncio.wait({call})

    assert call.cancelled()


@behaviour(
    "what a fallback says is kept",
    "        return self._succeeded and not self.is_makeshift\n",
    "        return self._succeeded\n",
)
async def fallback_is_not_kept(peer):
    """What a fallback answered is not kept as if it were fresh: once the target is back, it is asked."""
    target = Target(down=True)
    door = peer.cached(target.ask, lambda error: "makeshift")
    assert "makeshift" == await door()
    target.down = False

    assert "up" == await door()
