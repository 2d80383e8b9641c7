"""The decorator: a FractalNode around a function of yours."""

from __future__ import annotations

import inspect
import sys
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Generic, Never, ParamSpec, TypeAlias, TypeVar, Unpack, final, overload

from unbreakable.errors import ConfigurationError
from unbreakable.fractal import AsyncProtected, FractalNode, SyncProtected
from unbreakable.fractal.operation import is_generator, qualified_name, takes_one
from unbreakable.fractal.remedies import read_remedies
from unbreakable.fractal.settings import check_hedge, check_names
from unbreakable.introductions import introduce
from unbreakable.outcome import Failure
from unbreakable.policies.check import refuse
from unbreakable.runtime import is_async, new_lock

if TYPE_CHECKING:  # only type checkers read the table of keywords, and see a generator coming
    from unbreakable.fractal.attempts import Attempts
    from unbreakable.fractal.generators import AsyncGeneratorProtected
    from unbreakable.fractal.options import Common, Options

    Empty: TypeAlias = list[Never] | dict[Never, Never] | set[Never]

    @final
    class Nobody:
        """Be what no function returns, but one that returns Any may: pyright would take that for a coroutine."""


P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")
U_co = TypeVar("U_co", covariant=True)
V = TypeVar("V")
G = TypeVar("G", bound="AsyncIterator[Any]")


class Plain:
    """Protect a function; what it returns keeps its type."""

    def __init__(self, name: str | None, options: Options) -> None:
        self.name, self.options = name, options

    @overload
    def __call__(self, function: Callable[P, Nobody]) -> SyncProtected[P, Any]: ...
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]]) -> AsyncProtected[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, G]) -> AsyncGeneratorProtected[P, G]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, T]) -> SyncProtected[P, T]: ...
    def __call__(self, function: Any) -> Any:
        """Return the protected *function*."""
        return protected(function, self.name, self.options)


class WithFallback(Generic[U_co]):
    """Protect a function whose fallback returns another type, too."""

    def __init__(self, name: str | None, options: Options) -> None:
        self.name, self.options = name, options

    @overload
    def __call__(self, function: Callable[P, Nobody]) -> SyncProtected[P, Any]: ...
    @overload  # nothing in a list adds no type; mypy would want it named wherever the function is called
    def __call__(self: WithFallback[Empty], function: Callable[P, Coroutine[Any, Any, T]]) -> AsyncProtected[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self: WithFallback[Empty], function: Callable[P, G]) -> AsyncGeneratorProtected[P, G]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self: WithFallback[Empty], function: Callable[P, T]) -> SyncProtected[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]]) -> AsyncProtected[P, T | U_co]: ...  # type: ignore[overload-overlap]
    @overload  # the items of its fallback are handed on in the place of its own
    def __call__(  # type: ignore[overload-overlap]
        self: WithFallback[Iterable[V]], function: Callable[P, AsyncIterator[T]]
    ) -> AsyncGeneratorProtected[P, AsyncIterator[T | V]]: ...
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self: WithFallback[AsyncIterable[V]], function: Callable[P, AsyncIterator[T]]
    ) -> AsyncGeneratorProtected[P, AsyncIterator[T | V]]: ...
    @overload
    def __call__(self, function: Callable[P, T]) -> SyncProtected[P, T | U_co]: ...
    def __call__(self, function: Any) -> Any:
        """Return the protected *function*."""
        return protected(function, self.name, self.options)


@overload
def protect(name: Callable[P, Nobody]) -> SyncProtected[P, Any]: ...
@overload
def protect(name: Callable[P, Coroutine[Any, Any, T]]) -> AsyncProtected[P, T]: ...  # type: ignore[overload-overlap]
@overload
def protect(name: Callable[P, G]) -> AsyncGeneratorProtected[P, G]: ...  # type: ignore[overload-overlap]
@overload
def protect(name: Callable[P, T]) -> SyncProtected[P, T]: ...
@overload
def protect(name: str | None = None, *, fallback: None = None, **options: Unpack[Common]) -> Plain: ...
@overload
def protect(
    name: str | None = None, *, fallback: Callable[[Failure], Coroutine[Any, Any, U]], **options: Unpack[Common]
) -> WithFallback[U]: ...
@overload
def protect(
    name: str | None = None, *, fallback: Callable[[Failure], U], **options: Unpack[Common]
) -> WithFallback[U]: ...
@overload  # in a class, where it may take the instance first
def protect(
    name: str | None = None, *, fallback: Callable[[Any, Failure], Coroutine[Any, Any, U]], **options: Unpack[Common]
) -> WithFallback[U]: ...
@overload
def protect(
    name: str | None = None, *, fallback: Callable[[Any, Failure], U], **options: Unpack[Common]
) -> WithFallback[U]: ...
def protect(name: Any = None, *, fallback: Any = None, **options: Any) -> Any:
    """Protect a function: try, heal, learn; without arguments everything is learned.

    >>> @protect("greeting")
    ... def greet(name: str) -> str:
    ...     return f"hello {name}"
    >>> greet("Ada"), greet.outcome("Ada").status.value
    ('hello Ada', 'ok')

    The function, sync or async, a method or not, is called as before and returns its value, or raises its own
    exception with a note that tells the story.  ``.outcome(…)`` returns an ``Outcome`` instead and never raises an
    Exception.  *name* is what notes, events and figures call it.  A policy left at None is learned, an object pins it,
    False switches it off.  Times are seconds.  Raises ConfigurationError when an option is wrong and TypeError for what
    cannot be protected.

    A plain function has to have its result when it returns.  What is still to be awaited (a coroutine, a Future, what
    the ``get`` of an aiohttp session returns) is refused with a TypeError, for its work would go on unprotected: make
    it an async function that awaits it.

    A generator function, of either colour, is repeated until it has its first item and never after that; see
    ``docs/generators.md``.

    It goes above ``@classmethod`` and ``@staticmethod``: below, Python 3.13 binds no ``.outcome`` to the class.  mypy,
    which sees neither of them, takes a protected staticmethod for a classmethod: protect a plain function instead.

    ============ =====================================================================================================
    effects      what it does to the world: "none", "idempotent", "unknown" (the default), "once"; decides what may be
                 repeated: declare "once" for anything that pays
    validate     takes the call's arguments (a node's takes the ``ub.Context``, whose ``input`` was passed), and raises,
                 or returns False, to refuse the call
    schema       a class, or a union of classes, that the result must be of; or a function that checks and parses it
    verify       takes the result and returns a bool or a quality in 0..1; ``ub.Verify(check, at_least=0.5)``
    fallback     takes the ``ub.Failure`` and answers instead
    remedies     pairs of (exception types or a predicate, function that takes the ``ub.Failure`` or nothing); or use
                 ``.remedy(…)`` as a decorator
    deadline     seconds for the whole call, repeats included; None: max(30, 20 · p99); sync code is not cut by it; that
                 of a call around counts, too, until that one is over
    key          takes what ``validate`` takes; circuit, bulkhead and lessons are kept for each key, the last 1,000
    strategy     "adaptive", which is learned; "optimistic", "pessimistic", "conservative", "aggressive", "balanced" or
                 "random", which stay; or a ``ub.Strategy`` of pinned policies
    retry        ``ub.Retry(attempts=3, on=Exception, backoff=…)``
    breaker      ``ub.CircuitBreaker(failures=5, rest=30.0, …)``; None: that, until it is learned
    timeout      ``ub.Timeout(seconds)`` for one attempt
    hedge        ``ub.Hedge(after, most=1)``
    bulkhead     ``ub.Bulkhead(most, wait=0.0)``
    limit        ``ub.AdaptiveLimit(…)`` of calls in flight, which is found; None: no limit
    throttle     ``ub.Throttle(accept=0.9)``: while the target refuses more, a share is not sent; None: no throttle
    budget       ``ub.RetryBudget(ratio=0.2, …)``
    memory       a ``ub.LocalMemory`` that nodes of the same name share, or a ``ub.SqliteMemory``, which survives the
                 process
    system       the ``ub.QuantumSystem`` that the node belongs to, whose nodes learn together
    ============ =====================================================================================================

    What is given to a method may take the instance first: ``key`` and ``validate`` as ``(self, *args)``, ``fallback``
    and remedies as ``(self, failure)``, by that name or by taking one argument more.  Such a remedy heals each instance
    by itself.  What the method knows of its target (circuit, limit, budget, lessons) is one thing for all instances;
    where they have targets of their own, ``key=lambda self, *args: self.base_url`` tells those apart.

    A protected call inside another knows of it wherever the context of the code goes: in the same task or thread, and
    in those that copy the context, as ``asyncio.to_thread`` does.  The plain ``submit`` of an executor does not; what
    is called there is not taken into account when the outer call is repeated.  A call that is still under way when the
    attempt around it fails counts by its effects: what must not run twice at once, as by default, keeps the attempt
    from being repeated, as do a transaction that is open and a put that waits for room in a stream.  What may be lost
    or doubled, such as a metric sent in the background, is "none".

    Effects are declared of all that a call does.  Who declares "none" or "idempotent" vouches for what is inside: the
    call may be repeated, and run beside a copy of itself, whatever those inside declare.  And "once" is a word about
    one request: of two, that the connection of the second was refused says nothing of the first; protect each by
    itself.
    """
    if callable(name) or isinstance(name, classmethod):
        return protected(name, None, options)
    given: dict[str, Any] = dict(options)
    if fallback is not None:
        given["fallback"] = fallback
    if name is not None and (not isinstance(name, str) or not name):
        raise ConfigurationError(f"protect: name must be a word or None (the function's own), not {name!r}")
    return Plain(name, given)  # type: ignore[arg-type]


def _signature() -> inspect.Signature:
    """Return the signature of ``protect`` with every keyword, which help() and editors show."""
    said = {"effects": "unknown", "remedies": (), "strategy": "adaptive"}
    keywords = [inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY, default=said.get(each)) for each in ORDER]
    return inspect.Signature(
        [inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None), *keywords]
    )


ORDER = (
    *("effects", "validate", "schema", "verify", "fallback", "remedies", "deadline", "key", "strategy", "retry"),
    *("breaker", "timeout", "hedge", "bulkhead", "limit", "throttle", "budget", "memory", "system"),
)
protect.__signature__ = _signature()  # type: ignore[attr-defined]


def protected(function: Any, name: str | None, options: Any) -> Any:
    """Return *function* behind a door of its colour, with a node of its own."""
    if not callable(function) and not isinstance(function, (classmethod, staticmethod)):
        raise TypeError(f"protect() protects functions, not {function!r}")
    if isinstance(function, FractalNode):
        raise TypeError(f"{function.name} is a node, which is protected already: execute it, or make it an operation")
    if isinstance(function, type):
        raise TypeError(f"protect() protects functions, not classes: protect the methods of {function.__name__}")
    own = qualified_name(function).replace("<locals>.", "")
    check_names(name or own, options, protect)
    if is_generator(function):
        from unbreakable.fractal.generators import guard

        return guard(function, name or own, options)
    from unbreakable.fractal.methods import fitted, outfit

    given, method = fitted(function, name or own, options)
    answer = given.get("fallback")
    if answer is not None and is_async(answer) and not is_async(function):
        raise refuse(f"{own}: the fallback of a plain function", "a plain function, too", answer)
    if answer is not None:
        takes_one(f"{own}: fallback", answer)
    check_hedge(name or own, given.get("effects", "unknown"), given.get("hedge"))
    remedies = read_remedies(name or own, given.pop("remedies", None))
    node = FractalNode(name or own, **given)
    outfit(node, function, method, remedies)  # what is declared is declared of this function
    door: Any = (AsyncProtected if is_async(function) else SyncProtected)(function, node)
    node.be_held_by(door)
    return door


introduce()  # the nodes that are made here, and by anybody who imports this library


# ── the block form ──────────────────────────────────────────────────────────────────────────────────────────────────

MOST_PLACES = 1_000

_places: OrderedDict[Any, FractalNode] = OrderedDict()
_places_lock = new_lock()


def attempts(name: str, **options: Unpack[Common]) -> Attempts:
    """Guard a block of code that is not a function.

    Write ``async for attempt in ub.attempts("name"): async with attempt: …``, or the same without async.

    >>> tries = []
    >>> for attempt in attempts("flaky block"):
    ...     with attempt:
    ...         tries.append(attempt.number)
    ...         if len(tries) < 2:
    ...             raise ConnectionError("again")
    >>> tries
    [1, 2]

    Every place in your code that calls this has a node of its own for each set of settings that it calls this with; it
    remembers and learns from call to call.  Functions (``validate``, ``key``, ``remedies``) are those of the call at
    hand and may use its variables: ``validate`` and ``key`` take nothing here.  The last failure is raised.
    No item is handed on from within the block: an async one with a ``yield`` in it is refused with a RuntimeError when
    it begins, since its limits would cut whoever has the item; see docs/generators.md.
    """
    from unbreakable.fractal.attempts import Attempts  # when there are blocks
    from unbreakable.fractal.own import BlockNode, Own

    frame = sys._getframe(1)  # noqa: SLF001 - the place decides which node it is
    given: dict[str, Any] = {**options}
    if given.get("hedge") is None:  # learned, and learned is that a block cannot run twice at once
        given["hedge"] = False
    check_names(name, options, attempts)
    own = Own(name, given)
    place = (name, frame.f_code, frame.f_lasti, own.sort, *_plain(given))
    with _places_lock:
        node = _places.get(place) or _places.setdefault(place, BlockNode(name, **given, **own.settings()))
        _places.move_to_end(place)
        dropped = [_places.popitem(last=False)[1] for _ in range(len(_places) - MOST_PLACES)]
    for each in dropped:
        each.aclose_sync()
    return Attempts(node, own)


def _plain(options: Any) -> list[tuple[str, Any]]:
    """Return the options that nodes are told apart by; what cannot be compared is refused by whoever checks it."""
    plain: list[tuple[str, Any]] = []
    for name, value in sorted(options.items()):
        try:
            hash(value)
        except TypeError:
            plain.append((name, type(value)))
        else:
            plain.append((name, "a function" if callable(value) else value))
    return plain
