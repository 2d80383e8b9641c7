"""What every policy has in common: it runs an inner step within a context."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from unbreakable.errors import Kind, Rejected
from unbreakable.events import CallRejected, Event
from unbreakable.outcome import Failure, Result
from unbreakable.runtime import Alarm, Runtime

_NOTHING: Mapping[str, Any] = {}
_current: contextvars.ContextVar[Context | None] = contextvars.ContextVar("unbreakable_context", default=None)


class Context(Alarm):
    """Tell an operation about the call that it is part of; ``ub.current()`` returns the innermost.

    ``input`` is what the caller passed, and ``ctx["city"]`` is ``ctx.input["city"]``; ``deadline`` is a moment on
    ``runtime.now()``'s clock; ``attempt`` counts from 1; ``rival`` is 0 for the first copy of a hedged attempt, 1 for
    the second, and so on.  ``nodes``, ``results``, ``state``, ``tick`` and ``iteration`` are set by workflows and
    loops.
    """

    node: Any  #: the node whose call this is
    target: Any  #: the node's state for the key of this call: circuit, budget, gate, statistics
    plan: Any  #: the settings in force when the call began
    runtime: Runtime
    parent: Context | None = None
    live: bool = True
    deadline: float = float("inf")
    deadline_is_ours: bool = True
    attempt: int = 1
    rival: int = 0
    input: Any = None
    arguments: Mapping[str, Any] = _NOTHING  #: keyword arguments that a remedy changed for the next attempts
    nodes: Mapping[str, Any] = _NOTHING
    results: Mapping[str, Any] = _NOTHING
    state: Any = None
    choice: Any = None  #: among which ways to do its job the call chooses
    tick: Any = None
    iteration: int | None = None
    notebook: Any = None  #: records what was done and how long it took; None on the quick path
    first: Result[Any] | None = None  #: the answer of an attempt that was made before the script began
    permit: bool = False  #: whether this call holds a place in the bulkhead
    work: Callable[[Context], Callable[[], Any]]  #: makes one attempt's work, with what remedies changed
    given: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), _NOTHING)  #: the caller's arguments, for ``validate``
    stamp: int = 0  #: the circuit's generation when the quick path let the call through
    waited: float = 0.0  #: seconds that this call has stood in line before an open circuit
    made: int = 0  #: attempts made so far, copies not counted
    spent: tuple[BaseException, ...] = ()  #: what protected calls inside this attempt failed with, after their repeats
    refused: Exception | None = None  #: why the call is refused before anything else is asked
    broke: bool = False  #: whether a repeat was denied for want of budget
    excused: bool = False  #: whether the next attempt is free: the last one failed by what another call has mended
    error: Exception | None = None  #: the last failure, kept when a fallback answers
    blameless: bool = False  #: set by an operation whose failure would say nothing of the target as a whole
    mending: Any = None  #: the remedy that is being applied
    outcome_id: str | None = None  #: the name under which the call's end was told
    parts: dict[str, int] | None = None  #: how many calls of each node were named inside this attempt
    _key: str | None = None

    @property
    def strategy(self) -> str:
        """Return the name of the strategy that the call follows."""
        return str(self.plan.strategy)

    def remaining(self) -> float:
        """Return how many seconds this attempt still has, by its own limit and the deadline; may be ``math.inf``."""
        return min(self.due, self.deadline) - self.runtime.now()

    def respite(self) -> float:
        """Return the moment until which the attempt, which is due, may go on; not later than now when it is cut."""
        return float(self.plan.respite(self))

    def left(self) -> float:
        """Return how many seconds the whole call still has."""
        return self.deadline - self.runtime.now()

    @property
    def idempotency_key(self) -> str:
        """Return a key that is the same for every attempt and copy of this call.

        Inside another call it is made of that call's key, so that it is the same again when the other is repeated.
        """
        return self._key or self.name_the_work()

    def __getitem__(self, name: Any) -> Any:
        """Return ``ctx.input[name]``."""
        return self.input[name]

    __iter__ = None  #: what can be asked for items is not therefore a sequence

    def name_the_work(self) -> str:
        """Settle the idempotency key, and return it."""
        if self._key is None and self.parent is None:
            self._key = f"{self.node.name}-{self.node.next_id()}"
        elif self._key is None and self.parent is not None:
            self._key = f"{self.parent.name_the_work()}/{self.parent.next_part(self.node.name)}"
        return self._key or ""

    def next_part(self, name: str) -> str:
        """Return a name for the next call of node *name* inside this attempt: the second is told from the first."""
        if self.parts is None:
            self.parts = {}
        number = self.parts[name] = self.parts.get(name, 0) + 1
        return name if number == 1 else f"{name}#{number}"

    async def call(self, work: Callable[[], Any]) -> Any:
        """Run user code of either colour, where the plan's limits can leave it behind."""
        return await self.runtime.call(work, self.target if self.plan.costs_threads else None)

    def end(self) -> None:
        """Say that the call is over; let go of its arguments, for a context may be looked at for long."""
        self.live, self.given, self.spent = False, ((), _NOTHING), ()
        self.work, self.choice = _over, None

    def begin_again(self) -> None:
        """Begin the next attempt: what the last one learned of itself does not hold for it."""
        self.attempt += 1
        self.spent, self.parts, self.blameless = (), None, False

    def emit(self, event: type[Event], **fields: Any) -> None:
        """Tell the node's listeners what happened."""
        if self.node.listeners and self.node.hears(event):
            self.node.tell(event(at=self.runtime.now(), node=self.node.name, **fields))

    def refuse(self, error: Exception) -> Failure:
        """Return the failure of a call, or attempt, that is not made: for a Rejected, or for a wrong setting."""
        self.emit(CallRejected, reason=str(error))
        return Failure(
            error, Kind.REJECTED if isinstance(error, Rejected) else Kind.BUG, node=self.node.name, attempt=self.attempt
        )


def _over(ctx: Context) -> Callable[[], Any]:
    msg = "the call is over"
    raise RuntimeError(msg)


def current() -> Context | None:
    """Return the context of the innermost protected call that is running, None outside of any.

    The variable is set and never reset: readers step across calls that are over, so that a task which outlives its
    call is not bound by that call's deadline.
    """
    context = _current.get()
    while context is not None and not context.live:
        context = context.parent
    return context


enter = _current.set


Inner: TypeAlias = Callable[[Context], Awaitable[Result[Any]]]


class Policy(Protocol):
    """Run *inner*, or not, or more than once; failures are values, only cancellations are raised."""

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Return the result of the last inner run, or the policy's own refusal."""


def compose(policies: Sequence[Policy], core: Inner) -> Inner:
    """Wrap *core* so that the first policy is the outermost."""
    for policy in reversed(policies):
        core = functools.partial(policy.run, core)
    return core
