"""An exception may carry what only its raiser knows."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify
from unbreakable.policies import State
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


class Told(Exception):
    """What a target answered, and what that means."""

    def __init__(self, **facts) -> None:
        super().__init__("told")
        vars(self).update(facts)


class AuthError(Exception):
    """The token died."""


def test_the_kind_is_taken_from_the_error():
    """An exception that says what kind of failure it is, is believed."""
    assert Kind.THROTTLED is classify(Told(kind=Kind.THROTTLED, http_status=500))
    assert Kind.UNKNOWN is classify(Told(kind="odd"))


def test_a_request_that_never_left_is_unreachable():
    """NotSent is told from a failure that nobody understands."""
    assert Kind.UNREACHABLE is classify(ub.errors.NotSent("nobody listens"))


@pytest.mark.parametrize(("refused", "attempts"), [(True, 2), (False, 1)])
def test_what_was_refused_may_be_sent_again(refused, attempts):
    """What must not happen twice is repeated after a refusal that did nothing, once something is mended."""
    node = ub.FractalNode("pay", effects="once", retry=ub.Retry(2))
    node.remedy(Told)(lambda failure: None)

    def operation() -> None:
        raise Told(refused=refused, kind=Kind.CREDENTIALS)

    with virtual_time():
        assert attempts == node.execute_sync(operation).attempts


@pytest.mark.parametrize(
    ("asked", "attempts"),
    [(20, 3), (86_399, 1), (86_400, 1), (10**12, 1), (float("inf"), 1), (float("nan"), 3), (-1, 3), ("soon", 3)],
)
def test_a_target_that_asks_for_a_long_rest_is_not_asked_again_before(asked, attempts):
    """However long the pause is that a target asks for, it is kept or the call ends; what is no duration is nothing."""
    node = ub.FractalNode("slow", deadline=60.0)

    def operation() -> None:
        raise Told(retry_after=asked)

    with virtual_time():
        outcome = node.execute_sync(operation)

    assert (attempts, 0.0 if attempts == 1 else outcome.elapsed) == (outcome.attempts, outcome.elapsed)


def test_wrong_credentials_are_not_sent_again_unmended():
    """Nothing changes between two attempts with the same credentials, so there is one."""
    node = ub.FractalNode("pay")

    def operation() -> None:
        raise Told(http_status=401)

    assert 1 == node.execute_sync(operation).attempts


def test_wrong_credentials_say_nothing_of_the_target():
    """A target that refuses our credentials is well: its circuit stays closed."""
    node = ub.FractalNode("pay", breaker=ub.CircuitBreaker(2))

    def operation() -> None:
        raise Told(http_status=401)

    for _ in range(5):
        node.execute_sync(operation)

    assert State.CLOSED is node.breaker.state


def test_a_blameless_attempt_leaves_the_circuit_alone():
    """An operation can say that its failure would not be the whole target's."""
    node = ub.FractalNode("replicated", breaker=ub.CircuitBreaker(2), retry=False)

    def operation(ctx: ub.Context) -> None:
        ctx.blameless = True
        raise ConnectionRefusedError("this replica is dead")

    for _ in range(5):
        node.execute_sync(operation)

    assert State.CLOSED is node.breaker.state


def test_an_inner_cut_is_a_cut():
    """An operation of unknown effects is not repeated when a time limit further in cut it: nobody knows what it did."""
    node = ub.FractalNode("unknown")

    def operation() -> None:
        raise ub.errors.AttemptTimeout("cut after 1 s")

    assert 1 == node.execute_sync(operation).attempts


@pytest.mark.parametrize(("effects", "attempts"), [("unknown", 1), ("idempotent", 3)])
def test_what_is_in_doubt_is_repeated_only_where_that_does_no_harm(effects, attempts):
    """An error can say that nobody knows what the attempt has done, as that of a worker process that died does."""

    def operation() -> None:
        raise Told(in_doubt=True)

    with virtual_time():
        assert attempts == ub.FractalNode("worker", effects=effects).execute_sync(operation).attempts


async def test_a_herd_is_mended_once():
    """Fifty calls that fail on the same dead token refresh it once, however long they wait in line for it."""
    token, refreshed = "old", 0
    node = ub.FractalNode("pay", budget=False, breaker=False)

    @node.remedy(AuthError)
    async def refresh(failure: ub.Failure) -> None:
        nonlocal token, refreshed
        await ASYNCIO.sleep(0.1)
        token, refreshed = "new", refreshed + 1

    async def operation() -> str:
        with_token = token
        await ASYNCIO.sleep(0.001)
        if with_token == "old":
            raise AuthError(with_token)
        return with_token

    with virtual_time():
        outcomes = await asyncio.gather(*(node.execute(operation) for _ in range(50)))

    assert {"new"} == {outcome.value for outcome in outcomes}
    assert 1 == refreshed


def test_a_programming_error_is_not_repeated():
    """Who says that it is a bug says that repeating it changes nothing."""
    node = ub.FractalNode("buggy")

    def operation() -> None:
        raise Told(kind=Kind.BUG)

    assert 1 == node.execute_sync(operation).attempts
