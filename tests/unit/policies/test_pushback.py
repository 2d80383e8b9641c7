"""How long a target asks to be left in peace, in the words of each of the big services."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbreakable.errors import Kind
from unbreakable.fractal.signature import told_of
from unbreakable.policies.pushback import LONGEST_WISH, NEVER, longest, retry_after, wish_in

NOON, LATER = ("Mon, 23 Nov 2026 12:00:00 GMT", "Mon, 23 Nov 2026 12:00:07 GMT")
NOON_SINCE_1970 = 1_795_435_200


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"x-amz-retry-after": "20"}, 0.02),
        ({"grpc-retry-pushback-ms": "700"}, 0.7),
        ({"grpc-retry-pushback-ms": "0"}, 0.0),
        ({"grpc-retry-pushback-ms": "-1"}, NEVER),
        ({"grpc-retry-pushback-ms": "soon"}, NEVER),
        ({"retry-after-ms": "soon"}, None),
        ({"Retry-After": "7.5"}, 7.5),
        ({"Retry-After": "7."}, None),
        ({"Retry-After": "\u0667"}, None),
        ({"Retry-After": "999999999"}, 365 * 24 * 3_600.0),
        ({"retry-after-ms": "soon", "Retry-After": "2"}, 2.0),
        ({"retry-after-ms": "-5", "Retry-After": "2"}, 2.0),
        ({"Retry-After": "2", "retry-after-ms": "1750"}, 1.75),
        ({"Retry-After": LATER, "Date": NOON}, 7.0),
        ({"Retry-After": NOON, "Date": LATER}, 0.0),
        ({"Retry-After": LATER}, None),
        ({"Retry-After": "soon", "Date": NOON}, None),
        ({"X-Should-Retry": "false", "Retry-After": "2"}, NEVER),
        ({"x-should-retry": "False"}, NEVER),
        ({"x-should-retry": "true"}, None),
        ({"x-should-retry": "true", "retry-after": "2"}, 2.0),
    ],
)
def test_each_service_has_its_word_for_it(headers, seconds):
    """Milliseconds are finer than seconds, and a no is a no; what makes no sense is nothing, or gRPC's no."""
    assert seconds == wish_in(headers)


@pytest.mark.parametrize(
    ("headers", "status", "seconds"),
    [
        ({"RateLimit-Reset": "30", "RateLimit-Remaining": "0"}, 403, 30.0),
        ({"RateLimit-Reset": "30", "RateLimit-Remaining": "5"}, 429, None),
        ({"RateLimit-Reset": "30", "RateLimit-Remaining": "5"}, 503, None),
        ({"RateLimit-Reset": "30"}, 429, 30.0),
        ({"RateLimit-Reset": "30"}, 503, None),
        ({"RateLimit-Reset": "30"}, None, None),
        ({"RateLimit-Reset": "30", "RateLimit-Remaining": "0", "Retry-After": "2"}, 429, 2.0),
        ({"X-RateLimit-Reset": "30", "X-RateLimit-Remaining": "0"}, 429, 30.0),
        ({"X-RateLimit-Reset": str(NOON_SINCE_1970 + 9), "X-RateLimit-Remaining": "0", "Date": NOON}, 403, 9.0),
        ({"X-RateLimit-Reset": f"{NOON_SINCE_1970 + 9}500", "X-RateLimit-Remaining": "0", "Date": NOON}, 429, 9.5),
        ({"X-RateLimit-Reset": "99999999999", "X-RateLimit-Remaining": "0", "Date": NOON}, 429, 31_536_000.0),
        ({"X-RateLimit-Reset": "100000000000", "X-RateLimit-Remaining": "0", "Date": NOON}, 429, 0.0),
        ({"X-RateLimit-Reset": str(NOON_SINCE_1970 - 9), "X-RateLimit-Remaining": "0", "Date": NOON}, 403, 0.0),
        ({"X-RateLimit-Reset": str(NOON_SINCE_1970), "X-RateLimit-Remaining": "0"}, 403, None),
        ({"X-RateLimit-Reset": str(NOON_SINCE_1970), "X-RateLimit-Remaining": "0", "Date": "noon"}, 403, None),
        *(
            ({"X-RateLimit-Reset": "30", "X-RateLimit-Remaining": none}, 429, 30.0)
            for none in ("0.0", "00", "-1", " 0 ")
        ),
        *(
            ({"X-RateLimit-Reset": "30", "X-RateLimit-Remaining": some}, 429, None)
            for some in ("0.5", "01", "none", "--1")
        ),
        ({"RateLimit": '"default";r=0;t=30'}, 429, 30.0),
        ({"RateLimit": '"default";r=50;t=30'}, 429, None),
        ({"RateLimit": '"day";r=0;t=9000, "burst";r=0;t=7'}, 503, 9000.0),
        ({"RateLimit": '"day";r=12;t=9000, "burst";r=0;t=7'}, 503, 7.0),
        ({"RateLimit": "limit=100, remaining=0, reset=50"}, 429, 50.0),
        ({"RateLimit": "limit=100, remaining=9, reset=50"}, 429, None),
        ({"RateLimit": "plenty", "RateLimit-Reset": "3"}, 429, 3.0),
        ({"RateLimit": '"default";r=0;t=999999999999'}, 429, LONGEST_WISH),
        ({"RateLimit": '"a";r=0, "b";t=90, "c";w=60, "d";r=0;t=7'}, 429, 7.0),
        ({"RateLimit-Reset": "99999999"}, 429, LONGEST_WISH),
        ({"RateLimit-Reset": "100000000"}, 429, None),
    ],
)
def test_a_limit_that_is_used_up_says_when_it_is_renewed(headers, status, seconds):
    """A limit with something left of it is no reason to wait, and a date needs the answer's own clock."""
    assert seconds == wish_in(headers, status)


@pytest.mark.parametrize(
    "headers", [None, {}, "retry-after", 7, [("retry-after", "2")], MagicMock(), {"Retry-After": MagicMock()}]
)
def test_what_are_no_headers_asks_for_nothing(headers):
    """Nothing is made up out of what somebody put in the place of headers, stubs included."""
    assert wish_in(headers, 429) is None


@given(
    st.dictionaries(
        st.sampled_from(["Retry-After", "retry-after-ms", "RateLimit", "RateLimit-Reset", "X-RateLimit-Reset", "Date"]),
        st.text(max_size=30) | st.from_regex(r"[0-9]{1,400}(\.[0-9]*)?", fullmatch=True),
    )
)
def test_whatever_headers_hold_a_wish_is_a_length_of_time(headers):
    """No header raises, and none asks for less than nothing or for more than a year."""
    wished = wish_in(headers, 429)

    assert wished is None or 0.0 <= wished <= LONGEST_WISH


class Pairs(list):
    """Be headers that come in pairs when they are looked through, as werkzeug's do; each is found by its name."""

    asked = 0

    def get(self, name):
        """Return what stands under *name*, in whatever case."""
        self.asked += 1
        return next((value for each, value in list.__iter__(self) if each.lower() == name.lower()), None)


class Names(Pairs):
    """Be headers whose names come when they are looked through, as httpx's do."""

    def __iter__(self):
        return (name for name, _ in super().__iter__())


@pytest.mark.parametrize("sort", [Pairs, Names])
@pytest.mark.parametrize(
    "told",
    [
        *(("Retry-After", "7"), ("retry-AFTER-ms", "7000"), ("ratelimit", '"day";r=0;t=7'), ("RATELIMIT-RESET", "7")),
        *(("X-RateLimit-Reset", "7"), ("x-ratelimit", "limit=9, remaining=0, reset=7")),
        *((each, "7000") for each in ("x-ms-retry-after-ms", "X-Amz-Retry-After", "Grpc-Retry-Pushback-Ms")),
    ],
)
def test_a_wish_is_found_however_headers_are_looked_through(sort, told):
    """Names, or names with values; in any case."""
    assert wish_in(sort([("Server", "nginx"), told]), 429) == 7.0
    assert wish_in(sort([("X-Should-Retry", "false"), told])) == NEVER


def test_headers_that_wish_nothing_are_looked_through_once():
    """An answer of which none is a wish is not asked for one by one of those that there might be."""
    headers = Names([("Server", "nginx"), ("Date", NOON), ("Content-Length", "17")])
    assert wish_in(headers) is None
    assert headers.asked == 0


class Told(Exception):
    """Say what it was given."""

    def __init__(self, **facts: object) -> None:
        super().__init__("no")
        vars(self).update(facts)


class RpcError(Exception):
    """Stand for grpcio's, which need not be installed."""

    __module__ = "grpc"

    def __init__(self, *metadata: tuple[str, str]) -> None:
        super().__init__("unavailable")
        self.metadata = metadata

    def trailing_metadata(self) -> object:
        return self.metadata


class BrokenRpcError(RpcError):
    """Have nothing to tell yet."""

    def trailing_metadata(self) -> object:
        raise RuntimeError("the call is not over")


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Told(retry_after=dt.timedelta(minutes=2)), 120.0),
        (Told(retry_after=float("inf")), NEVER),
        (Told(retry_after="soon", headers={"Retry-After": "2"}), None),
        (Told(response=SimpleNamespace(status_code=429, headers={"RateLimit-Reset": "4"})), 4.0),
        (Told(response=SimpleNamespace(status_code=500, headers={"RateLimit-Reset": "4"})), None),
        (Told(status=429, headers={"RateLimit-Reset": "4"}), 4.0),
        (Told(response={"ResponseMetadata": {"HTTPHeaders": {"x-amz-retry-after": "900"}}}), 0.9),
        (Told(response={"ResponseMetadata": None}), None),
        (Told(response={}), None),
        (RpcError(("grpc-retry-pushback-ms", "40")), 0.04),
        (RpcError(("grpc-retry-pushback-ms", "-1")), NEVER),
        (RpcError(), None),
        (BrokenRpcError(("grpc-retry-pushback-ms", "40")), None),
        (RpcError, None),
    ],
)
def test_the_wish_is_found_where_a_library_keeps_it(error, seconds):
    """An exception's own word comes first; then its answer's headers, botocore's dictionary, gRPC's trailers."""
    assert seconds == retry_after(error)


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [([], None), ([None, None], None), ([None, 2.0, 0.0], 2.0), ([1.0, NEVER], NEVER), ([0.0], 0.0)],
)
def test_the_longest_of_several_wishes_is_what_counts(wishes, expected):
    """Who wishes nothing does not count, and no wish at all is none."""
    assert expected == longest(wishes)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "seconds"),
    [
        (403, {"Retry-After": "5"}, Kind.THROTTLED, 5.0),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOON_SINCE_1970 + 9), "Date": NOON},
            Kind.THROTTLED,
            9.0,
        ),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOON_SINCE_1970 + 9)}, Kind.THROTTLED, None),
        (403, {"ratelimit-remaining": " 0 "}, Kind.THROTTLED, None),
        (403, {"X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": "30"}, Kind.CREDENTIALS, None),
        (403, {"x-should-retry": "false"}, Kind.CREDENTIALS, NEVER),
        (403, {}, Kind.CREDENTIALS, None),
        (403, "none", Kind.CREDENTIALS, None),
        (401, {"Retry-After": "5", "X-RateLimit-Remaining": "0"}, Kind.CREDENTIALS, 5.0),
        (404, {"X-RateLimit-Remaining": "0"}, Kind.INVALID, None),
    ],
)
def test_a_forbidden_answer_of_a_limit_that_is_used_up_is_one_of_429(status, headers, kind, seconds):
    """GitHub says its limits by 403; whose word is a no for good, or who has calls left, was forbidden the thing."""
    alone, inside = Told(status_code=status, headers=headers), Told(response=Told(status_code=status, headers=headers))

    assert [(kind, seconds)] * 2 == [told_of(alone), told_of(inside)]
