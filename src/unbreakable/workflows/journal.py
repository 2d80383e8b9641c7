"""What is known of every run, so that another process can go on with it.

The law of this file.  *Intent before effect*: ``StepBegun`` is committed before the step's operation is called, and
with it the compensation that the step may need; ``StepEnded`` before anybody sees the result.  ``RunTurnedBack`` is
committed before the first compensation.  Records that are written together are committed together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from unbreakable.storage.payload import Payload
from unbreakable.workflows.result import RunStatus, StepState


class RunBegun(NamedTuple):
    """A run was accepted; *named* says that the caller chose its id and may ask for it again."""

    run_id: str
    workflow: str
    graph: str
    context: Payload
    named: bool


class StepBegun(NamedTuple):
    """The operation of a step is about to be called; *undo* names its compensation, *inputs* what it is given."""

    run_id: str
    step: str
    key: str
    inputs: str
    undo: str | None


class StepEnded(NamedTuple):
    """What became of a step, or of its compensation; *result* is None where there is none."""

    run_id: str
    step: str
    state: StepState
    certain: bool
    result: Payload | None = None
    error: str | None = None


class RunTurnedBack(NamedTuple):
    """From now on the run is undone."""

    run_id: str
    error: str


class RunEnded(NamedTuple):
    """The run is over."""

    run_id: str
    status: RunStatus
    error: str | None


Record: TypeAlias = RunBegun | StepBegun | StepEnded | RunTurnedBack | RunEnded


@dataclass(slots=True)
class StoredRun:
    """Hold what the records of one run come to; ``status`` is None while it has not ended."""

    run_id: str
    workflow: str
    graph: str
    context: Payload
    begun: float
    turned_back: bool = False
    status: RunStatus | None = None
    error: str | None = None
    ledger: dict[str, StepState] = field(default_factory=dict)
    results: dict[str, Payload] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)


class Journal(Protocol):
    """Keep runs; made for one orchestrator, used from any thread or event loop."""

    def record(self, value: Any, what: str) -> Payload:
        """Return *value* as it will be kept; raise NotRecordable, which begins with *what*, if it cannot be."""

    def digest(self, inputs: Sequence[Payload]) -> str:
        """Return a short name for *inputs*, the same for equal ones."""

    def write(self, records: Sequence[Record]) -> None:
        """Return once all *records* are kept, or raise a StateError and keep none."""

    def find(self, run_id: str) -> StoredRun | None:
        """Return what is known of a run."""

    def unfinished(self) -> list[StoredRun]:
        """Return the runs that have not ended, oldest first."""

    @property
    def is_gone(self) -> bool:
        """Whether what it keeps was deleted under it, so that new runs need a new journal."""

    def refuse_if_in_use(self) -> None:
        """Raise StateInUse in a handler of signals that interrupted this very thread in the middle of using it."""

    def hold(self) -> None:
        """Stay open until one more ``close``."""

    def close(self) -> None:
        """Let go of what is held open; the last of those who hold it closes it."""


def full_ledger(run: StoredRun) -> dict[str, StepState]:
    """Return what is known of every step of *run*, in the order of its graph."""
    import json

    return {step: run.ledger.get(step, StepState.NOT_BEGUN) for step, *_ in json.loads(run.graph)}


def fold(run: StoredRun, record: StepBegun | StepEnded | RunTurnedBack | RunEnded) -> None:
    """Let *run*, which *record* belongs to, know of it."""
    match record:
        case StepBegun():
            run.ledger[record.step] = StepState.UNCERTAIN
            run.inputs[record.step] = record.inputs
            run.doubtful.add(record.step)
        case StepEnded():
            run.ledger[record.step] = record.state
            if record.result is not None:
                run.results[record.step] = record.result
            (run.doubtful.discard if record.certain else run.doubtful.add)(record.step)
        case RunTurnedBack():
            run.turned_back, run.error = True, record.error
        case RunEnded():
            run.status, run.error = record.status, record.error or run.error
