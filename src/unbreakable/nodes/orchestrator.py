"""Several steps become one: all of them are done, or what was done is undone.

What holds for every run:

- It ends COMMITTED, COMPENSATED or NEEDS_ATTENTION.  ``orchestrate`` returns how; it does not raise what steps raise.
- Cancelling the caller, be it twice, turns the run back and interrupts no undo.  It gets its CancelledError once
  everything is undone, at most ``grace`` seconds later; what is not done by then goes on in the background.
- The end of the event loop cuts even an undo; ``pending`` knows of it.  ``async with`` and ``aclose`` wait.
- With a state file, a run that was accepted is there after a crash: ``pending`` lists it, and ``orchestrate`` with the
  same ``run_id`` goes on with it.  What is on record as done is never done again.
- A run at work holds its state file: whoever closes what, nobody else gets it before the last step has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar, Unpack

from unbreakable.errors import ConfigurationError
from unbreakable.events import Event
from unbreakable.fractal import FractalNode
from unbreakable.fractal.options import Options
from unbreakable.fractal.ports import join
from unbreakable.fractal.settings import check_names
from unbreakable.fractal.status import NodeStatus
from unbreakable.items import Items
from unbreakable.nodes.orchestrating.at_work import Place, RunsAtWork, around, others, see_off
from unbreakable.nodes.orchestrating.books import Books
from unbreakable.nodes.orchestrating.crew import TaskCrew, ThreadCrew
from unbreakable.policies import check
from unbreakable.policies.policy import enter
from unbreakable.runtime import ASYNCIO, BLOCKING, Closing, Runtime, run_blocking
from unbreakable.runtime.mark import Mark
from unbreakable.runtime.wait_out import wait_out
from unbreakable.storage.turn import when_free
from unbreakable.workflows import PendingRun, RunResult, RunStatus, Step
from unbreakable.workflows.calling import NodeCaller, StepNodes
from unbreakable.workflows.engine import Engine, left_unfinished
from unbreakable.workflows.graph import Graph, build_graph
from unbreakable.workflows.journal import Journal
from unbreakable.workflows.opening import (
    Run,
    accept,
    pending_of,
    refuse_other_context,
    refuse_other_steps,
    result_of,
    take_up,
)
from unbreakable.workflows.ports import Crew, Means, outside
from unbreakable.workflows.step import check_text, read_steps

E = TypeVar("E", bound=Event)
Steps: TypeAlias = Mapping[str, Any] | Sequence[Step | Mapping[str, Any]]

AUTO = 32  # steps of one run at the same time: a fixed number that suits steps which wait, not a measured one
MOST_GRAPHS = 64  # checked graphs that are remembered

_orchestrators: weakref.WeakSet[OrchestratorNode] = weakref.WeakSet()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Runs(Items[int]):
    """Count runs by how they ended; ``runs["committed"]`` works, too."""

    committed: int = 0
    compensated: int = 0
    needs_attention: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrchestratorStatus:
    """Say what became of the runs that ended in this process, and how many are at work; ``node`` sums up the steps."""

    name: str
    concurrency_limit: int
    in_flight: int
    runs: Runs
    node: NodeStatus

    def to_dict(self) -> dict[str, Any]:
        """Return it as a JSON-ready dictionary."""
        return asdict(self)


class OrchestratorNode(Closing):
    """Run workflows: steps in the order of their dependencies, undone in the reverse order when one fails.

    At most *concurrency_limit* steps of one run are at work at the same time; "auto" stands for 32, a fixed number.
    Compensations do not count.  *state* is the path of a file, or of a folder for ``runs.db`` in it; None keeps runs in
    memory.  What a file can hold of results and contexts is told by ``ub.Step``.  One process at a time may hold it.
    *durability* "process" survives the death of the process, "durable" also a power cut.  The last *keep* finished
    runs are remembered.  *nodes* is what steps find in ``ctx.nodes``.  The keywords are those of ``ub.protect`` and
    hold for every step; ``deadline`` also for the run as a whole, which turns back when it passes.

    *grace* is how many seconds the caller of a run that was cancelled waits until it is undone, which goes on in the
    background after that; and how many seconds ``aclose`` waits for runs, before it leaves them to the state file.  A
    compensation that fails is tried 8 times, whatever ``retry`` says, with pauses of 0.5 s, 1 s, 2 s and so on, each
    shortened by up to half: 32 to 64 s in all, more if its error says so (Retry-After), besides the tries themselves,
    which may take 30 s each.  Only then does the run need attention.
    """

    def __init__(
        self,
        concurrency_limit: Literal["auto"] | int = "auto",
        *,
        name: str | None = None,
        state: str | os.PathLike[str] | None = None,
        durability: Literal["process", "durable"] = "process",
        keep: int = 10_000,
        grace: float = 30.0,
        nodes: Mapping[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_names(name or "orchestrator", options, OrchestratorNode)
        check_limit(concurrency_limit)
        if durability not in ("process", "durable"):
            raise check.refuse("durability", '"process" or "durable"', durability)
        check.whole("keep", keep, least=1)
        check.seconds("grace", grace, endless=True)
        if not (nodes is None or isinstance(nodes, Mapping)):
            raise check.refuse("nodes", "a dictionary of nodes by id", nodes)
        if state is not None:
            from unbreakable.storage.shared import place_of

            state = place_of(state)
        system = options.pop("system", None)
        if isinstance(options.get("remedies"), Iterator):  # each step has its own
            options["remedies"] = tuple(options["remedies"])
        self.limit = AUTO if concurrency_limit == "auto" else concurrency_limit
        self.node = FractalNode(name or "orchestrator", **options)
        self.grace = grace
        self._state, self._durability, self._keep = state, durability, keep
        self._nodes = StepNodes(self.node, options)
        self._known = dict(nodes or {})
        self._graphs: dict[tuple[int, ...], Graph] = {}
        self._ended = dict.fromkeys(RunStatus, 0)
        self.forget()
        _orchestrators.add(self)
        join(self, system)

    def forget(self) -> None:
        """Know of no run and hold no file, as at first and in a forked child."""
        self._books = Books(self._state, self._durability, self._keep, self._tell, self.node.come_back)

    @property
    def name(self) -> str:
        """Return the name, which its events bear."""
        return self.node.name

    # ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def orchestrate(
        self, steps: Steps, context: Any = None, *, run_id: str | None = None, workflow: str | None = None
    ) -> RunResult:
        """Run *steps* and say how it ended; *context* becomes every step's ``ctx.input``, *workflow* is a name.

        With the *run_id* of a run that has ended, its result is returned and nothing is executed; of one that was left
        unfinished, it is gone on with; of one that is at work on this event loop, its end is waited for (elsewhere:
        RunInProgress).  Raises ConfigurationError for wrong steps, and for a context that is not the one that the run
        was begun with, or that a state file cannot hold (``ub.Step`` tells what it can; a result that it cannot hold
        turns the run back); GraphError also when a run that has not ended was begun with other steps; a StateError when
        the state file cannot be used, and RunUnfinished when ``aclose`` did not wait for the end: it can then be gone
        on with later.
        """
        graph, loop = self._graph(steps), asyncio.get_running_loop()
        place = self._books.enter(_checked(run_id) or self.node.next_id(), self, loop)
        if place.task is not None:
            self._refuse_another(place, graph, context)
            return await self._waited_for(place.run_id, place.task)
        crew = TaskCrew()
        try:
            found = self._find(place, graph, context, workflow, named=run_id is not None)
            if isinstance(found, RunResult):
                place.leave()
                return found
            engine = place.engine = Engine(found, self._means(place, found, ASYNCIO, crew))
            task = place.task = loop.create_task(engine.carry(), context=engine.means.outside)
        except BaseException:
            place.leave()
            raise
        task.add_done_callback(place.warn_if_lost)
        task.add_done_callback(lambda _: crew.at_rest(place.leave))
        try:
            return place.handed_over(await self._shielded(engine, task))
        finally:
            place.tell_outside()

    async def _shielded(self, engine: Engine, task: asyncio.Task[RunResult]) -> RunResult:
        """Wait for *task*; a cancellation turns the run back and is raised when that is done, or grace is over."""
        try:
            return await self._waited_for(engine.run.id, task)
        except asyncio.CancelledError:
            # Nobody else may ask what it raises, also after grace; the run is on record, and its events have told.
            task.add_done_callback(lambda task: task.cancelled() or task.exception())
            if not task.done():
                engine.cancel()
                await wait_out(task, self.grace)
            raise

    async def _waited_for(self, run_id: str, task: asyncio.Task[RunResult]) -> RunResult:
        """Wait for *task*, which goes on without us; raise RunUnfinished when it is cancelled, and not we."""
        mark = Mark()
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if mark.is_cancelled or not task.cancelled():
                raise
            raise left_unfinished(run_id, self.name) from None

    def _refuse_another(self, place: Place, graph: Graph, context: Any) -> None:
        """Refuse what is not the run that is at work, as if that had just been left unfinished."""
        assert place.engine is not None  # noqa: S101 - it has a task
        run = place.engine.run
        refuse_other_context(place.journal, run.id, run.context, context)
        refuse_other_steps(run.id, run.saga.graph.text, graph)

    def orchestrate_sync(
        self, steps: Steps, context: Any = None, *, run_id: str | None = None, workflow: str | None = None
    ) -> RunResult:
        """Run *steps*, which are plain functions, from this thread; otherwise as ``orchestrate``.

        A step that is ready alone runs in this thread; steps that are ready together each have a thread.
        """
        graph = self._graph(steps)
        place = self._books.enter(_checked(run_id) or self.node.next_id(), self, None)
        crew = ThreadCrew()
        try:
            found = self._find(place, graph, context, workflow, named=run_id is not None)
            if isinstance(found, RunResult):
                return found
            if graph.awaited:
                raise ConfigurationError(f"{graph.awaited} must be a plain function, or the run awaited: orchestrate()")
            engine = place.engine = Engine(found, self._means(place, found, BLOCKING, crew))
            return place.handed_over(engine.means.outside.run(run_blocking, engine.carry()))
        finally:
            place.tell_outside()
            crew.at_rest(place.leave)

    def _find(self, place: Place, graph: Graph, context: Any, workflow: str | None, *, named: bool) -> Run | RunResult:
        """Return the run, new or as it was left, or how it ended long ago."""
        journal, run_id = place.journal, place.run_id
        stored = journal.find(run_id) if named else None
        if stored is None:
            if workflow is not None:
                check_text("workflow", workflow)
            return accept(journal, graph, run_id, workflow or "workflow", context, named=named)
        refuse_other_context(journal, run_id, stored.context, context)
        if stored.status is not None:
            return result_of(stored, stored.status)
        return take_up(journal, graph, stored, self._may_repeat)

    def _may_repeat(self, step: Step) -> bool:
        return step.kind == "retriable" or self._nodes.effects(step) in {"none", "idempotent"}

    def _means(self, place: Place, run: Run, runtime: Runtime, crew: Crew) -> Means:
        inside = contextvars.copy_context()
        inside.run(around.set, around.get() | {run.id})
        free = outside(inside)
        place.stand_outside(free, self.node.target.plan)
        if self.node.settings.deadline is not None:
            place.stand_inside(self.node.open(runtime, None, None, context=run.context.value))
            inside.run(enter, place.scope)
        return Means(
            runtime=runtime,
            journal=place.journal,
            write=self._books.writer(place.journal, place.loop),
            crew=crew,
            caller=NodeCaller(self._nodes, runtime, self._known),
            tell=self._tell,
            limit=self.limit,
            inside=inside,
            outside=free,
        )

    def _graph(self, steps: Steps) -> Graph:
        """Return the checked graph of *steps*; those of Step objects are remembered."""
        found = read_steps(steps)
        key = tuple(map(id, found))  # the graph keeps its steps alive, so that their ids stay theirs
        graph = self._graphs.get(key)
        if graph is None:
            graph = build_graph(found)
            if len(self._graphs) >= MOST_GRAPHS:
                self._graphs.clear()
            self._graphs[key] = graph
        return graph

    # ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────

    def pending(self) -> tuple[PendingRun, ...]:
        """Return the runs that were begun, have not ended and are not at work in this process, oldest first."""
        with self._books.lent() as (journal, at_work):
            return tuple(pending_of(stored) for stored in journal.unfinished() if stored.run_id not in at_work)

    def _open(self) -> tuple[Journal, RunsAtWork]:
        return self._books.open()

    # ── looking and leaving ─────────────────────────────────────────────────────────────────────────────────────────

    def on(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[E], None]:
        """Call *listener* with every event of that *kind*, of runs and of the steps' nodes.  Returns the listener."""
        self.node.on(kind, listener)
        for child in self.node.children:
            child.on(kind, listener)
        return listener

    def _tell(self, event: str, **fields: Any) -> None:
        """Count, and tell the listeners; events are named, so that only who listens pays for importing them."""
        if event == "RunFinished":
            self._ended[RunStatus(fields["status"])] += 1
        if self.node.listeners:
            from unbreakable.workflows import events

            self.node.tell(getattr(events, event)(at=ASYNCIO.now(), node=self.node.name, **fields))

    def get_status(self) -> OrchestratorStatus:
        """Return how it is doing right now."""
        return OrchestratorStatus(
            name=self.node.name,
            concurrency_limit=self.limit,
            in_flight=self._books.at_work.count(self),
            runs=Runs(**{status.value: count for status, count in self._ended.items()}),
            node=self.node.get_status(),
        )

    async def aclose(self, grace: float | None = None) -> None:
        """Wait for the runs of all threads and event loops, leave what is not done by then to the state file, close it.

        They have *grace* seconds, those of the orchestrator if that is None; then async steps are cut, and plain ones
        are the last of their run.  The file stays this process's until the last step has ended: nobody else takes a
        run up whose step is still at work.  A run that this is called from, or that could not go on while we block its
        event loop, is not waited for and goes on to its end.  Orchestrating again opens the file again.
        """
        seconds = self._seconds(grace)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._books.close)
            stack.push_async_callback(self.node.aclose)
            await see_off(self._places(), ASYNCIO, seconds)

    def aclose_sync(self, grace: float | None = None) -> None:
        """Do the same as ``aclose`` in plain code.

        A handler of signals that interrupted this thread as it wrote to the file has it done when that is over.
        """
        when_free(partial(self._close_now, self._seconds(grace)), lambda: bool(others(self._places(), BLOCKING)))

    def _close_now(self, seconds: float) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self._books.close)
            stack.callback(self.node.aclose_sync)
            run_blocking(see_off(self._places(), BLOCKING, seconds))

    def _seconds(self, grace: float | None) -> float:
        if grace is None:
            return self.grace
        check.seconds("grace", grace, endless=True)
        return grace

    def _places(self) -> list[Place]:
        return self._books.at_work.of(self)

    def __repr__(self) -> str:
        return f"<OrchestratorNode {self.node.name!r}, {self._books.at_work.count(self)} runs at work>"


async def see_off_all(orchestrators: Iterable[OrchestratorNode], runtime: Runtime, grace: float) -> None:
    """Wait for the runs of all *orchestrators* at the same time, as each does that is closed."""
    await see_off([place for each in orchestrators for place in each._places()], runtime, grace)  # noqa: SLF001


def check_limit(limit: object) -> None:
    """Refuse what is no number of steps at the same time."""
    if limit != "auto" and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise check.refuse("concurrency_limit", '"auto" or a whole number from 1 up', limit)


def _checked(run_id: str | None) -> str | None:
    if run_id is not None:
        check_text("run_id", run_id)
    return run_id


def _after_fork() -> None:
    for orchestrator in list(_orchestrators):
        orchestrator.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
