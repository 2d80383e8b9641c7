"""Fallbacks that misbehave: a plan B has its bounds, too."""

from __future__ import annotations

import asyncio

import unbreakable as ub
from unbreakable.testing import virtual_time


def test_a_fallback_that_hangs_does_not_hold_the_caller():
    """An async fallback is cut a second after the deadline; the call fails with its own error, and the note says so."""

    async def hangs(failure: ub.Failure) -> int:
        await asyncio.Event().wait()
        return 0

    @ub.protect("target", retry=False, deadline=2.0, fallback=hangs)
    async def work() -> int:
        raise ConnectionError("down")

    with virtual_time() as clock:
        outcome = asyncio.run(work.outcome())

        assert 3.0 == clock.now()
    assert isinstance(outcome.error, ConnectionError)
    assert "TimeoutError: it was cut after 3.000 s" in outcome.error.__notes__[0]


def test_a_fallback_answers_after_the_deadline_too():
    """A call whose time is up is what a fallback is for."""

    async def later(failure: ub.Failure) -> str:
        await asyncio.sleep(0.5)  # noqa: TID251 - virtual
        return "plan b"

    @ub.protect("target", retry=False, deadline=2.0, fallback=later)
    async def work() -> str:
        await asyncio.Event().wait()
        return "never"

    with virtual_time() as clock:
        outcome = asyncio.run(work.outcome())

        assert 2.5 == clock.now()
    assert (ub.Status.DEGRADED, "plan b") == (outcome.status, outcome.value)


def test_cancelling_the_caller_cancels_the_fallback():
    """A fallback at work is no reason to keep who was told to stop."""
    ended = []

    async def hangs(failure: ub.Failure) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return 0

    @ub.protect("target", retry=False, fallback=hangs)
    async def work() -> int:
        raise ConnectionError("down")

    async def story() -> bool:
        task = asyncio.ensure_future(work())
        await asyncio.sleep(0.1)  # noqa: TID251 - virtual
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    with virtual_time():
        assert asyncio.run(story())
    assert ["cancelled"] == ended
