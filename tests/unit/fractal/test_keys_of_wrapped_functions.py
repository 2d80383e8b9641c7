"""What a caller gives is what a key and a validation take, whatever a decorator or a partial adds to it."""

from __future__ import annotations

import functools

import pytest

import unbreakable as ub


def with_session(function):
    """Give *function* a session first."""

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function("session", *args, **kwargs)

    return wrapper


def book(session, city):
    return session, city


@pytest.mark.parametrize("option", ["key", "validate"])
@pytest.mark.parametrize(
    "function", [with_session(book), functools.partial(book, "session")], ids=["decorated", "partial"]
)
def test_it_takes_what_the_caller_gives(function, option):
    """And not what the innermost function takes."""
    assert ("session", "CAI") == ub.protect("book", **{option: lambda city: city})(function)("CAI")
