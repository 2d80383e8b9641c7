"""Connections are kept open for as long as they are of use: one client for each event loop, one for sync code."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol, TypeAlias

import httpx2

from unbreakable.errors import ValidationFailed
from unbreakable.nodes.http.answer import Body
from unbreakable.nodes.http.hurry import hurry, within
from unbreakable.nodes.http.places import placed, places_of, shortened
from unbreakable.policies import Context
from unbreakable.runtime import Gate, new_lock

Transport: TypeAlias = "httpx2.BaseTransport | httpx2.AsyncBaseTransport"

# A connection is dropped after 4 idle seconds: many servers hang up after 5, and a request that meets their hang-up on
# its way may not be sent again if it must not happen twice.
# At most 20 idle ones: for each request the pool below looks at every one of them.
LIMITS = httpx2.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=4.0)
PROVEN = httpx2.Auth()  # adds nothing: what proves who we are was added before
MOST_WAIT = 5.0  # seconds for a new connection to be there


@functools.cache
def trust() -> ssl.SSLContext:
    """Return whom we trust, read once: it takes tens of milliseconds."""
    return httpx2.create_ssl_context()


def forgetful() -> CookieJar:
    """Return a jar that keeps no cookies: calls on behalf of different people share the connections, not a session."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


class Wire(Protocol):
    """Send a request and read what comes, in one colour."""

    def client(self) -> httpx2.Client | httpx2.AsyncClient:
        """Return the client for here."""

    def proving(self, auth: httpx2.Auth, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Return what makes of *request*, and of the answers it is sent, the requests that *auth* wants sent."""

    async def exchange(self, ctx: Context, request: httpx2.Request, body: Body) -> httpx2.Response:
        """Return the one answer to *request*, its content read into *body*; close it whatever happens."""


def time_limits(ctx: Context) -> dict[str, float | None]:
    """Return what the sockets are given: where nobody can cut us, what is left of the attempt."""
    left = max(0.001, ctx.remaining())
    soon = shortened(left)  # that it was not connected says that nothing was sent
    hang = None if ctx.runtime.preemptive or left == math.inf else left
    turn = max(0.001, shortened(ctx.left()))  # in a line of which we do not know
    return {"connect": min(MOST_WAIT, soon), "pool": None if turn == math.inf else turn, "read": hang, "write": hang}


class Opened:
    """The connections of one event loop, and how many requests are in flight on them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, client: httpx2.AsyncClient) -> None:
        self.loop, self.client = loop, client
        self.places = places_of(client._transport)  # noqa: SLF001
        self.in_flight = 0
        self.is_left = False  #: whether they are to be closed after the last request in flight
        self.keeper: AsyncGenerator[None] | None = None  #: what closes them, when the loop ends at the latest
        self.ending: asyncio.Task[None] | None = None


class AsyncWire:
    """Speak on the running event loop; its connections are closed with it.

    What is in flight when they are to be closed comes to its end first: its failing would be our own doing, and be
    taken for the service's.
    """

    def __init__(self, transport: Transport | Callable[[], Transport] | None) -> None:
        self.transport = transport
        self.clients: dict[asyncio.AbstractEventLoop, Opened] = {}
        self.left: set[Opened] = set()  #: those whose last request in flight closes them

    def client(self) -> httpx2.AsyncClient:
        """Return the client of the running loop."""
        return self._opened().client

    def _opened(self) -> Opened:
        loop = asyncio.get_running_loop()
        return self.clients.get(loop) or self._open(loop)

    def _open(self, loop: asyncio.AbstractEventLoop) -> Opened:
        for old in [old for old in list(self.clients) if old.is_closed()]:
            self.clients.pop(old, None)
        self.left.difference_update([old for old in list(self.left) if old.loop.is_closed()])
        transport: Any = made(self.transport, "handle_async_request")
        client = httpx2.AsyncClient(transport=transport, verify=trust(), limits=LIMITS, cookies=forgetful())
        opened = Opened(loop, client)
        opened.keeper = self._kept(opened)
        with contextlib.suppress(StopIteration):
            opened.keeper.__anext__().send(None)  # begins without a wait; the loop ends it with its other generators
        self.clients[loop] = opened
        return opened

    async def _kept(self, opened: Opened) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            opened.keeper = None
            self.left.discard(opened)
            if self.clients.get(opened.loop) is opened:
                del self.clients[opened.loop]
            if not self._is_shared(opened.client._transport):  # noqa: SLF001 - several have one that was given to us
                await opened.client.aclose()

    def _is_shared(self, carrier: httpx2.AsyncBaseTransport) -> bool:
        """Return whether somebody else goes on with the transport *carrier*, and closes it in the end."""
        others = [*self.clients.values(), *self.left]
        return any(each.client._transport is carrier and not each.loop.is_closed() for each in others)  # noqa: SLF001

    def proving(self, auth: httpx2.Auth, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Return the requests that *auth* wants sent."""
        return auth.async_auth_flow(request)

    async def exchange(self, ctx: Context, request: httpx2.Request, body: Body) -> httpx2.Response:
        """Return the answer to *request*."""
        async with self._lent() as opened, placed(opened.places, ctx):
            request.extensions["timeout"] = time_limits(ctx)
            response = await opened.client.send(request, stream=True, auth=PROVEN, follow_redirects=False)
            try:
                body.expect(response)
                async for chunk in response.aiter_bytes():
                    if not body.take(chunk):
                        break
            finally:
                await response.aclose()
        return body.whole(response)

    @contextlib.asynccontextmanager
    async def _lent(self) -> AsyncIterator[Opened]:
        """Lend the client for one request; if it was to be closed meanwhile, the last one does that."""
        opened = self._opened()
        opened.in_flight += 1
        try:
            yield opened
        finally:
            opened.in_flight -= 1
            if opened.is_left and not opened.loop.is_closed():
                await self._close_unused(opened)

    async def aclose(self) -> None:
        """Close the connections of the running loop, and have other loops close theirs.

        Those of requests in flight are closed when the last of these has ended, which is not waited for.
        """
        here = self.clients.pop(asyncio.get_running_loop(), None)
        if here is not None:
            self.left.add(here)
        self.close_elsewhere()
        if here is not None:
            await self._leave(here)

    def close_elsewhere(self) -> None:
        """Have every loop close its connections; what is in flight there comes to its end first."""
        for loop in list(self.clients):
            opened = self.clients.pop(loop, None)
            if opened is not None:
                self.left.add(opened)
                with contextlib.suppress(RuntimeError):  # the loop was closed, and its connections with it
                    loop.call_soon_threadsafe(self._begin_to_leave, opened)

    def _begin_to_leave(self, opened: Opened) -> None:
        opened.ending = opened.loop.create_task(self._leave(opened))

    async def _leave(self, opened: Opened) -> None:
        opened.is_left = True
        await self._close_unused(opened)

    async def _close_unused(self, opened: Opened) -> None:
        """Close the connections unless a request is in flight on them, or somebody is at it already."""
        keeper = opened.keeper
        if opened.in_flight == 0 and keeper is not None:
            opened.keeper = None
            await keeper.aclose()

    def forget(self) -> list[Opened]:
        """Begin anew in a forked child; return what the parent process has open."""
        opened = [*self.clients.values(), *self.left]
        self.clients.clear()
        self.left.clear()
        return opened


class BlockingWire:
    """Speak in the caller's thread, with connections that all threads share.

    What a thread is at is not closed under it: it would wait for whatever gets the number of its socket next.
    """

    def __init__(self, transport: Transport | Callable[[], Transport] | None) -> None:
        self.transport = transport
        self.lock = new_lock()
        self.kept: httpx2.Client | None = None
        self.places: Gate | None = None  #: of the client that is kept
        self.at_work: Counter[int] = Counter()  #: requests, by the transport that carries them

    def client(self) -> httpx2.Client:
        """Return the client."""
        with self.lock:
            if self.kept is None:
                transport: Any = made(self.transport, "handle_request")
                self.kept = httpx2.Client(transport=transport, verify=trust(), limits=LIMITS, cookies=forgetful())
                self.places = places_of(self.kept._transport)  # noqa: SLF001
                for line in (self.kept._transport, *self.kept._mounts.values()):  # noqa: SLF001 - proxies, too
                    hurry(line)
            return self.kept

    async def proving(
        self, auth: httpx2.Auth, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        """Return the requests that *auth* wants sent; never suspends."""
        with contextlib.closing(auth.sync_auth_flow(request)) as flow:
            asked = next(flow)
            while True:
                response = yield asked
                try:
                    asked = flow.send(response)
                except StopIteration:
                    return

    async def exchange(self, ctx: Context, request: httpx2.Request, body: Body) -> httpx2.Response:
        """Return the answer to *request*; never suspends."""
        with self._lent() as (client, places), within(ctx.remaining):
            async with placed(places, ctx):
                request.extensions["timeout"] = time_limits(ctx)
                response = client.send(request, stream=True, auth=PROVEN, follow_redirects=False)
                try:
                    body.expect(response)
                    for chunk in response.iter_bytes():
                        if not body.take(chunk):
                            break
                finally:
                    response.close()
        return body.whole(response)

    @contextlib.contextmanager
    def _lent(self) -> Iterator[tuple[httpx2.Client, Gate | None]]:
        """Lend the client for one request; if it was to be closed meanwhile, the last one does that."""
        with self.lock:
            client, places = self.client(), self.places
            carrier = id(client._transport)  # noqa: SLF001 - several clients have the same one when it was given to us
            self.at_work[carrier] += 1
        try:
            yield client, places
        finally:
            with self.lock:
                self.at_work[carrier] -= 1
                if client is not self.kept:
                    self._close_unused(client)

    def close(self) -> None:
        """Close the connections; those of requests in flight are closed when the last of these has ended."""
        with self.lock:
            kept, self.kept = self.kept, None
            if kept is not None:
                self._close_unused(kept)

    def _close_unused(self, client: httpx2.Client) -> None:
        """Close *client* unless something is in flight on its transport, or will be."""
        carrier, kept = client._transport, self.kept  # noqa: SLF001
        if self.at_work[id(carrier)] == 0:
            del self.at_work[id(carrier)]
            if kept is None or kept._transport is not carrier:  # noqa: SLF001
                client.close()

    def forget(self) -> httpx2.Client | None:
        """Begin anew in a forked child; return what the parent process has open."""
        kept, self.kept = self.kept, None
        self.at_work.clear()
        return kept


def made(transport: Any, method: str) -> Any:
    """Return *transport*, or what it makes when it is a function; ValidationFailed when it is of the other colour."""
    if (
        transport is not None
        and (isinstance(transport, type) or not hasattr(transport, method))
        and callable(transport)
    ):
        transport = transport()
    if transport is not None and not hasattr(transport, method):
        colour = "make_request" if method == "handle_async_request" else "make_request_sync"
        raise ValidationFailed(f"transport has no {method}, which {colour} needs: {type(transport).__name__}")
    return transport
