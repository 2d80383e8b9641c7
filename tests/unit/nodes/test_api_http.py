"""What HTTP says about repeating is read from methods and headers."""

from __future__ import annotations

import httpx2
import pytest

from unbreakable.nodes.http.meaning import effects_of, has_key
from unbreakable.policies.pushback import LONGEST_WISH, wish_in

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
