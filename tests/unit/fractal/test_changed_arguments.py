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
        (among_others, ("CAI",), {"token": "old", "page": 2}, ("CAI", "new", "page", "token")),
    ],
)
def test_an_argument_is_changed_however_it_was_passed(function, args, kwargs, value):
    """By place, by name, or among what else was passed; also one of the signature that was not passed."""
    assert value == mended(function, {"token": "new"}, *args, **kwargs).unwrap()


def first_of(city, token="old", *others):  # noqa: S107
    return known(city, token)


def in_a_session(session, city, token="old"):  # noqa: S107
    return known(city, token)


def handed_on(function, *put_in):
    return functools.wraps(function)(lambda *args, **kwargs: function(*put_in, *args, **kwargs))


def by_place_alone(function):
    return functools.wraps(function)(lambda *args: function(*list(args)))


def put_in_by_name(function):
    return functools.wraps(function)(lambda city, **others: function("session", city, **others))


def named_by_itself(function):
    return functools.wraps(function)(lambda city, token: function("session", city, token))


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "told"),
    [
        (handed_on(by_name), ("CAI", "old"), {}, "new"),
        (handed_on(by_place), ("CAI", "old"), {}, "new"),
        (handed_on(first_of), ("CAI", "old", 7), {}, "new"),
        (by_place_alone(by_name), ("CAI", "old"), {}, "new"),
        (handed_on(in_a_session, "session"), ("CAI",), {}, "new"),
        (handed_on(in_a_session, "session"), (), {"city": "CAI", "token": "old"}, "new"),
        (handed_on(in_a_session, "session"), ("CAI", "old"), {}, "got multiple values for argument 'token'"),
        (put_in_by_name(in_a_session), ("CAI",), {}, "new"),
        (named_by_itself(in_a_session), ("CAI", "old"), {}, "new"),
    ],
)
def test_a_decorator_is_passed_what_it_takes(function, args, kwargs, told):
    """It may hand on all, or put in more: then nothing is passed to a parameter that it was not meant for."""
    outcome = mended(function, {"token": "new"}, *args, **kwargs)

    assert (outcome.value == ("CAI", told)) if told == "new" else told in str(outcome.error)


def test_what_a_decorator_may_have_taken_for_another_stays_as_it_was():
    """The call ends in its own error, and the story tells why."""
    outcome = mended(handed_on(in_a_session, "session"), {"city": "LXR"}, "CAI")

    assert "401" == str(outcome.error)
    assert "it returned city as well, which is no argument of the call" in outcome.explain()


@pytest.mark.parametrize(("function", "others"), [(by_name, {}), (among_others, {"page": 2})])
def test_what_a_remedy_returns_beside_the_arguments_is_passed_to_nobody(function, others):
    """Such as the answer of a token's server, which clients return from their refresh: the story tells of it."""
    outcome = mended(function, {"access_token": "secret", "tokn": 1, "city": "LXR"}, "CAI", **others)

    assert "401" == str(outcome.error)
    assert "which changed city; it returned access_token, tokn as well, which is no argument" in outcome.explain()


@pytest.mark.parametrize("is_own", [True, False])
def test_an_operation_is_passed_only_what_it_takes(is_own):
    """Whether it is the node's own or handed to it; names that are no words are for nobody."""
    is_fresh = False

    def refresh():
        nonlocal is_fresh
        is_fresh = True
        return {"access_token": "secret", 7: "seven", "size": 5}

    def ask(ctx, size=100):
        if not is_fresh:
            raise PermissionError("401")
        return size

    node = ub.FractalNode("n", ask if is_own else None, remedies=[ub.remedies.refresh_credentials(refresh)])
    outcome = node.execute_sync(None if is_own else ask)
    assert 5 == outcome.value
    assert "it returned access_token, 7 as well" in outcome.explain()


def test_what_does_not_say_what_it_takes_is_given_what_a_remedy_returns():
    """Nobody can tell then what is meant for it."""
    given = []

    class Silent:
        __signature__ = "none"

        def __call__(self, **others):
            given.append(others)
            if len(given) < 2:
                raise PermissionError("401")

    node = ub.FractalNode("silent", retry=ub.Retry(2, backoff=ub.Backoff(0.0)))
    node.remedy(PermissionError)(lambda failure: {"token": "new"})
    node.execute_sync(Silent())

    assert [{}, {"token": "new"}] == given


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
    assert check_operation("loop: operation", right) is None


def test_what_nobody_can_say_of_a_call_is_refused():
    """A word misspelt is told, with those that there are."""
    expected = "execute() has no argument 'tock'; expected one of ['iteration', 'nodes', 'results', 'state', 'tick']"
    with pytest.raises(TypeError, match=re.escape(expected)):
        ub.FractalNode("n").execute_sync(lambda: 1, tock=1)


def test_below_a_decorator_that_puts_an_argument_in_a_change_goes_by_name():
    """The signature is that of the function inside, which takes more than its caller gives."""

    @functools.wraps(by_session)
    def with_session(*args, **kwargs):
        return by_session("session", "key", *args, **kwargs)

    assert ("CAI", "new") == mended(with_session, {"token": "new"}, "CAI").value
    assert ("CAI", "new") == mended(with_session, {"token": "new"}, city="CAI", token="old").value


def by_session(session, key, city, token="old"):  # noqa: S107
    return known(city, token)
