"""A workflow that runs again and again, or once when asked: steps, the nodes that they use, the loop that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from unbreakable.errors import GraphError, Rejected, RunNotCommitted
from unbreakable.fractal.memory import Knowledge
from unbreakable.log import log
from unbreakable.loops import LoopStatus, QuantumLoop
from unbreakable.members import status_of
from unbreakable.nodes import OrchestratorNode
from unbreakable.nodes.orchestrator import Runs
from unbreakable.outcome import in_one_line
from unbreakable.record import Record
from unbreakable.runtime import ASYNCIO, BLOCKING, Closing
from unbreakable.runtime.closing import close_all, close_all_sync
from unbreakable.simulation import QuantumSimulationEngine, QuantumStats
from unbreakable.storage.turn import when_free
from unbreakable.workflows import PendingRun, RunResult, RunStatus, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStatus:
    """Say how a workflow is doing: its loop, its nodes by id, what was simulated, and what became of its runs.

    ``runs`` counts those that ended in this process as committed, compensated and needs_attention; ``global_knowledge``
    is what the whole system knows.
    """

    name: str
    loop: LoopStatus
    nodes: Mapping[str, Any]
    simulation: QuantumStats
    runs: Runs
    global_knowledge: Knowledge

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "name": self.name,
            "loop": self.loop.to_dict(),
            "nodes": {name: status.to_dict() for name, status in self.nodes.items()},
            "simulation": self.simulation.to_dict(),
            "runs": dict(self.runs),
            "global_knowledge": dict(vars(self.global_knowledge)),
        }


class Parts(Record):
    """Hold what a workflow is made of; *made* are those of its nodes that were made for it."""

    steps: tuple[Step, ...]
    nodes: Mapping[str, Any]
    made: tuple[Any, ...]
    orchestrator: OrchestratorNode
    simulation: QuantumSimulationEngine
    knowledge: Callable[[], Knowledge]
    let_go: Callable[[QuantumWorkflow], None]


class QuantumWorkflow(Closing):
    """Run the steps of one workflow every interval, or with ``run_once``; made by ``create_quantum_workflow``.

    An iteration that does not commit is a failed one; the loop goes on.  The first iteration begins with the runs that
    an earlier process left unfinished.
    """

    def __init__(self, name: str, parts: Parts, system: Any) -> None:
        self.name, self.parts, self.system = name, parts, system
        self.loop: QuantumLoop  # set by who makes the loop, which runs our ``iterate``
        self._took_up, self._closed = False, False

    @property
    def nodes(self) -> Mapping[str, Any]:
        """The nodes by id, as steps find them in ``ctx.nodes``."""
        return self.parts.nodes

    @property
    def simulation(self) -> QuantumSimulationEngine:
        """The engine that chooses the strategies of the nodes."""
        return self.parts.simulation

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin: the first iteration now, then one every interval; raise Rejected if the workflow is closed."""
        self._check_open()
        self.loop.start()

    def pause(self) -> None:
        """Skip all ticks from the next one on, until resumed."""
        self.loop.pause()

    def resume(self) -> None:
        """Go on with the next tick."""
        self.loop.resume()

    def trigger(self) -> None:
        """Run one iteration now; raise Rejected if the workflow is not running."""
        self.loop.trigger()

    async def stop(self, grace: float = 10.0) -> bool:
        """Begin no further iteration, and return whether the loop has ended; see ``QuantumLoop.stop``."""
        return await self.loop.stop(grace)

    def stop_sync(self, grace: float = 10.0) -> bool:
        """Do the same as ``stop`` in plain code."""
        return self.loop.stop_sync(grace)

    async def wait(self) -> None:
        """Wait until the loop has ended."""
        await self.loop.wait()

    def wait_sync(self) -> None:
        """Do the same as ``wait`` in plain code; raises as ``QuantumLoop.wait_sync``."""
        self.loop.wait_sync()

    async def run_once(self, input: Any = None, *, run_id: str | None = None) -> RunResult:
        """Run the steps once, the loop running or not, and say how it ended; *input* becomes ``ctx.input``.

        With the *run_id* of a run that was left unfinished that one is gone on with; see ``OrchestratorNode``.  With a
        state a result that cannot be recorded turns the run back; ``ub.Step`` tells what can be.  Raises
        ConfigurationError for an *input* that cannot be; Rejected when the workflow, or its system, is closed.
        """
        self._check_open()
        steps, workflow = self.parts.steps, self.name
        return await self.parts.orchestrator.orchestrate(steps, input, run_id=run_id, workflow=workflow)

    def run_once_sync(self, input: Any = None, *, run_id: str | None = None) -> RunResult:
        """Run the steps, which are plain functions, from this thread; otherwise as ``run_once``."""
        self._check_open()
        steps, workflow = self.parts.steps, self.name
        return self.parts.orchestrator.orchestrate_sync(steps, input, run_id=run_id, workflow=workflow)

    def pending(self) -> tuple[PendingRun, ...]:
        """Return the runs of this workflow that were begun, have not ended and are not at work in this process.

        Raises Rejected if the workflow is closed.
        """
        self._check_open()
        return tuple(run for run in self.parts.orchestrator.pending() if run.workflow == self.name)

    async def iterate(self) -> dict[str, Any]:
        """Be one iteration of the loop; return the results of the steps, or raise RunNotCommitted."""
        if not self._took_up:
            await self._take_up()
            self._took_up = True
        result = await self.run_once()
        if result.status is not RunStatus.COMMITTED:
            why = "" if result.error is None else f": {in_one_line(result.error)}"
            raise RunNotCommitted(f"run {result.run_id} {result.status.value}{why}") from result.error
        return dict(result.results)

    async def _take_up(self) -> None:
        """Go on with the runs that an earlier process left unfinished.

        One that was begun with other steps is left as it is, and told in the log.
        """
        for run in self.pending():
            try:
                await self.run_once(run_id=run.run_id)
            except GraphError as error:
                log("%s: %s", self.name, error)

    # ── looking and leaving ──────────────────────────────────────────────────────────────────────────────────────

    def get_status(self) -> WorkflowStatus:
        """Return how the workflow is doing at this moment."""
        return WorkflowStatus(
            name=self.name,
            loop=self.loop.get_status(),
            nodes={name: status_of(node) for name, node in self.parts.nodes.items()},
            simulation=self.parts.simulation.get_quantum_stats(),
            runs=self.parts.orchestrator.get_status().runs,
            global_knowledge=self.parts.knowledge(),
        )

    async def aclose(self, grace: float = 10.0) -> None:
        """Stop the loop, close the nodes that were made for this workflow, and let the system forget it.

        An iteration in progress has *grace* seconds; what ``run_once`` began, and nodes, have the rest of them.  Its
        name is free again.  Nodes that were given as objects are their owners' to close, or the system's at its end.
        """
        until = ASYNCIO.now() + grace
        try:
            await self.loop.aclose(grace)
        finally:
            await self.close_parts(until)

    def aclose_sync(self, grace: float = 10.0) -> None:
        """Do the same as ``aclose`` in plain code; a handler of signals may, as ``QuantumSystem.aclose_sync`` says."""
        self.loop.refuse_to_block()
        when_free(partial(self._close_now, grace))

    def _close_now(self, grace: float) -> None:
        until = BLOCKING.now() + grace
        try:
            self.loop.aclose_sync(grace)
        finally:
            self.close_parts_sync(until)

    async def close_parts(self, until: float) -> None:
        """Close all but the loop, which was stopped or hangs, by the moment *until*; see ``close_all``."""
        self._closed = True
        self.loop.let_go()
        try:
            await close_all(self._own(), until)
        finally:
            self.parts.let_go(self)

    def close_parts_sync(self, until: float) -> None:
        """Do the same as ``close_parts`` in plain code."""
        self._closed = True
        self.loop.let_go()
        try:
            close_all_sync(self._own(), until)
        finally:
            self.parts.let_go(self)

    def _check_open(self) -> None:
        """Refuse what would open anew what nobody closes any more: the state would be ours until the process ends."""
        if self._closed:
            raise Rejected(f"workflow {self.name!r} is closed, and what it uses with it: create it again")

    def _own(self) -> Sequence[Any]:
        """Return what was made for this workflow, in the order in which it is closed."""
        return (self.parts.orchestrator, *reversed(self.parts.made), self.parts.simulation)
