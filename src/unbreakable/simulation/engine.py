"""Operations are run by the strategy that is best in a model of their target, and by the best of several ways."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from unbreakable.fractal import FractalNode, Memory, Remedy
from unbreakable.fractal.operation import work_with_context
from unbreakable.fractal.settings import settle
from unbreakable.outcome import Success
from unbreakable.policies import Strategy, check
from unbreakable.policies.check import refuse
from unbreakable.policies.effects import Effects
from unbreakable.runtime import ASYNCIO, BLOCKING, Runtime, new_lock, run_blocking
from unbreakable.simulation.chooser import Rules, Simulating
from unbreakable.simulation.jobs import PRIMARY, Job, change, may_change
from unbreakable.simulation.ledger import Ledger
from unbreakable.simulation.score import ScoreWeights
from unbreakable.simulation.speedup import together
from unbreakable.simulation.status import QuantumStats
from unbreakable.stats import Traffic

if TYPE_CHECKING:  # shown to who asks for a decision; needs numpy
    from unbreakable.simulation.decision import Decision

T = TypeVar("T")

MOST_JOBS = 1_000
MOST_UNIVERSES = 7
PRIOR = 0.85  # how likely another way is thought to work where one failed: a little less than a remedy of the user's


class QuantumSimulationEngine:
    """Weigh strategies in a learned model of each target before anything is executed; execute only the winner.

    >>> engine = QuantumSimulationEngine()
    >>> engine.execute_quantum_sync(lambda: 6 * 7, name="answer")
    42
    >>> engine.get_quantum_stats().total_executions
    1

    *universe_count* is how many strategies are weighed against each other: 5 are those that need no learning plus, once
    something was learned, "adaptive" in place of the worst; 7 are all.  *weights* are those of the score, *memory*
    keeps what is learned, *strategies* are your own beside the seven.
    """

    def __init__(
        self,
        universe_count: int = 5,
        weights: ScoreWeights | None = None,
        memory: Memory | None = None,
        *,
        strategies: Iterable[Strategy] = (),
    ) -> None:
        own = tuple(strategies)
        check.whole("universe_count", universe_count, least=1)
        if universe_count > MOST_UNIVERSES + len(own):
            raise refuse(
                "universe_count", f"at most {MOST_UNIVERSES + len(own)}, the number of strategies", universe_count
            )
        if not (weights is None or isinstance(weights, ScoreWeights)):
            raise refuse("weights", "a ub.ScoreWeights", weights)
        for one in own:
            if not isinstance(one, Strategy):
                raise refuse("strategies", "a list of ub.Strategy", one)
        settle("memory", {"memory": memory})
        self.rules = Rules(weights=weights or ScoreWeights(), universe_count=universe_count, strategies=own)
        self.ledger, self.memory, self._executions = Ledger(), memory, 0
        self._jobs: OrderedDict[tuple[str, str], tuple[FractalNode, Job]] = OrderedDict()
        self._nodes: dict[str, FractalNode] = {}
        self._lock = new_lock()

    # ── executing ────────────────────────────────────────────────────────────────────────────────────────────────

    @overload
    async def execute_quantum(
        self,
        operation: Callable[..., Awaitable[T]],
        context: Any = None,
        *,
        name: str | None = None,
        effects: Effects = "unknown",
        alternatives: Mapping[str, Callable[..., Any]] | None = None,
        key: Any = None,
        race: bool = False,
    ) -> T: ...
    @overload
    async def execute_quantum(
        self,
        operation: Callable[..., T],
        context: Any = None,
        *,
        name: str | None = None,
        effects: Effects = "unknown",
        alternatives: Mapping[str, Callable[..., Any]] | None = None,
        key: Any = None,
        race: bool = False,
    ) -> T: ...
    async def execute_quantum(
        self,
        operation: Any,
        context: Any = None,
        *,
        name: str | None = None,
        effects: Effects = "unknown",
        alternatives: Mapping[str, Callable[..., Any]] | None = None,
        key: Any = None,
        race: bool = False,
    ) -> Any:
        """Run *operation*, which takes the context or nothing, by the best strategy; return its value.

        *name* is the target that is learned about (the operation's own by default), *context* becomes ``ctx.input``,
        *effects* says what repeating does.  *alternatives* are other implementations of the same job, by name: which
        one is used is learned, for each *key* by itself; the operation itself is "primary".  Raises the operation's own
        exception, with a note that tells the story; ConfigurationError for wrong settings.
        """
        node, job, work = self._prepared(operation, name, effects, alternatives, key, race)
        return await self._run(node, job, work, context, ASYNCIO)

    def execute_quantum_sync(
        self,
        operation: Callable[..., T],
        context: Any = None,
        *,
        name: str | None = None,
        effects: Effects = "unknown",
        alternatives: Mapping[str, Callable[..., T]] | None = None,
        key: Any = None,
        race: bool = False,
    ) -> T:
        """Run *operation*, a plain function, in this thread; otherwise as ``execute_quantum``."""
        node, job, work = self._prepared(operation, name, effects, alternatives, key, race)
        value: T = run_blocking(self._run(node, job, work, context, BLOCKING))
        return value

    async def _run(self, node: FractalNode, job: Job, work: Any, context: Any, runtime: Runtime) -> Any:
        ctx = node.open(runtime, work_with_context(work), None, context=context)
        result = await node.play(ctx)
        with self._lock:
            self._executions += 1
        if isinstance(result, Success) and result.degraded is None:
            job.watch.calls.append(runtime.now() - ctx.started)
        return node.value(ctx, result)

    def _prepared(
        self, operation: Any, name: str | None, effects: Effects, alternatives: Any, key: Any, race: object
    ) -> tuple[FractalNode, Job, Callable[..., Any]]:
        """Return the node, and what it runs; ConfigurationError for what cannot be run."""
        ways = _checked_ways(operation, alternatives)
        if race is not False:
            raise refuse("race", "False: strategies are weighed in a model, not by running them", race)
        try:
            hash(key)
        except TypeError:
            raise refuse("key", "hashable, such as a text or a tuple", key) from None
        label = name_of(operation) if name is None else name
        node, job = self._job(label, effects)
        return node, job, job.operation(ways, key)

    def _job(self, name: str, effects: Effects) -> tuple[FractalNode, Job]:
        with self._lock:
            found = self._jobs.get((name, effects))
            if found is not None:
                self._jobs.move_to_end((name, effects))
                return found
        node = FractalNode(name, effects=effects, memory=self.memory)
        node.remedies.append(Remedy("other_way", may_change, change, PRIOR))
        dropped = None
        with self._lock:
            found = self._jobs.setdefault((name, effects), (node, Job(node.target.arms)))
            if len(self._jobs) > MOST_JOBS:
                _, (dropped, _) = self._jobs.popitem(last=False)
        if found[0] is node:
            self.choose_for(node)
        if dropped is not None:
            dropped.aclose_sync()  # what it has learned is kept in the memory
        return found

    # ── planning ─────────────────────────────────────────────────────────────────────────────────────────────────

    def adopt(self, node: FractalNode) -> None:
        """Choose the plans of *node* from now on, show it in ``simulate`` and count its calls as executions."""
        self.choose_for(node)
        with self._lock:
            self._nodes[node.name] = node

    def choose_for(self, node: FractalNode) -> None:
        """Choose the plans of *node*, and of the children that it will have, from now on."""
        node.new_chooser = lambda settings: Simulating(settings, self.rules, self.ledger)
        node.chooser = chooser = node.new_chooser(node.settings)
        target = node.target
        if not target.plan.observations:
            target.adopt(chooser.plan(target.name, target.plan, target.traffic, node.drivers[0].random))

    def simulate(self, target: str) -> Decision:
        """Weigh every strategy for the *target* of that name in its model, and say why the winner won; execute nothing.

        A target that nothing was learned of yet, as one that nobody ever heard of, is weighed by a guess of what
        targets are like.
        """
        if not isinstance(target, str) or not target:
            raise refuse("target", "the name of a target", target)
        node = self._find(target)
        if node is None:
            settings = settle(target, {})
            return Simulating(settings, self.rules, self.ledger).decide(target, settings.cold(), Traffic(), None)
        chooser, known = Simulating(node.settings, self.rules, self.ledger), node.target
        learned = known.learned_at
        age = None if learned is None else max(0.0, node.drivers[0].now() - learned)
        return chooser.decide(target, known.plan, known.traffic, age)

    def _find(self, name: str) -> FractalNode | None:
        with self._lock:
            jobs = [node for node, _ in self._jobs.values() if node.name == name]
            return self._nodes.get(name) or (jobs[-1] if jobs else None)

    def get_quantum_stats(self) -> QuantumStats:
        """Return what was simulated, executed and gained so far."""
        with self._lock:
            jobs, nodes = [job for _, job in self._jobs.values()], list(self._nodes.values())
        gains = [*(job.watch.value() for job in jobs), *(getattr(node, "speedup", None) for node in nodes)]
        measured = [gain for gain in gains if gain is not None]
        return QuantumStats(
            total_simulations=self.ledger.plans,
            total_executions=self._executions + sum(node.get_status().total_executions for node in nodes),
            avg_speedup=together(measured),
            best_strategies=dict(self.ledger.chosen),
            calibration=self.ledger.calibration(),
            extra_load=self.ledger.extra_load(),
        )

    # ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def aclose(self) -> None:
        """Hand to the memory what was not learned yet, and forget the jobs."""
        self.aclose_sync()

    def aclose_sync(self) -> None:
        """Hand to the memory what was not learned yet and forget the jobs, from sync code."""
        with self._lock:
            nodes = [node for node, _ in self._jobs.values()]
        for node in nodes:
            node.aclose_sync()
        with self._lock:
            self._jobs.clear()
            self._nodes.clear()

    async def __aenter__(self) -> Self:
        """Return the engine."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """Close the engine."""
        await self.aclose()


def name_of(operation: Any) -> str:
    """Return the name of *operation*: where it was defined and how it is called."""
    while isinstance(operation, functools.partial):
        operation = operation.func
    own = getattr(operation, "__qualname__", type(operation).__qualname__)
    return str(own).replace("<locals>.", "")


def _checked_ways(operation: Any, alternatives: Any) -> dict[str, Callable[..., Any]]:
    if not callable(operation):
        raise refuse("operation", "a function that takes the context or nothing", operation)
    if not (alternatives is None or isinstance(alternatives, Mapping)):
        raise refuse("alternatives", 'a dictionary of functions such as {"replica": ask_replica}', alternatives)
    for name, way in (alternatives or {}).items():
        if not isinstance(name, str) or not name or name == PRIMARY:
            raise refuse("alternatives", f'keyed by names other than "{PRIMARY}", which is the operation itself', name)
        if not callable(way):
            raise refuse(f"alternatives[{name!r}]", "a function that takes the context or nothing", way)
    return {PRIMARY: operation, **(alternatives or {})}
