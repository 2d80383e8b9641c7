"""What a reading of the code found wrong: each is told by a story that failed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


class Down(Exception):
    """The target fails."""


class Picky(type):
    """Make classes that can be asked about nothing, but only about nothing."""

    def __instancecheck__(cls, instance: object) -> bool:
        if instance is not None:
            raise TypeError("do not ask")
        return False


class Unaskable(metaclass=Picky):
    """Cannot be asked with isinstance()."""


def test_every_inner_trouble_is_remembered_not_only_the_last() -> None:
    """Two calls inside one attempt that were both repeated in vain: raising the first is not repeated either."""
    calls = []

    @ub.protect("inner", budget=False, breaker=False)
    async def inner(number: int) -> None:
        calls.append(number)
        raise Down(number)

    @ub.protect("outer", budget=False, breaker=False)
    async def outer() -> None:
        first, _ = await asyncio.gather(inner(1), inner(2), return_exceptions=True)
        raise first

    with virtual_time(), pytest.raises(Down):
        asyncio.run(outer())

    assert 6 == len(calls)


def test_a_circuit_that_trips_within_a_call_leaves_the_users_own_exception() -> None:
    """A call whose attempts failed ends in its own error; that the circuit then refused is told in the note."""

    @ub.protect("target", breaker=ub.CircuitBreaker(2))
    def work() -> None:
        raise Down("again")

    with virtual_time(), pytest.raises(Down) as caught:
        work()

    assert "circuit of target is open" in caught.value.__notes__[0]


def test_the_wait_for_an_open_circuit_is_the_calls_not_each_attempts() -> None:
    """A call waits for open circuits for as long as it may in all, over its attempts."""

    @ub.protect(
        "target", breaker=ub.CircuitBreaker(1, rest=3.0, wait=5.0), retry=ub.Retry(9), deadline=100, budget=False
    )
    def work() -> None:
        raise Down

    with virtual_time() as clock:
        work.outcome()
        waited = clock.now()

    assert 5.0 <= waited < 6.5


def test_a_deadline_further_in_is_a_failure_that_an_outer_call_repeats() -> None:
    """An inner call's own shorter deadline is to the outer call what a time limit is."""
    calls = []

    @ub.protect("inner", effects="none", deadline=1.0)
    async def inner() -> int:
        calls.append(1)
        await asyncio.sleep(10 if len(calls) == 1 else 0.1)  # noqa: TID251 - virtual
        return 7

    @ub.protect("outer", effects="none")
    async def outer() -> int:
        return await inner()

    with virtual_time():
        assert 7 == asyncio.run(outer())


def test_the_story_of_a_call_whose_time_is_up_says_so() -> None:
    """A call that ends at its deadline does not blame what it does to the world."""

    @ub.protect("slow", effects="none", deadline=1.0)
    async def slow() -> None:
        await asyncio.sleep(10)  # noqa: TID251 - virtual

    with virtual_time():
        told = asyncio.run(slow.outcome()).explain()

    assert "effects" not in told
    assert "the deadline" in told


def test_resetting_a_circuit_that_was_switched_off_leaves_it_off() -> None:
    """With breaker=False there is no circuit to close: reset() takes back force_open() and nothing more."""
    node = ub.FractalNode("n", breaker=False, retry=False)
    node.breaker.force_open()
    node.breaker.reset()

    def work() -> None:
        raise Down

    assert [Down] * 9 == [type(node.execute_sync(work).error) for _ in range(9)]


@pytest.mark.parametrize("key", [lambda city: {}[city], lambda city: [city]])
def test_a_key_that_cannot_be_had_refuses_the_call(key: Any) -> None:
    """Whatever key() raises, or returns that cannot be a key, outcome() raises nothing."""

    @ub.protect("keyed", key=key)
    def work(city: str) -> str:
        return city

    assert isinstance(work.outcome("CAI").error, ub.errors.ValidationFailed)


def test_what_excuses_one_attempt_does_not_excuse_the_next() -> None:
    """An attempt that said nothing of the target as a whole does not keep the next from counting."""
    node = ub.FractalNode("n", breaker=ub.CircuitBreaker(1), retry=ub.Retry(2), budget=False)

    def work(ctx: ub.Context) -> None:
        ctx.blameless = ctx.attempt == 1 or ctx.blameless
        raise Down

    with virtual_time():
        node.execute_sync(work)

    assert "open" == node.breaker.state.value


def test_a_type_that_is_not_repeated_opens_no_circuit() -> None:
    """Errors outside of what the user repeats on say nothing of the target: others are still let through."""

    @ub.protect("parse", retry=ub.Retry(3, on=ConnectionError))
    def parse(number: int) -> int:
        if number < 0:
            raise ValueError(number)
        return number

    for _ in range(9):
        with pytest.raises(ValueError, match="-1"):
            parse(-1)

    assert 1 == parse(1)


def test_our_own_time_limit_counts_whatever_is_repeated_on() -> None:
    """A time limit is a failure of the target, also where only connection errors are repeated."""

    @ub.protect("slow", retry=ub.Retry(1, on=ConnectionError), timeout=ub.Timeout(1.0), breaker=ub.CircuitBreaker(2))
    async def slow() -> None:
        await asyncio.sleep(10)  # noqa: TID251 - virtual

    with virtual_time():
        for _ in range(2):
            asyncio.run(slow.outcome())

    assert "open" == slow.node.breaker.state.value


def test_a_wrong_call_is_the_callers_mistake() -> None:
    """Arguments that do not fit are told at once: not repeated, not counted."""

    @ub.protect("one", breaker=ub.CircuitBreaker(2))
    def one(number: int) -> int:
        return number

    for _ in range(4):
        outcome = one.outcome(1, 2)  # type: ignore[call-arg]

    assert (TypeError, 1) == (type(outcome.error), outcome.attempts)
    assert 7 == one(7)


def test_a_remedy_or_fallback_that_cannot_work_is_refused_at_once() -> None:
    """What takes more than the failure, or is async beside a plain function, would only fail when it is needed."""

    @ub.protect("plain")
    def plain() -> None:
        """Do nothing."""

    async def later(failure: ub.Failure) -> None:
        """Wait."""

    with pytest.raises(ub.errors.ConfigurationError, match="takes the failure"):
        plain.remedy(ValueError)(lambda failure, more: None)
    with pytest.raises(ub.errors.ConfigurationError, match="plain function"):
        plain.remedy(ValueError)(later)
    with pytest.raises(ub.errors.ConfigurationError, match="plain function"):
        ub.protect("plain", fallback=later)(lambda: None)
    with pytest.raises(ub.errors.ConfigurationError, match="parent"):
        ub.FractalNode("n", parent="other")  # type: ignore[arg-type]


@pytest.mark.parametrize("schema", [None, Unaskable])
def test_outcome_raises_nothing_when_the_result_cannot_be_looked_at(schema: Any) -> None:
    """A coroutine that was returned instead of run, and a schema that cannot be asked, are failures like others."""

    async def late() -> int:
        return 1

    @ub.protect("odd", schema=schema, retry=False, fallback=lambda failure: 7)
    async def odd() -> Any:
        return late() if schema is None else 1

    outcome = asyncio.run(odd.outcome())

    assert (ub.Status.DEGRADED, TypeError) == (outcome.status, type(outcome.error))


def test_a_key_that_cannot_be_had_refuses_the_plain_call_too() -> None:
    """The plain form raises what outcome() holds, and the call is counted."""

    @ub.protect("keyed", key=lambda city: {}[city])
    def work(city: str) -> str:
        return city

    with pytest.raises(ub.errors.ValidationFailed, match="no key: KeyError"):
        work("CAI")


@pytest.mark.parametrize("factor", ["2", None, True])
def test_a_factor_that_is_no_number_is_refused_in_words(factor: Any) -> None:
    """A wrong setting is a ConfigurationError, whatever its type."""
    with pytest.raises(ub.errors.ConfigurationError, match=r"Backoff\.factor"):
        ub.Backoff(factor=factor)


def test_a_nodes_fallback_that_cannot_take_the_failure_is_refused() -> None:
    """As protect() does: it would fail when it is needed most."""
    with pytest.raises(ub.errors.ConfigurationError, match="n: fallback"):
        ub.FractalNode("n", fallback=lambda: 5)  # type: ignore[arg-type,misc]


def test_a_place_is_not_given_to_a_closed_event_loop() -> None:
    """Who waits for a place on an event loop that was closed is passed over: the place is not lost."""
    node = ub.FractalNode("n", bulkhead=ub.Bulkhead(1, wait=3.0), retry=False)
    loop, tasks = asyncio.new_event_loop(), []

    def hold() -> None:
        tasks.append(loop.create_task(node.execute(lambda: 1)))
        loop.run_until_complete(asyncio.sleep(0))  # noqa: TID251
        loop.run_until_complete(asyncio.sleep(0))  # noqa: TID251
        loop.close()

    node.execute_sync(hold)

    assert 2 == node.execute_sync(lambda: 2).value
    tasks[0].get_coro().close()
    assert 0 == node.get_status().in_flight


def test_what_fails_on_the_side_is_told() -> None:
    """A remedy's predicate or a fallback that raises is in the story, not silent."""

    @ub.protect("target", remedies=[(lambda failure: 1 / 0, lambda failure: None)], fallback=lambda failure: 1 / 0)
    def work() -> None:
        raise Down

    with virtual_time():
        story = work.outcome().explain()

    assert "is for this failed: ZeroDivisionError" in story
    assert "the fallback failed, too: ZeroDivisionError" in story


def test_a_memory_that_is_none_is_refused() -> None:
    """What cannot keep lessons is refused where it is written."""
    with pytest.raises(ub.errors.ConfigurationError, match="memory must be"):
        ub.FractalNode("n", memory=3)  # type: ignore[arg-type]
