"""What carries a consumer holds the stream while there is something to do, and lets it go while there is nothing.

So a stream that nobody else holds any more lets go of its thread, or task, and of its folder, once all that was put is
handled.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable
from typing import TypeVar

from unbreakable.errors import StateError
from unbreakable.log import log
from unbreakable.nodes.streaming.consumer import Consumer
from unbreakable.nodes.streaming.opening import Opened
from unbreakable.policies.policy import enter
from unbreakable.runtime import Runtime
from unbreakable.runtime.mark import Mark

T = TypeVar("T")

REST = 1.0  # seconds to wait when waiting itself fails: no memory


class Driver:
    """Drive *consumer* of what is *opened*; while the line is empty, only as long as somebody else holds it."""

    def __init__(self, consumer: Consumer, opened: Opened) -> None:
        self._taking, self._opened = consumer.taking, opened
        # Whoever holds the stream holds the consumer.  When it is gone, nobody can put anything any more.
        self._consumer = weakref.ref(consumer, self._gone)
        opened.buffer.keep(consumer, self._consumer)

    def _gone(self, _: object) -> None:
        self._taking.stop()

    async def drive(self, runtime: Runtime) -> None:
        """Deliver until stopped or cancelled; what was being delivered then is taken once more by the next consumer."""
        enter(None)  # whatever call the stream was started in, its deadline is not ours
        mark = Mark()
        try:
            while not (self._taking.is_stopping or mark.is_cancelled):
                if not await self._idles(runtime):
                    await self._step(runtime)
        finally:
            if self._consumer() is None and self._opened.buffer.is_kept_by(self._consumer):
                self._let_go()

    async def _idles(self, runtime: Runtime) -> bool:
        try:
            return await self._taking.idle(runtime)
        except Exception:
            with contextlib.suppress(Exception):
                await self._taking.rest(runtime, REST)
            return True

    async def _step(self, runtime: Runtime) -> None:
        consumer = self._consumer()
        if consumer is not None:
            await consumer.step(runtime)
            enter(None)  # what was handled last is still the call that this context knows, and holds its node

    def _let_go(self) -> None:
        try:
            self._opened.close()
        except StateError as error:
            log("the folder of a stream could not be closed: %s", error)


def weakly(method: Callable[[T], None]) -> Callable[[T], None]:
    """Return a function that calls *method* as long as somebody else holds its object."""
    reference = weakref.WeakMethod(method)

    def call(value: T) -> None:
        bound = reference()
        if bound is not None:
            bound(value)

    return call
