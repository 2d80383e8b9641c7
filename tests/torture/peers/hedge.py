"""hedge-python: a transport of httpx whose requests are hedged; the work is what the transport within it does."""

from __future__ import annotations

from typing import Any

import httpx
from hedge import HedgeConfig
from hedge.transport import HedgedHttpxTransport
from tests.torture.matrix.peer import Peer


class Inner(httpx.AsyncBaseTransport):
    """A transport that does the work."""

    def __init__(self, work: Any) -> None:
        self.work, self.args = work, ()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with what the work returns."""
        return httpx.Response(200, text=await self.work(*self.args))


class Hedge(Peer):
    """Hedging only; it begins with the fixed delay that it is given."""

    name = "hedge-python"
    colours = ("async",)

    def protect(self, work: Any, **wishes: Any) -> Any:
        self.check_colour(work)
        if not {"hedge"} <= set(wishes) <= {"hedge", "budget"}:
            self.offers_not()
        return self.request("GET", work, wishes["hedge"], wishes.get("budget"))

    def once(self, work: Any, seconds: float) -> Any:
        return self.request("POST", work, seconds)

    @staticmethod
    def request(method: str, work: Any, after: float, budget: Any = None) -> Any:
        """Return a function that makes a request; its purse is a tenth of the requests of a second."""
        config = HedgeConfig(warmup_delay=after, warmup_requests=1_000, min_delay=after)
        if budget is not None:
            config = HedgeConfig(warmup_delay=after, warmup_requests=1_000, estimated_rps=10.0 * budget.start)
        inner = Inner(work)
        transport = HedgedHttpxTransport(inner, config)

        async def door(*args: Any) -> str:
            inner.args = args
            client = httpx.AsyncClient(transport=transport)
            return (await client.request(method, "http://partner/offers")).text

        return door


PEER = Hedge
