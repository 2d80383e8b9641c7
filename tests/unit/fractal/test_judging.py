"""What a result, or an input, is held to: read as what it means, or refused where it is written."""

from __future__ import annotations

import asyncio
import functools
import re
import typing
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError, ValidationFailed, VerificationFailed


def ended(function=lambda: 7, *args, **options):
    return ub.protect("target", retry=False, **options)(function).outcome(*args)


class Waits:
    """A check that nobody here can wait for."""

    async def __call__(self, *_):
        return True


async def waits(*_):
    return True


@pytest.mark.parametrize("low", [np.float32(0.1), np.float64(0.1), Decimal("0.1"), Fraction(1, 10), np.False_, 0, ""])
def test_a_quality_is_a_number_of_any_kind(low):
    """A tenth is a tenth, whoever made the number, and not something that is true."""
    assert VerificationFailed is type(ended(verify=lambda _: low).error)


@pytest.mark.parametrize("high", [np.float32(0.9), Decimal(1), Fraction(9, 10), np.True_, True, "yes", [1]])
def test_what_is_good_enough_passes(high):
    """Nine tenths are more than half, and what is no number is true or false."""
    assert ended(verify=lambda _: high).ok


@pytest.mark.parametrize("option", ["verify", "validate", "schema", "key"])
@pytest.mark.parametrize("check", [waits, Waits(), functools.partial(waits, 1)])
def test_a_check_that_has_to_be_awaited_is_refused_where_it_is_written(option, check):
    """As far as can be seen from outside."""
    with pytest.raises(ConfigurationError, match="plain function"):
        ub.protect("target", **{option: check})(lambda: 7)


def test_a_quality_is_not_waited_for_either():
    """It is refused where it is written, too."""
    with pytest.raises(ConfigurationError, match="verify must be a plain function"):
        ub.Verify(waits)


class Promise:
    """Something to be awaited that is no coroutine, and cannot be closed."""

    def __await__(self):
        yield


@pytest.mark.parametrize("option", ["verify", "validate", "schema"])
def test_a_promise_is_no_yes(option):
    """Whatever has to be awaited is refused, as a coroutine is."""
    error = ended(**{option: lambda *_: Promise()}).error

    assert "give a plain function" in str(error)


@pytest.mark.parametrize(("verify", "ok"), [(lambda value: value == 7, True), (lambda value: value == 8, False)])
def test_who_wants_to_know_is_told_how_its_value_was_judged(verify, ok):
    """Once, by what the call is verified with; such as who chose the way by which it came."""
    told = []

    async def work():
        ub.current().when_judged = lambda ctx, ok: told.append(ok)
        return 7

    outcome = asyncio.run(ub.protect("target", retry=False, verify=verify)(work).outcome())

    assert ([ok], ok) == (told, outcome.ok)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("option", "error"),
    [("verify", VerificationFailed), ("validate", ValidationFailed), ("schema", VerificationFailed)],
)
def test_a_check_that_turns_out_to_be_awaited_is_no_yes(option, error):
    """The coroutine is closed, and the message says what to give."""
    outcome = ended(lambda _: 7, 1, **{option: lambda value: waits(value, "and more")})

    assert error is type(outcome.error)
    assert "give a plain function" in str(outcome.error)


@pytest.mark.parametrize(("answer", "ok"), [(False, False), (np.False_, False), (None, True), (0, True), (True, True)])
def test_validate_refuses_with_false_of_any_make(answer, ok):
    """What is returned else, None above all, is no refusal."""
    assert ok is ended(validate=lambda: answer).ok


class Row(typing.TypedDict):
    """A dictionary as type checkers see it."""

    a: int


class Sized(typing.Protocol):
    """Something that nobody can ask for at run time."""

    size: int


@pytest.mark.parametrize(
    ("schema", "instead"),
    [
        (list[int], "list, or a function"),
        (dict[str, int], "dict, or a function"),
        (list[int] | None, "a function"),
        (None | list[int], "a function"),
        (typing.List[int], "list, or a function"),  # noqa: UP006 - as users write it
        (typing.List, "list, or a function"),  # noqa: UP006
        (Sequence[int], "Sequence, or a function"),
        (Row, "a function"),
        (Sized, "a function"),
        (typing.Any, "a function"),
        (typing.Literal["a"], "a function"),
        (typing.NewType("Id", int), "a function"),
        (7, "a class"),
        ((int, str), "a class"),
    ],
)
def test_a_type_that_no_result_can_be_held_to_is_refused(schema, instead):
    """Where it is written, with what to give instead."""
    with pytest.raises(ConfigurationError, match=re.escape(instead)) as refused:
        ub.protect("target", schema=schema)(lambda: 7)

    assert "target: schema" in str(refused.value)


@pytest.mark.parametrize(
    ("schema", "value", "ok"),
    [
        (int | None, None, True),
        (int | None, "7", False),
        (typing.Optional[int], 7, True),  # noqa: UP045 - as users write it
        (typing.Union[int, str], 7.0, False),  # noqa: UP007
        (Sequence, [1], True),
        (list, "abc", False),
        (object, None, True),
    ],
)
def test_a_class_or_union_of_classes_is_what_the_result_must_be(schema, value, ok):
    """It checks and changes nothing."""
    outcome = ended(lambda: value, schema=schema)

    assert (ok, value if ok else None) == (outcome.ok, outcome.value)


def test_a_function_makes_of_the_result_what_it_likes():
    """As a parser does, bound or not."""
    assert 8 == ended(lambda: "7", schema=lambda text: int(text) + 1).value
