"""Time limits on an event loop: one alarm cuts whatever is overdue.

A quick attempt costs one entry in a dictionary: no task, no timer.  The alarm is set to the earliest
moment at which any attempt is due.  When it rings, what is overdue is cut: its task is cancelled, and at the end of
the attempt ``settle`` decides whose cancellation it was.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from unbreakable.errors import told_by
from unbreakable.runtime.clockwork import Clockwork
from unbreakable.runtime.mark import GROUPS_FORGET, OwnTask

CROWD = 256  # attempts in flight above which the alarm may be a microsecond late for each


class Alarm:
    """Something that may be cut: when it is *due*, in which task, and what was done to it."""

    due: float = math.inf
    task: asyncio.Task[object] | None = None  #: the one that was cut
    cancels: int = 0  #: cancellations asked for by others before we began, so that theirs are never taken for ours
    cut: int = 0  #: how often
    deadline: float = math.inf  #: the moment at which it is cut once more, should it have gone on
    started: float = 0.0
    target: Any = None  #: whose limit it is
    unsettled: bool = False  #: whether something came in between that a success has to settle

    def respite(self) -> float:
        """Return the moment until which it may go on although it is due; not later than now when it is to be cut."""
        return 0.0


Watched: TypeAlias = dict[Alarm, "asyncio.Task[object] | None"]


class Watch:
    """The attempts in flight on one event loop, and the alarm that looks after them."""

    __slots__ = ("alarm", "alarm_at", "alarms", "clockwork", "endless", "has_looked", "loop", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        self.loop, self.now, self.alarm_at = loop, now, math.inf
        self.alarms: Watched = {}  # in order: who began first is cut first
        self.alarm: asyncio.TimerHandle | None = None
        self.clockwork: Clockwork | None = None  #: ends naps in time, once somebody has looked whether there is one
        self.has_looked = False
        self.endless: set[object] = set()  #: waits that no timer ends: an event loop itself keeps no task that waits

    def arm(self, at: float) -> None:
        """Ring at the moment *at*, which is earlier than what was set."""
        if self.alarm is not None:
            self.alarm.cancel()
        self.alarm_at = at
        # An empty context: the timer must not keep the caller's context variables alive.
        self.alarm = self.loop.call_later(max(0.0, at - self.now()), self._ring, context=contextvars.Context())

    def tighten(self, owner: object, seconds: float) -> None:
        """Let the attempts of *owner* in flight take *seconds* at most: a limit learned meanwhile counts."""
        for alarm in self.alarms:
            if alarm.target is owner and alarm.started + seconds < alarm.due and not alarm.cut:
                alarm.due = alarm.started + seconds
                if alarm.due < self.alarm_at:
                    self.arm(alarm.due)

    def _ring(self) -> None:
        now, self.alarm, self.alarm_at = self.now(), None, math.inf
        for alarm, task in [(alarm, task) for alarm, task in self.alarms.items() if alarm.due <= now]:
            until = alarm.respite()
            if until > now:
                alarm.due = until
                continue
            alarm.due = alarm.deadline if alarm.deadline > now else math.inf
            cut(alarm, task)
        nearest = min((alarm.due for alarm in self.alarms), default=math.inf)
        if nearest < math.inf:
            crowd = len(self.alarms)
            patience = crowd * 1e-6 if crowd > CROWD else 0.0  # keeps this scan below a few per cent of a core
            self.arm(max(nearest, now + patience))


def cut(alarm: Alarm, task: asyncio.Task[object] | None) -> None:
    """Cancel the *task* that *alarm* stands for; ``settle`` takes that back at the end of its work."""
    alarm.cut, alarm.unsettled, alarm.task = alarm.cut + 1, True, task
    if task is not None:
        task.cancel()


def settle(alarm: Alarm, error: BaseException | None) -> bool:
    """Take back the cancellations that the alarm sent, if any; return whether they are what ended the work."""
    if not alarm.cut or alarm.task is None:
        return False
    task, cuts, alarm.task, alarm.cut = alarm.task, alarm.cut, None, 0
    left = min(task.uncancel() for _ in range(cuts))
    return left <= alarm.cancels and isinstance(error, asyncio.CancelledError)


_END_OF_GROUP = asyncio.TaskGroup.__aexit__.__code__


def take_back_forgotten(errors: Iterable[BaseException]) -> None:
    """Take back what the task groups that *errors* came out of asked of the running task, and did not take back.

    Before Python 3.13 a group does not when a member fails while it waits for the others at the end of its block: then
    its task counts as cancelled, by nobody.
    """
    task, groups = asyncio.current_task(), set()
    if task is None or isinstance(task, OwnTask) or not GROUPS_FORGET:
        return
    for error in errors:
        traceback = told_by(error, "__traceback__")
        while traceback is not None:
            frame, traceback = traceback.tb_frame, traceback.tb_next
            if frame.f_code is _END_OF_GROUP and frame.f_locals["et"] is None:
                groups.add(frame.f_locals["self"])
    for group in groups:
        if group._parent_task is task and group._parent_cancel_requested:  # noqa: SLF001
            task.uncancel()
