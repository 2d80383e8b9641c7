"""Many items are confirmed by the disk with one sync.

While one sync is under way, what is written meanwhile gathers for the next: the slower the disk, the larger the group,
and nobody waits longer than two syncs.  In async code the sync is made in a thread; in sync code by whoever waits.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from unbreakable.errors import StateError
from unbreakable.nodes.streaming.milestone import Milestone
from unbreakable.runtime import Runtime, new_lock

AGAIN = 0.25  # seconds after which whoever waits asks a disk once more that refused


class Confirming:
    """Let writers wait until *sync*, which returns the number that is confirmed, has got as far as their item.

    *confirmed* is called after each sync that went through.
    """

    def __init__(self, sync: Callable[[], int], confirmed: Callable[[], None], value: int) -> None:
        self.reached = Milestone(value)
        self._sync, self._confirmed = sync, confirmed
        self._lock, self._is_at_work, self._is_closed = new_lock(), False, False
        self._threads: set[int] = set()  #: those that sync for themselves
        self._thread: ThreadPoolExecutor | None = None

    async def wait(self, number: int, runtime: Runtime, seconds: float) -> bool:
        """Wait until *number* is confirmed, at most *seconds*; return whether it is."""
        until, begin = runtime.now() + seconds, self._in_a_thread if runtime.preemptive else self._here
        if runtime.preemptive:
            await runtime.sleep(0)  # whatever is ready to be written on this event loop gathers for the same sync
        while not await self.reached.wait(number, runtime, min(until - runtime.now(), AGAIN), begin):
            if self._is_closed or runtime.now() >= until:
                return False
        return True

    def _is_first(self) -> bool:
        with self._lock:
            is_first, self._is_at_work = not self._is_at_work, True
        return is_first

    def _here(self) -> None:
        thread = threading.get_ident()
        try:
            self._threads.add(thread)
            if self._is_first() and self._once():
                following = self.reached.first
                if following is not None:
                    following.wake()  # whoever wrote meanwhile makes the next sync
        finally:
            self._threads.discard(thread)

    @property
    def is_mine(self) -> bool:
        """Whether this thread is syncing, where a handler of signals has interrupted it."""
        return threading.get_ident() in self._threads

    def _in_a_thread(self) -> None:
        if self._is_first():
            try:
                self._thread = self._thread or ThreadPoolExecutor(1, "unbreakable sync")
                asyncio.get_running_loop().run_in_executor(self._thread, self._while_awaited)
            except BaseException:
                self._is_at_work = False
                raise

    def _while_awaited(self) -> None:
        while self._once() and self.reached.first is not None and self._is_first():
            pass

    def _once(self) -> bool:
        """Sync; return whether it went through."""
        try:
            value = self._sync()
        except StateError:
            return False
        finally:
            self._is_at_work = False
        self.reached.reach(value)
        self._confirmed()
        return True

    def close(self) -> None:
        """Confirm what was written so far; whoever waits after that does so in vain."""
        self._once()
        self._is_closed = True
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)
