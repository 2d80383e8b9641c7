"""What ``Retry.on`` leaves out is an answer, as a no such as a 404 is: its target has served its caller."""

from __future__ import annotations

import asyncio
import random

import pytest

import unbreakable as ub
from unbreakable.errors import CircuitOpen, Throttled
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


class Says(Exception):
    """Hold the status of an answer."""

    def __init__(self, status):
        super().__init__(status)
        self.http_status = status


class Full(Says):
    """Be of the type that calls are repeated on."""


class NotThere(Exception):
    """Say so, without a status."""


ANSWERS = pytest.mark.parametrize(
    ("end", "is_answer"),
    [(Says(404), True), (NotThere(), True), (OSError("500"), False), (Says(503), False)],
    ids=["404", "left out", "500", "full"],
)


@ANSWERS
def test_a_throttle_takes_it_for_a_proof_that_its_target_is_back(end, is_answer):
    """After an outage all calls are sent again as soon as a few lookups were told that nothing is there."""
    refused = []

    @ub.protect("lookup", effects="none", retry=ub.Retry(1, on=OSError), breaker=False, throttle=ub.Throttle())
    def look():
        raise (end if len(refused) >= 100 else Says(503)).with_traceback(None)

    with virtual_time(seed=1) as clock:
        for _ in range(300):
            refused.append(type(look.outcome().error) is Throttled)
            clock.advance(0.1)

    assert is_answer is (sum(refused[-100:]) == 0)


@pytest.mark.parametrize("fallback", [None, lambda failure: "none"], ids=["failed", "answered for"])
@ANSWERS
def test_it_earns_repeats_as_a_success_does(end, is_answer, fallback):
    """Of many lookups that find nothing one is reset, and asked for once more."""
    errors = [*[end] * 20, ConnectionResetError()]

    @ub.protect(
        "lookup",
        effects="none",
        retry=ub.Retry(2, on=ConnectionResetError if is_answer else Exception, backoff=ub.Backoff(0.0)),
        breaker=False,
        budget=ub.RetryBudget(start=0.0, floor=0.0),
        fallback=fallback,
    )
    def look():
        if errors:
            raise errors.pop(0)
        return 7

    with virtual_time(seed=1):
        ends = [look.outcome() for _ in range(21)]

    assert is_answer is (ends[-1].value == 7)


@ANSWERS
def test_it_earns_copies_as_a_success_does(end, is_answer):
    """Of many lookups that find nothing one takes long, and is asked for once more beside that."""
    errors = [end] * 20

    @ub.protect(
        "lookup",
        effects="none",
        retry=ub.Retry(1, on=ConnectionResetError if is_answer else Exception),
        breaker=False,
        hedge=ub.Hedge(0.1),
        budget=ub.RetryBudget(start=0.0, floor=0.0),
    )
    async def look():
        if errors:
            raise errors.pop(0).with_traceback(None)
        await ASYNCIO.sleep(0.01 if ub.current().rival else 5.0)
        return 7

    async def main():
        return [(await look.outcome()).elapsed < 1.0 for _ in range(21)]

    with virtual_time(seed=1):
        assert is_answer is asyncio.run(main())[-1]


@pytest.mark.parametrize(
    ("end", "opened"), [(Says(404), 0), (NotThere(), 0), (Says(500), 1)], ids=["404", "left out", "500"]
)
def test_it_ends_a_row_of_failures_unless_it_is_trouble_itself(end, opened):
    """Nine in ten lookups find nothing and one is reset: a circuit that takes five in a row stays closed."""
    breaker = ub.CircuitBreaker(rest=1e6)

    @ub.protect("lookup", effects="none", retry=ub.Retry(1, on=ConnectionError), breaker=breaker)
    def look(number):
        raise ConnectionResetError if number % 10 == 0 else end.with_traceback(None)

    with virtual_time(seed=1) as clock:
        refused = 0
        for number in range(100):
            refused += type(look.outcome(number).error) is CircuitOpen
            clock.advance(0.1)

    assert opened == (refused > 0)


@pytest.mark.parametrize(
    "policy", [{"limit": ub.AdaptiveLimit()}, {"throttle": ub.Throttle(0.3)}], ids=["limit", "throttle"]
)
@pytest.mark.parametrize(
    ("end", "opened"), [(Says(404), 0), (NotThere(), 0), (Says(500), 1)], ids=["404", "left out", "500"]
)
def test_a_target_that_is_full_serves_others_by_it(end, opened, policy):
    """Three of five lookups are too many, which a limit or a throttle sees to: the circuit stays closed."""
    dice = random.Random(3)

    @ub.protect("lookup", effects="none", retry=ub.Retry(1, on=Full), **policy)
    def look():
        raise (Full(503) if dice.random() < 0.6 else end).with_traceback(None)

    with virtual_time(seed=1) as clock:
        refused = 0
        for _ in range(300):
            refused += type(look.outcome().error) is CircuitOpen
            clock.advance(0.1)

    assert opened == (refused > 0)


@pytest.mark.parametrize("attempts", [1, 3])
def test_what_is_made_of_a_failure_of_a_call_inside_is_no_answer(attempts):
    """A page that needs a token is told by an error of its own that there is none, as the server is down."""
    asked = []

    @ub.protect("partner", retry=ub.Retry(attempts, on=OSError), breaker=ub.CircuitBreaker(5, rest=10.0))
    def get(path):
        if path == "token":
            asked.append(path)
            raise ConnectionResetError
        try:
            return get("token")
        except ConnectionResetError:
            raise NotThere from None

    with virtual_time(seed=1) as clock:
        for _ in range(60):
            get.outcome("page")
            clock.advance(1.0)

    assert "open" == get.node.breaker.state.value
    assert len(asked) <= 5 + 6 * attempts  # those that open it, and a probe after each rest
