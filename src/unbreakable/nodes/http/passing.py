"""One client's request is passed on, perhaps more than once, and every answer but the one handed on is closed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from unbreakable.errors import NotSent, told_by
from unbreakable.nodes.http.hurry import within
from unbreakable.nodes.http.meaning import translated
from unbreakable.outcome import Failure, Result, Success
from unbreakable.policies import Context
from unbreakable.policies.carried import headers_of
from unbreakable.policies.pushback import wish_in
from unbreakable.runtime import run_blocking

SMALL = 65_536  # bytes of a refusal that are read at once, so that its connection is free while we wait


class Refused(Exception):
    """Carry an answer that counts as a failure; never seen by users."""

    def __init__(self, response: Any) -> None:
        super().__init__(f"{response.status_code} {response.reason_phrase}")
        self.response = response
        self.http_status: int = response.status_code
        self.retry_after = wish_in(response.headers, response.status_code)


class Colour(Protocol):
    """Use an inner transport, and the responses that it returns, in one colour."""

    async def send(self, request: Any) -> Any:
        """Return the response to *request*."""

    async def read(self, response: Any) -> bytes:
        """Return the body of *response* as it came."""

    async def close(self, response: Any) -> None:
        """Close *response*."""


class Passing:
    """Make the attempts of one call."""

    def __init__(self, colour: Colour, request: Any, *, carry: bool = True) -> None:
        self.colour, self.request, self.carry = colour, request, carry
        self.taken: list[Any] = []
        self.over = False

    def work(self, ctx: Context) -> Callable[[], Any]:
        """Return what makes one attempt."""
        if ctx.runtime.preemptive:
            return functools.partial(self.attempt, ctx)
        return lambda: run_blocking(self.attempt(ctx))

    async def attempt(self, ctx: Context) -> Any:
        """Return the answer of one attempt, or raise what became of it."""
        if ctx.rival == 0:
            await self._close_all_but(None)
        started = ctx.runtime.now()
        try:
            with within(ctx.remaining):
                return await self._passed(ctx)
        except Exception as error:
            trouble = translated(error, ctx, started)
            if trouble is error:
                raise
            raise trouble from error

    async def _passed(self, ctx: Context) -> Any:
        limits = self._limits(ctx)
        response = await self.colour.send(self._copy(ctx, limits))
        limits.update(self.request.extensions.get("timeout", {}))  # the body is the client's to read
        self.taken.append(response)
        if self.over:  # a copy that was too late
            await self._close_all_but(None)
        if response.status_code >= 500 or response.status_code == 429:
            raise Refused(await self._read(response))
        return response

    def _limits(self, ctx: Context) -> dict[str, Any]:
        """Return the time limits of the request; where nobody can cut us, no longer than what is left."""
        limits = dict(self.request.extensions.get("timeout", {}))
        if not ctx.runtime.preemptive:
            left = max(0.001, ctx.remaining())
            for name in ("connect", "read", "write", "pool"):
                longest = limits.get(name)
                limits[name] = left if longest is None else min(longest, left)
        return limits

    def _copy(self, ctx: Context, limits: dict[str, Any]) -> Any:
        told, headers = self.request, self.request.headers.copy()
        if set(ctx.arguments) - {"headers"}:
            raise TypeError(f"a remedy of a transport can change headers, not {', '.join(ctx.arguments)}")
        for name, value in headers_of(ctx).items() if self.carry else ():
            headers.setdefault(name, value)
        if ctx.arguments:
            headers.update(ctx.arguments["headers"])
        extensions = {**told.extensions, "timeout": limits}
        return type(told)(told.method, told.url, headers=headers, stream=told.stream, extensions=extensions)

    async def _read(self, response: Any) -> Any:
        """Return *response* with its body at hand if it is small, so that its connection can serve others."""
        length = response.headers.get("content-length", "")
        if not length.isdigit() or int(length) > SMALL:
            return response
        raw = await self.colour.read(response)
        facts = {"headers": response.headers, "extensions": response.extensions}
        return type(response)(response.status_code, content=raw, **facts)

    async def finish(self, kept: Any) -> None:
        """Close every answer but the one that is *kept*, also those that are still to come."""
        self.over = True
        await self._close_all_but(kept)

    async def _close_all_but(self, kept: Any) -> None:
        left, self.taken = self.taken, []
        for response in left:
            if response is not kept:
                await self.colour.close(response)


def ended(result: Result[Any]) -> Result[Any]:
    """Return *result* as a client knows it: a refusal is an answer, and its library's own errors are raised."""
    if not isinstance(result, Failure):
        return result
    error = result.error
    if isinstance(error, Refused):
        return Success(error.response)
    if isinstance(error, NotSent) and isinstance(error.__cause__, Exception):
        if told_by(error, "may_have_arrived"):
            vars(error.__cause__).update(may_have_arrived=True)
        return replace(result, error=error.__cause__)
    return result


class AsyncColour:
    """Use an async transport."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def send(self, request: Any) -> Any:
        """Return the response to *request*."""
        return await self.inner.handle_async_request(request)

    async def read(self, response: Any) -> bytes:
        """Return the body of *response* as it came."""
        return b"".join([chunk async for chunk in response.aiter_raw()])

    async def close(self, response: Any) -> None:
        """Close *response*."""
        await response.aclose()


class BlockingColour:
    """Use a sync transport; nothing here suspends."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def send(self, request: Any) -> Any:
        """Return the response to *request*."""
        return self.inner.handle_request(request)

    async def read(self, response: Any) -> bytes:
        """Return the body of *response* as it came."""
        return b"".join(response.iter_raw())

    async def close(self, response: Any) -> None:
        """Close *response*."""
        response.close()
