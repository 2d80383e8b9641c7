"""A target asks for a pause in its answer's headers, wherever a client library's exception keeps them."""

from __future__ import annotations

import io
import urllib.error
from email.message import Message
from types import SimpleNamespace

import pytest

import unbreakable as ub
from unbreakable.errors import Kind
from unbreakable.fractal.signature import classify
from unbreakable.policies.pushback import retry_after
from unbreakable.testing import virtual_time

NOON, LATER = ("Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 12:00:07 GMT")


class ClientResponseError(Exception):
    """What aiohttp raises: status and headers are the error's own."""

    def __init__(self, status: int, headers: object = None) -> None:
        super().__init__(f"{status}, message='Too Many Requests'")
        self.status, self.headers = status, headers


class Throttling(Exception):
    """Every error of this class says the same."""

    status = 429
    headers = {"retry-after": "2"}  # noqa: RUF012 - as people write it


class Awkward:
    """Headers that break whoever reads them."""

    def get(self, name: str) -> str:
        raise LookupError(name)


def of_urllib(status: int, **headers: str) -> urllib.error.HTTPError:
    message = Message()
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    return urllib.error.HTTPError("http://partner", status, "Too Many Requests", message, io.BytesIO())


def of_response(own: object, headers: object) -> Exception:
    error = ClientResponseError(429, own)
    vars(error)["response"] = SimpleNamespace(headers=headers)
    return error


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Throttling(), 2.0),
        (of_urllib(429, Retry_After="3"), 3.0),
        (of_urllib(429, Retry_After=LATER, Date=NOON), 7.0),
        (of_urllib(429), None),
        (ClientResponseError(429, {"Retry-After": "4"}), 4.0),
        (ClientResponseError(429, {"retry-after": LATER, "date": NOON}), 7.0),
        (ClientResponseError(429, {"RETRY-AFTER": 5}), 5.0),
        (of_response({"retry-after": "2"}, {"retry-after": "6"}), 6.0),
        (of_response({"retry-after": "2"}, None), 2.0),
        (of_response({"retry-after": "2"}, {}), 2.0),
        *[
            (ClientResponseError(429, odd), None)
            for odd in (None, {}, "retry-after", Awkward(), object(), [("retry-after", "2")], {"retry-after": None}, 7)
        ],
    ],
)
def test_the_wish_is_found(error, seconds):
    """The response's headers speak first, then the error's own; whatever else stands there is no wish."""
    assert (seconds, Kind.THROTTLED) == (retry_after(error), classify(error))


@pytest.mark.parametrize(("headers", "kind"), [({"Retry-After": "2"}, Kind.THROTTLED), (None, Kind.TRANSIENT)])
def test_a_busy_server_that_says_when_it_is_back_throttles(headers, kind):
    """A 503 is believed to pass by itself; with a wish it is known when."""
    assert kind is classify(ClientResponseError(503, headers))
    assert kind is classify(of_urllib(503, **({} if headers is None else {"Retry_After": "2"})))


@pytest.mark.parametrize("error", [Throttling(), of_urllib(429, Retry_After="2"), of_urllib(503, Retry_After="2")])
def test_a_repeat_waits_for_as_long_as_it_was_asked_to(error):
    """Two repeats wait for two seconds each, and no longer where nobody else has to be kept out of the way."""
    node = ub.FractalNode("partner", retry=ub.Retry(3, throttled=ub.Backoff(0.0)))

    def operation() -> None:
        raise error

    with virtual_time():
        outcome = node.execute_sync(operation)

    assert (3, 4.0) == (outcome.attempts, outcome.elapsed)


def test_a_herd_that_was_told_the_same_does_not_come_back_at_once():
    """Of fifty processes that are told "five seconds" none comes sooner, and they come one after another."""
    came = []

    def operation() -> None:
        came.append(clock.now())
        raise ClientResponseError(429, {"Retry-After": "5"})

    with virtual_time() as clock:
        for number in range(50):
            began = clock.now()
            ub.FractalNode(f"partner of {number}", retry=ub.Retry(2), deadline=7.0).execute_sync(operation)
            came[-1] -= began
    back = came[1::2]

    assert (50, 5.0) <= (len(back), min(back))
    assert max(back) < 7.0
    assert max(sum(begins <= each < begins + 0.1 for each in back) for begins in back) < 15
    assert len(set(back)) > 40
