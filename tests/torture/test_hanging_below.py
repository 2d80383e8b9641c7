"""What hangs below protected callers: their deadlines end its calls, and its circuit opens all the same."""

from __future__ import annotations

import asyncio
import math

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


def play(times, *, outer=None, around=None, handler=0.0, pause=0.0, **inner):
    """Return the state of the circuit of what hangs, after so many calls through an endpoint, and how many asked it."""
    asked = []

    @ub.protect("dependency", **inner)
    async def ask():
        asked.append(1)
        await sleep(math.inf)

    @ub.protect("endpoint", deadline=outer, breaker=False, retry=False)
    async def serve():
        await sleep(handler)
        async with asyncio.timeout(around):
            await ask()

    async def main():
        for _ in range(times):
            await serve.outcome()
            await sleep(pause)

    with virtual_time(seed=1):
        asyncio.run(main())
        return ask.node.breaker.state, len(asked)


def test_who_was_given_up_after_most_of_its_own_deadline_has_failed():
    """Also where both have the same, and the outer one comes first; what is asked then is refused."""
    assert ("open", 5) == play(8)


def test_so_has_who_was_cancelled_then():
    """By a limit of the program's own."""
    assert ("open", 5) == play(8, around=29.0)


@pytest.mark.parametrize("hurried", [{"outer": 5.0}, {"around": 5.0}, {"handler": 10.0}, {"deadline": math.inf}])
def test_who_was_in_a_hurry_says_nothing(hurried):
    """The target may take longer than its caller has."""
    assert ("closed", 8) == play(8, **hurried)


def test_a_probe_that_was_given_up_so_late_has_failed_too():
    """The circuit opens again, and the permit is not handed on to the next one that would wait as long."""
    assert ("open", 8) == play(14, pause=10.0, breaker=ub.CircuitBreaker(5, rest=30.0), timeout=False)
