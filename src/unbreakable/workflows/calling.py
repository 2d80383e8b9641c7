"""A step's operation and its compensation are called through nodes, which try and heal them."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from unbreakable.fractal import FractalNode
from unbreakable.fractal.doors import Door
from unbreakable.fractal.guard import guarded_work
from unbreakable.fractal.heart import known_heart
from unbreakable.fractal.operation import work_with_context
from unbreakable.fractal.options import Options
from unbreakable.outcome import Success
from unbreakable.policies import Backoff, Context, Timeout, current, deeds
from unbreakable.policies.effects import Effects
from unbreakable.policies.pushback import retry_after
from unbreakable.runtime import Runtime, new_lock
from unbreakable.simulation.identity import identity_of
from unbreakable.workflows.ending import Doubt, Ending, NotReturned, Returned
from unbreakable.workflows.leftover import TO_END
from unbreakable.workflows.ports import Call
from unbreakable.workflows.step import Step

MOST_NODES = 500  # of one orchestrator; the one that was not used for longest makes room
TRIES = 8  # of a compensation, or of a retriable step past the pivot
PATIENCE = Backoff(first=0.5, factor=2.0, most=60.0, jitter=False)  # between them; at least half of each pause is kept
LONGEST_UNDO = 30.0  # seconds that one try of a compensation may take

# One plain attempt: the caller of a compensation repeats it by itself, whatever a circuit would say, and within no
# deadline but the limit of each try.
UNDO_OPTIONS: Options = {
    "effects": "idempotent",
    "retry": False,
    "breaker": False,
    "hedge": False,
    "bulkhead": False,
    "timeout": Timeout(LONGEST_UNDO, cut_threads=False),
    "deadline": math.inf,
}


class StepNodes:
    """Make and keep a child of *parent* for every step, and for every compensation, that was called lately."""

    def __init__(self, parent: FractalNode, options: Options) -> None:
        self.parent, self._options = parent, options
        self._nodes: OrderedDict[tuple[object, ...], FractalNode] = OrderedDict()
        self._lock = new_lock()

    def of(self, step: Step) -> FractalNode:
        """Return the node that runs the operation of *step*."""
        if step.node is not None:
            return step.node
        options = self._options
        if step.timeout is not None:
            options = {**options, "timeout": Timeout(step.timeout)}
        return self._child((step.id, step.timeout, identity_of(step.operation)), step.id, options)

    def for_undo(self, step: Step) -> FractalNode:
        """Return the node that runs the compensation of *step*."""
        return self._child((step.id, "undo", identity_of(step.compensate)), f"{step.id}.undo", UNDO_OPTIONS)

    def effects(self, step: Step) -> Effects:
        """Return what is declared about the operation of *step*: by its node, else by what is protected itself.

        A node that speaks of itself declares nothing about it; so what the operation says goes first there.
        """
        node, operation = self.of(step), step.operation
        effects = node.effects_of_guests
        if isinstance(operation, (FractalNode, Door)) and (effects == "unknown" or node.speaks_of_itself):
            return known_heart(operation).settings.effects
        return effects

    def _child(self, key: tuple[object, ...], name: str, options: Options) -> FractalNode:
        with self._lock:
            child = self._nodes.pop(key, None) or self._new_child(name, options)
            self._nodes[key] = child
            return child

    def _new_child(self, name: str, options: Options) -> FractalNode:
        if len(self._nodes) >= MOST_NODES:
            _, oldest = self._nodes.popitem(last=False)
            self.parent.drop_child(oldest)
        child = self.parent.create_child(f"{self.parent.name}.{name}", **options)
        for kind, listener in self.parent.listeners:
            child.on(kind, listener)
        return child


def moment_of(ctx: Context | None) -> dict[str, Any]:
    """Return the tick and the number of the iteration in which *ctx* is, near or far; nothing outside of any loop."""
    while ctx is not None and ctx.iteration is None:
        ctx = ctx.parent
    return {} if ctx is None else {"tick": ctx.tick, "iteration": ctx.iteration}


class NodeCaller:
    """Call steps through *nodes* in the colour of *runtime*; *known* becomes ``ctx.nodes``.

    Within an iteration of a loop each step knows which one that is.
    """

    def __init__(self, nodes: StepNodes, runtime: Runtime, known: Mapping[str, Any]) -> None:
        self.nodes, self.runtime, self.known = nodes, runtime, known
        self.moment = moment_of(current())

    async def do(self, step: Step, call: Call) -> Ending:
        """Call the operation of *step*; a retriable one again until it succeeds or patience ends."""
        call.leftover.enter(self.nodes.parent, self.runtime)
        once = partial(self._once, self.nodes.of(step), step.operation, call, call.leftover.opened)
        try:
            return await (self._persist(once) if step.kind == "retriable" else once())
        finally:
            call.leftover.tell_outside()

    async def undo(self, step: Step, call: Call) -> Ending:
        """Call the compensation of *step*, once nothing of it is at work, until it succeeds or patience ends.

        When something is at work for too long what can be undone is.  If that is over then, which the compensation may
        have seen to itself, it is called once more for what came meanwhile; if not, a person has to see to the rest.
        """
        undo = partial(self._once, self.nodes.for_undo(step), step.compensate, call)
        is_over = await call.leftover.is_over(self.runtime)
        ending = await self._persist(undo)
        if is_over or isinstance(ending, NotReturned):
            return ending
        if await call.leftover.is_over(self.runtime, TO_END):  # it may take a moment to end what it was told to end
            return await self._persist(undo)
        late = TimeoutError(f"a call in step {step.id!r} was still at work when the step was undone, and is not undone")
        return NotReturned(late, Doubt.NOBODY_KNOWS)

    async def _once(
        self, node: FractalNode, operation: Any, call: Call, opened: Callable[[Context], None] | None = None
    ) -> Ending:
        """Play the script of one call; what it tells beyond its end (trace, outcome) nobody would look at."""
        ctx = node.open(
            node.runtime or self.runtime,
            guarded_work(work_with_context(operation)),
            None,
            context=call.input,
            is_guest=True,
            nodes=self.known,
            results=call.results,
            state=dict(call.state),
            idempotency_key=call.key,
            **self.moment,
        )
        if opened is not None:
            opened(ctx)
        result = await node.play(ctx)
        if isinstance(result, Success):
            return Returned(result.value, certain=not (result.makeshift or is_still_at_it(ctx)))
        return NotReturned(result.error, _doubt(ctx))

    async def _persist(self, once: Callable[[], Awaitable[Ending]]) -> Ending:
        worst, ending = Doubt.NEVER_BEGAN, await once()
        for number in range(1, TRIES):
            if isinstance(ending, Returned):
                return ending
            worst = max(worst, ending.doubt)
            pause = PATIENCE.pause(number, 0.0) * (0.5 + self.runtime.random() / 2)
            await self.runtime.sleep(min(PATIENCE.most, max(pause, retry_after(ending.error) or 0.0)))
            ending = await once()
        return ending if isinstance(ending, Returned) else NotReturned(ending.error, max(worst, ending.doubt))


def is_still_at_it(ctx: Context) -> bool:
    """Return whether an attempt of the call *ctx*, or a copy of one, is at work though another has ended the call."""
    return any(each.live and deeds.call_of(each) is ctx for each in tuple(ctx.deeds.left))


def _doubt(ctx: Context) -> Doubt:
    """Return how much is known of what was done by a call that failed: as much as of its worst attempt."""
    if ctx.deeds.doubtful:
        return Doubt.NOBODY_KNOWS
    return Doubt.REPORTED if ctx.deeds.touched else Doubt.NEVER_BEGAN
