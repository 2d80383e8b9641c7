"""A generator that is called with arguments which do not fit: refused at the call, and told by ``outcome``."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub


@ub.protect("items")
def items(city):
    """Hand on one."""
    yield city


@ub.protect("later")
async def later(city):
    """Hand on one, later."""
    yield city


@ub.priority("low")
@ub.protect("less")
def less(city):
    """Hand on one, in a block."""
    yield city


@pytest.mark.parametrize("door", [items, later, less])
def test_an_outcome_tells_of_arguments_that_do_not_fit(door):
    """It never raises, and calls it a bug, which is not repeated, as of any other function."""

    async def ends():
        return await door.outcome()

    outcome = asyncio.run(ends()) if door is later else door.outcome()

    assert (ub.Status.FAILED, TypeError, 1) == (outcome.status, type(outcome.error), outcome.attempts)
    assert "(bug)" in outcome.explain()
    with pytest.raises(TypeError, match="city"):
        door()


def test_an_outcome_of_arguments_that_fit_makes_its_generator_once():
    """It is made where its attempt is, and for each attempt anew."""
    made = []

    class Makes:
        def __call__(self, city):
            made.append(city)
            if len(made) < 2:
                return broken()
            return iter([city])

    def broken():
        yield from ()
        raise ConnectionError

    door = ub.protect("makes", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))(generator_of(Makes()))
    outcome = door.outcome("CAI")

    assert (["CAI"], ["CAI", "CAI"]) == (list(outcome.value), made)


def generator_of(make):
    """Return a generator function which hands on what *make* gives."""

    def rows(city):
        yield from make(city)

    return rows
