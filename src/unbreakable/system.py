"""A whole system: workflows and loops, their nodes, and what all of them know together."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack, cast

from unbreakable.definition import check_limits, check_settings, checked_memory, read_nodes, read_workflow
from unbreakable.errors import Rejected
from unbreakable.fractal import LocalMemory
from unbreakable.fractal.gathering import gather, knowledge_of
from unbreakable.fractal.memory import Knowledge
from unbreakable.fractal.options import Options
from unbreakable.knowledge import SqliteMemory
from unbreakable.loops import EngineStatus, QuantumLoopEngine
from unbreakable.members import Members
from unbreakable.nodes import OrchestratorNode
from unbreakable.nodes.orchestrator import see_off_all
from unbreakable.observe import History
from unbreakable.policies.check import refuse
from unbreakable.runtime import ASYNCIO, BLOCKING, Closing, Runtime, run_blocking
from unbreakable.runtime.closing import close_all, close_all_sync
from unbreakable.runtime.loading import is_loading
from unbreakable.simulation import QuantumSimulationEngine, QuantumStats
from unbreakable.storage.shared import place_of, settled
from unbreakable.storage.trouble import explained
from unbreakable.storage.turn import when_free
from unbreakable.workflow import Parts, QuantumWorkflow
from unbreakable.workflows.step import check_text

OWN = ("name", "interval", "universe_count", "concurrency_limit", "max_iterations", "nodes", "workflow", "grace")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStatus:
    """Say how everything is doing; a workflow counts as one loop.

    ``nodes`` are those in use, and those of workflows: one that was closed is not shown until it is used again.
    """

    total_nodes: int
    total_loops: int
    total_simulations: int
    global_knowledge: Knowledge
    nodes: Mapping[str, Any]
    loops: EngineStatus
    simulations: Mapping[str, QuantumStats]

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {
            "total_nodes": self.total_nodes,
            "total_loops": self.total_loops,
            "total_simulations": self.total_simulations,
            "global_knowledge": dict(vars(self.global_knowledge)),
            "nodes": {name: status.to_dict() for name, status in self.nodes.items()},
            "loops": self.loops.to_dict(),
            "simulations": {name: stats.to_dict() for name, stats in self.simulations.items()},
        }


class QuantumSystem(Closing):
    """Make workflows whose nodes learn together; with *state*, what they know and what they are at survives a restart.

    >>> with_nothing_kept = QuantumSystem()
    >>> with_nothing_kept.get_system_status().total_nodes
    0

    *state* is a folder (made if it is not there) or the path of a file; None keeps everything in memory.  What steps
    may return when there is one is told by ``ub.Step``.  One process at a time may hold it: StateOwned says which one
    does; a worker process of a loop that loads the program keeps its copy of the system in memory.  A system that names
    no state is given the command's by ``unbreakable run``.  *engine* is "local": this process carries the runs.
    *memory* keeps what is learned elsewhere than in the state; who gives one closes it.  When the system is closed, so
    are all nodes that it knows: those that it made, those that workflows were given and those that it adopted.  It lets
    go of a node that was closed before, and of a protected function that nobody holds; how many calls they made is
    kept, and what they learned.
    """

    def __init__(
        self,
        state: str | os.PathLike[str] | None = None,
        engine: Literal["local"] = "local",
        *,
        memory: LocalMemory | SqliteMemory | None = None,
    ) -> None:
        if engine != "local":
            raise refuse("engine", '"local"', engine)
        if is_loading():  # the state is the parent's; here the program is only looked through for an operation
            state = None
        elif state is None:
            state = _take_default()
        self.state = None if state is None else _folder(state)  #: where it is kept, from the root on
        self._place = None if self.state is None else place_of(self.state)  # settled: a folder may be deleted later
        self.memory: LocalMemory | SqliteMemory = LocalMemory() if memory is None else checked_memory(memory)
        self.simulation = QuantumSimulationEngine(memory=None)
        self.loops = QuantumLoopEngine(self._place)
        self.workflows: dict[str, QuantumWorkflow] = {}
        self.is_closed = False  #: whether it takes in nothing more
        self._history: History | None = None
        self._own_memory: SqliteMemory | None = None
        if self._place is not None:
            if memory is None:
                self.memory = self._own_memory = SqliteMemory(self._place)
            self._history = History(self._place, lambda: self.get_system_status().to_dict())
        self._members = Members(self.memory, None if self._history is None else self._history.note)
        self.loops.welcome = lambda loop: self._members.listen(loop.node)
        if _watcher is not None:
            _watcher(self)

    # ── making ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def create_quantum_workflow(
        self,
        name: str,
        *,
        interval: float = 1.0,
        universe_count: int = 5,
        concurrency_limit: Literal["auto"] | int = "auto",
        max_iterations: float | None = None,
        nodes: Any = (),
        workflow: Any,
        grace: float = 30.0,
        **options: Unpack[Options],
    ) -> QuantumWorkflow:
        """Return a new workflow, not started: *workflow* holds its steps, *nodes* what they use.

        *nodes* is a list of descriptions such as ``{"id": "cache", "type": "cache", "ttl": 3600}`` or of nodes; steps
        find them in ``ctx.nodes``.  *workflow* is ``{"steps": […]}`` with steps such as ``{"id": "search", "operation":
        search}`` or ``ub.Step``s.  It runs every *interval* seconds once started, *max_iterations* times (None: for
        ever).  *universe_count* is how many strategies are weighed, *concurrency_limit* how many steps of one run may
        be at work at once, *grace* how many seconds a cancelled run has to be undone.  The keywords are those of
        ``ub.protect`` and hold for every step; ``deadline`` also for a run as a whole.

        Raises ConfigurationError, with the path of the wrong setting and what was expected, before anything is made;
        Rejected when the system is closed.
        """
        return self.create_quantum_workflow_sync(
            name,
            interval=interval,
            universe_count=universe_count,
            concurrency_limit=concurrency_limit,
            max_iterations=max_iterations,
            nodes=nodes,
            workflow=workflow,
            grace=grace,
            **options,
        )

    def create_quantum_workflow_sync(
        self,
        name: str,
        *,
        interval: float = 1.0,
        universe_count: int = 5,
        concurrency_limit: Literal["auto"] | int = "auto",
        max_iterations: float | None = None,
        nodes: Any = (),
        workflow: Any,
        grace: float = 30.0,
        **options: Unpack[Options],
    ) -> QuantumWorkflow:
        """Return a new workflow, from plain code; otherwise as ``create_quantum_workflow``."""
        self._check_open()
        self._check(name)
        check_settings(name, cast("dict[str, Any]", options), OWN)
        check_limits(interval, max_iterations, concurrency_limit, grace)
        steps = read_workflow(workflow)
        simulation = QuantumSimulationEngine(universe_count, memory=self.memory)
        known, described = read_nodes(nodes, name, {"memory": self.memory})
        with contextlib.ExitStack() as undo:
            for node in described:
                undo.callback(node.aclose_sync)
            orchestrator = self._orchestrator(name, concurrency_limit, grace, known, options)
            parts = Parts(
                steps=steps,
                nodes=known,
                made=described,
                orchestrator=orchestrator,
                simulation=simulation,
                knowledge=functools.partial(knowledge_of, self.memory),
                let_go=self._let_go,
            )
            made = QuantumWorkflow(name, parts, self)
            made.loop = self.loops.create_loop(
                made.iterate, name=name, interval=interval, max_iterations=max_iterations, deadline=math.inf
            )
            undo.pop_all()
        self._introduce(made)
        return made

    def _orchestrator(
        self, name: str, limit: Literal["auto"] | int, grace: float, nodes: Mapping[str, Any], options: Options
    ) -> OrchestratorNode:
        if options.get("memory") is None:
            options["memory"] = self.memory
        return OrchestratorNode(limit, name=f"{name}.run", state=self._place, grace=grace, nodes=nodes, **options)

    def _introduce(self, workflow: QuantumWorkflow) -> None:
        simulation, orchestrator = workflow.simulation, workflow.parts.orchestrator
        simulation.choose_for(orchestrator)
        for node in workflow.nodes.values():
            self._members.take_in(node, simulation, workflow)
        self._members.listen(orchestrator.node)
        self.workflows[workflow.name] = workflow

    def _let_go(self, workflow: QuantumWorkflow) -> None:
        if self.workflows.get(workflow.name) is workflow:
            del self.workflows[workflow.name]
        self._members.let_go(workflow)

    def adopt(self, node: Any) -> None:
        """Let *node* learn together with the others, be planned by simulation and be seen in the status.

        It is a node of any kind, or a protected function; the system closes it at its end.  One that is closed before,
        or a protected function that nobody holds any more, is let go of: its calls still count, and it is back with its
        next use.  Raises ConfigurationError for anything else, Rejected when the system is closed.
        """
        self._check_open()
        self._members.take_in(node, self.simulation)

    def _check_open(self) -> None:
        if self.is_closed:
            raise Rejected("this system is closed: make a new one")

    def _check(self, name: object) -> None:
        check_text("name", name)
        if name in self.workflows:
            raise refuse("name", "one that no other workflow of this system has", name)
        if name in {loop.name for loop in self.loops.get_loops()}:
            raise refuse("name", "one that no loop of this system has", name)

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, grace: float = 3.0) -> None:
        """Start what is new, and block until all loops have ended or SIGTERM or SIGINT comes; then close everything.

        *grace* is how many seconds that may take; see ``aclose``.  Raises RuntimeError in async code, and does nothing.
        """
        self.loops.refuse_to_run()
        try:
            self.loops.run_until_asked()
        finally:
            self.aclose_sync(grace)

    # ── looking and leaving ──────────────────────────────────────────────────────────────────────────────────────

    def get_system_status(self) -> SystemStatus:
        """Return how everything is doing at this moment; of a node that cannot say, why."""
        engines = {"": self.simulation, **{name: each.simulation for name, each in list(self.workflows.items())}}
        simulations = {name: engine.get_quantum_stats() for name, engine in engines.items()}
        if not simulations[""].total_simulations:
            del simulations[""]  # of nodes outside of any workflow, where there are such
        nodes, loops = self._members.statuses(), self.loops.get_status()
        return SystemStatus(
            total_nodes=len(nodes),
            total_loops=loops.total_loops,
            total_simulations=sum(stats.total_simulations for stats in simulations.values()),
            global_knowledge=knowledge_of(self.memory),
            nodes=nodes,
            loops=loops,
            simulations=simulations,
        )

    @property
    def trouble(self) -> str | None:
        """Why what is known, or what is told, cannot be written to the state; None when it can."""
        troubles = (writer.trouble for writer in self._writers())
        return next((trouble for trouble in troubles if trouble is not None), None)

    def flush(self) -> bool:
        """Let the nodes learn from what has piled up, and write all to the state; return whether it is there.

        Without a state there is nothing to write.
        """
        gather(self.memory)
        written = [writer.flush() for writer in self._writers()]
        return all(written)

    async def aclose(self, grace: float = 10.0) -> None:
        """Stop all loops, close all nodes and write what is left to the state; closing twice is the same as once.

        What is in progress has *grace* seconds, and nodes have the rest of them.  What hangs is left behind a second
        later; everything else is closed all the same.
        """
        until, self.is_closed = ASYNCIO.now() + grace, True
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._close_state)
            stack.push_async_callback(close_all, self._others(), until)
            stack.push_async_callback(_all_of, [each.close_parts for each in self.workflows.values()], until)
            stack.callback(self._settle)
            stack.push_async_callback(self._see_off, ASYNCIO, until)
            await self.loops.aclose(grace)

    def aclose_sync(self, grace: float = 10.0) -> None:
        """Do the same as ``aclose`` in plain code.

        A handler of signals that interrupted this thread in the middle of what others may wait for has it done when
        that is over.
        """
        self.loops.refuse_to_block()  # before anything is closed that its loops use
        self.is_closed = True
        when_free(functools.partial(self._close_now, grace))

    def _close_now(self, grace: float) -> None:
        until = BLOCKING.now() + grace
        with contextlib.ExitStack() as stack:
            stack.callback(self._close_state)
            stack.callback(close_all_sync, self._others(), until)
            for workflow in self.workflows.values():
                stack.callback(workflow.close_parts_sync, until)
            stack.callback(self._settle)
            stack.callback(lambda: run_blocking(self._see_off(BLOCKING, until)))
            self.loops.aclose_sync(grace)

    async def _see_off(self, runtime: Runtime, until: float) -> None:
        """Wait for what ``run_once`` began, in any thread or event loop, and leave what is not done by *until*."""
        orchestrators = [workflow.parts.orchestrator for workflow in list(self.workflows.values())]
        await see_off_all(orchestrators, runtime, max(0.0, until - runtime.now()))

    def _others(self) -> list[Any]:
        """Return the nodes that no workflow closes, since they were not made for one."""
        made = {id(node) for workflow in self.workflows.values() for node in workflow.parts.made}
        return [node for node in self._members.nodes() if id(node) not in made]

    def _settle(self) -> None:
        """Take the last status while there is still something to show."""
        if self._history is not None:
            self._history.settle()

    def _close_state(self) -> None:
        self._members.close()
        gather(self.memory)
        for writer in self._writers():
            writer.close()

    def _writers(self) -> list[SqliteMemory | History]:
        return [writer for writer in (self._own_memory, self._history) if writer is not None]


async def _all_of(closing: Sequence[Callable[..., Awaitable[Any]]], *arguments: Any) -> None:
    """Close all at the same time; raise what one of them raised when all have ended."""
    ended = await asyncio.gather(*(close(*arguments) for close in closing), return_exceptions=True)
    for error in ended:
        if isinstance(error, BaseException):
            raise error


_default_states: list[str | os.PathLike[str]] = []
_watcher: Callable[[QuantumSystem], None] | None = None


def give_default_state(state: str | os.PathLike[str]) -> None:
    """Let the next system that names no state have this one."""
    _default_states[:] = [state]


def watch_systems(watcher: Callable[[QuantumSystem], None] | None) -> None:
    """Let *watcher* know every system of this process as it is made; None: nobody."""
    global _watcher  # noqa: PLW0603 - one command per process
    _watcher = watcher


def _take_default() -> str | os.PathLike[str] | None:
    return _default_states.pop() if _default_states else None


def _folder(state: str | os.PathLike[str]) -> Path:
    """Return what *state* means; a path without an ending is a folder, which is made if it is not there."""
    try:
        place = settled(state)
        if not place.suffix and not place.exists():
            place.mkdir(parents=True)
    except OSError as error:
        raise explained(error, Path(state)) from error
    return place
