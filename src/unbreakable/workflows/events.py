"""What happened to runs, as frozen records."""

from __future__ import annotations

from unbreakable.events import Event


class RunStarted(Event):
    """A run was accepted, or *resumed* from its journal."""

    run_id: str
    workflow: str
    resumed: bool


class StepDone(Event):
    """A step of a run returned; the run turns back if the result cannot be recorded."""

    run_id: str
    step: str


class StepFailed(Event):
    """A step of a run failed for good; *doubt* is "never began", "reported" or "nobody knows", of its effect."""

    run_id: str
    step: str
    error: str
    doubt: str


class RunTurned(Event):
    """A run turned back: what may have had an effect is undone."""

    run_id: str
    reason: str


class Compensated(Event):
    """The compensation of a step returned; not *certain*: perhaps there was nothing to undo."""

    run_id: str
    step: str
    certain: bool


class CompensationFailed(Event):
    """The compensation of a step failed for good: a person has to look."""

    run_id: str
    step: str
    error: str


class RunFinished(Event):
    """A run ended, and its end is recorded."""

    run_id: str
    status: str


class RunLeft(Event):
    """A run was left unfinished: its journal could not be written, or its node was closed; it can be resumed."""

    run_id: str
    error: str


class StateSetAside(Event):
    """A state file could not be read and was renamed; the runs that were in flight in it need a person."""

    path: str
    moved_to: str
