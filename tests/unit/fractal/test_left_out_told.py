"""A call tells why a failure that `Retry.on` leaves out was not repeated."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


class Unwell(Exception):
    """What a client raises for an answer that is no success."""


def fails(error, **options):
    """Return what a call tells that fails by *error*, and is repeated on lost connections alone."""

    @ub.protect("search", effects="none", retry=ub.Retry(3, on=ConnectionError), **options)
    def search():
        raise error

    with virtual_time(seed=1):
        return search.outcome().explain()


@pytest.mark.parametrize("options", [{}, {"remedies": [(TimeoutError, lambda: None)]}], ids=["plain", "with a remedy"])
def test_a_type_that_is_left_out_is_named(options):
    """That failures of its kind are not repeated, unless a remedy changes something, is not true."""
    told = fails(TimeoutError("late"), **options)
    assert "no further attempt: Retry.on leaves out TimeoutError" in told
    assert "this kind" not in told


def test_an_answer_that_a_check_raises_is_told_to_be_left_out_by_the_name_that_it_has():
    """Who names the error of the client alone learns that what `verify` raises comes as a VerificationFailed."""

    def check(answer):
        raise Unwell(answer.status_code)

    retry = ub.Retry(3, on=Unwell)
    ask = ub.protect("search", effects="none", verify=check, retry=retry)(lambda: SimpleNamespace(status_code=500))
    with virtual_time(seed=1):
        assert "Retry.on leaves out VerificationFailed" in ask.outcome().explain()


@pytest.mark.parametrize("error", [PermissionError("401"), ub.errors.ValidationFailed("x")])
def test_what_would_not_be_repeated_either_way_is_told_by_its_kind(error):
    """To name it in `Retry.on` as well as other types would not help."""
    assert "a failure of this kind" in fails(error)


def test_a_late_attempt_that_ends_a_race_by_what_is_left_out_says_so():
    """It is told the same way, whichever attempt has the last word."""

    @ub.protect(
        "search", effects="none", hedge=False, timeout=ub.Timeout(0.5, learned=True), retry=ub.Retry(3, on=OSError)
    )
    async def search():
        await ASYNCIO.sleep(0.8)
        raise Unwell("none there")

    with virtual_time(seed=1):
        outcome = asyncio.run(search.outcome())
    assert "Retry.on leaves out Unwell" in outcome.explain()
