"""A FractalNode: one operation that is tried, healed and learned from."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from unbreakable.events import CircuitOpened, Event
from unbreakable.fractal import introduced, learning, telling
from unbreakable.fractal.belonging import Belonging
from unbreakable.fractal.family import Family
from unbreakable.fractal.layers import layers
from unbreakable.fractal.listening import Listening
from unbreakable.fractal.operation import NoWork, Operation, check_operation, is_generator, work_with_context
from unbreakable.fractal.paying import Paying
from unbreakable.fractal.ports import Chooser, Memory, join
from unbreakable.fractal.pursuit import pursue
from unbreakable.fractal.remedies import Matcher, Remedy, enlist, made_remedy, matcher, read_remedies
from unbreakable.fractal.scope import checked_scope, set_scope
from unbreakable.fractal.settings import Settings, check_hedge, check_names, settle
from unbreakable.fractal.target import GUESTS, Sort, Target
from unbreakable.fractal.targets import Targets
from unbreakable.fractal.trace import Notebook
from unbreakable.fractal.trying import refusal
from unbreakable.fractal.tuner import Tuner
from unbreakable.outcome import Failure, Outcome, Result
from unbreakable.policies import Circuit, Context, current, deeds
from unbreakable.policies.abandoning import abandon, begin_inside
from unbreakable.policies.check import refuse
from unbreakable.policies.effects import Effects, checked
from unbreakable.policies.policy import end_here, enter
from unbreakable.runtime import ASYNCIO, BLOCKING, Closing, Runtime, is_async, play_blocking, run_blocking

if TYPE_CHECKING:  # what only a type checker needs, or somebody who asks how a node is doing
    from unbreakable.fractal.methods import Method
    from unbreakable.fractal.options import Options
    from unbreakable.fractal.status import NodeStatus

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

_nodes: weakref.WeakSet[FractalNode] = weakref.WeakSet()


class FractalNode(Closing, Listening, Belonging, Paying):
    """Run operations through TRY → HEAL → LEARN; a node's operation may itself be, or call, a node.

    >>> node = FractalNode("greeter", lambda: "hello")
    >>> node.execute_sync().value
    'hello'

    *operation* takes the context (``ub.Context``) or nothing and is async or sync.  The keywords are those of
    ``ub.protect``.  A *parent* shares its deadline and budget with the node and sums up its statistics.
    A node that is the operation of another one, of a step or of a loop runs its own operation there.  ``validate`` and
    ``key`` of a node take the context, in which ``ctx.input`` is what was passed to ``execute``.  *runtime* is where
    time, dice and concurrency come from; None: what suits the code that calls.  With a *system* (``ub.QuantumSystem``)
    the node learns together with the system's others.  Raises ConfigurationError when an option is wrong.
    """

    #: Makes the choosers of nodes that are given none; the door of the house puts the simulation here.
    new_chooser: Callable[[Settings], Chooser] = staticmethod(introduced.usual or Tuner)
    layers = staticmethod(layers)  #: what goes around a call, and what makes one attempt of it
    pursue = staticmethod(pursue)
    of_method: Method | None = None  #: what is known of the protected function as one
    speaks_of_itself = False  #: whether effects, schema, verify and fallback are said of its own operation alone

    def __init__(
        self,
        name: str,
        operation: Operation[Any] | None = None,
        *,
        parent: FractalNode | None = None,
        runtime: Runtime | None = None,
        **options: Unpack[Options],
    ) -> None:
        _check(name, operation, parent, runtime, options, type(self))
        given: dict[str, Any] = {**options}
        system = given.pop("system", None)
        if parent is not None:
            runtime = runtime or parent.runtime
            if given.get("deadline") is None:
                given["deadline"] = parent.settings.deadline
        self.name, self.operation, self.parent = name, operation, parent
        self.settings: Settings = settle(name, given)
        self.runtime: Runtime | None = runtime
        self.drivers: tuple[Runtime, ...] = (ASYNCIO, BLOCKING) if runtime is None else (runtime,)
        self.validate, self.schema, verify = self.settings.validate, self.settings.schema, self.settings.verify
        self.judges = verify is not None or self.schema is not None
        self.check, self.listeners = None if verify is None else verify.check, self.born_with
        self.new_chooser: Callable[[Settings], Chooser] = (parent or type(self)).new_chooser
        self.chooser: Chooser | None = None  #: made when there is something to choose from
        self.remedies: list[Remedy] = []
        self.family = Family(self)
        self.children: list[FractalNode] = self.family.children
        self.serial, self.stem = itertools.count(1), self._new_stem()
        self.targets = Targets(name, self.settings.key, self._new_target)
        self.target = self.targets.main
        self.target.circuit.when_switched = self._tell_of_switch
        self._open_purses(parent)
        enlist(self, *read_remedies(name, given.get("remedies")))
        _nodes.add(self)
        if parent is not None:
            parent.family.add(self)
        join(self, system)

    # ── running ──────────────────────────────────────────────────────────────────────────────────────────────────

    @overload
    async def execute(
        self, operation: Callable[..., Awaitable[T]], context: Any = None, **scope: Any
    ) -> Outcome[T]: ...
    @overload
    async def execute(self, operation: Callable[..., T], context: Any = None, **scope: Any) -> Outcome[T]: ...
    @overload
    async def execute(self, operation: None = None, context: Any = None, **scope: Any) -> Outcome[Any]: ...
    async def execute(self, operation: Any = None, context: Any = None, **scope: Any) -> Outcome[Any]:
        """Run *operation*, or the node's own, and say how it ended; never raises an Exception.

        What a node of a kind, such as an APINode, or a protected function's says of its own work (``effects``,
        ``schema``, ``verify``, ``fallback``) is not said of an *operation* that is handed to it, of which it knows
        nothing: that is "unknown", or "once" where the node's own must not happen twice, and healed as the node's is.
        *context* becomes the operation's ``ctx.input``; *scope* (nodes, results, state, tick, iteration,
        idempotency_key) is what workflows and loops add.  CancelledError and other BaseExceptions pass.
        """
        ctx = self._opened(self.runtime or ASYNCIO, operation, context, checked_scope(scope))
        return self.outcome(ctx, await self.play(ctx))

    @overload
    def execute_sync(self, operation: Callable[..., T], context: Any = None, **scope: Any) -> Outcome[T]: ...
    @overload
    def execute_sync(self, operation: None = None, context: Any = None, **scope: Any) -> Outcome[Any]: ...
    def execute_sync(self, operation: Any = None, context: Any = None, **scope: Any) -> Outcome[Any]:
        """Run *operation*, which is a plain function, in this thread; otherwise as ``execute``."""
        ctx = self._opened(self.runtime or BLOCKING, operation, context, checked_scope(scope))
        return self.outcome(ctx, play_blocking(self.play, ctx))

    def __call__(self, ctx: Context, **changed: Any) -> Any:
        """Be another node's operation, inside the call of *ctx*; return its value, in async code to be awaited."""
        script = self._inside(ctx, changed)
        return script if ctx.runtime.preemptive else run_blocking(script)

    async def _inside(self, outer: Context, changed: Mapping[str, Any]) -> Any:
        ctx = self.open(self.runtime or outer.runtime, *self._work(None), context=outer)
        ctx.arguments, ctx.apart = changed, outer.apart or outer.plan.costs_threads
        return self.value(ctx, await self.play(ctx))

    @property
    def is_async(self) -> bool:
        """Whether its own operation has to be awaited."""
        return is_async(self.operation)

    def _opened(self, runtime: Runtime, operation: Any, context: Any, scope: Mapping[str, Any]) -> Context:
        ctx = self.open(runtime, *self._work(operation), context=context, is_guest=operation is not None, **scope)
        ctx.function = operation
        return ctx

    def _work(self, operation: Any) -> tuple[Any, None]:
        operation = self.operation if operation is None else operation
        is_work = callable(operation) and not is_generator(operation)
        return work_with_context(operation) if is_work else NoWork(operation), None

    def open(
        self, runtime: Runtime, work: Any, given: Any, *, context: Any = None, is_guest: bool = False, **scope: Any
    ) -> Context:
        """Return the context of a call that begins now; *given*: its arguments, None for the context itself.

        *is_guest* says that its work is not the node's own but was handed to it, so that nothing is known of it.
        """
        if self.left_with is not None:
            self.come_back()
        outer, now, ctx = current(), runtime.now(), Context()
        ctx.node, ctx.runtime, ctx.above, ctx.work, ctx.input = self, runtime, outer, work, context
        set_scope(ctx, scope)
        ctx.given = ((ctx,), {}) if given is None else given
        if isinstance(work, NoWork):
            ctx.refused = work.why(self.name)
        try:
            ctx.target = self.targets.of(*ctx.given, is_guest=is_guest and self.speaks_of_itself)
        except Exception as error:
            ctx.target, ctx.refused = self.target, refusal(f"{self.name}: no key: ", error)
        ctx.plan, ctx.started = ctx.target.plan, now
        ctx.until, ctx.notebook = now + ctx.plan.deadline, Notebook(runtime.now, now)
        begin_inside(ctx, outer)
        return ctx

    async def play(self, ctx: Context) -> Result[Any]:
        """Play the script of a call from its start; ``ctx.first`` is taken as the answer of the first attempt."""
        try:
            try:
                enter(ctx)
                if ctx.first is None:
                    ctx.cancels = ctx.runtime.cancellations()
                result: Result[Any] = await ctx.target.script(ctx)
            finally:
                deeds.tell_outside(ctx)
                end_here(ctx)
        except BaseException:
            abandon(ctx)
            telling.announce_left(ctx)
            raise
        self.close_call(ctx, result)
        return result

    def close_call(self, ctx: Context, result: Result[Any]) -> None:
        """Count a call that has ended in *result*, and tell it."""
        with ctx.notebook.doing("learn.store.record"):
            learning.record(self, ctx, result)
        telling.announce(ctx, result)

    def outcome(self, ctx: Context, result: Result[Any]) -> Outcome[Any]:
        """Return what the caller is told."""
        told, ctx.error = telling.outcome_of(ctx, result), None
        return told

    def value(self, ctx: Context, result: Result[Any]) -> Any:
        """Return the plain value, or raise the user's own exception with a note that tells the story."""
        try:
            return telling.value_of(ctx, result)
        finally:
            del result  # the exception's traceback holds this frame: do not hold the exception in turn

    def next_id(self) -> str:
        """Return a name that no other call has, in this process or another."""
        return f"{self.stem}{next(self.serial):04x}"

    def _new_stem(self) -> str:
        return self.drivers[0].entropy(10).hex()[:-1]

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def effects_of_guests(self) -> Effects:
        """Return what is known of operations that are handed to it."""
        return self._for_guests().effects

    def _for_guests(self) -> Settings:
        return self.settings.for_guests() if self.speaks_of_itself else self.settings

    def _new_target(self, name: str, sort: Sort | None = None, like: Target | None = None) -> Target:
        settings = self._for_guests() if sort == GUESTS else self.settings
        cold = settings.cold()
        cold = cold if sort in (None, GUESTS) else replace(cold, effects=checked(sort))
        target = Target(name, cold, partial(self.layers, settings), like)
        if like is None:
            target.circuit.scatter(self.drivers[0].random)
            target.circuit.out = target.out if settings.leaves("breaker") else None
        learning.recall(self, target, self.drivers[0])
        if self.left_with is not None:
            target.sleep()
        return target

    def remember(self, memory: Memory) -> None:
        """Keep what is learned in *memory* from now on, and begin with what is known there."""
        self.settings = Settings(**{**vars(self.settings), "memory": memory})
        for target in self.targets.every():
            learning.recall(self, target, self.drivers[0])

    @property
    def breaker(self) -> Circuit:
        """Return the circuit, to look at its ``state`` or to ``force_open()``, ``disable()``, ``reset()`` it.

        With ``key`` it is that of calls whose key is None; what is done to it by hand is done to that of every key.
        """
        return self.target.circuit

    def _tell_of_switch(self, event: type[Event]) -> None:
        if self.hears(event):
            rest = {"rest": math.inf} if event is CircuitOpened else {}
            self.tell(event(at=self.drivers[0].now(), node=self.name, **rest))

    def create_child(
        self, name: str, operation: Operation[Any] | None = None, **options: Unpack[Options]
    ) -> FractalNode:
        """Return a node of that *name* that shares this one's deadline and budget; its statistics count here, too.

        *operation* and the keywords are those of ``FractalNode``.  A child that is closed leaves, with its place among
        the 1,000 that a node may have, until it is used again; how its calls ended counts here all the same.
        """
        return FractalNode(name, operation, parent=self, **options)

    def drop_child(self, child: FractalNode) -> None:
        """Let go of *child*; how its calls ended counts here all the same."""
        self.family.drop(child)

    def remedy(self, *what: Matcher, name: str | None = None) -> Callable[[F], F]:
        """Register the decorated function as a remedy for these exception types, or what a predicate accepts.

        *what* are exception types, tuples of them, or predicates over the ``ub.Failure``; *name* is how outcomes and
        figures call the remedy, the function's own name if None.  The function takes the ``ub.Failure`` or nothing,
        is async or sync, and may return keyword arguments to change for the next attempts.
        """
        matches = matcher(what)

        def register(function: F) -> F:
            enlist(self, made_remedy(self.name, matches, function, name))
            return function

        return register

    def mends(self, failure: Failure, ctx: Context) -> bool:
        """Return whether a remedy that can be trusted is going to be applied for *failure*, and tried."""
        if not (self.remedies or ctx.remedies):
            return False
        from unbreakable.fractal.choosing import is_mendable

        return is_mendable(failure, ctx)

    # ── looking and leaving ──────────────────────────────────────────────────────────────────────────────────────

    def get_status(self) -> NodeStatus:
        """Return how the node is doing right now, as a ``NodeStatus``."""
        from unbreakable.fractal.survey import survey

        return survey(self)

    async def aclose(self) -> None:
        """Close what the node and its children hold open, and hand to the memory what was not learned yet.

        Its parent and its system let go of it, and keep how its calls ended.  The node can be used again; it opens anew
        what it needs, and is theirs again.
        """
        await self._close(ASYNCIO)

    def aclose_sync(self) -> None:
        """Close the node from sync code; otherwise as ``aclose``."""
        run_blocking(self._close(BLOCKING))

    async def _close(self, runtime: Runtime) -> None:
        if self.settings.memory is not None:
            learning.learn_the_rest(self)
        async with contextlib.AsyncExitStack() as stack:  # all are closed, whatever some of them raise
            stack.callback(self.leave)
            stack.push_async_callback(self._let_go, runtime)
            stack.enter_context(self.family.closing())
            for child in self.children[::-1]:
                if runtime.preemptive:
                    stack.push_async_callback(child.aclose)
                else:
                    stack.callback(child.aclose_sync)

    async def _let_go(self, runtime: Runtime) -> None:
        """Close what nodes of this kind hold open: a plain one holds nothing."""

    def __repr__(self) -> str:
        """Return the name and state."""
        return f"<{type(self).__name__} {self.name!r}, circuit {self.breaker.state.value}>"

    def after_fork(self) -> None:
        """Forget the calls that were in flight in the parent process: none of them goes on here."""
        self.stem = self._new_stem()
        for target in self.targets.every():
            if target.gate is not None:
                target.gate.clear()
                target.on_loops = target.in_threads = None
            target.circuit.clear()
            target.peace.clear()
            if target.shades is not None:
                target.shades.clear()
            target.circuit.scatter(self.drivers[0].random)
        for remedy in self.remedies:
            remedy.after_fork()


def _check(name: object, operation: object, parent: object, runtime: object, options: Any, taker: type) -> None:
    if not isinstance(name, str) or not name:
        raise refuse("name", "a word", name)
    if operation is not None:
        check_operation(f"{name}: operation", operation)
    if operation is not None and taker is FractalNode:  # others know by themselves what they do
        check_hedge(name, options.get("effects", "unknown"), options.get("hedge"))
    if not (parent is None or isinstance(parent, FractalNode)):
        raise refuse(f"{name}: parent", "a FractalNode or None", parent)
    if not (runtime is None or (isinstance(runtime, Runtime) and not isinstance(runtime, type))):
        raise refuse(f"{name}: runtime", "a driver such as unbreakable.runtime.BLOCKING, or None", runtime)
    if parent is not None:
        parent.family.make_room()
    check_names(name, options, taker)


def living_nodes() -> list[FractalNode]:
    """Return every node that somebody holds."""
    while True:
        with contextlib.suppress(RuntimeError):  # another thread made one meanwhile
            return list(_nodes)


def _after_fork() -> None:
    for node in living_nodes():
        node.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - not on Windows
    os.register_at_fork(after_in_child=_after_fork)
