"""What a remedy requires decides what it is called with."""

from __future__ import annotations

import collections
import functools

import pytest

import unbreakable as ub
from unbreakable.fractal.taking import caller_of, what_it_takes
from unbreakable.testing import virtual_time

NOTHING, FAILURE = "nothing", ub.Failure(PermissionError("401"))


def noted(scope="all", **others):
    """Return what it was given."""
    return scope, others


def told(failure=None):
    """Return what it was given."""
    return failure


def typed(why: ub.Failure | None = None):
    """Return what it was given."""
    return why


@pytest.mark.parametrize(
    ("function", "given"),
    [
        (noted, ("all", {})),
        (functools.partial(noted, "mine"), ("mine", {})),
        (functools.partial(noted, scope="mine"), ("mine", {})),
        (lambda *, force=False: force, False),
        (lambda: NOTHING, NOTHING),
        (told, FAILURE),
        (typed, FAILURE),
        (lambda why: why, FAILURE),
        (lambda _=None: _, FAILURE),
        (lambda *all_of_it: all_of_it, (FAILURE,)),
        (lambda why, scope="all": (why, scope), (FAILURE, "all")),
    ],
)
def test_what_it_requires_is_what_it_gets(function, given):
    """The failure goes where it is asked for, and nothing takes the place of another argument."""
    assert caller_of(function, what_it_takes("it", function))(FAILURE) == given


@pytest.mark.parametrize("function", [lambda one, two, three: None, lambda *, force: None, 3])
def test_what_takes_something_else_is_refused(function):
    """Nobody could call it."""
    with pytest.raises(ub.errors.ConfigurationError, match="it must be a function that takes the failure"):
        what_it_takes("it", function)


@pytest.mark.parametrize(
    "make", [dict, set, collections.OrderedDict, collections.deque], ids=lambda make: make.__name__
)
def test_the_clear_of_what_is_built_in_clears_a_cache(make):
    """Functions that do not say what they take are called with nothing."""
    cache = make({"stale": 1})

    @ub.protect(
        "cache", effects="none", verify=lambda found: not found, remedies=[ub.remedies.clear_cache(cache.clear)]
    )
    def look():
        return list(cache)

    with virtual_time():
        assert look() == []


def test_the_cache_of_a_function_is_cleared():
    """``cache_clear`` of a cached function is a remedy, and one that is registered by hand."""
    found = ["stale", "fresh"]

    @functools.lru_cache
    def look():
        return found.pop(0)

    @ub.protect("cached", effects="none", verify=lambda value: value == "fresh")
    def protected():
        return look()

    protected.remedy(ub.errors.VerificationFailed)(look.cache_clear)
    with virtual_time():
        assert protected() == "fresh"


def test_what_is_built_in_and_wants_something_gets_the_failure():
    """A deque takes the failures in."""
    seen = collections.deque()

    caller_of(seen.append, None)(FAILURE)

    assert list(seen) == [FAILURE]


def test_what_fails_by_itself_is_not_called_again():
    """A TypeError from further in is the function's own."""
    called = []

    class Built(dict):
        def __init__(self):
            called.append(1)
            raise TypeError("a bad argument")

    with pytest.raises(TypeError, match="a bad argument"):
        caller_of(Built, None)(FAILURE)
    assert called == [1]
