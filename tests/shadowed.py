"""A function with policies in the shadow, called in a course of events that the moment alone decides."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import unbreakable as ub
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time

ALONE = {"retry": False, "hedge": False, "budget": False, "effects": "none"}


class Course:
    """One function that is called as a test says, in either colour; what it does depends on the moment alone."""

    def __init__(self, colour: str, does: Any, **options: Any) -> None:
        self.colour, self.ends, self.heard, self.began = colour, Counter[str](), list[Any](), 0.0

        def work(*given: Any) -> Any:
            return does(BLOCKING.now() - self.began)

        async def async_work(*given: Any) -> Any:
            await ASYNCIO.sleep(0.0)
            answer = does(ASYNCIO.now() - self.began)
            return await answer if asyncio.iscoroutine(answer) else answer

        self.door: Any = ub.protect("partner", **{**ALONE, **options})(work if colour == "sync" else async_work)
        self.door.node.on(ub.events.Shadowed, lambda event: self.heard.append((event.policy, event.would)))

    async def call(self, *given: Any) -> None:
        made = self.door.outcome(*given)
        outcome = await made if self.colour == "async" else made
        self.ends[type(outcome.error).__name__ if outcome.error else "ok"] += 1

    async def _calls(self, number: int, pause: float) -> None:
        runtime: Any = ASYNCIO if self.colour == "async" else BLOCKING
        self.began = runtime.now()
        for _ in range(number):
            await self.call()
            await runtime.sleep(pause)

    def calls(self, number: int, pause: float) -> Course:
        """Make so many calls, one after the other."""
        with virtual_time():
            asyncio.run(self._calls(number, pause)) if self.colour == "async" else run_blocking(
                self._calls(number, pause)
            )
        return self

    @property
    def shadows(self) -> Any:
        return self.door.node.get_status().shadows
