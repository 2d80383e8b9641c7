"""A run is at work once at a time, and who asks for it meanwhile waits for the same end."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from dataclasses import dataclass

from unbreakable.errors import RunInProgress
from unbreakable.policies import Context
from unbreakable.runtime import new_lock
from unbreakable.workflows import RunResult
from unbreakable.workflows.opening import Run

# Not "unbreakable…": by that name ``outside`` would take it from compensations, which are inside their run as well.
around: contextvars.ContextVar[frozenset[str]] = contextvars.ContextVar("runs_around", default=frozenset())


@dataclass(slots=True)
class Place:
    """What a *run* of *owner* holds while it is at work: its task in async code, the context with its deadline."""

    run_id: str
    owner: object
    loop: asyncio.AbstractEventLoop | None
    task: asyncio.Task[RunResult] | None = None
    scope: Context | None = None
    run: Run | None = None

    @property
    def is_forsaken(self) -> bool:
        """Whether the event loop that carried the run was closed under it."""
        return self.loop is not None and self.loop.is_closed()


class RunsAtWork:
    """Hold a place for every run that is at work on one journal in this process."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._lock = new_lock()

    def enter(self, run_id: str, owner: object, loop: asyncio.AbstractEventLoop | None) -> Place:
        """Return a place for the run, or the one it has already if its task can be waited for on *loop*.

        Raises RunInProgress where waiting is impossible: in another thread or event loop, or within the run itself.
        """
        with self._lock:
            place = self._places.get(run_id)
            if place is None or place.is_forsaken:
                self._places[run_id] = place = Place(run_id, owner, loop)
                return place
        if place.task is None or place.loop is not loop or run_id in around.get():
            raise RunInProgress(f"run {run_id!r} is at work already, where it cannot be waited for")
        return place

    def leave(self, place: Place) -> None:
        """Give the place back."""
        with self._lock:
            if self._places.get(place.run_id) is place:
                del self._places[place.run_id]
        if place.scope is not None:
            place.scope.live = False

    def __contains__(self, run_id: str) -> bool:
        place = self._places.get(run_id)
        return place is not None and not place.is_forsaken

    def of(self, owner: object) -> list[Place]:
        """Return the places of the runs of *owner*."""
        with self._lock:
            return [place for place in self._places.values() if place.owner is owner and not place.is_forsaken]


_by_file: weakref.WeakKeyDictionary[object, RunsAtWork] = weakref.WeakKeyDictionary()


def runs_on(file: object) -> RunsAtWork:
    """Return the runs at work on *file*, whichever orchestrators carry them: none may be carried twice."""
    return _by_file.setdefault(file, RunsAtWork())
