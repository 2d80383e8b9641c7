"""A request that came from another process binds the calls that are made for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from unbreakable.fractal.scope import around
from unbreakable.policies import Context, current
from unbreakable.policies.check import refuse
from unbreakable.policies.naming import name_alike
from unbreakable.policies.policy import inside
from unbreakable.policies.received import carried_in
from unbreakable.runtime import BLOCKING

Headers: TypeAlias = Mapping[Any, Any] | Sequence[tuple[Any, Any]]


@contextmanager
def incoming(headers: Headers, *, idempotency_key: str | None = None) -> Iterator[Context]:
    """Make the protected calls in this block part of the call that a request with these *headers* is made for.

    >>> with incoming({"Unbreakable-Attempt": "2", "Unbreakable-Deadline": "1.5"}) as call:
    ...     call.attempt, 1.4 < call.remaining() <= 1.5
    (2, True)

    APINode and AdaptiveTransport send them; those of gRPC and Envoy are read, too.  The deadline of each call in the
    block is not later than what the caller has left; one that comes too late is refused.  For a request that is a
    repeat they pay double for their own repeats and copies, and make none for one inside several repeats.  So a service
    in the middle of a chain does not multiply what those before it repeat.

    *headers* are a mapping or a list of pairs, of text or bytes, such as ``request.headers`` of any framework, the
    headers of an ASGI scope, a WSGI environment, or the metadata of gRPC.  With an *idempotency_key*, which has to be
    the same when the same request comes again, such as the caller's account and the order's number, the calls inside
    have keys that are made of it and of their arguments: the same ones where these tell by their value what they are.
    A method of a plain object has a new key each time: give it ``call.idempotency_key``.  Without an *idempotency_key*
    a block in a call, or in another block, leaves keys as they are there.

    Works in async and sync code; blocks may stand in one another.
    """
    if not (hasattr(headers, "items") or _is_list_of_pairs(headers)):
        raise refuse("incoming: headers", "a mapping of headers, or a list of pairs of name and value", headers)
    if not (idempotency_key is None or (isinstance(idempotency_key, str) and idempotency_key)):
        raise refuse("incoming: idempotency_key", "some text, or None", idempotency_key)
    with inside(_scope(headers, idempotency_key)) as scope:
        try:
            yield scope
        finally:
            tell_around(scope)


def _is_list_of_pairs(headers: Any) -> bool:
    return (
        isinstance(headers, Collection)
        and not isinstance(headers, (str, bytes))
        and all(isinstance(each, (tuple, list)) and len(each) == 2 for each in headers)
    )


def _scope(headers: Headers, key: str | None) -> Context:
    """Return what stands around the calls that are made for a request with these *headers*."""
    told, outer = carried_in(headers), current()
    scope = around(outer, BLOCKING, told.remaining, BLOCKING.entropy(10).hex() if key is None else key)
    if key is None and outer is not None:  # a repeat of that one pays by the same key, whatever stands between
        name_alike(scope, outer)
    scope.attempt, scope.layers = told.attempt, max(0, told.layers - (told.attempt > 1))
    return scope


def tell_around(scope: Context) -> None:
    """Let the attempt that the block stands in, if there is one, know what calls inside have said to the block.

    What they have done stands in its ledger already.
    """
    around = scope.parent
    if around is not None:
        around.know_again(scope)
        around.makeshift = around.makeshift or scope.makeshift
