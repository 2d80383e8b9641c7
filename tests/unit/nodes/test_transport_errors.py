"""What comes out of a protected transport is caught by the handlers that a client's users have, and by ours."""

from __future__ import annotations

import asyncio
import copy
import importlib
import pickle

import pytest

import unbreakable as ub
from unbreakable.errors import AttemptTimeout, CircuitOpen, DeadlineExceeded, Kind, NotSent
from unbreakable.fractal.signature import classify, sign
from unbreakable.nodes import AdaptiveTransport, APINode
from unbreakable.runtime import BLOCKING
from unbreakable.testing import virtual_time

URL = "http://partner/"
ONCE = {"retry": False, "breaker": False}


@pytest.fixture(params=["httpx2", "httpx"])
def library(request):
    """Return each client library that is there."""
    return pytest.importorskip(request.param)


@pytest.fixture(params=["async", "sync"])
def caught(request, library):
    """Return a function that asks through a transport and returns what is raised; an answer takes some seconds."""

    def answer(asked, seconds, status):
        BLOCKING.world.sleep(seconds)
        return library.Response(status)

    async def answer_later(asked, seconds, status):
        await asyncio.sleep(seconds)  # noqa: TID251 - virtual
        return library.Response(status)

    def ask(*, seconds=0.0, status=500, times=1, **options):
        is_async = request.param == "async"
        handler = answer_later if is_async else answer
        inner = library.MockTransport(lambda asked: handler(asked, seconds, status))
        transport = AdaptiveTransport(inner, **options)

        async def story():
            async with library.AsyncClient(transport=transport) as client:
                for _ in range(times):
                    await client.get(URL)

        def plain_story():
            with library.Client(transport=transport) as client:
                for _ in range(times):
                    client.get(URL)

        with virtual_time(), pytest.raises(Exception) as caught:
            asyncio.run(story()) if is_async else plain_story()
        return caught.value

    return ask


def refuse(request):
    raise ValueError("not today")


@pytest.mark.parametrize(
    ("options", "ours", "theirs"),
    [
        ({"times": 2, "retry": False, "breaker": ub.CircuitBreaker(1)}, CircuitOpen, "TransportError"),
        ({"validate": refuse}, ub.errors.ValidationFailed, "TransportError"),
        ({"status": 200, "verify": lambda answer: False, **ONCE}, ub.errors.VerificationFailed, "TransportError"),
        ({"seconds": 9, "timeout": ub.Timeout(1.0), **ONCE}, AttemptTimeout, "TimeoutException"),
    ],
)
def test_an_error_is_ours_and_theirs(caught, library, options, ours, theirs):
    """An outage is no surprise to ``except HTTPError``, and has its name and its story."""
    error = caught(**options)

    assert isinstance(error, ours)
    assert isinstance(error, getattr(library, theirs))
    assert isinstance(error, library.HTTPError)
    assert URL == str(error.request.url)
    assert any("unbreakable: http failed" in note for note in error.__notes__)


def test_a_wrong_setting_is_ours_alone(caught, library):
    """Who handles outages of a service does not handle mistakes of the program."""

    def key(request):
        raise ub.errors.ConfigurationError("no such key")

    error = caught(key=key)

    assert isinstance(error, ub.errors.ConfigurationError)
    assert not isinstance(error, library.HTTPError)


def test_it_says_of_itself_what_ours_says(caught):
    """Its name, message and kind are those of the error that it was."""
    error = caught(times=2, retry=False, breaker=ub.CircuitBreaker(1))
    plain = CircuitOpen(str(error), retry_after=error.retry_after)

    assert repr(plain) == repr(error)
    assert (Kind.REJECTED, "unbreakable.CircuitOpen") == (classify(error), sign(error).split(" | ")[0])


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
def test_a_copy_is_both_as_well(caught, library, again):
    """It goes to another process as exceptions do."""
    error = caught(times=2, retry=False, breaker=ub.CircuitBreaker(1))
    same = again(error)

    assert (type(error), error.args, error.retry_after) == (type(same), same.args, same.retry_after)
    assert isinstance(same, CircuitOpen)
    assert isinstance(same, library.TransportError)
    assert (error.__notes__, URL) == (same.__notes__, str(same.request.url))


def test_a_protected_call_around_the_client_knows_it_again(library):
    """A circuit that is open inside is a refusal outside, too; what was repeated inside is not repeated once more."""
    asked = []

    def answer(request):
        asked.append(1)
        BLOCKING.world.sleep(9)

    transport = AdaptiveTransport(library.MockTransport(answer), timeout=ub.Timeout(1.0), retry=ub.Retry(2))

    @ub.protect("around", effects="idempotent")
    def ask():
        with library.Client(transport=transport) as client:
            return client.get(URL)

    with virtual_time():
        outcome = ask.outcome()

    assert isinstance(outcome.error, AttemptTimeout)
    assert (1, 2) == (outcome.attempts, len(asked))


def test_an_api_node_takes_the_refusal_of_a_transport_for_what_it_is():
    """Its errors are a library's as well, and nevertheless no connection that broke."""
    httpx2 = importlib.import_module("httpx2")
    inner = AdaptiveTransport(httpx2.MockTransport(lambda request: httpx2.Response(500)), retry=False)
    inner.node.breaker.force_open()
    with virtual_time(), APINode("http://partner", transport=inner) as api:
        outcome = api.make_request_sync.outcome()

    assert (CircuitOpen.__name__, 1) == (type(outcome.error).__name__, outcome.attempts)
    assert Kind.REJECTED is classify(outcome.error)


@pytest.mark.parametrize(
    ("error", "theirs"),
    [
        (DeadlineExceeded("late"), "TimeoutException"),
        (NotSent("nobody listens"), "ConnectError"),
        (ub.errors.BulkheadFull("no place"), "TransportError"),
        (ub.errors.RecordedError("lost"), "TransportError"),
    ],
)
def test_each_has_the_nearest_of_theirs(library, error, theirs):
    """A limit is a timeout, what never left is a connection that was not made, all else is trouble on the way."""
    raising = importlib.import_module("unbreakable.nodes.http.raising")
    kind = type(error)
    raising.shared(error, library.Request("GET", URL))

    assert (kind, getattr(library, theirs)) == type(error).__bases__


def test_a_request_of_neither_library_leaves_ours_as_it_is():
    """Whoever calls a transport by hand has what it raises."""
    raising = importlib.import_module("unbreakable.nodes.http.raising")
    for error in (CircuitOpen("no"), NotSent("no"), DeadlineExceeded("late")):
        raising.shared(error, object())

        assert type(error) in vars(ub.errors).values()
