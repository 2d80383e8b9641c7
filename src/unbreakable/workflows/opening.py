"""A run is accepted, or taken up where an earlier call or process left it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from unbreakable.errors import ConfigurationError, GraphError, NotRecordable, RecordedError
from unbreakable.storage.payload import Payload, record
from unbreakable.storage.values import in_order
from unbreakable.workflows.graph import Graph, difference
from unbreakable.workflows.journal import Journal, Record, RunBegun, StoredRun, full_ledger
from unbreakable.workflows.result import PendingRun, RunResult, RunStatus, StepState
from unbreakable.workflows.saga import Saga
from unbreakable.workflows.step import Step


@dataclass(slots=True, kw_only=True)
class Run:
    """Hold one run and where it stands.

    ``records`` are still to be written; ``errors`` are those of operations, in the order in which they failed, and
    ``undo_errors`` those of compensations; ``past`` is the text of what made it turn back in an earlier process, and
    ``turn_recorded`` says whether the turn is on record.
    """

    id: str
    workflow: str
    saga: Saga
    context: Payload
    results: dict[str, Payload] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    errors: dict[str, Exception] = field(default_factory=dict)
    undo_errors: dict[str, Exception] = field(default_factory=dict)
    past: str | None = None
    turn_recorded: bool = False
    resumed: bool = False


def accept(journal: Journal, graph: Graph, run_id: str, workflow: str, context: Any, *, named: bool) -> Run:
    """Return a new run; raise ConfigurationError when its context cannot be recorded."""
    payload = recorded_context(journal, context)
    begun = RunBegun(run_id, workflow, graph.text, payload, named)
    return Run(id=run_id, workflow=workflow, saga=Saga(graph), context=payload, records=[begun])


def take_up(journal: Journal, graph: Graph, stored: StoredRun, repeatable: Callable[[Step], bool]) -> Run:
    """Return a run that has not ended, as its journal tells it.

    A step that was begun and has no end on record is called again, under the same idempotency key and only with the
    same inputs, if it is *repeatable*; otherwise the run turns back.  Raises GraphError when it was begun with other
    steps.
    """
    refuse_other_steps(stored.run_id, stored.graph, graph)

    def may_repeat(step: str) -> bool:
        inputs = inputs_of(step, graph, journal, stored.context, stored.results)
        return repeatable(graph.steps[step]) and inputs == stored.inputs[step]

    unusable = {step for step, state in stored.ledger.items() if state is StepState.DONE} - stored.results.keys()
    saga = Saga.restore(
        graph, stored.ledger, stored.doubtful, may_repeat, turned_back=stored.turned_back, unusable=unusable
    )
    lost = [] if stored.turned_back or not (saga.turned_back or saga.stuck) else _steps_in(saga, StepState.UNCERTAIN)
    errors = {step: RecordedError(f"step {step!r} was begun earlier; nobody knows what it did") for step in lost}
    if not stored.turned_back:
        errors |= {step: RecordedError(f"what step {step!r} returned could not be recorded") for step in unusable}
    undo_failed = _steps_in(saga, StepState.UNDO_FAILED)
    return Run(
        id=stored.run_id,
        workflow=stored.workflow,
        saga=saga,
        context=stored.context,
        results=dict(stored.results),
        errors=dict[str, Exception](errors),
        undo_errors={step: RecordedError(f"step {step!r} could not be undone earlier") for step in undo_failed},
        past=stored.error,
        turn_recorded=stored.turned_back,
        resumed=True,
    )


def refuse_other_context(journal: Journal, run_id: str, begun_with: Payload, context: Any) -> None:
    """Raise ConfigurationError when *context* is given and is not what the run was *begun_with*.

    In which order a dictionary has its keys says nothing.
    """
    if context is None or (given := recorded_context(journal, context)) == begun_with:
        return
    texts = filter(None, (given.text, _text_before_tuples(context)))
    if not begun_with.text or in_order(begun_with.text) not in map(in_order, texts):
        raise ConfigurationError(f"context must be left out, or be what run {run_id!r} was begun with")


def refuse_other_steps(run_id: str, begun_with: str, graph: Graph) -> None:
    """Raise GraphError when *graph* is not the one whose text the run was *begun_with*."""
    changed = difference(begun_with, graph)
    if changed:
        raise GraphError(f"run {run_id!r} was begun with other steps: {changed}")


def recorded_context(journal: Journal, context: Any) -> Payload:
    """Return *context* as it is kept."""
    try:
        return journal.record(context, "context")
    except NotRecordable as error:
        raise ConfigurationError(str(error)) from None


def _text_before_tuples(context: Any) -> str | None:
    """Return *context* as state files had it before tuples were told from lists; None for what they did not take."""
    try:
        return record(context, "context").text
    except NotRecordable:
        return None


def inputs_of(step: str, graph: Graph, journal: Journal, context: Payload, results: Mapping[str, Payload]) -> str:
    """Return the digest of what *step* is given."""
    return journal.digest([context, *(results[need] for need in graph.needs[step])])


def result_of(stored: StoredRun, status: RunStatus) -> RunResult:
    """Return how a stored run ended."""
    return RunResult(
        status=status,
        run_id=stored.run_id,
        results={step: payload.handed() for step, payload in stored.results.items()},
        ledger=full_ledger(stored),
        error=None if stored.error is None else RecordedError(stored.error),
        workflow=stored.workflow,
    )


def pending_of(stored: StoredRun) -> PendingRun:
    """Return a stored run that has not ended as it is shown."""
    return PendingRun(
        run_id=stored.run_id,
        workflow=stored.workflow,
        context=stored.context.handed(),
        results={step: payload.handed() for step, payload in stored.results.items()},
        ledger=full_ledger(stored),
        turned_back=stored.turned_back,
        begun=stored.begun,
    )


def _steps_in(saga: Saga, state: StepState) -> list[str]:
    return [step for step, known in saga.ledger.items() if known is state]
