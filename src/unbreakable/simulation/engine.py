"""Operations are run by the strategy that is best in a model of their target, and by the best of several ways."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from unbreakable.fractal import FractalNode, Memory, Remedy
from unbreakable.fractal.belonging import close_unheld
from unbreakable.fractal.heart import HasNode, known_heart
from unbreakable.fractal.operation import AN_OPERATION, NO_GENERATOR, check_operation, is_generator
from unbreakable.fractal.settings import settle
from unbreakable.fractal.survey import counts_of
from unbreakable.fractal.target import Target
from unbreakable.outcome import Result, Success
from unbreakable.policies import Context, Strategy, check
from unbreakable.policies.check import refuse
from unbreakable.policies.effects import Effects, checked
from unbreakable.policies.strategy import NAMES
from unbreakable.runtime import ASYNCIO, BLOCKING, Closing, Runtime, is_async, new_lock, run_blocking
from unbreakable.simulation.chooser import Rules, Simulating
from unbreakable.simulation.gains import Gains
from unbreakable.simulation.identity import Identity, identity_of
from unbreakable.simulation.jobs import PRIMARY, Job, Order, change, may_change, part_of
from unbreakable.simulation.ledger import Ledger
from unbreakable.simulation.pairs import TAIL
from unbreakable.simulation.race import check_race, line_up, with_copies
from unbreakable.simulation.recalled import recalled
from unbreakable.simulation.score import ScoreWeights
from unbreakable.simulation.scouting import set_out
from unbreakable.simulation.speedup import Speedup, together
from unbreakable.simulation.status import QuantumStats
from unbreakable.stats import Counts

if TYPE_CHECKING:  # shown to who asks for a decision; needs numpy
    from unbreakable.simulation.decision import Decision

T = TypeVar("T")

MOST_JOBS = 1_000
MOST_UNIVERSES = 7
# What outlives a strategy, and counts what was done under others, too.
OF_THE_NODE = {"breaker", "bulkhead", "budget", "limit", "throttle"}
PRIOR = 0.85  # how likely another way is thought to work where one failed: a little less than a remedy of the user's


class QuantumSimulationEngine(Closing):
    """Weigh strategies in a learned model of each target before anything is executed; execute only the winner.

    >>> engine = QuantumSimulationEngine()
    >>> engine.execute_quantum_sync(lambda: 6 * 7, name="answer")
    42
    >>> engine.get_quantum_stats().total_executions
    1

    *universe_count* is how many strategies are weighed against each other: 5 are those that need no learning plus, once
    something was learned, "adaptive" in place of the worst; 7 are all.  *weights* are those of the score, *memory*
    keeps what is learned, *strategies* are your own beside the seven; each says how attempts are made (retry, timeout,
    hedge), while circuit, bulkhead and budget are the node's, whatever strategy is in force.
    """

    def __init__(
        self,
        universe_count: int = 5,
        weights: ScoreWeights | None = None,
        memory: Memory | None = None,
        *,
        strategies: Iterable[Strategy] = (),
    ) -> None:
        if not isinstance(strategies, Iterable):
            raise refuse("strategies", "a list of ub.Strategy", strategies)
        own = tuple(strategies)
        check.whole("universe_count", universe_count, least=1)
        if universe_count > MOST_UNIVERSES + len(own):
            raise refuse(
                "universe_count", f"at most {MOST_UNIVERSES + len(own)}, the number of strategies", universe_count
            )
        if not (weights is None or isinstance(weights, ScoreWeights)):
            raise refuse("weights", "a ub.ScoreWeights", weights)
        _check_strategies(own)
        settle("memory", {"memory": memory})
        self.rules = Rules(weights=weights or ScoreWeights(), universe_count=universe_count, strategies=own)
        self.ledger, self.gains, self.memory, self._executions = Ledger(), Gains(), memory, 0
        self._jobs: OrderedDict[tuple[Hashable, Effects, float | None], tuple[FractalNode, Job]] = OrderedDict()
        self._nodes: dict[FractalNode, None] = {}  #: adopted and in use, in the order in which they came
        self._gained: OrderedDict[str, Speedup] = OrderedDict()  #: by those that are not, the last ones
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
        deadline: float | None = None,
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
        deadline: float | None = None,
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
        deadline: float | None = None,
    ) -> Any:
        """Run *operation*, which takes the context or nothing, by the best strategy; return its value.

        *name* is the target that is learned about; without one it is this operation, wherever its code is made anew, a
        method its object's own.  Name what is of an object made for each call, or a closure over different targets.
        *context* becomes ``ctx.input``, *effects* says what repeating does.  *key*, a value or a function of the
        ``ub.Context`` that returns one, partitions circuit and learning (1,000 keys); None is the whole target.
        *alternatives* are other implementations of the same job, by name, of which the best is learned; the operation
        itself is "primary".  *race*, for effects "none" alone, asks the best two at once, or the only one twice, where
        a copy can be paid and all is well: the first good answer wins.  *deadline* is how many seconds a call has, 30
        without one, and what strategies are weighed for; each is a job of its own, so use few.  Nobody here knows of a
        limit around the call, such as asyncio.timeout().  Raises the operation's own exception, with a note that tells
        the story; DeadlineExceeded; ConfigurationError for wrong settings.
        """
        node, order = self._prepared(operation, name, effects, alternatives, key, race, deadline)
        return node.value(*await self._run(node, order, context, ASYNCIO))

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
        deadline: float | None = None,
    ) -> T:
        """Run *operation*, which is plain as its alternatives are, in this thread; otherwise as ``execute_quantum``."""
        node, order = self._prepared(operation, name, effects, alternatives, key, race, deadline)
        _check_plain(order.ways)
        value: T = node.value(*run_blocking(self._run(node, order, context, BLOCKING)))  # no StopIteration in a script
        return value

    async def _run(
        self, node: FractalNode, order: Order, context: Any, runtime: Runtime
    ) -> tuple[Context, Result[Any]]:
        ctx = node.open(runtime, order, None, context=context)
        if not (order.race and line_up(ctx, order)):
            set_out(ctx, order)
        try:
            result = await node.play(ctx)
        except BaseException as error:
            await order.trial.given_up(error)
            raise
        with self._lock:
            self._executions += 1
        is_good = isinstance(result, Success) and result.degraded is None
        order.trial.over(ctx, runtime.now() - ctx.started if is_good else math.inf)
        return ctx, result

    def _prepared(
        self,
        operation: Any,
        name: str | None,
        effects: Effects,
        alternatives: Any,
        key: Any,
        race: object,
        deadline: float | None,
    ) -> tuple[FractalNode, Order]:
        """Return the node, and what it runs; ConfigurationError for what cannot be run."""
        ways = _checked_ways(operation, alternatives)
        check_race(race, checked(effects))
        _check_key(key)
        if not (name is None or isinstance(name, str)):
            raise refuse("name", "a word", name)
        if deadline is not None:
            check.seconds("deadline", deadline, positive=True, endless=True)
        node, job = self._job(identity_of(operation) if name is None else name, effects, deadline)
        return node, Order(job, ways, key, race=bool(race))

    def _job(self, which: str | Identity, effects: Effects, deadline: float | None) -> tuple[FractalNode, Job]:
        sort = which, effects, deadline
        with self._lock:
            found = self._jobs.get(sort)
            if found is not None:
                self._jobs.move_to_end(sort)
                return found
        name = which.label if isinstance(which, Identity) else which
        node = FractalNode(name, effects=effects, deadline=deadline, memory=self.memory, key=part_of)
        node.remedies.append(Remedy("other_way", may_change, change, PRIOR, prevents=False))
        dropped = None
        with self._lock:
            found = self._jobs.setdefault(sort, (node, Job(self.ledger)))
            if len(self._jobs) > MOST_JOBS:
                _, (dropped, old) = self._jobs.popitem(last=False)
        if found[0] is node:
            self.choose_for(node)
        if dropped is not None:
            old.running.stop()
            dropped.aclose_sync()  # what it has learned is kept in the memory
        return found

    # ── planning ─────────────────────────────────────────────────────────────────────────────────────────────────

    def adopt(self, node: FractalNode | HasNode) -> None:
        """Choose the plans of *node* from now on, show it in ``simulate`` and count its calls as executions.

        It is a node of any kind, shown until it is closed and again when it is used again; or a protected function,
        shown as long as somebody holds it.  Raises ConfigurationError for anything else.
        """
        close_unheld()
        heart = known_heart(node)
        self._choose_for(heart, self.gains)
        heart.belong_to(self)
        with self._lock:
            self._nodes[heart] = None

    def left(self, node: FractalNode, counts: Counts) -> None:
        """Let go of *node*, which was closed, and keep how many calls it made and what was gained."""
        gain = _gain_of(node)
        with self._lock:
            if node not in self._nodes:
                return
            del self._nodes[node]
            self._executions += counts.finished
            if gain is not None:
                self._gained[node.stem] = gain
            while len(self._gained) > MOST_JOBS:
                self._gained.popitem(last=False)

    def is_back(self, node: FractalNode, counts: Counts) -> None:
        """Count *node* itself again, which is used again."""
        with self._lock:
            if node not in self._nodes:
                self._nodes[node] = None
                self._executions -= counts.finished
                self._gained.pop(node.stem, None)

    def choose_for(self, node: FractalNode | HasNode) -> None:
        """Choose the plans of *node*, and of the children that it will have, from now on; otherwise as ``adopt``."""
        self._choose_for(known_heart(node), None)

    def _choose_for(self, node: FractalNode, gains: Gains | None) -> None:
        node.new_chooser = lambda settings: Simulating(settings, self.rules, self.ledger, gains)
        node.chooser = chooser = node.new_chooser(node.settings)
        target = node.target
        if not target.plan.observations:
            target.adopt(chooser.plan(target.name, target.plan, target.traffic, node.drivers[0].random))

    def simulate(self, target: str) -> Decision:
        """Weigh every strategy for the *target* of that name in its model, and say why the winner won; execute nothing.

        With a key that is ``name[key]``.  Of one that was not called here yet the memory is asked.  A target of which
        nothing was learned, as one that nobody ever heard of, is weighed by a guess of what targets are like.
        """
        if not isinstance(target, str) or not target:
            raise refuse("target", "the name of a target", target)
        found = self._find(target)
        if found is None:
            settings, plan, traffic = recalled(self.memory, target)
            return Simulating(settings, self.rules, self.ledger).decide(target, plan, traffic, None)
        node, known = found
        chooser = node.chooser
        if not (isinstance(chooser, Simulating) and chooser.ledger is self.ledger):  # another engine's by now
            chooser = Simulating(node.settings, self.rules, self.ledger)
        learned = known.learned_at
        age = None if learned is None else max(0.0, node.drivers[0].now() - learned)
        return chooser.decide(target, known.plan, known.traffic, age)

    def _find(self, name: str) -> tuple[FractalNode, Target] | None:
        with self._lock:
            nodes = [*self._nodes, *(node for node, _ in reversed(self._jobs.values()))]
        known = ((node, target) for node in nodes for target in node.targets.every())
        return next((each for each in known if each[1].name == name), None)

    def get_quantum_stats(self) -> QuantumStats:
        """Return what was simulated, executed and gained so far."""
        close_unheld()
        with self._lock:
            jobs, nodes = [job for _, job in self._jobs.values()], list(self._nodes)
            executions, gained = self._executions, list(self._gained.values())
        own = {node.target.name: gain for node in nodes if (gain := _gain_of(node)) is not None}
        pairs = [*(job.pairs for job in jobs), *(each for name, each in self.gains.every() if name not in own)]
        gains = [*(each.estimate() for each in pairs), *own.values(), *gained]
        tails = [each.estimate(TAIL) for each in pairs]
        calls = executions + sum(counts_of(node).finished for node in nodes)
        return QuantumStats(
            total_simulations=self.ledger.plans,
            total_executions=calls,
            avg_speedup=together([gain for gain in gains if gain is not None]),
            p99_speedup=together([gain for gain in tails if gain is not None]),
            best_strategies=dict(self.ledger.chosen),
            calibration=self.ledger.calibration(),
            extra_load=with_copies(self.ledger.extra_load(), self.ledger.copies, calls),
            raced=self.ledger.copies,
        )

    # ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def aclose(self) -> None:
        """Hand to the memory what was not learned yet, and forget the jobs."""
        self.aclose_sync()

    def aclose_sync(self) -> None:
        """Hand to the memory what was not learned yet and forget the jobs, from sync code."""
        with self._lock:
            jobs, adopted = list(self._jobs.values()), list(self._nodes)
        for node, job in jobs:
            job.running.stop()
            node.aclose_sync()
        for node in adopted:
            self.left(node, counts_of(node))
            node.part_from(self)
        with self._lock:
            self._jobs.clear()


def _gain_of(node: Any) -> Speedup | None:
    """Return how the calls of *node* compare with their baseline, if it knows, be it measurable or not."""
    return getattr(node, "gain", None)


def _check_strategies(own: Iterable[object]) -> None:
    names = set(NAMES)
    for one in own:
        if not isinstance(one, Strategy):
            raise refuse("strategies", "a list of ub.Strategy", one)
        for policy in OF_THE_NODE & one.pinned().keys():
            raise refuse(f"strategies: {one.name}: {policy}", "None: it is the node's, where it can be pinned", one)
        if one.name in names:
            raise refuse(
                "strategies", "a list of ub.Strategy, each of a name that no other has, of the seven either", one
            )
        names.add(one.name)


def _check_key(key: Any) -> None:
    if is_async(key):
        raise refuse("key", "a value or a plain function of the context", key)
    try:
        hash(key)
    except TypeError:
        raise refuse("key", "hashable, such as a text or a tuple", key) from None


def _check_plain(ways: Mapping[str, Callable[..., Any]]) -> None:
    """Refuse another way that would have to be awaited: it would fail each time the operation does, unseen."""
    for name, way in ways.items():
        if name != PRIMARY and is_async(way):
            raise refuse(f"alternatives[{name!r}]", "a plain function, since nothing is awaited here", way)


def _checked_ways(operation: Any, alternatives: Any) -> dict[str, Callable[..., Any]]:
    if not callable(operation):
        raise refuse("operation", AN_OPERATION, operation)
    if not (alternatives is None or isinstance(alternatives, Mapping)):
        raise refuse("alternatives", 'a dictionary of functions such as {"replica": ask_replica}', alternatives)
    if is_generator(operation):
        raise refuse("operation", NO_GENERATOR, operation)
    for name, way in (alternatives or {}).items():
        if not isinstance(name, str) or not name or name == PRIMARY:
            raise refuse("alternatives", f'keyed by names other than "{PRIMARY}", which is the operation itself', name)
        check_operation(f"alternatives[{name!r}]", way)
    return {PRIMARY: operation, **(alternatives or {})}
