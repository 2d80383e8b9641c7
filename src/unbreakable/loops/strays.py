"""What a loop has let go of: iterations that were cut and are still at work, a bounded number, and workers that end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from unbreakable.errors import BulkheadFull
from unbreakable.loops.workers import Worker
from unbreakable.runtime import Runtime

MOST = 8  # iterations still at work, of one loop: each may hold a task or a thread, and whatever else, for ever


class Stray(Protocol):
    """An iteration that was cut."""

    @property
    def is_alive(self) -> bool:
        """Whether it is still at work."""


class Strays:
    """Hold what was let go of until it ends, so that none of it is lost.

    ``leave_state()`` is called for an iteration that can still write in the loop's state.
    """

    __slots__ = ("_cut", "_dismissed", "_leave_state")

    def __init__(self, leave_state: Callable[[], None]) -> None:
        self._leave_state = leave_state
        self.clear()

    def clear(self) -> None:
        """Forget all of it: after a fork it goes on in the parent only."""
        self._cut: list[Stray] = []
        self._dismissed: list[Worker] = []

    def cut(self, stray: Stray, *, shares_state: bool = True) -> None:
        """Hold an iteration that is still at work after its cut."""
        self._cut = [*self._cut, stray]
        if shares_state:
            self._leave_state()

    def dismissed(self, worker: Worker) -> None:
        """Hold a worker that was told to end."""
        self._dismissed = [*(each for each in self._dismissed if each.is_alive), worker]

    async def see_off(self, runtime: Runtime, until: float) -> None:
        """Wait for the end of the workers that can end, at most to the moment *until*."""
        for worker in self._dismissed:
            await worker.end(runtime, until - runtime.now())
        self._dismissed = [each for each in self._dismissed if each.is_alive]

    def refuse_more(self) -> None:
        """Raise BulkheadFull when so many are still at work that no further iteration may begin; forget the others."""
        if not self._cut:
            return
        self._cut = [each for each in self._cut if each.is_alive]
        if len(self._cut) >= MOST:
            raise BulkheadFull(f"{MOST} iterations that were cut are still at work: none begins before one has ended")

    def __len__(self) -> int:
        """Return how many iterations are still at work after their cut, to any thread."""
        return sum(each.is_alive for each in self._cut)
