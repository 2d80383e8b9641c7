"""Who is compared, each as its own documentation has it, cold; and what each needs to ask one or two endpoints.

A side is given the URLs of the endpoints and the deadline of the caller, and returns a function that makes the call for
a path.  All ask with a client of httpx2 that knows no time limit but the caller's, but for hedge-python, which is a
transport of httpx.  Who makes attempts makes them at the two endpoints in turn, as far as its documentation can say so.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.truth.worlds import WORLDS

OURS, NOTHING, TOLD = "unbreakable", "nothing", "hedge-python-told"

Ask = Callable[[str], Awaitable[Any]]
Side = Callable[[list[str], float], Ask]


def plain(library: Any) -> Callable[[str], Awaitable[Any]]:
    """Return a function that asks for a URL, once: the user's code."""
    client = library.AsyncClient(timeout=None)

    async def ask(url: str) -> Any:
        response = await client.get(url)
        response.raise_for_status()
        return response.json()

    return ask


def by(deadline: float, call: Ask) -> Ask:
    """Return *call* with the caller's deadline around it."""

    async def timely(path: str) -> Any:
        async with asyncio.timeout(deadline):
            return await call(path)

    return timely


def unbreakable(urls: list[str], deadline: float) -> Ask:
    """Protect the user's code, nothing set but the deadline; the replica is an alternative."""
    import httpx2

    import unbreakable as ub

    ask = plain(httpx2)
    if len(urls) == 1:
        guarded = ub.protect("service", effects="none", deadline=deadline)(ask)
        return lambda path: guarded(urls[0] + path)
    engine = ub.QuantumSimulationEngine()
    primary, replica = (lambda ctx, url=url: ask(url + ctx.input) for url in urls)

    async def call(path: str) -> Any:
        return await engine.execute_quantum(
            primary, path, name="service", effects="none", alternatives={"replica": replica}
        )

    return by(deadline, call)


def nothing(urls: list[str], deadline: float) -> Ask:
    """Ask the primary once."""
    import httpx2

    ask = plain(httpx2)
    return by(deadline, lambda path: ask(urls[0] + path))


def tenacity(urls: list[str], deadline: float) -> Ask:
    """Make 3 attempts, 0.1 s and 0.2 s between them, at the endpoints in turn."""
    import httpx2
    from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    ask = plain(httpx2)

    async def call(path: str) -> Any:
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(3),
            wait=wait_exponential(multiplier=0.1),
            retry=retry_if_exception_type(httpx2.HTTPError),
            reraise=True,
        ):
            with attempt:
                url = urls[(attempt.retry_state.attempt_number - 1) % len(urls)]
                found = await ask(url + path)
        return found

    return by(deadline, call)


def stamina(urls: list[str], deadline: float) -> Ask:
    """Make attempts by its defaults, at the endpoints in turn."""
    import httpx2
    import stamina

    stamina.instrumentation.set_on_retry_hooks(())  # it logs each repeat otherwise
    ask = plain(httpx2)

    async def call(path: str) -> Any:
        async for attempt in stamina.retry_context(on=httpx2.HTTPError):
            with attempt:
                found = await ask(urls[(attempt.num - 1) % len(urls)] + path)
        return found

    return by(deadline, call)


def nopanic(urls: list[str], deadline: float) -> Ask:
    """Make 3 attempts with full jitter from 0.1 s on, behind a circuit, at the endpoints in turn."""
    import httpx2
    import nopanic

    ask = plain(httpx2)
    guarded = nopanic.compose(
        nopanic.retry(attempts=3, on=(httpx2.HTTPError, TimeoutError)),
        nopanic.circuit_breaker(),
        nopanic.timeout(deadline),
        nopanic.bulkhead(64),
    )

    async def call(path: str) -> Any:
        turn = itertools.cycle(urls)
        return await guarded.acall(lambda: ask(next(turn) + path))

    return by(deadline, call)


def hedge(urls: list[str], deadline: float, **options: Any) -> Ask:
    """Send a copy after the 90th percentile, to the last endpoint."""
    import httpx
    from hedge import HedgeConfig
    from hedge.transport import HedgedHttpxTransport

    class ToTheOther(httpx.AsyncBaseTransport):
        """Send the first request of a call as it is, its copy to the other host."""

        def __init__(self) -> None:
            self.inner, self.other = httpx.AsyncHTTPTransport(), httpx.URL(urls[-1])

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.extensions.setdefault("copy", False):
                url = request.url.copy_with(host=self.other.host, port=self.other.port)
                request = httpx.Request(request.method, url, headers={"Host": url.netloc.decode()})
            request.extensions["copy"] = True
            return await self.inner.handle_async_request(request)

        async def aclose(self) -> None:
            await self.inner.aclose()

    inner = ToTheOther() if len(urls) > 1 else None
    transport = HedgedHttpxTransport(inner, config=HedgeConfig(**options))
    client = httpx.AsyncClient(transport=transport, timeout=None)  # noqa: S113 - the caller's is around it

    async def call(path: str) -> Any:
        response = await client.get(urls[0] + path)
        response.raise_for_status()
        return response.json()

    return by(deadline, call)


SIDES: dict[str, Side] = {
    OURS: unbreakable,
    "tenacity": tenacity,
    "stamina": stamina,
    "hedge-python": hedge,
    "nopanic": nopanic,
    NOTHING: nothing,
    TOLD: functools.partial(hedge, estimated_rps=WORLDS["W1"].rate),
}
PEERS = [side for side in SIDES if side not in (OURS, NOTHING, TOLD)]
