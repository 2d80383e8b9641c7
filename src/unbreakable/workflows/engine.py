"""One run is carried from its first step to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from unbreakable.errors import (
    NotRecordable,
    RecordedError,
    RunCancelled,
    RunUnfinished,
    StateError,
    StateFull,
    StateLocked,
    StrayExit,
)
from unbreakable.fractal.operation import qualified_name
from unbreakable.outcome import in_one_line
from unbreakable.storage.payload import Payload, apart
from unbreakable.workflows.ending import Doubt, Ending, NotReturned, Returned
from unbreakable.workflows.journal import RunEnded, RunTurnedBack, StepBegun, StepEnded
from unbreakable.workflows.leftover import Leftover
from unbreakable.workflows.opening import Run, inputs_of
from unbreakable.workflows.ports import SOMEBODY, Call, Means
from unbreakable.workflows.result import RunResult, RunStatus, StepState, verdict

WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # seconds that a locked or full state file is given to pass, about 3 in all
LONGEST = 500  # characters of an error's text that are kept


class Engine:
    """Carry *run* on from where it stands, with the *means* of one colour."""

    def __init__(self, run: Run, means: Means) -> None:
        self.run, self.saga, self.means = run, run.saga, means
        self.interrupt: BaseException | None = None  #: what a person or a lost race interrupted the run with
        self._told: list[tuple[str, dict[str, Any]]] = []  # events, once what they tell is on record
        self._at_work: set[str] = set()
        self._cut: set[str] = set()
        self._leftovers: dict[str, Leftover] = {}  #: of the steps that this life of the run has begun
        self._closed = ""  # the name of what was closed over the run
        self._tell("RunStarted", workflow=run.workflow, resumed=run.resumed)

    async def carry(self) -> RunResult:
        """Return how the run ended; raise a StateError, or RunUnfinished, if it had to be left unfinished."""
        try:
            while True:
                is_left = bool(self._closed)  # asked once a turn: what is begun on record is begun
                steps, undos = ([], []) if is_left else (self.saga.begin(self.means.limit), self.saga.undo())
                self._note_begin(steps)
                self._note_turn()
                result = self._note_end(self.saga.status())
                await self._commit()
                if result is not None:
                    return result
                if is_left and not self._at_work:
                    raise left_unfinished(self.run.id, self._closed)
                self._start(steps, undos)
                for name, ending in await self.means.crew.ended():
                    self._note(name, ending)
        except StateError as error:
            await self._leave(error)
            raise
        except BaseException:
            self.means.crew.cut(self._at_work)  # the event loop closes, or a person insists: the journal has it all
            if self._closed:
                why = left_unfinished(self.run.id, self._closed)
                self.means.tell("RunLeft", run_id=self.run.id, error=in_one_line(why))
            raise

    def cancel(self) -> None:
        """Turn back unless it is too late, and cut what runs."""
        cut = self.saga.cancel()
        if self.saga.turned_back:
            self.run.errors.setdefault(SOMEBODY, RunCancelled(f"run {self.run.id!r} was cancelled"))
        self._cut.update(cut)
        self.means.crew.cut(cut)
        self.means.crew.poke()

    def let_go(self) -> None:
        """Know no more of what steps have left at work: the run has ended, or was left."""
        for leftover in self._leftovers.values():
            leftover.end()

    def leave_off(self, closed: str) -> None:
        """Begin nothing more, since what has the name *closed* is closed; what is at work ends, on record."""
        self._closed = closed

    # ── what begins ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, steps: Sequence[str], undos: Sequence[str]) -> None:
        caller, crew, graph = self.means.caller, self.means.crew, self.saga.graph
        for name in steps:
            if name in self._cut:
                self._note(name, NotReturned(RunCancelled(name), Doubt.NEVER_BEGAN))
                crew.poke()
            else:
                work = partial(caller.do, graph.steps[name], self._call(name))
                # Past the point of no return nobody's deadline counts any more.
                context = self.means.outside if self.saga.past_return else self.means.inside
                crew.start(name, work, context.copy())
                self._at_work.add(name)
        for name in undos:
            work = partial(caller.undo, graph.steps[name], self._call_to_undo(name))
            crew.start(name, work, self.means.outside.copy())
            self._at_work.add(name)

    def _call(self, name: str) -> Call:
        key = f"{self.run.id}:{name}"
        results = self._results(self.saga.graph.ancestors(name))
        state = {"run_id": self.run.id, "step": name, "step_key": key}
        return Call(key, self.run.context.handed(), results, state, self._leftovers.setdefault(name, Leftover()))

    def _call_to_undo(self, name: str) -> Call:
        call = self._call(name)
        results = self._results([*self.saga.graph.ancestors(name), name])
        certain = name not in self.saga.doubtful
        return call._replace(key=f"{call.key}:undo", results=results, state={**call.state, "certain": certain})

    def _results(self, steps: Iterable[str]) -> dict[str, Any]:
        return {step: self.run.results[step].handed() for step in steps if step in self.run.results}

    # ── what is put on record ───────────────────────────────────────────────────────────────────────────────────────

    def _note_begin(self, steps: Sequence[str]) -> None:
        for name in steps:
            step = self.saga.graph.steps[name]
            inputs = inputs_of(name, self.saga.graph, self.means.journal, self.run.context, self.run.results)
            undo = None if step.compensate is None else qualified_name(step.compensate)
            self.run.records.append(StepBegun(self.run.id, name, f"{self.run.id}:{name}", inputs, undo))

    def _note_turn(self) -> None:
        if self.saga.turned_back and not self.run.turn_recorded:
            self.run.turn_recorded = True
            reason = in_one_line(next(iter(self.run.errors.values()), RecordedError("interrupted")), LONGEST)
            self.run.past = self.run.past or reason
            self.run.records.append(RunTurnedBack(self.run.id, reason))
            self._tell("RunTurned", reason=reason)

    def _note_end(self, status: RunStatus | None) -> RunResult | None:
        if status is None:
            return None
        error = verdict(
            self.run.id, status, [*self.run.errors.values()], [*self.run.undo_errors.values()], self.run.past
        )
        self.run.records.append(RunEnded(self.run.id, status, None if error is None else in_one_line(error, LONGEST)))
        self._tell("RunFinished", status=status.value)
        return RunResult(
            status=status,
            run_id=self.run.id,
            results=self._results(self.run.results),
            ledger=dict(self.saga.ledger),
            error=error,
            workflow=self.run.workflow,
        )

    async def _commit(self) -> None:
        if self.run.records:
            for pause in (*WAITS, None):
                try:
                    await self.means.write(self.run.records)
                    break
                except (StateLocked, StateFull):
                    if pause is None:
                        raise
                    await self.means.runtime.sleep(pause)
            self.run.records = []
        for event, fields in self._told:
            self.means.tell(event, **fields)
        self._told.clear()

    async def _leave(self, error: StateError) -> None:
        """Wait for what is at work, which nobody can cut without making it uncertain, and leave the rest."""
        error.add_note(f"run {self.run.id!r} was left unfinished; orchestrate it again with the same run_id to go on")
        self.means.tell("RunLeft", run_id=self.run.id, error=in_one_line(error))
        while self._at_work:
            for name, _ in await self.means.crew.ended():
                self._at_work.discard(name)

    # ── what happened ───────────────────────────────────────────────────────────────────────────────────────────────

    def _note(self, name: str, ending: Ending) -> None:
        self._at_work.discard(name)
        if name in self.saga.undoing:
            self._note_undo(name, ending)
        elif isinstance(ending, Returned):
            self._note_return(name, ending)
        else:
            self._note_failure(name, ending)

    def _note_return(self, name: str, ending: Returned) -> None:
        try:
            payload = self.means.journal.record(ending.value, f"the result of step {name!r}")
        except NotRecordable as error:
            self._note_unusable(name, ending, error)
            return
        self.run.results[name] = payload
        self.saga.returned(name, certain=ending.certain)
        self.run.records.append(StepEnded(self.run.id, name, StepState.DONE, ending.certain, payload))
        self._tell("StepDone", step=name)

    def _note_unusable(self, name: str, ending: Returned, error: NotRecordable) -> None:
        """Take in that a step was carried out, and that the run cannot go on with what it returned."""
        self.run.errors.setdefault(name, error)
        self.run.results[name] = Payload("", apart(ending.value))  # so that its compensation knows what to undo
        self.saga.unusable(name, certain=ending.certain)
        text = in_one_line(error, LONGEST)
        self.run.records.append(StepEnded(self.run.id, name, StepState.DONE, ending.certain, error=text))
        self._tell("StepDone", step=name)

    def _note_failure(self, name: str, ending: NotReturned) -> None:
        error = ending.error
        if isinstance(error, Exception):
            self.run.errors.setdefault(name, error)
        elif name not in self._cut:
            self._not_returned(name, error)
        if name == SOMEBODY:
            return
        self.saga.failed(name, ending.doubt)
        text = in_one_line(error, LONGEST)
        certain = name not in self.saga.doubtful
        self.run.records.append(StepEnded(self.run.id, name, self.saga.ledger[name], certain, error=text))
        self._tell("StepFailed", step=name, error=text, doubt=ending.doubt.name.lower().replace("_", " "))

    def _not_returned(self, name: str, error: BaseException) -> None:
        """Take in what is no Exception, and not a cut of ours."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._interrupted(error)
        else:
            stray = StrayExit(f"step {name!r} ended in {in_one_line(error)}")
            stray.__cause__ = error
            self.run.errors.setdefault(name, stray)

    def _interrupted(self, error: BaseException) -> None:
        """Turn back at the first interrupt, or go on with what is undone; the second leaves the run to its journal."""
        if self.interrupt is not None:
            raise error
        self.interrupt = error
        self.cancel()

    def _note_undo(self, name: str, ending: Ending) -> None:
        if isinstance(ending, NotReturned) and isinstance(ending.error, (KeyboardInterrupt, SystemExit)):
            self._interrupted(ending.error)  # if a person insists, the journal hands the rest to the next start
            self.saga.again(name)
            return
        failed = isinstance(ending, NotReturned)
        self.saga.undone(name, failed=failed)
        certain = name not in self.saga.doubtful
        if isinstance(ending, NotReturned):
            error = ending.error if isinstance(ending.error, Exception) else RunCancelled(f"{name}: undo was cut")
            self.run.undo_errors[name] = error
            self._tell("CompensationFailed", step=name, error=in_one_line(error))
        else:
            self._tell("Compensated", step=name, certain=certain)
        self.run.records.append(StepEnded(self.run.id, name, self.saga.ledger[name], certain))

    def _tell(self, event: str, **fields: Any) -> None:
        self._told.append((event, {"run_id": self.run.id, **fields}))


def left_unfinished(run_id: str, closed: str) -> RunUnfinished:
    """Return what those hear who wait for a run over which the orchestrator of the name *closed* was closed."""
    return RunUnfinished(f"run {run_id!r} was left unfinished: {closed!r} was closed")
