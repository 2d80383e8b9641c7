"""A number of places shared by threads and event loops alike: the more important first, of equals who came first.

Between any two lines the collector may come, in the same thread and under the same lock, and close a coroutine whose
event loop is gone, which then leaves.  So what is given is taken in one step, and whoever looked before looks again.

A signal's exception may come up there, too, but only once a step is done that calls something: what such a step has
taken is put back.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from unbreakable.lock import new_lock
from unbreakable.runtime.protocol import Runtime, Waiter

LOOK_AGAIN = 1.0  # seconds
MOST_IN_LINE = 10_000


class Holder(Protocol):
    """Who holds a place."""

    permit: Any  #: the gate in which that is


class Gate:
    """At most *most* inside at once, whatever their colour; *queue* may wait in line.

    To come and to go is one step each, without a lock: what is free lies in a deque.  Places are made when they are
    first needed, and when there are to be fewer they go with whoever leaves.
    """

    def __init__(self, most: int, queue: int = MOST_IN_LINE) -> None:
        self.most, self.queue = most, queue
        self.made, self.free = 0, deque[None]()
        self.surplus = 0  #: places that are to be no more; they go with whoever leaves
        self.line: deque[Waiter] = deque()
        self.ranks: dict[Waiter, int] = {}  #: of those in line that are more important (less than 0), or less
        self.coming: set[Waiter] = set()  #: who was given a place and has not taken it yet
        self.away: set[object] = set()  #: one for each who has given theirs back for a while, and will want one again
        self.lock = new_lock()

    @property
    def inside(self) -> int:
        """Return how many places are taken."""
        return self.made - len(self.free)

    @property
    def is_full(self) -> bool:
        """Return whether who comes now would have to wait."""
        return bool(self.line) or (not self.free and self.made >= self.most)

    def enter_nowait(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        return not self.line and self._taken()

    def _taken(self) -> bool:
        return self._frees_one() or self.makes_one()

    def _frees_one(self) -> bool:
        """Take a place that is free; return whether one was."""
        try:
            self.free.pop()
        except IndexError:
            return False
        except BaseException as error:
            if not isinstance(error, RecursionError):  # then it was not even tried; a signal's comes once it is done
                self.free.append(None)
            raise
        return True

    def grows(self) -> bool:
        """Make a place that nobody had before, and is free, as long as there are not as many as allowed."""
        is_made = self.makes_one()
        if is_made:
            self.free.append(None)
        return is_made

    def makes_one(self) -> bool:
        """Take a place that nobody had before, as long as there are not as many as allowed."""
        is_made = False
        try:
            with self.lock:
                self.made += 1  # before we look whether that is one too many
                is_made = self.made <= self.most
                if not is_made:
                    self.made -= 1
        except BaseException:
            if is_made:
                self.free.append(None)
            raise
        return is_made

    def resize(self, most: int) -> None:
        """Let *most* in from now on; who is inside may stay."""
        with self.lock:
            self.most = most
            self.surplus = max(0, self.made - most)
        self.admit()

    async def enter(
        self, runtime: Runtime, seconds: float, look: Callable[[], object] | None = None, rank: int = 0
    ) -> bool:
        """Take a place, waiting at most *seconds* for it; a wait that ends otherwise leaves no trace.

        *look* is called at once, and every second while we wait, to find out whether a place is held by nobody.  Those
        of a lower *rank* go first; where the line is full, the last one of a higher rank is turned away for them.
        """
        if self.enter_nowait() or (self.reclaim() and self.enter_nowait()):
            return True
        if seconds <= 0 or not (len(self.line) < self.queue or self._turns_away(rank)):
            return False
        waiter = runtime.waiter()
        try:
            self._line_up(waiter, rank)
            self.admit()  # a place may have come free since we looked
            if not waiter.given:
                await self._wait(waiter, runtime, seconds, look)
            return self._arrived(waiter)
        except BaseException:
            if self._arrived(waiter):
                self.leave()
            raise

    async def _wait(self, waiter: Waiter, runtime: Runtime, seconds: float, look: Callable[[], object] | None) -> None:
        if look is None:
            await runtime.wait(waiter, seconds)
            return
        until = runtime.now() + seconds
        while (left := until - runtime.now()) > 0:
            look()
            self.reclaim()
            if await runtime.wait(waiter, min(left, LOOK_AGAIN)):
                return

    def _line_up(self, waiter: Waiter, rank: int) -> None:
        if rank:
            self.ranks[waiter] = rank
        if not self.ranks:
            self.line.append(waiter)
            return
        with self.lock:
            self.line.insert(bisect_right(self.line, rank, key=self._rank), waiter)

    def _rank(self, waiter: Waiter) -> int:
        return self.ranks.get(waiter, 0)

    def _turns_away(self, rank: int) -> bool:
        """Take the last one out of the line if that one is less important than *rank*; return whether it was."""
        with self.lock:
            if not self.line or self._rank(self.line[-1]) <= rank:
                return False
            last = self.line.pop()
        last.wake()
        return True

    def _arrived(self, waiter: Waiter) -> bool:
        """Stop waiting; return whether a place was given to us, and be it at this very moment."""
        with self.lock:
            if not waiter.given:
                with contextlib.suppress(ValueError):  # it was given to us at this very moment
                    self.line.remove(waiter)
            self.ranks.pop(waiter, None)
        return self._is_taken(waiter)

    def _is_taken(self, waiter: Waiter) -> bool:
        """Take what *waiter* was given; return whether nobody did before."""
        try:
            self.coming.remove(waiter)
        except KeyError:
            return False
        except BaseException:
            self.coming.add(waiter)
            raise
        return True

    def leave(self, holder: Holder | None = None) -> None:
        """Give the place back; whoever waits longest gets it, unless the event loop was closed over their wait.

        Of a *holder*, whose ``permit`` this gate is, it is taken in the same step, so that nobody does so again.
        """
        is_missed = len(self.free) < self.made  # else it was taken before a fork
        if holder is not None:
            holder.permit = None
        if is_missed:
            self.free.append(None)
        if self.line or self.surplus:
            self.admit()

    def admit(self) -> None:
        """Give what is free to those who wait longest, once there are no more places than there are to be."""
        while self.surplus and self._drops_one():
            pass
        while self.line and self._taken():
            waiter = None
            try:
                with self.lock:
                    waiter = self._first()
                    if waiter is not None:
                        self.coming.add(waiter)
                        waiter.given = True
            finally:
                if waiter is not None and waiter.given:
                    waiter.wake()
                else:  # nobody waits for one any more
                    self.coming.discard(waiter)
                    self.free.append(None)

    def _drops_one(self) -> bool:
        """Let a place that is free be no more."""
        if not self._frees_one():
            return False
        with self.lock:
            if self.surplus:
                self.surplus -= 1
                self.made -= 1
            else:  # another thread has dropped the last one, or there are to be more again
                self.free.append(None)
        return True

    def _first(self) -> Waiter | None:
        """Return who waits longest, out of the line; None if nobody does, or the event loop was closed over it."""
        with contextlib.suppress(IndexError):
            waiter = self.line.popleft()
            return waiter if waiter.alive() else None
        return None

    def reclaim(self) -> bool:
        """Take back the places that were given to those whose event loop was closed before they could take them.

        Return whether there were any.  They are known here, so the collector does not find them.
        """
        lost = [waiter for waiter in tuple(self.coming) if not waiter.alive()]
        for waiter in lost:
            if self._is_taken(waiter):
                self.leave()
        return bool(lost)

    def clear(self) -> None:
        """Forget who is inside and who waits: after a fork none of them goes on."""
        self.made, self.surplus, self.free = 0, 0, deque()
        self.line.clear()
        self.ranks.clear()
        self.coming.clear()
        self.away.clear()
