"""A protected generator as its user holds it: called like the function that it protects, and consumed like its items.

Retries, remedies, budget and circuit are those of any call, up to the first item.  Once that is handed on nothing is
repeated; see ``streams``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, overload

from unbreakable.errors import ConfigurationError
from unbreakable.fractal.doors import Door, SyncProtected
from unbreakable.fractal.instead import Instead, each_of
from unbreakable.fractal.layers import layers
from unbreakable.fractal.methods import fitted, outfit
from unbreakable.fractal.node import FractalNode
from unbreakable.fractal.operation import function_of, is_async_generator
from unbreakable.fractal.remedies import read_remedies
from unbreakable.fractal.settings import Settings
from unbreakable.fractal.streams import Stream
from unbreakable.outcome import Failure, Outcome, Result, Success
from unbreakable.policies import Context, Inner, Plan, Policy, Strategy
from unbreakable.runtime import ASYNCIO, BLOCKING, mark_with_code_of

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
S = TypeVar("S")
C = TypeVar("C")
G = TypeVar("G")


# ── the node ────────────────────────────────────────────────────────────────────────────────────────────────────────


class GeneratorNode(FractalNode):
    """The node behind a protected generator function, whose calls go on after their first item."""

    @staticmethod
    def layers(settings: Settings, plan: Plan) -> tuple[list[Policy], Inner]:
        """Return what goes around a call, and what makes one attempt; each item is verified where it comes up."""
        unjudged = Settings(**{**vars(settings), "schema": None, "verify": None})
        around, attempt = layers(unjudged, plan)
        return [*around[:-1], Keeping(around[-1])], attempt


class Keeping:
    """Keep a call open, its place taken, as long as its generator hands on items."""

    def __init__(self, healing: Policy) -> None:
        self.healing = healing

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Have attempts made until one has a first item; then wait until nobody asks for more."""
        result = await self.healing.run(inner, ctx)
        if isinstance(result, Success) and ctx.stream is not None:
            try:
                await ctx.stream.keep(result)
            finally:
                count_places(ctx)
        return result


def count_places(ctx: Context) -> None:
    """Have a limit count the places that are held, as that of *ctx* is about to be given back."""
    if ctx.target.flow is not None:
        ctx.target.flow.hold(ctx.runtime.now())


def guard(function: Any, name: str, options: dict[str, Any]) -> Any:
    """Return *function*, which gives a generator, behind a door of its colour, with a node of its own."""
    in_async = is_async_generator(function)
    given, method = fitted(function, name, options)
    given["hedge"] = _no_hedge(name, options)
    if given.get("fallback") is not None:
        given["fallback"] = Instead(name, given["fallback"], in_async=in_async)
    remedies = read_remedies(name, given.pop("remedies", None))
    node = GeneratorNode(name, **given)
    outfit(node, function, method, remedies)
    timeout = node.target.plan.timeout
    if not in_async and timeout is not None and timeout.costs_threads:
        msg = (
            f"{name}: a plain generator cannot be cut, so timeout has no place here; give a deadline, or make it async"
        )
        raise ConfigurationError(msg)
    door: Any = (AsyncGeneratorProtected if in_async else GeneratorProtected)(function, node)
    node.be_held_by(door)
    return door


def _no_hedge(name: str, options: dict[str, Any]) -> bool:
    """Return False, which no other setting may contradict: a generator stays in the task that consumes it."""
    strategy = options.get("strategy")
    if options.get("hedge") or (isinstance(strategy, Strategy) and strategy.hedge):
        raise ConfigurationError(f"{name}: the items of a generator cannot be raced, so hedge must be False or None")
    return False


# ── doors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class GeneratorProtected(SyncProtected[P, T]):
    """A protected plain generator function; T is what it returns, such as ``Iterator[str]``."""

    hands_on = True

    def __init__(self, function: Callable[..., Any], node: FractalNode) -> None:
        super().__init__(function, node)
        mark_with_code_of(self, function_of(function))

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the protected generator; nothing runs before its first item is asked for."""
        return self.items_of(self._stream(args, kwargs), is_fresh=True)  # type: ignore[return-value]

    def items_of(self, stream: Stream, *, is_fresh: bool) -> Generator[Any, Any, Any]:
        """Return the protected generator."""
        return called_as(self, hand_on(stream, is_fresh=is_fresh))

    def outcome(self, /, *args: P.args, **kwargs: P.kwargs) -> Outcome[T]:
        """Get the first item; return how that went, with the generator as the value; never raise an Exception."""
        stream = self._stream(args, kwargs, at_once=False)
        result = stream.begin(plain=False)
        if isinstance(result, Failure):
            return self.node.outcome(stream.ctx, result)
        items = iter(()) if result is None else result.value
        if stream.has_item:
            items = self.items_of(stream, is_fresh=False)
            next(items)
        return stream.outcome(result, items)

    def _stream(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, at_once: bool = True) -> Stream:
        node = self.node
        runtime = BLOCKING if node.runtime is None else node.runtime
        return Stream(node, runtime, self.function, args, kwargs, at_once=at_once)


class AsyncGeneratorProtected(Door[P, T]):
    """A protected async generator function; T is what it returns, such as ``AsyncIterator[str]``."""

    hands_on = True

    def __init__(self, function: Callable[..., Any], node: FractalNode) -> None:
        super().__init__(function, node)
        mark_with_code_of(self, function_of(function))

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the protected generator; nothing runs before its first item is asked for."""
        return self.items_of(self._stream(args, kwargs), is_fresh=True)  # type: ignore[return-value]

    def items_of(self, stream: Stream, *, is_fresh: bool) -> AsyncGenerator[Any, Any]:
        """Return the protected generator."""
        return called_as(self, hand_on_async(stream, is_fresh=is_fresh))

    async def outcome(self, /, *args: P.args, **kwargs: P.kwargs) -> Outcome[T]:
        """Wait for the first item; return how that went, with the generator as the value; never raise an Exception."""
        stream = self._stream(args, kwargs, at_once=False)
        result = await stream.begin_async(plain=False)
        if isinstance(result, Failure):
            return self.node.outcome(stream.ctx, result)
        items = each_of(() if result is None else result.value)
        if stream.has_item:
            items = self.items_of(stream, is_fresh=False)
            await anext(items)
        return stream.outcome(result, items)

    def _stream(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, at_once: bool = True) -> Stream:
        node = self.node
        runtime = ASYNCIO if node.runtime is None else node.runtime
        return Stream(node, runtime, self.function, args, kwargs, at_once=at_once)

    @overload  # a classmethod, of a class or an object; mypy compares first parameters of a Callable alone
    def __get__(  # type: ignore[misc] # the first parameter of one is a class, and not that of every function
        self: Callable[Concatenate[type[C], Q], T], instance: C | None, owner: type[C]
    ) -> AsyncGeneratorProtected[Q, T]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload  # a method
    def __get__(
        self: Callable[Concatenate[S, Q], T], instance: S, owner: type | None = None
    ) -> AsyncGeneratorProtected[Q, T]: ...
    @overload  # a staticmethod, whose first parameter is not the object
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the protected method of *instance*."""
        return self._bound(instance, owner)


# ── the generators that consumers hold ──────────────────────────────────────────────────────────────────────────────
# They are generators, too, and no objects like them: Python itself closes those that are dropped.


def called_as(door: Door[Any, Any], items: G) -> G:
    """Return *items* under the names of their function: messages and warnings are for those who wrote that."""
    made: Any = items
    made.__name__ = str(getattr(door, "__name__", door.node.name))  # an object that is called may have any
    made.__qualname__ = str(getattr(door, "__qualname__", made.__name__))
    return items


def hand_on(stream: Stream, *, is_fresh: bool = True) -> Generator[Any, Any, Any]:
    """Hand on the items of *stream*; with *is_fresh* False it has its first item, and stops before."""
    result = stream.begin(plain=True) if is_fresh else None
    if result is not None:
        yield from stream.value(result)
    try:
        while stream.has_item:
            try:
                given = yield stream.take()
            except GeneratorExit:
                stream.close()
                raise
            except BaseException as thrown:
                stream.step(stream.items.throw, thrown)
            else:
                stream.step(stream.items.send, given)
    except BaseException:
        stream.break_off()
        raise
    return stream.returned


async def hand_on_async(stream: Stream, *, is_fresh: bool = True) -> AsyncGenerator[Any, Any]:
    """Hand on the items of *stream* on an event loop; otherwise as ``hand_on``."""
    result = await stream.begin_async(plain=True) if is_fresh else None
    if result is not None:
        async for item in each_of(stream.value(result)):
            yield item
    try:
        while stream.has_item:
            try:
                given = yield stream.take()
            except GeneratorExit:
                await stream.close_async()
                raise
            except BaseException as thrown:
                await stream.step_async(stream.items.athrow, thrown)
            else:
                await stream.step_async(stream.items.asend, given)
    except BaseException:
        stream.break_off()
        raise
