"""Cancellation: the caller's is obeyed at once and never lost; ours is never taken for the caller's."""

from __future__ import annotations

import asyncio

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.breaking import AWAITED, MINE
from tests.torture.matrix.peer import Retry
from tests.torture.matrix.target import Target, end_of, end_of_sync


async def cancel_after(seconds, call):
    """Cancel *call* after so many seconds; return how it ended, and how many seconds later."""
    task = asyncio.ensure_future(call)
    await asyncio.sleep(seconds)
    task.cancel()
    began = asyncio.get_running_loop().time()
    await asyncio.wait({task})
    ended = "cancelled" if task.cancelled() else task.exception() or task.result()
    return ended, asyncio.get_running_loop().time() - began


@behaviour(
    "a cancellation is a failure",
    AWAITED,
    f"await {MINE}.fails_when_cancelled(self.function(*args, **kwargs))\n",
)
async def cancelled_call_is_not_retried(peer):
    """A call that its caller cancels ends, and is not tried again, whatever types are retried."""
    target = Target()
    door = peer.protect(target.ask, retry=Retry(3, 0.0, on=Exception))
    ended, took = await cancel_after(0.05, door(0.4))

    assert ("cancelled", 1) == (ended, target.calls)
    assert took < 0.2


@behaviour(
    "a pause eats a cancellation",
    "        await asyncio.sleep(seconds)\n",
    "        with contextlib.suppress(asyncio.CancelledError):\n            await asyncio.sleep(seconds)\n",
)
async def cancelled_in_the_pause(peer):
    """Cancelling a call that waits for its next attempt ends it at once."""
    target = Target(down=True)
    door = peer.protect(target.ask, retry=Retry(3, 1.0))
    ended, took = await cancel_after(0.1, door())

    assert ("cancelled", 1) == (ended, target.calls)
    assert took < 0.3


@behaviour(
    "a cancellation is eaten",
    AWAITED,
    f"await {MINE}.eats_cancellations(self.function(*args, **kwargs))\n",
)
async def cancelled_as_the_answer_arrives(peer):
    """A cancellation that comes in the very moment of the answer is not lost."""
    for turns in range(6):
        answer = asyncio.get_running_loop().create_future()

        async def work(answer=answer):
            return await answer

        call = asyncio.ensure_future(peer.protect(work, timeout=5.0)())
        await asyncio.sleep(0.02)
        answer.set_result("up")
        for _ in range(turns):
            await asyncio.sleep(0)
        if call.done():
            break
        call.cancel()
        await asyncio.wait({call})

        assert call.cancelled(), f"cancelled {turns} turns after the answer, the call returned as if it were not"


@behaviour(
    "our cancellation is not taken back",
    "    left = min(task.uncancel() for _ in range(cuts))",
    "    left = 0",
)
async def time_limits_leave_no_cancellation(peer):
    """After a time limit has cut an attempt, its task does not count as cancelled."""
    target = Target()
    ended = await end_of(peer.protect(target.ask, timeout=0.05)(30.0))

    assert isinstance(ended, peer.cut), f"the cut call ended in {ended!r}"
    assert 0 == asyncio.current_task().cancelling()


@behaviour(
    "whoever was cut was cut by us",
    "    return left <= alarm.cancels and isinstance",
    "    return isinstance",
)
async def cancelled_while_a_cut_attempt_clears_up(peer):
    """A caller that cancels while an attempt that we cut clears up is obeyed."""
    calls = []

    async def work():
        calls.append(1)
        try:
            await asyncio.sleep(30.0)
        finally:
            await asyncio.sleep(0.2)

    door = peer.protect(work, timeout=0.1, retry=Retry(3, 0.0, on=Exception))
    ended, _ = await cancel_after(0.2, door())

    assert ("cancelled", 1) == (ended, len(calls))


@behaviour(
    "a cancellation is a failure",
    AWAITED,
    f"await {MINE}.fails_when_cancelled(self.function(*args, **kwargs))\n",
)
async def callers_own_time_limit(peer):
    """``asyncio.timeout`` around a protected call ends it in time, in the caller's TimeoutError."""
    target = Target()
    door = peer.protect(target.ask, timeout=1.0, retry=Retry(3, 0.0, on=Exception))
    began = peer.now()
    ended = None
    try:
        async with asyncio.timeout(0.1):
            await door(30.0)
    except TimeoutError as error:
        ended = error

    assert type(ended) is TimeoutError
    assert (1, 0) == (target.calls, asyncio.current_task().cancelling())
    assert peer.now() - began < 0.4


@behaviour(
    "the cut attempt is left behind",
    AWAITED,
    'await __import__("asyncio").shield(self.function(*args, **kwargs))\n',
)
async def cut_attempt_ends_before_the_next(peer):
    """The next attempt begins when the one that was cut has cleared up: never two at once."""
    at_work, peak, calls = [0], [0], []

    async def work():
        calls.append(1)
        at_work[0] += 1
        peak[0] = max(peak[0], at_work[0])
        try:
            await asyncio.sleep(30.0)
        finally:
            await asyncio.sleep(0.1)
            at_work[0] -= 1

    await end_of(peer.protect(work, timeout=0.05, retry=Retry(2, 0.0, on=Exception))())

    assert (2, 1) == (len(calls), peak[0])


@behaviour(
    "whatever is raised is repeated",
    "    elif isinstance(error, Exception):\n        if type(error) in NO_MORE:",
    "    elif isinstance(error := error if isinstance(error, Exception) else RuntimeError(error), Exception):\n"
    "        if type(error) in NO_MORE:",
)
def interrupt_is_not_retried(peer):
    """Ctrl-C ends a call at once, and is raised as it is."""
    calls = []

    def work():
        calls.append(1)
        raise KeyboardInterrupt

    ended = end_of_sync(peer.protect(work, retry=Retry(3, 0.0, on=Exception)))

    assert (KeyboardInterrupt, 1) == (type(ended), len(calls))
