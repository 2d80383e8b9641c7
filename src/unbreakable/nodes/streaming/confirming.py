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
from unbreakable.runtime import Runtime

AGAIN = 0.25  # seconds after which whoever waits asks a disk once more that refused


class Confirming:
    """Let writers wait until *sync*, which returns the number that is confirmed, has got as far as their item.

    *confirmed* is called after each sync that went through.
    """

    def __init__(self, sync: Callable[[], int], confirmed: Callable[[], None], value: int) -> None:
        self.reached = Milestone(value)
        self._sync, self._confirmed = sync, confirmed
        self._at_work: dict[str, object] = {}  #: the one who syncs, if anybody does: a thread's number, or a token
        self._is_closed = False
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

    def _is_first(self, who: object) -> bool:
        """Let *who* be the one who syncs, if nobody is: in one step, in which no interrupt comes."""
        return self._at_work.setdefault("sync", who) is who

    def _leave(self, who: object) -> None:
        if self._at_work.get("sync") is who:
            self._at_work.pop("sync", None)

    def _here(self) -> None:
        thread = threading.get_ident()
        try:
            if self._is_first(thread) and self._once(thread):
                following = self.reached.first
                if following is not None:
                    following.wake()  # whoever wrote meanwhile makes the next sync
        finally:
            self._leave(thread)  # an interrupt may have come before it began

    @property
    def is_mine(self) -> bool:
        """Whether this thread is syncing, where a handler of signals has interrupted it."""
        return self._at_work.get("sync") == threading.get_ident()

    def _in_a_thread(self) -> None:
        token = object()
        try:
            if self._is_first(token):
                self._thread = self._thread or ThreadPoolExecutor(1, "unbreakable sync")
                asyncio.get_running_loop().run_in_executor(self._thread, self._while_awaited, token)
        except BaseException:
            self._leave(token)
            raise

    def _while_awaited(self, token: object) -> None:
        while self._once(token) and self.reached.first is not None and self._is_first(token):
            pass

    def _once(self, who: object) -> bool:
        """Sync; return whether it went through.  Who wrote meanwhile is looked for after that."""
        try:
            value = self._sync()
            self.reached.reach(value)
            self._confirmed()
        except StateError:
            return False
        finally:
            self._leave(who)
        return True

    def close(self) -> None:
        """Confirm what was written so far; whoever waits after that does so in vain."""
        self._once(None)
        self._is_closed = True
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(wait=False)
