"""How a run ended, step by step."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unbreakable.errors import RecordedError
from unbreakable.outcome import in_one_line
from unbreakable.plain import as_it_is


class RunStatus(enum.StrEnum):
    """Say how a run ended; every run ends in exactly one of them."""

    COMMITTED = "committed"  #: every step is done
    COMPENSATED = "compensated"  #: a step failed, and everything that may have had an effect was undone
    NEEDS_ATTENTION = "needs_attention"  #: a person has to look: the ledger says at what


class StepState(enum.StrEnum):
    """Say what is known of one step."""

    NOT_BEGUN = "not_begun"  #: it was never called, or provably had no effect
    UNCERTAIN = "uncertain"  #: it was called, and nobody knows what became of it
    FAILED = "failed"  #: it reported failure, and declares nothing to undo
    DONE = "done"  #: it returned
    UNDONE = "undone"  #: its compensation returned
    UNDO_FAILED = "undo_failed"  #: its compensation failed for good


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """Say how a run ended.

    ``results`` has the values of the steps that were done, also of those undone later; ``ledger`` has every step.
    ``error`` is what made the run turn back; when a person has to look, an ExceptionGroup of what went wrong since,
    with what made the run turn back as its ``__cause__``.
    """

    status: RunStatus
    run_id: str
    results: Mapping[str, Any] = field(default_factory=dict)
    ledger: Mapping[str, StepState] = field(default_factory=dict)
    error: Exception | None = None
    workflow: str = ""

    @property
    def ok(self) -> bool:
        """Return whether every step is done."""
        return self.status is RunStatus.COMMITTED

    def unwrap(self) -> Mapping[str, Any]:
        """Return the results of a committed run; raise ``error`` for any other."""
        if self.error is not None:
            raise self.error
        return self.results

    def __getstate__(self) -> list[Any]:
        """Return the fields as they are pickled; see ``Outcome``."""
        from unbreakable.parcel import sealed

        return sealed(self, in_one_line)

    def __setstate__(self, values: list[Any]) -> None:
        from unbreakable.parcel import opened

        opened(self, values)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-ready dictionary; of a value that is not, its ``repr``."""
        return {
            "run_id": self.run_id,
            "workflow": self.workflow,
            "status": self.status.value,
            "results": {step: as_it_is(value) for step, value in self.results.items()},
            "ledger": {step: state.value for step, state in self.ledger.items()},
            "error": None if self.error is None else in_one_line(self.error),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRun:
    """Describe a run that was begun and has not ended: ``orchestrate(steps, run_id=...)`` goes on with it.

    ``turned_back`` says whether it is being undone; ``begun`` is wall-clock time in seconds since 1970.
    """

    run_id: str
    workflow: str
    context: Any
    results: Mapping[str, Any]
    ledger: Mapping[str, StepState]
    turned_back: bool
    begun: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-ready dictionary; of a value that is not, its ``repr``."""
        return {
            "run_id": self.run_id,
            "workflow": self.workflow,
            "context": as_it_is(self.context),
            "results": {step: as_it_is(value) for step, value in self.results.items()},
            "ledger": {step: state.value for step, state in self.ledger.items()},
            "turned_back": self.turned_back,
            "begun": self.begun,
        }


def verdict(
    run_id: str, status: RunStatus, errors: Sequence[Exception], undo_errors: Sequence[Exception], past: str | None
) -> Exception | None:
    """Return the one error that tells why a run did not commit.

    *errors* are those of operations, *undo_errors* those of compensations, *past* is the text of an earlier process's.
    """
    if status is RunStatus.COMMITTED:
        return None
    failures = [*errors] or [RecordedError(past or "the run was interrupted")]
    cause = failures[0] if len(failures) == 1 else ExceptionGroup(f"several steps of run {run_id!r} failed", failures)
    if status is RunStatus.COMPENSATED:
        return cause
    group = ExceptionGroup(f"run {run_id!r} needs attention", [*undo_errors] or failures)
    if undo_errors:
        group.__cause__ = cause
    return group
