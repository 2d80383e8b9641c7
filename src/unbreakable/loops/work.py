"""One iteration: the operation, run through its node, told which one it is, counted."""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from typing import Any

from unbreakable.fractal import AsyncProtected, FractalNode, SyncProtected
from unbreakable.fractal.operation import Operation, is_async, is_generator, takes_context
from unbreakable.loops.carrier import Mark
from unbreakable.loops.guard import guarded, guarded_sync, is_stray
from unbreakable.loops.schedule import Tick
from unbreakable.loops.tally import Tally
from unbreakable.policies import Context, current
from unbreakable.policies.check import refuse
from unbreakable.runtime import Runtime

# Which iteration of whose work this code is part of.
_inside: ContextVar[tuple[object, int]] = ContextVar("unbreakable_iteration", default=(None, 0))


class Work:
    """Run the iterations of one loop, never two at once, through *node*, which heals what fails.

    The operation finds the tick in ``ctx.tick`` (None when triggered by hand) and the number of the iteration, from 1
    on, in ``ctx.iteration``.
    """

    def __init__(self, operation: Operation[Any], node: FractalNode) -> None:
        _check(operation)
        self.needs_event_loop = is_async(operation)
        self.node = node
        self.tally = Tally()
        self._call = AsyncProtected[[], Any](guarded(operation, self._enter), node)
        self._call_sync = SyncProtected[[], Any](guarded_sync(operation, self._enter), node)
        self._tick: Tick | None = None
        self._attempts = 0
        self._in_progress = False

    @property
    def is_here(self) -> bool:
        """Whether this is called from inside the iteration in progress."""
        return self._in_progress and _inside.get() == (self, self.tally.begun)

    async def run(self, runtime: Runtime, tick: Tick | None) -> None:
        """Run one iteration; only what comes from outside is raised: a cancellation, a signal."""
        tally, mark, began = self.tally, Mark(), runtime.now()
        tally.begun += 1
        self._tick, self._attempts, self._in_progress = tick, 0, True
        try:
            if runtime.preemptive:
                await self._call()
            else:
                self._call_sync()
        except BaseException as error:
            if not isinstance(error, Exception) and not is_stray(error, mark):
                raise
            tally.failed(error, runtime.now() - began)
        else:
            tally.succeeded(runtime.now() - began, healed=self._attempts > 1)
        finally:
            self._in_progress = False

    def forget(self) -> None:
        """Forget the iteration in progress: after a fork it goes on in the parent only."""
        self._in_progress = False

    def _enter(self) -> Context:
        ctx = current()
        assert ctx is not None  # noqa: S101 - the node has just opened it
        ctx.tick, ctx.iteration = self._tick, self.tally.begun
        self._attempts = max(self._attempts, ctx.attempt)
        _inside.set((self, self.tally.begun))
        return ctx


def _check(operation: object) -> None:
    expected = "a function that takes the context or nothing"
    if not callable(operation):
        raise refuse("operation", expected, operation)
    if is_generator(operation):
        raise refuse("operation", "a function that returns: calling a generator does nothing", operation)
    try:
        signature = inspect.signature(operation)
    except (ValueError, TypeError):
        return  # some built-in functions do not say
    try:
        signature.bind(*((None,) if takes_context(operation) else ()))
    except TypeError:
        raise refuse("operation", expected, operation) from None
