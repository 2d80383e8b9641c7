"""A function may say which exceptions are repeated, where one type stands for all that may happen."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

import unbreakable as ub
from unbreakable.policies.states import State
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time

sleep = ASYNCIO.sleep


class ApiError(Exception):
    """What a kit raises, whatever happened."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


def passes(error):
    return error.code != "declined"


def outcomes_of(codes, colour, **options):
    """Return the outcomes of one call for each of *codes*, all of which fail, and the node."""
    if colour == "async":

        async def fail(code):
            raise ApiError(code)

        protected = ub.protect("kit", retry=ub.Retry(on=passes), effects="idempotent", **options)(fail)
        return [asyncio.run(protected.outcome(code)) for code in codes], protected.node

    def fail(code):
        raise ApiError(code)

    protected = ub.protect("kit", retry=ub.Retry(on=passes), effects="idempotent", **options)(fail)
    return [protected.outcome(code) for code in codes], protected.node


@pytest.mark.parametrize("colour", ["async", "sync"])
def test_what_it_leaves_out_is_an_answer(colour):
    """It is not repeated, and opens no circuit."""
    with virtual_time():
        outcomes, node = outcomes_of(["declined"] * 10, colour)
    assert {1} == {outcome.attempts for outcome in outcomes}
    assert "Retry.on leaves out ApiError" in outcomes[0].explain()
    assert State.CLOSED is node.breaker.state


@pytest.mark.parametrize("colour", ["async", "sync"])
def test_what_it_names_is_repeated_and_counts(colour):
    """As a type in its place would be."""
    with virtual_time():
        outcomes, node = outcomes_of(["down"] * 2, colour)
    assert 3 == outcomes[0].attempts
    assert State.OPEN is node.breaker.state


@pytest.mark.parametrize("colour", ["async", "sync"])
def test_one_that_raises_says_yes(colour, caplog):
    """It expected another error; that is logged, and the call fails by its own."""

    def reset(**_):
        raise ConnectionResetError("reset")

    async def reset_async():
        reset()

    with virtual_time():
        retry = ub.Retry(on=passes)
        if colour == "async":
            outcome = asyncio.run(ub.protect("kit", retry=retry, effects="none")(reset_async).outcome())
        else:
            outcome = ub.protect("kit", retry=retry, effects="none")(reset).outcome()
    assert (3, ConnectionResetError) == (outcome.attempts, type(outcome.error))
    assert 1 == caplog.text.count("asked about ConnectionResetError: that counts as yes") + (colour == "sync")


def test_what_never_passes_by_itself_is_not_repeated_for_it():
    """A function that says yes to all but one does not mean that a 404 is to be asked again."""

    class Gone(ApiError):
        http_status = 404

    def fail():
        raise Gone("gone")

    with virtual_time():
        assert 1 == ub.protect("kit", retry=ub.Retry(on=passes), effects="none")(fail).outcome().attempts


def test_blocks_with_a_function_of_the_same_code_are_one():
    """A lambda is made anew with each call of what is around the block; the circuit is not."""
    asked, known = [], frozenset({"declined"})

    def handler():
        for attempt in ub.attempts("block of one circuit", retry=ub.Retry(1, on=lambda error: error not in known)):
            with attempt:
                asked.append(1)
                raise ConnectionError("down")

    with virtual_time():
        for _ in range(20):
            with contextlib.suppress(Exception):
                handler()
    assert 5 == len(asked)


def test_a_function_of_a_block_may_hold_what_is_not_there_yet():
    """Its variable is given a value after the block was asked for."""
    with virtual_time():
        attempts = ub.attempts("block", retry=ub.Retry(2, on=lambda error: isinstance(error, known)))
        known = ConnectionError
        for attempt in attempts:
            with attempt:
                if attempt.number == 1:
                    raise known("down")
        assert 2 == attempt.number


@pytest.mark.parametrize(("named", "attempts"), [(True, 3), (False, 1)])
def test_it_is_asked_about_our_own_time_limit(named, attempts):
    """An attempt that we cut is repeated if it says so."""

    def on(error):
        return named or not isinstance(error, TimeoutError)

    async def hang():
        await sleep(60)

    with virtual_time():
        protected = ub.protect("slow", retry=ub.Retry(on=on), timeout=ub.Timeout(1.0), effects="none")(hang)
        assert attempts == asyncio.run(protected.outcome()).attempts
