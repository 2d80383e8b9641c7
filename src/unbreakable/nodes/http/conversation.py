"""Redirects and challenges are followed, however many answers that takes, within the time and size of one attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx2

from unbreakable.nodes.http.answer import Body
from unbreakable.policies import Context

if TYPE_CHECKING:
    from unbreakable.nodes.http.clients import Wire

MOST_ANSWERS = 20  # before the last one, as many as httpx2 follows by itself


class Conversation:
    """Hold one attempt's conversation on *wire*; each answer is read here, at most *most* bytes of it.

    httpx2 would do the same with ``follow_redirects`` and ``auth``, but it reads the answers in between whole.
    """

    def __init__(self, wire: Wire, ctx: Context, most: int, *, follow: bool) -> None:
        self.wire, self.ctx, self.most, self.follow = wire, ctx, most, follow
        self.history: list[httpx2.Response] = []

    async def hold(self, request: httpx2.Request, auth: httpx2.Auth | None) -> httpx2.Response:
        """Return the last answer, with those before it as its history; *auth* answers challenges."""
        flow = self.wire.proving(auth or proof_in(request.url), request)
        try:
            asked = await anext(flow)
            while True:
                response = await self._arrive(asked)
                try:
                    asked = await flow.asend(response)
                except StopAsyncIteration:
                    return response
                self.history.append(response)
        finally:
            await flow.aclose()

    async def _arrive(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer where the redirects of *request* end."""
        while True:
            if len(self.history) > MOST_ANSWERS:
                raise httpx2.TooManyRedirects(f"more than {MOST_ANSWERS} redirects and challenges", request=request)
            body = Body(self.ctx, self.most, follow=self.follow)
            response = await self.wire.exchange(self.ctx, request, body)
            response.history = list(self.history)
            if not body.skims or response.next_request is None:
                return response
            self.history.append(response)
            request = response.next_request


def proof_in(url: httpx2.URL) -> httpx2.Auth:
    """Return the user and password that *url* names, or what proves nothing."""
    if url.username or url.password:
        return httpx2.BasicAuth(url.username, url.password)
    return httpx2.Auth()
