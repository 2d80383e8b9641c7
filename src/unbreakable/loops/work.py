"""One iteration: the operation, run through its node, told which one it is, counted."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from unbreakable.fractal.operation import Operation, is_async, takes_context
from unbreakable.loops.carrier import Mark
from unbreakable.loops.guard import guarded, is_stray
from unbreakable.loops.schedule import Tick
from unbreakable.loops.tally import Tally
from unbreakable.outcome import Outcome
from unbreakable.policies.check import refuse
from unbreakable.runtime import Runtime

# Which iteration of whose work this code is part of.
_inside: ContextVar[tuple[object, int]] = ContextVar("unbreakable_iteration", default=(None, 0))


class Node(Protocol):
    """What runs an operation, healing included, and turns whatever comes of it into an Outcome."""

    async def execute(self, operation: None = None, context: Any = None, **scope: Any) -> Outcome[Any]:
        """Run it on the running event loop; *scope* is what its context says of this iteration."""

    def execute_sync(self, operation: None = None, context: Any = None, **scope: Any) -> Outcome[Any]:
        """Run it in this thread."""


class Work:
    """Run the iterations of one loop, never two at once; *node* makes a node of the guarded operation.

    The operation finds the tick in ``ctx.tick`` (None when triggered by hand) and the number of the iteration, from 1
    on, in ``ctx.iteration``.
    """

    def __init__(self, operation: Operation[Any], node: Callable[[Operation[Any]], Node]) -> None:
        _check(operation)
        self.node = node(guarded(operation, self._enter))
        self.needs_event_loop = is_async(operation)
        self.tally = Tally()
        self._in_progress = False

    @property
    def is_here(self) -> bool:
        """Whether this is called from inside the iteration in progress."""
        return self._in_progress and _inside.get() == (self, self.tally.begun)

    async def run(self, runtime: Runtime, tick: Tick | None) -> None:
        """Run one iteration; only what comes from outside is raised: a cancellation, a signal."""
        tally, mark, began = self.tally, Mark(), runtime.now()
        tally.begun += 1
        self._in_progress = True
        number = tally.begun
        try:
            if runtime.preemptive:
                outcome = await self.node.execute(tick=tick, iteration=number)
            else:
                outcome = self.node.execute_sync(tick=tick, iteration=number)
        except BaseException as error:
            if not isinstance(error, Exception) and not is_stray(error, mark):
                raise
            tally.add_error(error, runtime.now() - began)
        else:
            tally.add(outcome, runtime.now() - began)
        finally:
            self._in_progress = False

    def forget(self) -> None:
        """Forget the iteration in progress: after a fork it goes on in the parent only."""
        self._in_progress = False

    def _enter(self) -> None:
        _inside.set((self, self.tally.begun))


def _check(operation: object) -> None:
    expected = "a function that takes the context or nothing"
    if not callable(operation):
        raise refuse("operation", expected, operation)
    try:
        signature = inspect.signature(operation)
    except (ValueError, TypeError):
        return  # some built-in functions do not say
    try:
        signature.bind(*((None,) if takes_context(operation) else ()))
    except TypeError:
        raise refuse("operation", expected, operation) from None
