"""tenacity: ``@retry(stop=…, wait=…, retry=…)``, with ``reraise=True`` as its documentation advises for own errors."""

from __future__ import annotations

import asyncio
from typing import Any

import tenacity
from tests.torture.matrix.peer import Peer, asks


def options(wish: Any, *, verify: Any = None, deadline: Any = None, fallback: Any = None) -> dict[str, Any]:
    """Return the arguments of ``retry`` for what is wished for."""
    stop: Any = tenacity.stop_after_attempt(wish.attempts)
    if deadline is not None:
        stop = stop | tenacity.stop_before_delay(deadline)
    retry: Any = tenacity.retry_if_exception_type(wish.on)
    if verify is not None:
        retry = retry | tenacity.retry_if_result(lambda result: not verify(result))
    wait: Any = tenacity.wait_fixed(wish.pause)
    if asks(wish.on):
        wait = tenacity.wait_exception(lambda error: error.retry_after)
    found = {"stop": stop, "retry": retry, "wait": wait, "reraise": True}
    if fallback is not None:
        found["retry_error_callback"] = lambda state: fallback(state.outcome.exception())
    return found


class Tenacity(Peer):
    """Retries only."""

    name = "tenacity"
    retry_takes = ("verify", "deadline", "fallback")

    def retry(self, work: Any, wish: Any, **also: Any) -> Any:
        return tenacity.retry(**options(wish, **also))(work)

    def defaults(self, work: Any) -> Any:
        return tenacity.retry(work)

    def block(self, retry: Any) -> Any:
        async def run(body: Any) -> None:
            async for attempt in tenacity.AsyncRetrying(**options(retry)):
                with attempt:
                    await body()

        return run

    def sync_block(self, retry: Any) -> Any:
        def run(body: Any) -> None:
            for attempt in tenacity.Retrying(**options(retry)):
                with attempt:
                    body()

        return run

    async def told(self, door: Any, calls: Any) -> list[int]:
        async def one(args: Any) -> int:
            await door(*args)
            return door.statistics["attempt_number"]

        return await asyncio.gather(*map(one, calls))

    def raised(self) -> list[BaseException]:
        @tenacity.retry(stop=tenacity.stop_after_attempt(2))
        def work() -> None:
            raise OSError("down")

        try:
            work()
        except tenacity.RetryError as error:
            return [error]

    def settings(self) -> list[Any]:
        return [tenacity.stop_after_attempt(3), tenacity.wait_fixed(1), tenacity.retry_if_exception_type(OSError)]

    after = staticmethod(Peer.asking)

    def typed(self) -> dict[str, str]:
        decorator = "@tenacity.retry(stop=tenacity.stop_after_attempt(3))"
        return {"imports": "import tenacity", "decorator": decorator, "async_decorator": decorator}


PEER = Tenacity
