"""A number of places shared by threads and event loops alike, first come, first served."""

from __future__ import annotations

from collections import deque

from unbreakable.runtime.lock import new_lock
from unbreakable.runtime.protocol import Runtime, Waiter


class Gate:
    """At most *most* inside at once, whatever their colour; *queue* may wait in line."""

    def __init__(self, most: int, queue: int = 10_000) -> None:
        self.most, self.queue, self.inside = most, queue, 0
        self.line: deque[Waiter] = deque()
        self.lock = new_lock()

    def enter_nowait(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        with self.lock:
            if self.inside >= self.most or self.line:
                return False
            self.inside += 1
            return True

    async def enter(self, runtime: Runtime, seconds: float) -> bool:
        """Take a place, waiting at most *seconds* for it; a wait that ends otherwise leaves no trace."""
        if self.enter_nowait():
            return True
        if seconds <= 0 or len(self.line) >= self.queue:
            return False
        waiter = runtime.waiter()
        with self.lock:
            if self.inside < self.most and not self.line:
                self.inside += 1
                return True
            self.line.append(waiter)
        try:
            arrived = await runtime.wait(waiter, seconds)
        except BaseException:
            self._give_up(waiter)
            raise
        return arrived or not self._quit(waiter)

    def leave(self) -> None:
        """Give the place back; whoever waits longest gets it, unless the event loop was closed over their wait."""
        with self.lock:
            while self.line:
                waiter = self.line.popleft()
                if waiter.alive():
                    waiter.given = True
                    break
            else:
                self.inside = max(0, self.inside - 1)  # 0 already: it was entered before a fork
                return
        waiter.wake()  # the place is theirs: the count stays

    def clear(self) -> None:
        """Forget who is inside and who waits: after a fork none of them goes on."""
        self.inside = 0
        self.line.clear()

    def _quit(self, waiter: Waiter) -> bool:
        """Leave the line; return False when the place had been given to us at that very moment."""
        with self.lock:
            if waiter not in self.line:
                return False
            self.line.remove(waiter)
            return True

    def _give_up(self, waiter: Waiter) -> None:
        if not self._quit(waiter) and waiter.given:
            self.leave()
