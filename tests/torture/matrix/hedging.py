"""Second copies: the first good answer, at once, and nothing of the loser is left."""

from __future__ import annotations

import asyncio
import contextvars
import time

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.target import end_of, end_of_sync

asked_by = contextvars.ContextVar("asked_by", default="nobody")

STOPS = """
    for task in tasks:
        with contextlib.suppress(RuntimeError):  # its event loop may be closed
            task.cancel()
"""


class Copies:
    """Work whose n-th copy takes so many seconds and returns, or raises, that; it clears up for so many seconds."""

    def __init__(self, *answers, clears_up=0.0):
        self.answers, self.clears_up = answers, clears_up
        self.begun = self.finished = self.cancelled = 0
        self.askers = []

    async def ask(self):
        """Be one copy."""
        seconds, answer = self.answers[min(self.begun, len(self.answers) - 1)]
        self.begun += 1
        self.askers.append(asked_by.get())
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(self.clears_up)
            raise
        self.finished += 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask_sync(self):
        """Be one copy, in plain code."""
        seconds, answer = self.answers[self.begun]
        self.begun += 1
        time.sleep(seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def timed(peer, copies):
    """Return how a call hedged after 0.1 s ended, and how many seconds it took."""
    door = peer.protect(copies.ask, hedge=0.1)
    began = peer.now()
    ended = await end_of(door())
    return ended, peer.now() - began


@behaviour("copies are never made", "if not await is_late(", "if True or not await is_late(")
async def second_copy_helps(peer):
    """When the first copy is slow, the answer of the second is what the caller gets."""
    copies = Copies((2.0, "slow"), (0.1, "quick"))
    ended, took = await timed(peer, copies)

    assert ("quick", 2) == (ended, copies.begun)
    assert took < 0.6


@behaviour("every call has a copy", "if not await is_late(", "if False and not await is_late(")
async def quick_calls_have_no_copy(peer):
    """A call that is quick costs its target nothing more."""
    copies = Copies((0.01, "quick"))
    ended, _ = await timed(peer, copies)
    await asyncio.sleep(0.2)

    assert ("quick", 1) == (ended, copies.begun)


@behaviour(
    "losers are waited for",
    "        finally:\n            _stop(tasks)\n",
    "        finally:\n            _stop(tasks)\n            await asyncio.wait(tasks)\n",
)
async def winner_at_once(peer):
    """The caller has the winner's answer at once, however long the loser takes to clear up."""
    copies = Copies((5.0, "slow"), (0.05, "quick"), clears_up=1.0)
    ended, took = await timed(peer, copies)
    await asyncio.sleep(1.1)

    assert "quick" == ended
    assert took < 0.6


@behaviour(
    "losers go on",
    STOPS,
    "\n    pass\n",
)
async def losers_are_cancelled(peer):
    """A copy that lost is cancelled, and does not work on for nobody."""
    copies = Copies((0.8, "slow"), (0.1, "quick"))
    await timed(peer, copies)
    await asyncio.sleep(0.9)

    assert (1, 1) == (copies.finished, copies.cancelled)


@behaviour(
    "copies outlive their caller",
    STOPS,
    "\n    tasks[0].cancel()\n",
)
async def outer_cancel_stops_all(peer):
    """When the caller cancels, every copy is cancelled."""
    copies = Copies((0.8, "slow"), (0.8, "slow"))
    call = asyncio.ensure_future(peer.protect(copies.ask, hedge=0.1)())
    await asyncio.sleep(0.3)
    call.cancel()
    await asyncio.wait({call})
    await asyncio.sleep(0.9)

    assert call.cancelled()
    assert (2, 0, 2) == (copies.begun, copies.finished, copies.cancelled)


@behaviour(
    "whoever ends first wins",
    "if task in done and isinstance(ended(task), Success):",
    "if task in done:",
)
async def failing_copy_never_wins(peer):
    """A second copy that fails fast does not beat a first one that is about to succeed."""
    copies = Copies((0.4, "good"), (0.01, OSError("overloaded")))
    ended, _ = await timed(peer, copies)

    assert "good" == ended


@behaviour(
    "whoever ends first wins",
    "if task in done and isinstance(ended(task), Success):",
    "if task in done:",
)
async def failed_first_copy_waits_for_the_second(peer):
    """When the first copy fails while the second is under way, the second may still succeed."""
    copies = Copies((0.2, OSError("reset")), (0.3, "good"))
    ended, _ = await timed(peer, copies)

    assert "good" == ended


@behaviour(
    "the last failure is told",
    "            return ended(tasks[0])\n",
    "            return ended(tasks[-1])\n",
)
async def when_all_copies_fail(peer):
    """When every copy fails, the caller gets the error of the first, and no wrapper around it."""
    first = OSError("first")
    copies = Copies((0.3, first), (0.05, ValueError("second")))
    ended, _ = await timed(peer, copies)

    assert first is ended


@behaviour(
    "copies without context",
    "task: asyncio.Task[Any] = loop.create_task(coroutine)",
    "task: asyncio.Task[Any] = loop.create_task(coroutine, context=contextvars.Context())",
)
async def copies_see_context_variables(peer):
    """Every copy sees the context variables of its caller."""
    asked_by.set("Ada")
    copies = Copies((0.5, "slow"), (0.05, "quick"))
    await timed(peer, copies)

    assert ["Ada", "Ada"] == copies.askers


@behaviour(
    "plain code is not hedged",
    "if not ctx.runtime.preemptive and not self.threads:",
    "if not ctx.runtime.preemptive:",
)
def plain_functions_are_hedged(peer):
    """A plain function is hedged, too, and its winner is returned at once."""
    copies = Copies((1.0, "slow"), (0.05, "quick"))
    door = peer.protect(copies.ask_sync, hedge=0.1)
    began = peer.now()
    ended = end_of_sync(door)

    assert "quick" == ended
    assert peer.now() - began < 0.6
    time.sleep(1.0)


@behaviour(
    "effects do not matter",
    "return self.hedge if may_run_twice_at_once(self.effects) else None",
    "return self.hedge",
)
async def once_is_never_twice(peer):
    """What is declared to be something that must not happen twice is never hedged, though hedging is asked for."""
    copies = Copies((0.4, "paid"))
    await end_of(peer.once(copies.ask, 0.1)())

    assert 1 == copies.begun
