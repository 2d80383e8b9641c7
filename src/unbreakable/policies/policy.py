"""What every policy has in common: it runs an inner step within a context."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, final

from unbreakable.errors import Kind, Rejected
from unbreakable.events import CallRejected, Event
from unbreakable.outcome import Failure, Result
from unbreakable.policies.bounded import Bounded, nearest
from unbreakable.policies.deeds import Deeds
from unbreakable.policies.naming import Title, name, title_of
from unbreakable.runtime import Runtime, Waiter, is_async

TAKEN_OVER = (
    *("made", "waited", "arguments", "choice", "blameless", "stamp"),
    *("excused", "prepaid", "broke", "laggard", "over_others", "fails_inside"),
)
OF_ONE_ATTEMPT = frozenset(
    {
        *("parts", "own_deeds", "spent", "passed", "broken", "makeshift", "refuted", "blameless", "undone", "vouched"),
        *("asked", "given_up", "is_aside", "aside", "counts_from", "entry", "pursuit", "laggard", "idle", "grace"),
        *("over_others", "fails_inside", "when_judged", "own_due", "put_off", "racing", "kept_by"),
        "bells",  # they are rung for the call itself
    }
)
ABOUT_AS_MUCH = 1.1  # times as much time behind a call as before it is as much at least
_NOTHING: Mapping[str, Any] = {}
_NOTHING_GIVEN: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), _NOTHING)
_current: contextvars.ContextVar[Context | None] = contextvars.ContextVar("unbreakable_context", default=None)


@final
class Context(Bounded):
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
    above: Context | None = None  #: what it is part of: the call, of an attempt; else its parent
    whole: Context | None = None  #: the call that this is an attempt of, or the attempt that this is a copy of
    attempt: int = 1
    rival: int = 0
    input: Any = None
    patience: float = 1.0  #: how many times its limit an attempt may take: a remedy stretched it
    failed_by: str = ""  #: the signature of the failure that a quick repeat was made after
    left_open: Sequence[Any] = ()  #: the try of a quick repeat that only the end of the call can judge
    arguments: Mapping[str, Any] = _NOTHING  #: keyword arguments that a remedy changed for the next attempts
    nodes: Mapping[str, Any] = _NOTHING
    results: Mapping[str, Any] = _NOTHING
    state: Any = None
    choice: Any = None  #: among which ways to do its job the call chooses
    race: Any = None  #: of those that its first attempt goes at once
    astray: bool = False  #: whether an attempt goes another way than the one that is thought to be the best
    tick: Any = None
    iteration: int | None = None
    layers: int = 0  #: how many calls repeat around a request that came from another process
    notebook: Any = None  #: records what was done and how long it took; None on the quick path
    first: Any = None  #: the answer of an attempt that was made before the script began
    says: bool | None = None  #: what that said of the target
    permit: Any = None  #: the bulkhead's gate in which this call holds a place
    out_of: Any = None  #: that in which it held one before it paused, until it has one again
    racing: Sequence[Any] = ()  #: its attempts that are late, and go on beside the next one
    rested: int = 0  #: the attempt after which it has paused already, as its next one is to be made
    work: Any = None  #: makes one attempt's work, with what remedies changed; None once the call is over
    given: tuple[tuple[Any, ...], Mapping[str, Any]] = _NOTHING_GIVEN  #: the caller's arguments
    function: Any = None  #: what was called with them; None for the node's own operation
    stamp: int = 0  #: the circuit's generation when the quick path let the call through
    recount: list[Any] | None = None  #: what its attempts were, where somebody asked to be told
    waited: float = 0.0  #: seconds that this call has stood in line before an open circuit
    in_line: float = 0.0  #: and for a place
    first_came_to: float = 0.0  #: seconds of a first attempt that was not the last (see Detour)
    made: int = 0  #: attempts made so far, copies not counted
    lost: bool = False  #: whether the call failed, and by what speaks against its target
    told_no: bool = False  #: or by its answer
    spent: tuple[BaseException, ...] = ()  #: what protected calls inside this attempt failed with, after their repeats
    passed: tuple[int, ...] = ()  #: the ids of errors, and of answers, by which protected calls inside it ended
    broken: tuple[str, ...] = ()  #: the names of nodes whose calls inside this attempt have failed
    fails_inside: bool = False  #: whether a call of its own target inside this attempt has failed
    own_deeds: Deeds | None = None  #: what ``deeds`` are, once somebody has asked
    undone: bool = False  #: whether all that the operation itself has done is undone, should it end now
    vouched: bool = False  #: whether it knows that the layers around it may repeat what it has done
    refuted: bool = False  #: whether ``verify`` said no to what the attempt, with all that is in it, came to
    makeshift: bool = False  #: whether a fallback answered a call inside this attempt
    refused: Exception | None = None  #: why the call is refused before anything else is asked
    vain: bool = False  #: whether a repeat was given up since none has ever helped
    over_others: bool = False  #: whether calls inside the attempt that failed were repeated in vain
    broke: bool = False  #: whether a repeat was denied for want of budget
    prepaid: float = 0.0  #: tokens paid for a repeat before it is known whether there will be one
    excused: bool = False  #: whether the next attempt is free: the last one failed by what another call has mended
    spared: tuple[int, float] | None = None  #: stamp and beginning of an attempt that is not blamed for a remedy's sake
    error: Exception | None = None  #: the last failure, kept when a fallback answers
    blameless: bool = False  #: set by an operation whose failure would say nothing of the target as a whole
    when_judged: Callable[..., None] | None = None  #: told ``ok=`` whether the attempt's value was accepted
    mending: Any = None  #: the turn of the remedy that is being applied
    came_late: Any = None  #: that of one which was left to others, for want of time
    remedies: Sequence[Any] = ()  #: those that were given with this call, a block's
    outcome_id: str | None = None  #: the name under which the call's end was told
    parts: dict[str, int] | None = None  #: how often calls that are alike were named inside this attempt
    title: Title | None = None  #: the name of the call
    made_over: bool = False  #: whether the attempt's own work is over
    asked: bool = False  #: whether the attempt asked how long it has, and may end by itself when that is over
    given_up: bool = False  #: whether the attempt was cut by a limit
    grace: float | None = None  #: the moment until which it may call what cleans up after its cut; 0: none was called
    is_aside: bool = False  #: whether the attempt waits, or ended waiting, for what is ours and not for its target
    aside: float = 0.0  #: seconds for which it did
    kept_by: BaseException | None = None  #: what keeps its operation, which goes on trying, such as another's lock
    counts_from: float = -math.inf  #: the moment at which it went on to its target after that
    waiting: Callable[[], float | None] | None = None  #: asked when it is due, until when its block may yet begin
    apart: bool = False  #: whether a call around this one has to be able to leave its work behind
    in_a_thread: bool = False  #: whether a thread, which may be left behind, is at the attempt's work
    entry: Any = None  #: function and arguments of a call on the quick path that may have to be played by the script
    pursuit: Any = None  #: the script beside the call's first attempt, which is late
    raced: bool = False  #: whether the attempt races on when its learned limit is over
    laggard: Any = None  #: the attempt that is late, until the next one begins
    overtakes: int = 0  #: the attempt beside which the next one began
    unwanted: bool = False  #: whether the caller has cancelled the call, although not the task that asks
    loop_left: bool = False  #: whether the loop over its attempts was left, so that nobody begins another one
    idle: bool = False  #: whether it waits until its caller begins the next attempt, which may never be
    stream: Any = None  #: of a generator that this attempt, or call, has just opened
    stays: bool = False  #: whether its attempts are made where its caller is, in no task of their own: a generator's
    handled: int = 0  #: the id of what was being handled when its block began
    bells: Sequence[Waiter] = ()  #: of those who wait until the call is over

    @property
    def parent(self) -> Context | None:
        """Return the attempt of another call that this one is made in."""
        return self.above if self.whole is None else self.whole.parent

    @property
    def around(self) -> Context | None:
        """Return the attempt that this call is a part of, if it goes to the same target, as where one calls itself.

        What a node does of other effects, or for others, has a target of its own, with the same circuit.
        """
        scope = self.parent
        while scope is not None and not (scope.live and _circuit_of(scope) is self.target.circuit):
            scope = scope.parent
        return scope

    @property
    def deeds(self) -> Deeds:
        """Return what the calls inside this attempt have done so far; of a call, what its attempts have."""
        deeds = self.own_deeds
        if deeds is None:  # in one step, for several threads may be at work in the attempt
            deeds = self.__dict__.setdefault("own_deeds", Deeds())
        return deeds

    @property
    def strategy(self) -> str:
        """Return the name of the strategy that the call follows."""
        return str(self.plan.strategy)

    def remaining(self) -> float:
        """Return how many seconds this attempt still has, by its own limit and the deadline; may be ``math.inf``.

        Of a limit that was learned only plain code is told, since nobody can cut it, and only when another attempt is
        paid for.
        """
        if self.cut:
            return 0.0
        due: float = self.plan.vouched(self) if self.due < self.deadline else self.deadline
        return due - self.runtime.now()

    def respite(self) -> float:
        """Return the moment until which the attempt, which is due, may go on; not later than now when it is cut."""
        until = None if self.waiting is None else self.waiting()
        return float(self.plan.respite(self)) if until is None else until

    def left(self) -> float:
        """Return how many seconds the whole call still has."""
        return self.deadline - self.runtime.now()

    @property
    def idempotency_key(self) -> str:
        """Return a key that is the same for every attempt and copy of this call.

        Inside another call it is made of that call's key, the name and the arguments, so that it is the same again
        when the other is repeated, in whatever order; calls that are alike are told apart by their order.  Arguments
        that have no value of their own to tell (a session, a file, the object of a method) count as the same only
        while they are the same object, and in repeats of that very call; a call that cannot be told from others
        has a key of its own.
        """
        return name(self)

    def __getitem__(self, name: Any) -> Any:
        """Return ``ctx.input[name]``."""
        return self.input[name]

    __iter__ = None  #: what can be asked for items is not therefore a sequence

    def scope(self, **changes: Any) -> Context:
        """Return the context of one attempt or copy, which may be left behind and numbers the calls inside it anew."""
        scope, own = Context(), {**self.__dict__, "whole": self, "above": self}
        if not OF_ONE_ATTEMPT.isdisjoint(own):
            for fact in OF_ONE_ATTEMPT & own.keys():
                del own[fact]
        own.update(changes)
        scope.__dict__ = own
        return scope

    def beyond(self) -> Context:
        """Return a context for what goes on whatever becomes of this attempt's time; what it does is told to it."""
        free = {"until": math.inf, "lender": None, "deadline_is_ours": False, "due": math.inf, "cut": 0}
        return self.scope(whole=None, title=title_of(self), attempt=1, rival=0, layers=0, **free)

    def take_over(self, scope: Context) -> None:
        """Keep what an attempt found out that the next one, or the caller, has to know."""
        for fact in TAKEN_OVER:
            setattr(self, fact, getattr(scope, fact))

    @contextlib.contextmanager
    def waiting_for_ours(self) -> Iterator[None]:
        """Let the attempt wait in this block for something that is not its target's, such as a token.

        How long that takes, and that it is in vain, says nothing of the target; a learned limit counts from its end.
        What was done in it need not be done only once.
        """
        since, blameless, deeds = self.runtime.now(), self.blameless, self.deeds
        self.own_deeds = Deeds()
        self.is_aside = self.blameless = self.unsettled = True
        try:
            yield
        finally:
            self.counts_from = self.runtime.now()
            self.aside += self.counts_from - since
            self.own_deeds = deeds
        self.is_aside, self.blameless = False, blameless
        if not self.runtime.preemptive and self.plan.is_guessing(self):
            self.due = min(self.deadline, self.due + self.counts_from - since)

    async def call(self, work: Callable[[], Any]) -> Any:
        """Run one attempt's work, of either colour, where the plan's limits can leave it behind."""
        if not (self.plan.costs_threads or self.apart):
            return await self.runtime.call(work)
        if self.runtime.preemptive and not is_async(work):
            work = functools.partial(self._in_a_thread, work)
        return await self.runtime.call(work, self.target)

    def _in_a_thread(self, work: Callable[[], Any]) -> Any:
        self.in_a_thread = True
        try:
            return work()
        finally:
            self.in_a_thread = False
            if self.made_over:
                self.end()

    def end_attempt(self) -> None:
        """Say that the attempt's work is over; what goes on, in a thread left behind or as a generator, ends there."""
        self.made_over = True
        if self.whole is not None and not self.in_a_thread and self.stream is None:
            self.end()

    def end(self) -> None:
        """Say that the call is over; let go of its arguments, for a context may be looked at for long."""
        self.live = self.pursuit is not None and not self.pursuit.is_over  # its first attempt may still end
        if self.given is not _NOTHING_GIVEN or self.work is not None:
            self.given, self.function, self.work = _NOTHING_GIVEN, None, None
        if self.spent or self.parts is not None or self.remedies:
            self.spent, self.parts, self.remedies = (), None, ()
        if self.whole is None and self.choice is not None:
            self.choice = None  # of an attempt, the call still has to know it
        if self.whole is not None and self.whole.own_deeds is not None:
            self.whole.own_deeds.left.discard(self)
        if self.title is not None and self.title.known:
            self.title = Title(self.title.key)
        above = self.above
        if above is not None and not above.live:
            self.above = nearest(above)  # a chain of calls, each begun in the one before, is not kept alive
            self.deadline = self.deadline  # nor does it hold the lender
        if self.bells:
            self.ring()

    def ring(self) -> None:
        """Wake those who wait for the end of the call: it is over, or nobody may ever go on with it."""
        for bell in self.bells:
            bell.wake()

    def emit(self, event: type[Event], **fields: Any) -> None:
        """Tell the node's listeners what happened."""
        if self.node.listeners and self.node.hears(event):
            self.node.tell(event(at=self.runtime.now(), node=self.node.name, **fields))

    def refuse(self, error: Exception) -> Failure:
        """Return the failure of a call, or attempt, that is not made: for a Rejected, or for a wrong setting."""
        self.emit(CallRejected, reason=str(error))
        kind = Kind.REJECTED if isinstance(error, Rejected) else Kind.BUG
        return Failure(error, kind, node=self.node.name, attempt=self.attempt, refused=True)

    def is_unwanted(self) -> bool:
        """Return whether the caller has cancelled the call, and the operation made an exception of its own of that."""
        return self.unwanted or self.runtime.cancellations() > self.cancels

    def know_again(self, inner: Any) -> None:
        """Know what calls further in ended with, as *inner*, which stood around them, does."""
        self.spent = (*self.spent[-7:], *inner.spent)
        self.passed = (*self.passed[-14:], *inner.passed)

    def leave_makeshift(self) -> None:
        """Say to the attempt around this call that it was given a fallback's answer, or what was made of one."""
        if self.parent is not None:
            self.parent.makeshift = True


def _circuit_of(scope: Context) -> Any:
    """Return the circuit of the target that *scope* goes to, None if it goes to none."""
    target = getattr(scope, "target", None)
    return None if target is None else target.circuit


def current() -> Context | None:
    """Return the context of the innermost protected call that is running, None outside of any.

    The variable is set and never reset: readers step across calls that are over, so that a task which outlives its
    call is not bound by that call's deadline; nor are the calls that go on in it.
    """
    context: Context | None = nearest(_current.get())
    return context


enter, innermost = _current.set, _current.get


def end_here(ctx: Context) -> None:
    """End the call *ctx*, and be where its caller is: its first attempt, in another task, may still be in it."""
    ctx.end()
    if ctx.live:
        enter(ctx.above)


@contextlib.contextmanager
def inside(scope: Context) -> Iterator[Context]:
    """Be in *scope* in this block, and end it."""
    before = _current.get()
    try:
        _current.set(scope)
        yield scope
    finally:
        try:  # either will do, where a signal's exception comes up as the other begins
            scope.end()
        finally:
            leave(scope, before)


def leave(scope: Context, back: Context | None) -> None:
    """Be *back* where one was before *scope*, unless the code that runs here is not in it.

    The collector closes a coroutine that its event loop was closed over in the middle of whatever runs just then.
    """
    within = _current.get()
    while within is not None and within is not scope:
        within = within.above
    if within is scope:
        _current.set(back)


Inner: TypeAlias = Callable[[Context], Awaitable[Result[Any]]]


class Policy(Protocol):
    """Run *inner*, or not, or more than once; failures are values, only cancellations are raised."""

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Return the result of the last inner run, or the policy's own refusal."""


def compose(policies: Sequence[Policy], core: Inner) -> Inner:
    """Wrap *core* so that the first policy is the outermost."""
    for policy in reversed(policies):
        core = _around(policy, core)
    return core


def _around(policy: Policy, inner: Inner) -> Inner:
    """Return what runs *inner* within *policy*: no ``partial``, from which a signal's exception could come up."""

    def run(ctx: Context) -> Awaitable[Result[Any]]:
        return policy.run(inner, ctx)

    return run


def is_half_over(ctx: Context) -> bool:
    """Return whether half of the time that the call *ctx* has is over, or hardly less: copies begin a little sooner."""
    return ABOUT_AS_MUCH * (ctx.runtime.now() - ctx.started) >= ctx.left()
