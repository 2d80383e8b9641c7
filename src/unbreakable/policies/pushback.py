"""A target says how long to leave it in peace, or that it is not to be asked again at all.

It says so in the headers of its answer, or in what gRPC sends after it, and each of the big ones in its own words:

===========================  ======================================================================================
``Retry-After``              seconds, or a date, which is measured by the answer's own clock (RFC 9110)
``retry-after-ms``           milliseconds: OpenAI and others
``x-ms-retry-after-ms``      milliseconds: Azure
``x-amz-retry-after``        milliseconds: AWS
``grpc-retry-pushback-ms``   milliseconds; a negative number, or none at all, says no (gRPC proposal A6)
``x-should-retry: false``    says no: OpenAI, Anthropic
``RateLimit``                ``"default";r=0;t=30`` or ``limit=9, remaining=0, reset=30``: seconds (IETF drafts)
``RateLimit-Reset``          seconds, as long as ``RateLimit-Remaining`` is 0, or in an answer of 429
``X-RateLimit-Reset``        the same, or the seconds of a date since 1970: GitHub and many others
===========================  ======================================================================================

The finer word wins over the coarser one, in this order from the second on; a no wins over all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from unbreakable.errors import Kind, says_nothing, told_by
from unbreakable.policies.codes import is_of_grpc

THROTTLED = Kind.THROTTLED  #: the same, without a look into its class, which takes longer than all else that is asked
NEVER = math.inf  #: what is wished by who does not want to be asked again
LONGEST_WISH = 365 * 86_400.0  # seconds that a target may ask us to wait; more is taken as that: no clock is so patient
SINCE_1970 = 1e8  # seconds; more is a date: nobody says so long beforehand that he has enough for three years
IN_MILLISECONDS = 1e11  # a date that is larger is told in these: in seconds it would be three thousand years away

_MILLISECONDS = ("grpc-retry-pushback-ms", "retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after")
_LIMITS = ("RateLimit", "X-RateLimit")
_WISHES = frozenset({"x-should-retry", *_MILLISECONDS, "retry-after"}).union(
    *({name.lower(), f"{name}-reset".lower()} for name in _LIMITS)
)

Headers = Callable[[str], str]


def retry_after(error: BaseException | type[BaseException]) -> float | None:
    """Return how many seconds the target that answered by *error* asked us to wait, if it did; NEVER if it said no."""
    if says_nothing(error):
        return None
    seconds = told_by(error, "retry_after")
    if seconds is not None:
        return _said_by_itself(seconds)
    status = told_by(told_by(error, "response"), "status_code") or told_by(error, "status")
    wishes = (wish_in(headers, status) for headers in _headers_of(error) if headers is not None)
    return next((found for found in wishes if found is not None), None)


def is_of_limit(error: BaseException | type[BaseException]) -> bool:
    """Return whether the answer by which *error* came says that a limit is used up: when it ends, or none is left.

    A no for good is none of a limit, which is renewed.
    """
    wished = retry_after(error)
    return wished != NEVER if wished is not None else any(map(_has_none_left, _headers_of(error)))


def _has_none_left(headers: Any) -> bool:
    try:
        return any(_is_none(_header(headers, f"{name}-Remaining").strip()) for name in _LIMITS)
    except Exception:
        return False  # no headers at all


def longest(wishes: Iterable[float | None]) -> float | None:
    """Return the longest of *wishes*, None if there is none."""
    return max((each for each in wishes if each is not None), default=None)


def _said_by_itself(seconds: Any) -> float | None:
    length = told_by(seconds, "total_seconds")
    try:
        said = float(seconds if length is None else length())
        return NEVER if said == math.inf else wish(said)
    except Exception:
        return None


def _headers_of(error: BaseException | type[BaseException]) -> Iterator[Any]:
    """Yield where client libraries put the headers of an answer that was no success."""
    response = told_by(error, "response")
    if type(response) is dict:  # botocore's
        told = response.get("ResponseMetadata")
        yield told.get("HTTPHeaders") if type(told) is dict else None
    else:
        yield told_by(response, "headers")
    yield told_by(error, "headers")
    if is_of_grpc(error):
        yield _metadata(error)


def _metadata(error: Any) -> dict[str, str] | None:
    """Return what a gRPC server sent after it had failed."""
    try:
        return {str(name): str(value) for name, value in error.trailing_metadata()}
    except Exception:
        return None


def wish_in(headers: Any, status: Any = None) -> float | None:
    """Return how many seconds *headers*, any client library's, ask us to wait; None for whatever else they are.

    *status* is that of the answer, if it is known: a limit that is told in an answer of 429 is used up.
    """
    try:
        return _wish_in(lambda name: _header(headers, name), status) if _may_wish(headers) else None
    except Exception:
        return None  # no headers at all: the same as nothing


def _may_wish(headers: Any) -> bool:
    """Return whether one of *headers* may be a wish; most answers have none, and to ask for each takes long."""
    try:
        return not _WISHES.isdisjoint([name.lower() for name in headers])
    except Exception:
        return True  # werkzeug's come in pairs


def _wish_in(header: Headers, status: Any) -> float | None:
    if header("x-should-retry").strip().lower() == "false":
        return NEVER
    for name in _MILLISECONDS:
        value = header(name)
        if (seconds := seconds_in(value)) is not None:
            return seconds / 1_000
        if value and name.startswith("grpc"):
            return NEVER
    value = header("Retry-After")
    wished = seconds_in(value)
    if wished is None and value:
        wished = _until(value, header("Date"))
    return _limit_in(header, status) if wished is None else wished


def _header(headers: Any, name: str) -> str:
    """Return what stands under *name*, however it is spelt: some libraries hand out a plain dictionary."""
    values = (headers.get(spelt) for spelt in (name, name.lower(), name.title(), name.upper()))
    return next((str(value) for value in values if isinstance(value, (str, int, float))), "")


def _until(date: str, here: str) -> float | None:
    """Return how far off *date* is when it is *here*, on the same clock."""
    from email.utils import parsedate_to_datetime

    try:
        return wish(max(0.0, (parsedate_to_datetime(date) - parsedate_to_datetime(here)).total_seconds()))
    except Exception:
        return None


def seconds_in(header: str) -> float | None:
    """Return how many seconds a *header* that is a number asks us to wait; None for anything else.

    >>> seconds_in("86400"), seconds_in("9" * 400) == LONGEST_WISH, seconds_in("soon")
    (86400.0, True, None)
    """
    return wish(float(header)) if _is_decimal(header.strip()) else None


def _is_decimal(text: str) -> bool:
    whole, point, part = text.partition(".")
    return text.isascii() and whole.isdigit() and part.isdigit() is bool(point)


def _is_none(left: str) -> bool:
    """Return whether that is how an answer says that nothing is left of a limit, as "0", or Reddit's "0.0"."""
    return _is_decimal(left.removeprefix("-")) and float(left) <= 0.0


def wish(seconds: float) -> float | None:
    """Return *seconds* as a wish that can be kept: at most a year, and none for what is no duration.

    A wish that is longer than we can wait is not forgotten: who has no time for it does not ask again.
    """
    return min(seconds, LONGEST_WISH) if seconds >= 0 else None


# ── limits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _limit_in(header: Headers, status: Any) -> float | None:
    """Return when a limit is renewed that the answer says is used up."""
    for name in _LIMITS:
        told = _members(header(name))
        if told:
            return longest(reset for left, reset in told if left == 0)
        left, reset = header(f"{name}-Remaining").strip(), header(f"{name}-Reset").strip()
        if _is_decimal(reset) and (_is_none(left) or (not left and status == 429)):
            return wish(float(reset)) if float(reset) < SINCE_1970 else _since_1970(float(reset), header("Date"))
    return None


def _members(header: str) -> list[tuple[int, float]]:
    """Return of each limit in *header* how much is left of it, and for how many seconds.

    >>> _members('"day";r=100;t=9000, "burst";r=0;t=7'), _members("limit=9, remaining=0, reset=30")
    ([(100, 9000.0), (0, 7.0)], [(0, 30.0)])
    """
    import re

    parts = header.split(",") if ";" in header else [header]
    found = []
    for told in (dict(re.findall(r"([a-z]+)=([0-9]{1,12})", part.lower())) for part in parts):
        left, reset = told.get("r", told.get("remaining")), told.get("t", told.get("reset"))
        if left is not None and reset is not None:
            found.append((int(left), min(LONGEST_WISH, float(reset))))
    return found


def _since_1970(seconds: float, here: str) -> float | None:
    from email.utils import parsedate_to_datetime

    seconds = seconds / 1_000 if seconds >= IN_MILLISECONDS else seconds
    try:
        return wish(max(0.0, seconds - parsedate_to_datetime(here).timestamp()))
    except Exception:
        return None  # whose clock it was is not known
