"""What cuts an iteration whose loop is to be restarted with others, from any thread."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import TypeAlias

from unbreakable.runtime import TimeUp
from unbreakable.runtime.blocking import Branch

Act: TypeAlias = Callable[[float], object]


class Reins:
    """Hold what cuts one iteration; ``why`` says what it was cut for, None if it was not."""

    __slots__ = ("_act", "_grace", "lost", "refreshed", "why")

    def __init__(self, lost: int, refreshed: int) -> None:
        self.lost, self.refreshed = lost, refreshed  #: how many workers, and how often, before the iteration
        self.why: str | None = None
        self._act: Act | None = None
        self._grace = 0.0

    def hold(self, act: Act | None) -> None:
        """Let ``act(grace)`` cut what goes on from now on, at once if the cut came before; None: it has ended."""
        self._act = act
        if act is not None and self.why is not None:
            act(self._grace)

    def cut(self, why: str, grace: float) -> None:
        """Cut the iteration, which then has *grace* seconds to clean up; what blocks a thread goes on."""
        self._grace, self.why = grace, why  # in this order: who holds the reins looks at why
        act = self._act
        if act is not None:
            act(grace)

    def run(self, step: Callable[[], object]) -> None:
        """Run *step* in this thread, where a cut ends it the next time that it waits: then raise TimeUp."""
        is_done = False

        async def whole() -> None:
            nonlocal is_done
            step()
            is_done = True

        branch = Branch(whole, None)
        self.hold(lambda grace: branch.over.ring())
        try:
            contextvars.copy_context().run(branch.run)
            branch.result()
        finally:
            self.hold(None)
        if not is_done:
            raise TimeUp
