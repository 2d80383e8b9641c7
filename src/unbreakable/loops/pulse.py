"""A worker gives signs of life: what carries loops in it promises by when what it has at work will be over.

A process that is there is not alive by that: its event loop may be blocked, its interpreter held by C code.  A promise
that is late in a lane where nothing ends any more is a hang.  Promised is that an iteration is over when its deadline
and the grace after it are; and, within the seconds of ``--hang``, that an event loop with loops turns, and that a
thread of ours has its turn.  Where no supervisor looks, nothing is promised.
"""

from __future__ import annotations

import math
import os
from heapq import heapify, heappop, heappush
from typing import Any, TypeAlias

from unbreakable.lock import new_lock
from unbreakable.loops.page import BEATS, DUE, LANES, LOOPS, MOST_LANES, Page, label
from unbreakable.runtime.mark import running_event_loop
from unbreakable.runtime.world import RealWorld

EARLY = 0.1  # of the seconds of --hang: how often a heart beats
NEVER = 60.0  # seconds between two looks of the thread of ours where --hang is off
FEW = 64  # promises that were kept and are held nevertheless, besides half of all

EventLoop: TypeAlias = Any  # of whatever library
now = RealWorld.now  # the supervisor looks at the same clock, whatever an event loop has

Ailment: TypeAlias = tuple[bool, bool, EventLoop | None]  # whether a loop fails, and survives, and where it goes on
WELL: Ailment = (False, False, None)

Promise: TypeAlias = list[Any]  # a moment, a number that no other one of its lane has, a name: None once it is kept


class Lane:
    """Keep the promises of one thread, or one event loop; the earliest is shown."""

    __slots__ = ("_beaten", "_beats", "_counts", "_due", "_kept", "_made", "_memory", "_moments", "_name", "_others",
                 "_room", "_shown", "loops", "number")  # fmt: skip

    def __init__(self, page: Page, number: int) -> None:
        self.number, self.loops = number, 0
        self._due, self._beaten, self._room = page.place(number) + DUE, page.place(number) + BEATS, page.room(number)
        self._moments: Any = page.moments
        self._counts: Any = page.counts
        self._memory: Any = page.memory
        self._beats: int = page.counts[self._beaten]
        self._name = ""
        self._made = self._kept = 0
        self._shown: Promise | None = None
        self._others: list[Promise] = []  # a heap; some may be kept

    def promise(self, seconds: float, name: str) -> Promise:
        """Promise that something is over within so many *seconds*."""
        self._made = number = self._made + 1
        promise: Promise = [now() + seconds, number, name]
        shown = self._shown
        if shown is None or promise < shown:
            if shown is not None:
                heappush(self._others, shown)
            self._show(promise)
        else:
            heappush(self._others, promise)
        return promise

    def keep(self, promise: Promise) -> None:
        """Say that it is over."""
        self._beats = self._counts[self._beaten] = self._beats + 1
        self.withdraw(promise)

    def renew(self, promise: Promise, seconds: float) -> Promise:
        """Promise within so many *seconds* from now what was promised before; nothing has ended by that."""
        name = promise[2]
        self.withdraw(promise)
        return self.promise(seconds, name)

    def withdraw(self, promise: Promise) -> None:
        """Take it back; nothing has ended by that."""
        promise[2] = None
        if promise is not self._shown:
            self._kept += 1
            if self._kept > FEW + len(self._others) // 2:
                self._others, self._kept = [each for each in self._others if each[2] is not None], 0
                heapify(self._others)
        elif self._others:
            self._show_next()
        else:
            self._shown, self._moments[self._due] = None, 0.0

    def close(self) -> None:
        """Promise nothing any more; what is kept after the end of its loop is written nowhere."""
        self._shown, self._moments[self._due] = None, 0.0
        self._others.clear()
        self._moments, self._counts = {}, {}

    def _show(self, promise: Promise) -> None:
        if self._name != promise[2]:
            self._name = promise[2]
            self._memory[self._room] = label(self._name)
        self._shown, self._moments[self._due] = promise, promise[0]

    def _show_next(self) -> None:
        while self._others:
            promise = heappop(self._others)
            if promise[2] is not None:
                self._show(promise)
                return
            self._kept -= 1
        self._shown, self._moments[self._due] = None, 0.0


class Heart:
    """Promise again and again that something turns: an event loop, or the interpreter."""

    def __init__(self, lane: Lane, name: str, hang: float) -> None:
        self.lane = lane
        self._name, self._hang = name, hang
        self._promise: Promise | None = None

    def beat(self) -> float:
        """Beat; return after how many seconds to do so again."""
        if not self._hang:
            return NEVER
        pause = EARLY * self._hang
        before, self._promise = self._promise, self.lane.promise(self._hang + pause, self._name)
        if before is not None:
            self.lane.withdraw(before)
        return pause

    def beat_on(self, event_loop: EventLoop) -> None:
        """Beat until the lane has no loops any more."""
        if self._hang and self.lane.loops:
            event_loop.call_later(self.beat(), self.beat_on, event_loop)


class Pulse:
    """Have lanes in a page, once there is one."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._page: Page | None = None
        self._pages: list[Page] = []  # never let go: by then the number of its descriptor may be another file's
        self._free: list[int] = []
        self._lanes: dict[EventLoop, Lane] = {}
        self._heart: Heart | None = None
        self._ailing: dict[object, Ailment] = {}  # by who speaks for a loop
        self._failing = self._surviving = 0

    def show_on(self, page: Page) -> None:
        """Give signs of life there from now on."""
        with self._lock:
            self._page = page
            self._pages.append(page)
            lane = self._new_lane(page)
        if lane is not None:
            self._heart = Heart(lane, "its interpreter", page.hang)

    def beat(self) -> float | None:
        """Say that this thread has its turn; return after how many seconds to do so again, if at all."""
        if self._heart is None:
            return None
        with self._lock:
            for event_loop, lane in list(self._lanes.items()):
                if event_loop.is_closed():  # with its loops in it: they will never tell that they have ended
                    self._part_with(lane, lane.loops)
            for who, (_, _, event_loop) in list(self._ailing.items()):
                if event_loop is not None and event_loop.is_closed():
                    self._count_ailing(who, WELL)
        return self._heart.beat()

    def join(self) -> Lane | None:
        """Return the lane of a loop that begins in this thread, or on the event loop that runs in it."""
        if self._page is None:
            return None
        with self._lock:
            event_loop = running_event_loop()
            lane = None if event_loop is None else self._lanes.get(event_loop)
            is_new = lane is None
            lane = lane or self._new_lane(self._page)
            if lane is None:
                return None
            self._count(1)
            lane.loops += 1
            if event_loop is not None:
                self._lanes[event_loop] = lane
        if is_new and event_loop is not None:
            Heart(lane, "its event loop", self._page.hang).beat_on(event_loop)
        return lane

    def leave(self, lane: Lane | None) -> None:
        """Say that a loop has ended."""
        if lane is not None:
            with self._lock:
                self._part_with(lane, min(1, lane.loops))

    def ails(self, who: object, *, fails: bool, survives: bool) -> None:
        """Count the loop that *who* speaks for among those that fail, and that survive, or no longer."""
        if self._page is not None:
            with self._lock:
                self._count_ailing(who, (fails, survives, running_event_loop()))

    def wish(self, why: str) -> None:
        """Ask the supervisor for a worker in place of this one."""
        if self._page is not None and not self._page.wish:
            self._page.wish = why

    def know(self, names: str) -> None:
        """Say to the supervisor what who stands by may load."""
        if self._page is not None:
            self._page.known = names

    def seconds(self, bound: float, *, is_users: bool) -> float:
        """Return within how many seconds an iteration is over that has *bound*, which its user has chosen or not."""
        if is_users or self._page is None:
            return bound
        return max(bound, self._page.hang) if self._page.hang else math.inf

    def forget(self) -> None:
        """Give no sign in a forked child: they are its parent's."""
        self._page, self._heart = None, None
        self._lanes.clear()
        self._ailing.clear()
        self._failing = self._surviving = 0

    def _new_lane(self, page: Page) -> Lane | None:
        number = self._free.pop() if self._free else page.counts[LANES]
        if number >= MOST_LANES:
            return None
        page.counts[LANES] = max(number + 1, page.counts[LANES])
        return Lane(page, number)

    def _part_with(self, lane: Lane, loops: int) -> None:
        lane.loops -= loops
        self._count(-loops)
        if not lane.loops and loops:
            lane.close()
            self._lanes = {loop: each for loop, each in self._lanes.items() if each is not lane}
            self._free.append(lane.number)

    def _count_ailing(self, who: object, ailment: Ailment) -> None:
        before = self._ailing.pop(who, WELL)
        if ailment[:2] != WELL[:2]:
            self._ailing[who] = ailment
        self._failing += ailment[0] - before[0]
        self._surviving += ailment[1] - before[1]
        if self._page is not None:
            self._page.ailing = (self._failing, self._surviving)

    def _count(self, change: int) -> None:
        if self._page is not None:
            self._page.counts[LOOPS] += change


PULSE = Pulse()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=PULSE.forget)
