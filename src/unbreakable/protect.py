"""The decorator: a FractalNode around a function of yours."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Generic, Never, ParamSpec, TypeAlias, TypeVar, Unpack, final, overload

from unbreakable.errors import ConfigurationError
from unbreakable.introductions import introduce

if TYPE_CHECKING:  # only type checkers read the table of keywords, and see doors and a generator coming
    from unbreakable.fractal import AsyncProtected, SyncProtected
    from unbreakable.fractal.generators import AsyncGeneratorProtected
    from unbreakable.fractal.options import Common, Options
    from unbreakable.outcome import Failure

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
        return _protected(function, self.name, self.options)


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
        return _protected(function, self.name, self.options)


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
    validate     takes the call's arguments as they were passed, so give it the same defaults (a node's takes the
                 ``ub.Context``, whose ``input`` was passed), and raises, or returns False, to refuse the call
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
        return _protected(name, None, options)
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


def _protected(function: Any, name: str | None, options: Any) -> Any:
    """Return *function* behind a door; what that takes is loaded for the first one."""
    from unbreakable.protected import protected

    return protected(protect, function, name, options)


introduce()  # the nodes that are made here, and by anybody who imports this library
