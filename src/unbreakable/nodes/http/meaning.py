"""What HTTP says that matters for repeating a request, whichever client library speaks it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

from unbreakable.errors import Kind, NotSent, UnbreakableError, told_by
from unbreakable.fractal.signature import MOST_CAUSES
from unbreakable.policies import Context
from unbreakable.policies.effects import Effects
from unbreakable.policies.timeout import cut

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
    """Return whether the *headers*, a mapping of whatever a caller passed, hold an idempotency key, no blank one."""
    items = headers.items() if isinstance(headers, Mapping) else ()
    return any(isinstance(name, str) and name.lower() == KEY_HEADER.lower() and str(key).strip() for name, key in items)


def never_left(error: Exception) -> bool:
    """Return whether *error*, a client library's, says that not a byte of the request was sent."""
    return not _NEVER_LEFT.isdisjoint(_names(error))


def kind_of(error: Exception) -> Kind | None:
    """Return what sort of failure *error*, a client library's, is; None when it is not one of theirs."""
    names = _names(error)
    return next((kind for name, kind in _KINDS.items() if name in names), None)


def translated(error: Exception, ctx: Context, started: float) -> Exception:
    """Return what *error*, a client library's, means for us: NotSent, a cut, or the error itself with its sort."""
    if isinstance(error, UnbreakableError):
        return error  # of another transport of ours: what it means has been said
    kind = kind_of(error)
    if "PoolTimeout" in _names(error):
        ctx.blameless = True  # the connections are ours, and the target has nothing to do with how many we have
    if never_left(error):
        reason = deepest(error)
        trouble = NotSent(f"{type(error).__name__}{_place(error)}: {str(reason) or error}")
        if isinstance(reason, ssl.SSLCertVerificationError):
            vars(trouble).update(kind=Kind.INVALID)  # they are no more trustworthy the next time
        return trouble
    if kind is Kind.TIMEOUT and ctx.remaining() <= 0:
        return cut(ctx, started).error  # the limit of the socket was ours
    if kind is not None:
        vars(error).update(kind=kind)
    return error


def deepest(error: BaseException) -> BaseException:
    """Return what *error* began with, which the client library no longer counts as its cause."""
    for _ in range(MOST_CAUSES):
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    return error


def _place(error: Exception) -> str:
    """Return whom the request of *error* was for; nothing when no client has said so yet."""
    url = told_by(told_by(error, "request"), "url")
    return "" if url is None else f" at '{url.scheme}://{url.netloc.decode()}'"


def _names(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__ if kind.__module__.partition(".")[0] in ("httpx", "httpx2")}
