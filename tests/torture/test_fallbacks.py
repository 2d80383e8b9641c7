"""Fallbacks that misbehave: a plan B has its bounds, too."""

from __future__ import annotations

import asyncio

import pytest

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


REFUSALS = {
    "open circuit": {"breaker": ub.CircuitBreaker(1)},
    "forced open": {},
    "no time": {"deadline": 1e-9},
    "repeats in vain": {"retry": ub.Retry(2, backoff=ub.Backoff(0.0))},
    "not what was asked for": {"verify": lambda value: False},
}


@pytest.mark.parametrize("colour", ["async", "sync"])
@pytest.mark.parametrize("options", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_fallback_answers_whatever_the_call_failed_of(options, colour):
    """A refusal of ours needs a plan B as an outage does; each is told by one event, and counted as no success."""
    heard = []

    def down() -> str:
        raise ConnectionError("down")

    async def async_down() -> str:
        return down()

    options = {"retry": False, "fallback": lambda failure: "plan b", **options}
    door = ub.protect("target", **options)(down if colour == "sync" else async_down)
    if not options.keys() & {"breaker", "deadline", "verify"}:
        door.node.breaker.force_open()
    door.node.on(ub.events.Degraded, lambda event: heard.append(event.reason))
    ends = [door.outcome() if colour == "sync" else asyncio.run(door.outcome()) for _ in range(2)]
    plain = door() if colour == "sync" else asyncio.run(door())
    status = door.node.get_status()

    assert [("plan b", ub.Status.DEGRADED, False)] * 2 == [(end.value, end.status, end.ok) for end in ends]
    assert ("plan b", 3, 3) == (plain, len(heard), status.degraded_count)
    assert (0, None) == (status.success_count, status.latency.p50)


def test_a_fallback_that_answers_with_a_promise_answers_nothing_in_plain_code():
    """Nobody there can wait for it: a coroutine is not handed to the caller as if it were a value."""

    async def later() -> str:
        return "plan b"

    outcome = ub.protect("target", retry=False, fallback=lambda failure: later())(lambda: 1 / 0).outcome()

    assert (ub.Status.FAILED, ZeroDivisionError) == (outcome.status, type(outcome.error))
    assert "the fallback of target failed, too" in outcome.error.__notes__[0]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_passes_through_a_fallback(stop):
    """It is no answer, and no failure of one."""

    def leaves(failure: ub.Failure) -> str:
        raise stop

    with pytest.raises(stop):
        ub.protect("target", retry=False, fallback=leaves)(lambda: 1 / 0).outcome()
