"""What remedies change of a call's arguments, and what can be called at all."""

from __future__ import annotations

import functools
import re

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.fractal.operation import check_operation


def mended(function, changes, *args, **kwargs):
    """Return the outcome of a call whose failure a remedy mends by changing arguments."""
    door = ub.protect("search", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))(function)
    door.remedy(PermissionError)(lambda failure: changes)
    return door.outcome(*args, **kwargs)


def by_place(city, token="old", /):  # noqa: S107
    return known(city, token)


def by_name(city, token="old"):  # noqa: S107
    return known(city, token)


def among_others(city, **others):
    return known(city, others.get("token", "old"), *sorted(others))


def known(city, token, *names):
    if token == "old":
        raise PermissionError("401")
    return city, token, *names


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "value"),
    [
        (by_place, ("CAI", "old"), {}, ("CAI", "new")),
        (by_place, ("CAI",), {}, ("CAI", "new")),
        (by_name, ("CAI", "old"), {}, ("CAI", "new")),
        (by_name, (), {"token": "old", "city": "CAI"}, ("CAI", "new")),
        (among_others, ("CAI",), {}, ("CAI", "new", "token")),
        (among_others, ("CAI",), {"token": "old", "page": 2}, ("CAI", "new", "page", "token")),
    ],
)
def test_an_argument_is_changed_however_it_was_passed(function, args, kwargs, value):
    """By place, by name, or among what else is taken; also one that was not passed."""
    assert value == mended(function, {"token": "new"}, *args, **kwargs).unwrap()


def test_an_argument_that_the_function_does_not_have_is_a_failure_that_says_so():
    """The call ends by it, and nothing is passed to somebody else."""
    error = mended(by_name, {"tokn": "new"}, "CAI").error

    assert "a remedy changed the argument 'tokn', which the function does not have" == str(error)


def items():
    yield 1


@pytest.mark.parametrize("wrong", [7, "work", lambda a, b: 1, functools.partial(known), items])
def test_what_cannot_be_called_with_the_context_or_nothing_is_refused(wrong):
    """Where it is given, with what was expected; a builtin that does not say what it takes is believed."""
    with pytest.raises(ConfigurationError, match=r"^loop: operation must be a function that"):
        check_operation("loop: operation", wrong)


@pytest.mark.parametrize("right", [lambda: 1, lambda ctx: 1, dict, functools.partial(known, "CAI", "new"), min])
def test_what_can_be_is_taken(right):
    """A function of the context, or of nothing."""
    check_operation("loop: operation", right)


def test_what_nobody_can_say_of_a_call_is_refused():
    """A word misspelt is told, with those that there are."""
    expected = "execute() has no argument 'tock'; expected one of ['iteration', 'nodes', 'results', 'state', 'tick']"
    with pytest.raises(TypeError, match=re.escape(expected)):
        ub.FractalNode("n").execute_sync(lambda: 1, tock=1)
