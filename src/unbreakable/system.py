"""A whole system: workflows and loops, their nodes, and what all of them know together."""

from __future__ import annotations

import asyncio
import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Unpack

from unbreakable.definition import check_settings, heart_of, read_nodes, read_workflow
from unbreakable.events import Explained
from unbreakable.fractal import FractalNode, LocalMemory
from unbreakable.fractal.learning import unheard
from unbreakable.fractal.memory import Knowledge
from unbreakable.fractal.options import Options
from unbreakable.knowledge import SqliteMemory
from unbreakable.loops import EngineStatus, QuantumLoopEngine
from unbreakable.loops.program import is_loading
from unbreakable.nodes import OrchestratorNode
from unbreakable.observe import History
from unbreakable.policies import check
from unbreakable.policies.check import refuse
from unbreakable.runtime import Closing
from unbreakable.simulation import QuantumSimulationEngine, QuantumStats
from unbreakable.workflow import Parts, QuantumWorkflow

OWN = ("name", "interval", "universe_count", "concurrency_limit", "max_iterations", "nodes", "workflow", "grace")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemStatus:
    """Say how everything is doing; a workflow counts as one loop."""

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

    *state* is a folder (made if it is not there) or the path of a file; None keeps everything in memory.  One process
    at a time may hold it: StateOwned says which one does; a worker process of a loop that loads the program keeps its
    copy of the system in memory.  Under ``unbreakable run`` a system that names no state is
    given the command's.  *engine* is "local": runs are carried by this process.  *memory* keeps what is learned
    elsewhere than in the state; who gives one closes it.
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
        self.state = None if state is None else _folder(state)
        self.memory: LocalMemory | SqliteMemory = memory or LocalMemory()
        self.simulation = QuantumSimulationEngine(memory=None)
        self.loops = QuantumLoopEngine()
        self.workflows: dict[str, QuantumWorkflow] = {}
        self._nodes: dict[str, Any] = {}
        self._history: History | None = None
        self._own_memory: SqliteMemory | None = None
        if self.state is not None:
            if memory is None:
                self.memory = self._own_memory = SqliteMemory(self.state)
            self._history = History(self.state, lambda: self.get_system_status().to_dict())

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

        Raises ConfigurationError, with the path of the wrong setting and what was expected, before anything is made.
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
        self._check(name)
        check_settings(options, OWN)
        check.seconds("interval", interval)
        steps = read_workflow(workflow)
        simulation = QuantumSimulationEngine(universe_count, memory=self.memory)
        options["memory"] = options.get("memory") or self.memory
        known = read_nodes(nodes, name, {"memory": self.memory})
        orchestrator = OrchestratorNode(
            concurrency_limit, name=f"{name}.run", state=self.state, grace=grace, nodes=known, **options
        )
        parts = Parts(
            steps=steps, nodes=known, orchestrator=orchestrator, simulation=simulation, knowledge=self._knowledge
        )
        made = QuantumWorkflow(name, parts, self)
        made.loop = self.loops.create_loop(
            made.iterate, name=name, interval=interval, max_iterations=max_iterations, deadline=math.inf
        )
        simulation.choose_for(orchestrator.node)
        for node in known.values():
            self._introduce(node, simulation)
        for teller in (orchestrator.node, made.loop.node):
            self._listen(teller)
        self.workflows[name] = made
        return made

    def _knowledge(self) -> Knowledge:
        """Return what is known, what was not told to the memory yet included."""
        with_news = Counter(vars(self.memory.summary()))
        for teller in [*self._nodes.values(), *(each.parts.orchestrator for each in list(self.workflows.values()))]:
            heart = heart_of(teller)
            if heart is not None:
                with_news.update(unheard(heart))
        return Knowledge(**with_news)

    def adopt(self, node: Any) -> None:
        """Let *node* learn together with the others, be planned by simulation and be seen in the status."""
        if heart_of(node) is None:
            raise refuse("node", "a node", node)
        self._introduce(node, self.simulation)

    def _introduce(self, node: Any, simulation: QuantumSimulationEngine) -> None:
        heart = heart_of(node)
        assert heart is not None  # noqa: S101 - nodes were read
        if heart.settings.memory is None:
            heart.remember(self.memory)
        simulation.adopt(heart)
        self._listen(heart)
        self._nodes[heart.name] = node if hasattr(node, "get_status") else heart  # behind a protected function

    def _listen(self, node: FractalNode) -> None:
        if self._history is not None:
            node.on(Explained, self._history.note)

    def _check(self, name: object) -> None:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise refuse("name", "a text that names the workflow", name)
        if name in self.workflows:
            raise refuse("name", "one that no other workflow of this system has", name)

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, grace: float = 3.0) -> None:
        """Start what is new, and block until all loops have ended or SIGTERM or SIGINT comes; then close everything."""
        try:
            self.loops.run(grace)
        finally:
            self.aclose_sync(grace)

    # ── looking and leaving ──────────────────────────────────────────────────────────────────────────────────────

    def get_system_status(self) -> SystemStatus:
        """Return how everything is doing at this moment."""
        engines = {"": self.simulation, **{name: each.simulation for name, each in list(self.workflows.items())}}
        simulations = {name: engine.get_quantum_stats() for name, engine in engines.items()}
        if not simulations[""].total_simulations:
            del simulations[""]  # of nodes outside of any workflow, where there are such
        nodes, loops = list(self._nodes.items()), self.loops.get_status()
        return SystemStatus(
            total_nodes=len(nodes),
            total_loops=loops.total_loops,
            total_simulations=sum(stats.total_simulations for stats in simulations.values()),
            global_knowledge=self._knowledge(),
            nodes={name: node.get_status() for name, node in nodes},
            loops=loops,
            simulations=simulations,
        )

    async def aclose(self, grace: float = 10.0) -> None:
        """Stop all loops, close all nodes and write what is left to the state; closing twice is the same as once."""
        await self.loops.aclose(grace)
        self._close_history()
        await asyncio.gather(*(workflow.aclose(0.0) for workflow in list(self.workflows.values())))
        self._close()

    def aclose_sync(self, grace: float = 10.0) -> None:
        """Do the same as ``aclose`` in plain code."""
        self.loops.aclose_sync(grace)
        self._close_history()
        for workflow in list(self.workflows.values()):
            workflow.aclose_sync(0.0)
        self._close()

    def _close_history(self) -> None:
        """Write the last status while there is still something to show."""
        if self._history is not None:
            self._history.close()

    def _close(self) -> None:
        if self._own_memory is not None:
            self._own_memory.close()


_default_states: list[str | os.PathLike[str]] = []


def give_default_state(state: str | os.PathLike[str]) -> None:
    """Let the next system that names no state have this one."""
    _default_states[:] = [state]


def _take_default() -> str | os.PathLike[str] | None:
    return _default_states.pop() if _default_states else None


def _folder(state: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Return *state*; a path without an ending is a folder, which is made if it is not there."""
    from unbreakable.storage.shared import place_of

    place = place_of(state)
    if not place.suffix and not place.exists():
        place.mkdir(parents=True)
    return state
