"""Any httpx2 or httpx client is protected by a transport that wraps the one it has."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from unbreakable.errors import UnbreakableError
from unbreakable.fractal import FractalNode
from unbreakable.fractal.options import Options
from unbreakable.fractal.settings import check_names
from unbreakable.nodes.http.hurry import hurry
from unbreakable.nodes.http.meaning import effects_of, has_key
from unbreakable.nodes.http.passing import AsyncColour, BlockingColour, Colour, Passing, ended
from unbreakable.nodes.http.raising import shared
from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.policies.effects import Effects
from unbreakable.runtime import ASYNCIO, BLOCKING, Runtime, run_blocking

if TYPE_CHECKING:
    import httpx  # type: ignore[import-not-found, unused-ignore] # which its users have
    import httpx2

    class AnyTransport(
        httpx2.AsyncBaseTransport,
        httpx2.BaseTransport,
        httpx.AsyncBaseTransport,  # type: ignore[misc, unused-ignore]
        httpx.BaseTransport,  # type: ignore[misc, unused-ignore]
    ):
        """What type checkers ask for; at run time both libraries ask for the methods only."""
else:
    AnyTransport = object


class AdaptiveTransport(AnyTransport):
    """Protect a client's requests: ``httpx2.Client(transport=AdaptiveTransport(httpx2.HTTPTransport()))``.

    Answers of 5xx and 429 count as failures and are repeated where that is safe, by the request's method and its
    idempotency key; the last one is handed on as it is.  Only bodies that can be sent again are.  Each host has a
    circuit and statistics of its own.  The time limits reach until an answer begins; its body is the client's to read.

    What it raises is an error of the client's library, as ``except httpx2.HTTPError`` and such expect it.  An error of
    ``ub.errors`` is both: CircuitOpen and the others Rejected are also that library's TransportError, AttemptTimeout
    and DeadlineExceeded its TimeoutException.  Only a ConfigurationError is ours alone.

    *inner* is the transport that does the work, *name* what figures and notes call it.  Unless *carry* is False,
    requests tell which attempt they are and how long they are waited for, see ``ub.incoming``.  The other keywords are
    those of ``ub.protect``; ``validate`` and ``key`` are given the request, ``schema`` and ``verify`` the response.  A
    remedy may return ``{"headers": {…}}`` to change them for the next attempts.  ``node`` is the FractalNode behind it.
    A client library that repeats by itself should be told not to (``max_retries=0``).
    """

    def __init__(self, inner: Any, *, name: str = "http", carry: bool = True, **options: Unpack[Options]) -> None:
        check_names(name, options, AdaptiveTransport)
        if not hasattr(inner, "handle_request") and not hasattr(inner, "handle_async_request"):
            raise refuse("AdaptiveTransport: inner", "a transport of httpx2 or httpx", inner)
        self.inner, self.carry = inner, check.switch("AdaptiveTransport: carry", carry)
        hurry(inner)
        self.pinned = options.get("effects")
        options.setdefault("key", host_of)
        self.node = FractalNode(name, **options)
        self.node.targets.tell_effects(self._effects)

    def _effects(self, request: Any) -> Effects:
        if not can_be_sent_again(request):
            return "once"  # and so repeated only when not a byte of it was taken
        return self.pinned or effects_of(request.method, keyed=has_key(request.headers))

    async def handle_async_request(self, request: Any) -> Any:
        """Return the answer to *request*, the last one if there were several."""
        return await self._pass(request, ASYNCIO, AsyncColour(self.inner))

    def handle_request(self, request: Any) -> Any:
        """Return the answer to *request*, the last one if there were several."""
        return run_blocking(self._pass(request, BLOCKING, BlockingColour(self.inner)))

    async def _pass(self, request: Any, runtime: Runtime, colour: Colour) -> Any:
        passing, kept = Passing(colour, request, carry=self.carry), None
        ctx = self.node.open(runtime, passing.work, ((request,), {}))
        try:
            kept = self.node.value(ctx, ended(await self.node.play(ctx)))
        except UnbreakableError as error:
            shared(error, request)
            raise
        else:
            return kept
        finally:
            await passing.finish(kept)

    # ── opening and closing ──────────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        """Close the inner transport."""
        self.inner.close()

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self.inner.aclose()

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.inner.__exit__(exc_type, exc_value, traceback)

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.inner.__aexit__(exc_type, exc_value, traceback)


def host_of(request: Any) -> str:
    """Return the host that *request* is for, with its port."""
    return str(request.url.netloc, "ascii")


def can_be_sent_again(request: Any) -> bool:
    """Return whether the body of *request* is at hand, and not a stream that is used up by sending it."""
    return type(request.stream).__name__ == "ByteStream"
