"""stamina: ``@stamina.retry(on=…, attempts=…)`` and its blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import stamina
from tests.torture.matrix.peer import Peer, asks


def options(wish: Any, deadline: Any = None) -> dict[str, Any]:
    """Return the arguments of ``retry`` for what is wished for."""
    on = (lambda error: error.retry_after if isinstance(error, wish.on) else False) if asks(wish.on) else wish.on
    pauses = {"wait_initial": wish.pause, "wait_max": wish.pause, "wait_jitter": 0, "wait_exp_base": 1}
    return {"on": on, "attempts": wish.attempts, "timeout": deadline, **pauses}


class Stamina(Peer):
    """Retries only."""

    name = "stamina"
    retry_takes = ("deadline",)

    def retry(self, work: Any, wish: Any, **also: Any) -> Any:
        return stamina.retry(**options(wish, **also))(work)

    def stream(self, work: Any, retry: Any) -> Any:
        return self.protect(work, retry=retry)

    def defaults(self, work: Any) -> Any:
        return stamina.retry(on=Exception)(work)

    def block(self, retry: Any) -> Any:
        async def run(body: Any) -> None:
            async for attempt in stamina.retry_context(**options(retry)):
                with attempt:
                    await body()

        return run

    def sync_block(self, retry: Any) -> Any:
        def run(body: Any) -> None:
            for attempt in stamina.retry_context(**options(retry)):
                with attempt:
                    body()

        return run

    after = staticmethod(Peer.asking)

    @contextlib.contextmanager
    def testing(self) -> Iterator[None]:
        with stamina.set_testing(True, attempts=3):
            yield

    def typed(self) -> dict[str, str]:
        decorator = "@stamina.retry(on=OSError, attempts=3)"
        return {"imports": "import stamina", "decorator": decorator, "async_decorator": decorator}


PEER = Stamina
