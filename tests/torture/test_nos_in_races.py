"""A no ends a race of attempts that only read, as a success does: whoever has an answer does not wait for others."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

FOR_EVER = 3_600.0  # seconds, for a test


class Says(Exception):
    """Hold the status of an answer."""

    def __init__(self, status):
        super().__init__(status)
        self.http_status = status


class NotThere(Exception):
    """Say so, without a status."""


def told(*attempts, settings, warm=0, remedy=None):
    """Return how a call ended, and after how many seconds, whose attempts take so long and come to that."""
    left = [*[(0.01, 7)] * warm, *attempts]

    @ub.protect("lookup", breaker=False, **{"effects": "none", **settings})
    async def look():
        seconds, end = left.pop(0)
        await ASYNCIO.sleep(seconds)
        if isinstance(end, Exception):
            raise end.with_traceback(None)
        return end

    if remedy is not None:
        look.remedy(Says)(remedy)

    async def main():
        for _ in range(warm):
            await look()
        began = ASYNCIO.now()
        outcome = await look.outcome()
        return outcome, ASYNCIO.now() - began

    with virtual_time(seed=1):
        return asyncio.run(main())


NOS = pytest.mark.parametrize(
    ("no", "on"), [(Says(404), Exception), (NotThere(), (OSError, TimeoutError, ub.errors.AttemptTimeout))]
)
SOFT = {"timeout": ub.Timeout(0.5, learned=True)}
HEDGED = {"hedge": ub.Hedge(0.05)}


@NOS
@pytest.mark.parametrize(
    "attempts", [((FOR_EVER, 7), (0.1, None)), ((0.6, None), (FOR_EVER, 7))], ids=["the next", "the late one"]
)
def test_whichever_attempt_is_told_no_the_call_ends_with_it(no, on, attempts):
    """A lookup whose first request hangs, or takes long, is not waited for until the deadline."""
    attempts = [(seconds, end or no) for seconds, end in attempts]
    outcome, seconds = told(*attempts, settings={**SOFT, "retry": ub.Retry(2, on=on)})

    assert (no, pytest.approx(0.6, abs=0.01)) == (outcome.error, seconds)


@pytest.mark.parametrize("end", [OSError("reset"), Says(500), Says(429), KeyError("ours")], ids=repr)
def test_a_failure_does_not_end_it(end):
    """It is no answer: whoever is late may yet have one."""
    outcome, seconds = told((2.0, 7), (0.1, end), settings={**SOFT, "retry": ub.Retry(2)})

    assert (7, pytest.approx(2.0, abs=0.01)) == (outcome.value, seconds)


def test_what_writes_may_be_told_no_since_it_was_done():
    """The second attempt to delete finds nothing, for the first, which is late, has deleted it."""
    outcome, seconds = told((2.0, 7), (0.1, Says(404)), settings={**SOFT, "effects": "idempotent"})

    assert (7, pytest.approx(2.0, abs=0.01)) == (outcome.value, seconds)


@pytest.mark.parametrize(
    "attempts", [((FOR_EVER, 7), (0.1, Says(401)), (0.1, 8)), ((0.6, Says(401)), (FOR_EVER, 7), (0.1, 8))]
)
def test_a_no_that_a_remedy_is_for_is_not_the_end(attempts):
    """A token is fetched, and the next attempt has the answer."""
    outcome, _ = told(*attempts, settings={**SOFT, "deadline": 5.0}, remedy=lambda failure: None)

    assert outcome.value == 8


@NOS
def test_the_no_of_a_late_attempt_is_told_as_any(no, on):
    """Listeners hear of it, and the story has it."""
    outcome, _ = told((0.6, no), (FOR_EVER, 7), settings={**SOFT, "retry": ub.Retry(2, on=on)})

    assert type(no).__name__ in "\n".join(outcome.trace.story)


@NOS
def test_the_no_of_a_first_copy_ends_a_hedged_attempt(no, on):
    """Without copies it would have been the end, too: the other one is not waited for."""
    outcome, seconds = told((0.06, no), (FOR_EVER, 7), settings={**HEDGED, "retry": ub.Retry(1, on=on)})

    assert (no, pytest.approx(0.06, abs=0.01)) == (outcome.error, seconds)


@NOS
def test_the_no_of_a_second_copy_lets_the_first_have_its_time(no, on):
    """That is twice as long as 99 of 100 answers take; where it hangs the no is the answer."""
    slow, seconds = told((0.075, 7), (0.01, no), settings={**HEDGED, "retry": ub.Retry(1, on=on)}, warm=50)
    hung, until = told((FOR_EVER, 7), (0.01, no), settings={**HEDGED, "retry": ub.Retry(1, on=on)}, warm=50)

    assert (7, pytest.approx(0.075, abs=0.01)) == (slow.value, seconds)
    assert (no, pytest.approx(0.08, abs=0.01)) == (hung.error, until)


def test_a_no_that_a_remedy_is_for_does_not_wait_for_a_copy():
    """The token is fetched at once, and not when the copy, which hangs, is cut by the deadline."""
    attempts = (0.06, Says(401)), (FOR_EVER, 7), (0.01, 8)
    outcome, seconds = told(*attempts, settings=HEDGED, remedy=lambda failure: None)

    assert (8, pytest.approx(0.07, abs=0.01)) == (outcome.value, seconds)


@pytest.mark.parametrize("swapped", [False, True])
def test_two_ways_that_race_may_be_told_different_things(swapped):
    """One store does not have it yet: the other one, which was asked at the same time, does."""

    async def emptier():
        await ASYNCIO.sleep(0.01)
        raise Says(404)

    async def fuller():
        await ASYNCIO.sleep(0.05)
        return 7

    async def main():
        primary, replica = (fuller, emptier) if swapped else (emptier, fuller)
        ways, began = {"alternatives": {"replica": replica}, "effects": "none", "race": True}, ASYNCIO.now()
        return await ub.QuantumSimulationEngine().execute_quantum(primary, **ways), ASYNCIO.now() - began

    with virtual_time(seed=1):
        assert (7, pytest.approx(0.05)) == asyncio.run(main())
