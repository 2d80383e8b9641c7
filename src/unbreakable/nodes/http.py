"""What HTTP says that matters for repeating a request, whichever client library speaks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from unbreakable.errors import Kind
from unbreakable.policies.effects import Effects

EFFECTS: dict[str, Effects] = {
    "GET": "none",
    "HEAD": "none",
    "OPTIONS": "none",
    "QUERY": "none",
    "PUT": "idempotent",
    "DELETE": "idempotent",
    "POST": "once",
    "PATCH": "once",
}
KEY_HEADER = "Idempotency-Key"

_NEVER_LEFT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"})
_KINDS = {  # the first that fits: class names that httpx and httpx2 share, the narrow ones before the wide ones
    "UnsupportedProtocol": Kind.INVALID,
    "LocalProtocolError": Kind.INVALID,
    "TooManyRedirects": Kind.INVALID,
    "DecodingError": Kind.UNVERIFIED,
    "TimeoutException": Kind.TIMEOUT,
    "TransportError": Kind.UNREACHABLE,
}


def effects_of(method: str, *, keyed: bool) -> Effects:
    """Return what a request of that *method* does to the world; *keyed* when it carries an idempotency key.

    >>> effects_of("GET", keyed=False), effects_of("POST", keyed=False), effects_of("POST", keyed=True)
    ('none', 'once', 'idempotent')
    """
    effects = EFFECTS.get(method.upper(), "once")
    return "idempotent" if keyed and effects == "once" else effects


def has_key(headers: Any) -> bool:
    """Return whether the *headers*, a mapping of whatever a caller passed, hold an idempotency key."""
    names = headers if isinstance(headers, Mapping) else ()
    return any(isinstance(name, str) and name.lower() == KEY_HEADER.lower() for name in names)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the answer asks us to wait: a number, or a date measured by the answer's own clock."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    here = headers.get("date", "")
    if not value or not here:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(here)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None  # neither a number nor a date: the same as nothing


def never_left(error: Exception) -> bool:
    """Return whether *error*, a client library's, says that not a byte of the request was sent."""
    return not _NEVER_LEFT.isdisjoint(_names(error))


def kind_of(error: Exception) -> Kind | None:
    """Return what sort of failure *error*, a client library's, is; None when it is not one of theirs."""
    names = _names(error)
    return next((kind for name, kind in _KINDS.items() if name in names), None)


def _names(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in ("httpx", "httpx2")}
