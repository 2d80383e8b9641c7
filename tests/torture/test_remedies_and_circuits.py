"""What a remedy is about to mend opens no circuit, and one that does not help keeps none closed."""

from __future__ import annotations

import asyncio

import pytest
from tests.torture.test_remedies import Login, crowd, door_of

import unbreakable as ub
from unbreakable.errors import AttemptTimeout


class Expired(Exception):
    """What a program of its own kind of mind makes of a 401."""


@pytest.mark.parametrize("breaker", [None, ub.CircuitBreaker(5), ub.CircuitBreaker(ratio=0.5, minimum=2)])
@pytest.mark.parametrize(("error", "calls"), [(Expired, 30), (ConnectionResetError, 30), (Expired, 1)])
def test_what_a_remedy_mends_opens_no_circuit(colour, error, calls, breaker):
    """Until a remedy that can be trusted was applied, a failure that it is for says nothing of the target."""

    async def story():
        api, ends = Login(colour, 0.02), []
        api.error = error("401")
        door = door_of(api, breaker=breaker, budget=False)
        for _ in range(30 // calls):  # at once, or one after the other, each time with a token that has died
            api.alive = False
            ends.append(await crowd(colour, door, calls))
        return ends, door.node.breaker.state.value

    ends, state = colour.play(story)

    assert ([{"in"}] * len(ends), "closed") == (ends, state)


@pytest.mark.parametrize(
    ("options", "alike", "most"),
    [
        ({}, True, 10),
        ({"budget": False}, True, 10),
        ({"budget": False}, False, 15),
        ({"retry": False}, False, 5),
        ({"effects": "once"}, False, 5),
        ({"budget": ub.RetryBudget(start=0, floor=0.0)}, False, 5),
    ],
)
def test_a_remedy_that_does_not_help_keeps_no_circuit_closed(colour, options, alike, most):
    """It is trusted for a few attempts only, and not at all where it is not followed by another."""

    async def story():
        calls = []

        async def work():
            calls.append(1)
            raise Expired("no" if alike else chr(97 + len(calls)))

        door = colour.protect(work, **{"effects": "idempotent", "breaker": ub.CircuitBreaker(5), **options})
        door.remedy(Expired)(lambda failure: None)
        for _ in range(20):
            await colour.call(door.outcome)
        return len(calls), door.node.breaker.state.value

    calls, state = colour.play(story)

    assert ("open", True) == (state, calls <= most), calls


@pytest.mark.parametrize("calls", [1, 20])
def test_what_our_limit_cuts_is_mended_like_what_times_out_by_itself(colour, calls):
    """Connections that hang until they are made anew: no circuit opens under the remedy."""
    if not colour.is_async:
        pytest.skip("what is plain is left behind in a thread, which makes nothing anew")

    async def story():
        api = Login(colour, 0.02)
        api.error = AttemptTimeout("for the remedy's sake")

        async def call():
            if not api.alive:
                await colour.sleep(1e6)
            return "in"

        door = colour.protect(call, effects="idempotent", timeout=ub.Timeout(1.0), breaker=ub.CircuitBreaker(5))
        door.remedy(AttemptTimeout, name="log in")(api.log_in)
        return await crowd(colour, door, calls), door.node.breaker.state.value

    assert ({"in"}, "closed") == colour.play(story)


@pytest.mark.parametrize("error", [PermissionError, ub.errors.ValidationFailed])
def test_what_says_nothing_of_the_target_says_nothing_when_it_was_not_mended_either(colour, error):
    """Credentials refused for good, and calls that were wrong, open no circuit, with a remedy for them or not."""

    async def story():
        async def work():
            raise error

        door = colour.protect(work, effects="idempotent", breaker=ub.CircuitBreaker(1))
        door.remedy(error)(lambda failure: None)
        for _ in range(10):
            await colour.call(door.outcome)
        return door.node.breaker.state.value

    assert "closed" == colour.play(story)


async def for_long(colour, hangs):
    """Hang, if that is so."""
    await colour.sleep(1e6 if hangs else 0.0)


@pytest.mark.parametrize("patience", [0.8, 5.0])
@pytest.mark.parametrize("hangs", ["the remedy", "what comes after it"])
def test_whoever_goes_away_before_it_was_mended_has_seen_a_failure(colour, hangs, patience):
    """What a remedy was to mend counts after all, once its call is over: the circuit opens as without the remedy."""
    if not colour.is_async:
        pytest.skip("in plain code nobody goes away")

    async def story():
        calls, ends = [], []

        async def work():
            calls.append(1)
            await for_long(colour, len(calls) % 2 == 0 and hangs != "the remedy")
            raise Expired

        door = colour.protect(work, effects="idempotent", breaker=ub.CircuitBreaker(5))

        @door.remedy(Expired)
        async def mend(failure):
            await for_long(colour, hangs == "the remedy")

        for _ in range(12):
            try:
                async with asyncio.timeout(patience):
                    ends.append(type((await door.outcome()).error).__name__)
            except TimeoutError:
                ends.append("went away")
        return len(calls), ends.count("went away"), door.node.breaker.state.value

    calls, away, state = colour.play(story)

    assert (True, 5, "open") == (calls <= 10, away, state), calls
