"""What a loop has let go of: iterations that were cut and are still at work, a bounded number, and workers that end.

When MOST are still at work, a further one begins only now and then, so that the loop goes on, should what made them
hang be over.  Of tasks the oldest is given up for it: it is ended as at the end of its event loop, whether it wants to
or not, and no longer held.  A thread can be ended by nobody: there may be LAST of them, and then none begins.
"""

from __future__ import annotations

from collections.abc import Callable

from unbreakable.errors import BulkheadFull
from unbreakable.loops.workers import Worker
from unbreakable.runtime import Runtime
from unbreakable.runtime.apart import LeftTask

MOST = 8  # iterations still at work, of one loop: each may hold a task or a thread, and whatever else, for ever
LAST = 64  # of them in threads of ours
SELDOM = 1.0  # seconds at the least between two beginnings when MOST are still at work
EARLY = 0.9  # of the pause between these two: the second may begin less late after its tick than the first
FULL = f"{LAST} iterations that were cut hold a thread each: none begins before one has ended, or the program is new"


class Strays:
    """Hold what was let go of until it ends, so that none of it is lost.

    ``leave_state()`` is called for an iteration that can still write in the loop's state.  ``given_up`` counts the
    tasks that are held no longer, though they had not ended.
    """

    __slots__ = ("_dismissed", "_leave_state", "_next", "_tasks", "_workers", "given_up")

    def __init__(self, leave_state: Callable[[], None]) -> None:
        self._leave_state = leave_state
        self.given_up = 0
        self.clear()

    def clear(self) -> None:
        """Forget all of it: after a fork it goes on in the parent only."""
        self._tasks: list[LeftTask] = []
        self._workers: list[Worker] = []
        self._dismissed: list[Worker] = []
        self._next = 0.0

    def left(self, task: LeftTask) -> None:
        """Hold an iteration that did not heed its cut."""
        self._tasks = [*self._tasks, task]
        self._leave_state()

    def cut(self, worker: Worker) -> None:
        """Hold a worker that was cut in the middle of an iteration."""
        self._workers = [*self._workers, worker]
        if worker.shares_state:
            self._leave_state()

    def dismissed(self, worker: Worker) -> None:
        """Hold a worker that was told to end."""
        self._dismissed = [*(each for each in self._dismissed if each.is_alive), worker]

    async def see_off(self, runtime: Runtime, until: float) -> None:
        """Wait for the end of the workers that can end, at most to the moment *until*."""
        for worker in self._dismissed:
            await worker.end(runtime, until - runtime.now())
        self._dismissed = [each for each in self._dismissed if each.is_alive]

    @property
    def has_any(self) -> bool:
        """Whether anything is held that was at work after its cut, and may be so still."""
        return bool(self._tasks or self._workers)

    @property
    def is_full(self) -> bool:
        """Whether so many threads are still at work that no iteration may begin before one of them has ended."""
        return len(self._workers) >= LAST and sum(each.is_alive for each in self._workers) >= LAST

    def make_room(self, now: float, pause: float) -> None:
        """See to it that an iteration may begin *now*; raise BulkheadFull if none may.

        When MOST are still at work one may begin every *pause* seconds, or every SELDOM if that is longer.
        """
        if not self.has_any:
            return
        self._tasks = [each for each in self._tasks if each.is_alive]
        self._workers = [each for each in self._workers if each.is_alive]
        held = len(self)
        if held >= LAST:
            raise BulkheadFull(FULL)
        if held >= MOST and now < self._next:
            msg = f"{held} iterations that were cut are still at work: the next may begin in {self._next - now:.2g} s"
            raise BulkheadFull(msg)
        self._next = now + max(SELDOM, EARLY * pause)
        if held >= MOST and self._tasks:
            oldest, *self._tasks = self._tasks
            self.given_up += 1
            oldest.end()

    def __len__(self) -> int:
        """Return how many iterations are still at work after their cut, to any thread."""
        return sum(each.is_alive for each in self._tasks) + sum(each.is_alive for each in self._workers)
