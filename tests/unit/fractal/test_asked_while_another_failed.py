"""A target that is asked while the failure of another is being handled has asked for no pause itself."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.testing import virtual_time


class Busy(Exception):
    """What a client raises that tells nothing more."""


class Limited(Exception):
    """What the first target says: it wants to be left in peace for longer than any call has."""

    def __init__(self):
        super().__init__("429")
        self.response = SimpleNamespace(status_code=429, headers={"Retry-After": "60"})


def at_first(raises):
    """Return a function that fails the first time, by what *raises* raises."""
    left = [raises]

    def answer():
        if left:
            left.pop()()
        return "data"

    return answer


def plainly():
    raise Busy("x")


def after_another():
    try:
        raise LookupError("not in the cache")
    except LookupError:
        plainly()


def after_being_asked_to_wait():
    try:
        raise Limited
    except Limited:
        plainly()


def in_a_group():
    try:
        after_being_asked_to_wait()
    except Busy as error:
        met = error
    raise ExceptionGroup("all of them", [met])


def two_layers_up():
    try:
        after_being_asked_to_wait()
    except Busy:
        raise LookupError("x")  # noqa: B904 - its context is what is looked at


def below():
    ub.protect("below", effects="none", retry=False)(plainly)()


def asked_instead(door):
    """Return the outcome of a call that is made where the first target's failure is handled, and how long it took."""
    with virtual_time(seed=1) as clock:
        try:
            raise Limited
        except Limited:
            return door.outcome(), clock.now()


@pytest.mark.parametrize("raises", [plainly, after_another, below])
def test_a_backup_is_repeated_though_the_first_asked_for_a_pause(raises):
    """The call was lost after one attempt, for the sake of a target that it does not ask."""
    outcome, took = asked_instead(ub.protect("backup", effects="none")(at_first(raises)))
    assert ("data", 2, True) == (outcome.value, outcome.attempts, took < 1.0)


def test_an_async_backup_is_repeated_as_well():
    """A context goes along into what is awaited."""
    answer = at_first(plainly)

    @ub.protect("backup", effects="none")
    async def backup():
        return answer()

    async def ask():
        try:
            raise Limited
        except Limited:
            return await backup.outcome()

    with virtual_time(seed=1) as clock:
        outcome = asyncio.run(ask())
        assert ("data", 2, True) == (outcome.value, outcome.attempts, clock.now() < 1.0)


def test_a_check_that_trips_there_asks_for_no_pause_either():
    """What verify raises came up of the result."""
    outcome, took = asked_instead(ub.protect("backup", effects="none", verify=lambda _: plainly())(lambda: 5))
    assert (3, None, True) == (outcome.attempts, outcome.error.retry_after, took < 1.0)


@pytest.mark.parametrize("raises", [after_being_asked_to_wait, two_layers_up, in_a_group])
def test_a_pause_that_was_asked_for_within_the_call_is_kept(raises):
    """Whoever hides an answer behind an error of his own still has it."""
    outcome, _ = asked_instead(ub.protect("backup", effects="none")(at_first(raises)))
    assert ("failed", 1) == (outcome.status.value, outcome.attempts)


def test_a_block_that_asks_a_backup_is_repeated_as_well():
    """A block is in the frame in which the first target's failure was caught."""
    answer, numbers = at_first(plainly), []
    with virtual_time(seed=1) as clock:
        try:
            raise Limited
        except Limited:
            for attempt in ub.attempts("backup", effects="none"):
                with attempt:
                    numbers.append(attempt.number)
                    answer()
        assert ([1, 2], True) == (numbers, clock.now() < 1.0)


def test_an_async_block_that_asks_a_protected_backup_is_repeated_as_well():
    """What comes up in a call inside, on the way to the block, is looked at likewise."""
    answer, numbers = at_first(below), []

    async def ask():
        try:
            raise Limited
        except Limited:
            async for attempt in ub.attempts("backup", effects="none", retry=ub.Retry(3, on=Exception)):
                async with attempt:
                    numbers.append(attempt.number)
                    answer()

    with virtual_time(seed=1) as clock:
        asyncio.run(ask())
        assert ([1, 2], True) == (numbers, clock.now() < 1.0)


def test_a_pause_that_was_asked_for_within_the_block_is_kept():
    """Though the same frame handles it that handles the first target's."""
    numbers = []

    def ask():
        try:
            raise LookupError("not in the cache")
        except LookupError:
            for attempt in ub.attempts("backup", effects="none"):
                with attempt:
                    numbers.append(attempt.number)
                    after_being_asked_to_wait()

    with virtual_time(seed=1), pytest.raises(Busy):
        ask()
    assert [1] == numbers


def test_what_is_handled_outside_is_no_cause_of_a_failure():
    """A load that follows a miss of the cache has the story and the signature of any other, and so the same lessons."""
    causes = []

    @ub.protect("load", effects="none", retry=ub.Retry(2), fallback=lambda failure: causes.append(failure.cause))
    def load():
        raise ConnectionError("down")

    with virtual_time(seed=1):
        try:
            raise KeyError("not in the cache")
        except KeyError:
            told = load.outcome().explain()
        load.outcome()

    assert "caused by" not in told
    assert [ConnectionError, ConnectionError] == [type(cause) for cause in causes]
    assert 1 == load.node.get_status().signatures


def test_what_is_handled_within_an_attempt_is_the_cause_of_its_failure():
    """There the miss and the error are of one attempt."""
    with virtual_time(seed=1):
        told = ub.protect("load", effects="none", retry=False)(after_another).outcome().explain()
    assert "Busy: x, caused by LookupError: not in the cache" in told
