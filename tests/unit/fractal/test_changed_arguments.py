"""What remedies change of a call's arguments, and what can be called at all."""

from __future__ import annotations

import asyncio
import functools
import re

import pytest

import unbreakable as ub
from unbreakable.errors import ConfigurationError
from unbreakable.fractal.operation import check_operation
from unbreakable.fractal.turn import MOST_AT_ONCE
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


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


@pytest.mark.parametrize("changes", [{"host": "backup"}, None], ids=["each for itself", "one for all"])
def test_a_remedy_that_takes_long_keeps_up_with_the_calls_whose_arguments_it_changes(changes):
    """Twenty a second are mended by 0.3 s each, sixteen at a time at most; what serves all is applied by one call."""
    hosts, at_work, most = ["primary"], 0, []

    @ub.protect("search", effects="none", budget=False)
    async def search(host=""):
        await ASYNCIO.sleep(0.01)
        if (host or hosts[-1]) == "primary":
            raise ConnectionError("down")
        return host

    @search.remedy(ConnectionError)
    async def move(failure):
        nonlocal at_work
        at_work += 1
        most.append(at_work)
        await ASYNCIO.sleep(0.3)
        at_work -= 1
        if changes is None:
            hosts.append("backup")
        return changes

    async def run():
        tasks = []
        for number in range(400):
            if number == 200:  # and all at once
                await ASYNCIO.sleep(10.0)
            await ASYNCIO.sleep(0.05 * (number < 200))
            tasks.append(asyncio.ensure_future(search.outcome()))
        return [await task for task in tasks]

    with virtual_time(seed=3):
        ends = asyncio.run(run())

    assert 400 == sum(end.ok for end in ends)
    assert max(most) == (1 if changes is None else MOST_AT_ONCE)
    assert len(most) == (1 if changes is None else 400)


def test_what_nobody_has_repeated_speaks_against_no_remedy_that_changes_only_its_own_call():
    """Where the budget is spent the next call fails likewise, and nobody knows whether its remedy would have helped."""

    @ub.protect("search", effects="none", breaker=False, budget=ub.RetryBudget(start=3.0, floor=0.0, ratio=0.0))
    def search(host="primary"):
        if host == "primary":
            raise ConnectionError("down")
        return host

    search.remedy(ConnectionError)(lambda failure: {"host": "backup"})
    with virtual_time(seed=3):
        ends = [search.outcome() for _ in range(20)]

    assert [True] * 3 + [False] * 17 == [end.ok for end in ends]
    assert "worked 3 of the last 3 times" in ends[-1].explain()
