"""A run is at work once at a time, and who asks for it meanwhile waits for the same end.

The law of this file.  A run at work holds its journal open, so that its state file stays this process's until the last
step of the last run has ended, whoever closed what meanwhile.  And what is at work on the file of one path is known by
that path, so that nobody takes a run up anew when the file was closed, deleted or replaced under it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import sys
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from unbreakable.errors import RunInProgress
from unbreakable.log import log
from unbreakable.policies import Context, Plan, current
from unbreakable.policies.deeds import tell_outside
from unbreakable.policies.policy import enter
from unbreakable.runtime import Runtime, new_lock
from unbreakable.runtime.broom import Broom
from unbreakable.runtime.line import Line
from unbreakable.runtime.mark import running_event_loop
from unbreakable.workflows import RunResult
from unbreakable.workflows.engine import Engine
from unbreakable.workflows.journal import Journal
from unbreakable.workflows.memory import MemoryJournal

# Not "unbreakable…": by that name ``outside`` would take it from compensations, which are inside their run as well.
around: contextvars.ContextVar[frozenset[str]] = contextvars.ContextVar("runs_around", default=frozenset())

LOOK_AGAIN = 1.0  # seconds after which it is found out that an event loop was closed under a run
LAST_GRACE = 0.04  # seconds that a run which was cut has to end: some turns of its event loop, unless that hangs


class Owner(Protocol):
    """Have runs at work."""

    @property
    def name(self) -> str:
        """Return the name by which people know it."""


@dataclass(slots=True, eq=False)
class Place:
    """What a run of *owner* holds while it is at work: its task in async code, the contexts of its steps.

    *scope* has the deadline of the run; *beyond* has none, for what is done past the point of no return and to undo.
    """

    run_id: str
    owner: Owner
    loop: asyncio.AbstractEventLoop | None
    journal: Journal
    runs: RunsAtWork
    thread: int
    task: asyncio.Task[RunResult] | None = None
    scope: Context | None = None
    beyond: Context | None = None
    engine: Engine | None = None
    is_cut: bool = False
    is_leaving: bool = False
    is_left: bool = False

    @property
    def is_forsaken(self) -> bool:
        """Whether the event loop that carried the run was closed under it."""
        return self.loop is not None and self.loop.is_closed()

    @property
    def is_at_work(self) -> bool:
        """Whether the run, or a step of it, may still do something."""
        return not (self.is_left or self.is_forsaken)

    def waits_for(self, runtime: Runtime) -> bool:
        """Return whether the run could not end while we wait: we are inside it, or block the event loop it is on."""
        if self.loop is None:
            is_here = self.thread == threading.get_ident()
        else:
            is_here = not runtime.preemptive and self.loop is running_event_loop()
        return is_here or self.run_id in around.get()

    def stand_inside(self, scope: Context) -> None:
        """Let *scope* be what has the run's deadline; what is being handled now is no clean-up of the run."""
        self.scope, scope.handled = scope, id(sys.exception())

    def cut(self) -> None:
        """Let the run begin nothing more, and cut what it is at where that can be done; the rest is its journal's.

        An undo of which only memory knows goes on: nobody could take it up.
        """
        if self.engine is None or (self.engine.saga.turned_back and isinstance(self.journal, MemoryJournal)):
            return
        self.is_cut = True
        if self.task is None or self.loop is None:
            self.engine.leave_off(self.owner.name)
            return
        with contextlib.suppress(RuntimeError):  # its event loop is closed at this very moment
            self.loop.call_soon_threadsafe(_cut, self.engine, self.task, self.owner.name)

    def warn_if_lost(self, task: asyncio.Task[RunResult]) -> None:
        """Say so if *task* was cut by the end of its event loop, and only memory knows what its steps did."""
        if not (task.cancelled() and self.engine and isinstance(self.journal, MemoryJournal)):
            return
        saga = self.engine.saga
        if left := [step for step in saga.ledger if saga.must_undo(step)]:
            log(
                "run %r was cut by the end of its event loop, and not undone: %s; only this process knows (pending). "
                "Close %r in time (async with, aclose; grace), or give it a state file, which outlives the loop",
                *(self.run_id, ", ".join(left), self.owner.name),
            )

    def scopes(self) -> list[Context]:
        """Return the contexts that there are."""
        return [scope for scope in (self.scope, self.beyond) if scope is not None]

    def stand_outside(self, free: contextvars.Context, plan: Plan) -> None:
        """Let what is done in *free*, by *plan*, be told to the call around the run, which binds it in nothing else."""
        outer = current()
        if outer is not None:
            self.beyond = outer.beyond()
            self.beyond.plan = plan
            outer.deeds.at_work.add(self.beyond)
            free.run(enter, self.beyond)

    def tell_outside(self) -> None:
        """Tell the call around the run what its steps have done."""
        for scope in self.scopes():
            if self.task is not None and not self.task.done():  # it goes on without its caller
                scope.deeds.add(doubtful=True, unrepeatable=True)
            tell_outside(scope)

    def handed_over(self, result: RunResult) -> RunResult:
        """Return *result*, or raise what interrupted the run, now that it is undone; tell outside of makeshifts."""
        if self.engine is not None and self.engine.interrupt is not None:
            raise self.engine.interrupt
        for scope in self.scopes():
            if scope.makeshift:
                scope.leave_makeshift()
        return result

    def leave(self) -> None:
        """Give the place back, and with it the journal; leaving twice is the same as once."""
        self.runs.leave(self)


class RunsAtWork:
    """Hold a place for every run that is at work on one journal in this process."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._broom = Broom()
        self._lock = new_lock()

    def enter(self, run_id: str, owner: Owner, loop: asyncio.AbstractEventLoop | None, journal: Journal) -> Place:
        """Return a place for the run on *journal*, or the one that it has if its task can be waited for on *loop*.

        Raises RunInProgress where waiting is impossible: in another thread or event loop, within the run itself, or
        when it was cut and a step of it has not ended yet.
        """
        with self._lock:
            if self._broom.is_due(len(self._places)):
                self._sweep()
            place = self._places.get(run_id)
            if place is not None and place.is_forsaken:
                place.leave()
                place = None
            if place is None:
                journal.hold()
                place = Place(run_id, owner, loop, journal, self, threading.get_ident())
                self._places[run_id] = place
                return place
        if place.task is None or place.loop is not loop or place.task.cancelled() or run_id in around.get():
            raise RunInProgress(f"run {run_id!r} is at work already, where it cannot be waited for")
        return place

    def _sweep(self) -> None:
        """Take the places back whose event loop was closed: nobody else will."""
        for place in list(self._places.values()):
            if place.is_forsaken:
                place.leave()
        self._broom.swept(len(self._places))

    def leave(self, place: Place) -> None:
        """Take the place back, and let those look who wait for it."""
        with self._lock:
            if place.is_leaving:
                return
            place.is_leaving = True
        for scope in place.scopes():
            scope.end()
        if place.engine is not None:
            place.engine.let_go()
        try:
            place.journal.close()
        finally:
            with self._lock:
                if self._places.get(place.run_id) is place:
                    del self._places[place.run_id]
                place.is_left = True  # not before: who waited for it may count on the file to be free
            _line.call_all()

    def __contains__(self, run_id: str) -> bool:
        place = self._places.get(run_id)
        return place is not None and not place.is_forsaken

    def count(self, owner: object) -> int:
        """Return how many runs of *owner* are at work; without waiting for anything."""
        return sum(place.owner is owner and place.is_at_work for place in list(self._places.values()))

    def of(self, owner: object) -> list[Place]:
        """Return the places of the runs of *owner*; those whose event loop was closed are given back."""
        with self._lock:
            places = [place for place in self._places.values() if place.owner is owner]
        for place in places:
            if place.is_forsaken:
                place.leave()
        return [place for place in places if place.is_at_work]


_line = Line()  # of those who wait for runs to end


def others(places: Sequence[Place], runtime: Runtime) -> list[Place]:
    """Return the *places* of runs that can be waited for: they were not cut, and do not wait for us."""
    return [place for place in places if not (place.is_cut or place.waits_for(runtime))]


async def see_off(places: Sequence[Place], runtime: Runtime, grace: float) -> None:
    """Wait for the runs of *places*, in whatever threads and event loops, at most *grace* seconds; then cut the rest.

    What a thread is at cannot be cut: its run is left when the step has ended, for which nobody waits here.  Runs that
    wait for us are not waited for, and go on; nor are those that were cut before.
    """
    places = others(places, runtime)
    try:
        await _wait(places, runtime, grace)
    finally:
        for place in places:
            if place.is_at_work:
                place.cut()
    await _wait([place for place in places if place.loop is not None], runtime, LAST_GRACE)


async def _wait(places: Sequence[Place], runtime: Runtime, seconds: float) -> None:
    until, here = runtime.now() + seconds, _line.join(runtime)
    try:
        while any(place.is_at_work for place in places) and (left := until - runtime.now()) > 0:
            await here.wait(runtime, min(left, LOOK_AGAIN))
    finally:
        _line.leave(here)


def _cut(engine: Engine, task: asyncio.Task[RunResult], closed: str) -> None:
    engine.leave_off(closed)
    task.cancel()


_by_path: weakref.WeakValueDictionary[Path, RunsAtWork] = weakref.WeakValueDictionary()
_lock = new_lock()


def runs_at(path: Path) -> RunsAtWork:
    """Return the runs at work on the file at *path*, whichever orchestrators carry them: none may be carried twice."""
    with _lock:
        runs = _by_path.get(path)
        if runs is None:
            runs = _by_path[path] = RunsAtWork()
        return runs


def _forget_all() -> None:
    """Know of no run in a forked child: all of them go on in the parent."""
    _by_path.clear()
    _line.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
