"""Items are handed to the handler, through the node that tries and heals it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from unbreakable.fractal import AsyncProtected, FractalNode, SyncProtected
from unbreakable.fractal.guard import Guard
from unbreakable.fractal.scope import set_scope
from unbreakable.nodes.streaming.verdict import says_nothing_of_the_target
from unbreakable.policies import Context, current
from unbreakable.runtime import Runtime


class Delivery:
    """Call *handler* for one delivery after the other; the handler finds the id in ``ctx.idempotency_key``.

    Whatever the handler raises comes out as an Exception, but for a cancellation or a signal from outside.
    """

    def __init__(self, handler: Callable[[Any], Any], node: FractalNode) -> None:
        self._handler = handler
        self._call = AsyncProtected[[Any], Any](self._work, node)
        self._call_sync = SyncProtected[[Any], Any](self._work_sync, node)
        self._id, self._is_due = "", _always
        self.was_called = False  #: whether the present delivery got as far as the handler
        self.unrepeatable = False  #: whether the handler has done, or may have, what must not be done twice

    async def make(self, runtime: Runtime, item: Any, id: str, is_due: Callable[[], bool]) -> None:
        """Return once *item*, which bears *id*, is handled; raise the handler's own exception when it is not.

        It is tried again only while *is_due* says that it still is to be handled.
        """
        self._id, self._is_due, self.was_called, self.unrepeatable = id, is_due, False, False
        if runtime.preemptive:
            await self._call(item)
        else:
            self._call_sync(item)

    async def _work(self, item: Any) -> Any:
        if self.was_called and not self._is_due():
            return None  # a remedy asks for another try of what the handler has acknowledged meanwhile
        with Guard():
            ctx = self._enter(item)
            try:
                return await ctx.call(functools.partial(self._handler, item))
            except Exception as error:
                self._note(ctx, error)
                raise

    def _work_sync(self, item: Any) -> Any:
        if self.was_called and not self._is_due():
            return None
        with Guard():
            ctx = self._enter(item)
            try:
                return self._handler(item)
            except Exception as error:
                self._note(ctx, error)
                raise

    def _note(self, ctx: Context, error: Exception) -> None:
        ctx.blameless = says_nothing_of_the_target(error)
        self.unrepeatable = self.unrepeatable or ctx.deeds.settle().unrepeatable
        if not self._is_due():
            ctx.spent = (*ctx.spent, error)  # repeating it would deliver what was acknowledged

    def _enter(self, item: Any) -> Context:
        ctx = current()
        assert ctx is not None  # noqa: S101 - the node has just opened it
        self.was_called = True
        ctx.input = item
        set_scope(ctx, {"idempotency_key": self._id})
        return ctx


def _always() -> bool:
    return True
