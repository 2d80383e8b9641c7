"""What HTTP says about repeating is read from methods, headers and the errors of client libraries."""

from __future__ import annotations

import httpx2
import pytest

from unbreakable.errors import Kind
from unbreakable.fractal.signature import LONGEST_WISH, wish_in
from unbreakable.nodes.http.meaning import effects_of, has_key, kind_of, never_left

NOON, LATER = ("Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 12:00:07 GMT")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 0.25 "}, 0.25),
        ({"retry-after": LATER, "date": NOON}, 7.0),
        ({"retry-after": NOON, "date": LATER}, 0.0),
        ({"retry-after": LATER}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "infinity"}, None),
        ({"retry-after": "86400"}, 86_400.0),
        ({"retry-after": "9" * 400}, LONGEST_WISH),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": NOON}, LONGEST_WISH),
        ({"retry-after": "soon", "date": NOON}, None),
        ({"retry-after": LATER, "date": "yesterday"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:00 -0000", "date": NOON}, None),
        ({}, None),
    ],
)
def test_a_wish_to_wait_is_read_in_seconds(headers, seconds):
    """Retry-After is a number, or a date measured by the answer's own clock; anything else is nothing."""
    assert seconds == wish_in(httpx2.Headers(headers))


@pytest.mark.parametrize(
    ("method", "keyed", "effects"),
    [
        ("GET", False, "none"),
        ("head", False, "none"),
        ("PUT", False, "idempotent"),
        ("PUT", True, "idempotent"),
        ("PATCH", False, "once"),
        ("PATCH", True, "idempotent"),
        ("BREW", False, "once"),
    ],
)
def test_the_method_tells_what_a_request_does(method, keyed, effects):
    """Reads, idempotent methods and the others are told apart; a key makes the others repeatable."""
    assert effects == effects_of(method, keyed=keyed)


def test_a_key_is_found_however_it_is_spelled():
    """The header's name may be in any case; what is no mapping has no key, and a blank one tells nothing apart."""
    assert has_key({"IDEMPOTENCY-key": "1"})
    assert not has_key({"x-key": "1", 7: "odd"})
    assert not has_key({"Idempotency-Key": " "})
    assert not has_key(None)


@pytest.mark.parametrize(
    ("error", "kind", "left"),
    [
        (httpx2.ConnectError("refused"), Kind.UNREACHABLE, False),
        (httpx2.ConnectTimeout("slow"), Kind.TIMEOUT, False),
        (httpx2.PoolTimeout("busy"), Kind.TIMEOUT, False),
        (httpx2.ProxyError("no"), Kind.UNREACHABLE, False),
        (httpx2.ReadError("reset"), Kind.UNREACHABLE, True),
        (httpx2.WriteError("reset"), Kind.UNREACHABLE, True),
        (httpx2.ReadTimeout("slow"), Kind.TIMEOUT, True),
        (httpx2.RemoteProtocolError("gibberish"), Kind.UNREACHABLE, True),
        (httpx2.LocalProtocolError("ours"), Kind.INVALID, True),
        (httpx2.TooManyRedirects("round and round"), Kind.INVALID, True),
        (httpx2.DecodingError("not gzip"), Kind.UNVERIFIED, True),
        (ConnectionResetError("reset"), None, True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_errors_of_the_client_library_are_told_apart(error, kind, left):
    """What never left may be sent again; the rest is sorted by what it says."""
    assert (kind, left) == (kind_of(error), not never_left(error))


def test_another_librarys_error_of_the_same_name_is_not_taken_for_theirs():
    """A ConnectError of somebody else's says nothing."""
    ours = type("ConnectError", (Exception,), {"__module__": "somebody.else"})

    assert not never_left(ours())
