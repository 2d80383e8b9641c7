"""What HTTP says that matters for repeating a request, whichever client library speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unbreakable.errors import Kind, NotSent, told_by
from unbreakable.fractal.signature import MOST_CAUSES
from unbreakable.policies import Context
from unbreakable.policies.effects import Effects
from unbreakable.policies.network import meaning_of
from unbreakable.policies.retry import PERMANENT
from unbreakable.policies.sent_before import was_sent_before
from unbreakable.policies.timeout import time_is_up

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


def translated(error: Exception, ctx: Context, started: float) -> Exception:
    """Return what *error*, a client library's, means for us: NotSent, a cut, or the error itself."""
    meaning = meaning_of(error)
    if meaning is None:
        return error  # also of another transport of ours: what it means has been said
    if any(kind.__name__ == "PoolTimeout" for kind in type(error).__mro__):
        ctx.blameless = True  # the connections are ours, and the target has nothing to do with how many we have
    if meaning.unsent and not was_sent_before(error):
        trouble = NotSent(f"{type(error).__name__}{_place(error)}: {str(deepest(error)) or error}")
        if meaning.kind in PERMANENT:
            vars(trouble).update(kind=meaning.kind)
        return trouble
    if meaning.kind is Kind.TIMEOUT and ctx.remaining() <= 0:
        return time_is_up(ctx, started)  # the limit of the socket was ours
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
