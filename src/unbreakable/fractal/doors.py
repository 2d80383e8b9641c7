"""A protected function as its user holds it: it is called like the function that it protects."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from unbreakable.errors import CircuitOpen
from unbreakable.fractal.again import Repeat, once_more
from unbreakable.fractal.node import F, FractalNode
from unbreakable.fractal.operation import signature_of, work_with_arguments
from unbreakable.fractal.quick import NO_WAYS, fail, ways
from unbreakable.fractal.remedies import Matcher, matcher
from unbreakable.fractal.trace import Story
from unbreakable.fractal.turning_away import outcome_if_shut
from unbreakable.outcome import Failure, Outcome
from unbreakable.policies import Context, deeds
from unbreakable.policies.abandoning import abandon
from unbreakable.policies.check import refuse
from unbreakable.policies.priority import Priority
from unbreakable.runtime import (
    ASYNCIO,
    BLOCKING,
    Runtime,
    Watched,
    is_async,
    mark_as_coroutine_function,
    play_blocking,
)

NOBODY: Watched = {}

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")
S = TypeVar("S")
C = TypeVar("C")


class Door(Generic[P, T]):
    """What both colours share: the function, the node behind it, and how it is bound to an object."""

    importance: Priority | None = None  #: of its calls, where ``ub.priority`` stands above the protection

    def __init__(self, function: Callable[..., Any], node: FractalNode) -> None:
        copied = ("__dict__",) if inspect.isroutine(function) and not isinstance(function, Door) else ()
        functools.update_wrapper(self, function, updated=copied)  # type: ignore[arg-type]
        self.function, self.node = function, node  # last: a function's own attributes never take their place
        self.__dict__ = {**self.__dict__}  # one of its own: what shares its keys with others is slower to look into

    @property
    def __signature__(self) -> inspect.Signature:
        """Return that of the function, also to those who follow no ``__wrapped__``."""
        return signature_of(self.function)

    def remedy(self, *what: Matcher, name: str | None = None) -> Callable[[F], F]:
        """Register the decorated function as a remedy; see ``FractalNode.remedy``."""
        matcher(what)  # refuses what is none, here

        def add(function: F) -> F:
            from unbreakable.fractal.methods import register

            register(self, what, function, name)
            return function

        return add

    def in_blocks_of(self, importance: Priority) -> Self:
        """Return it with each call in a block of that *importance*, as ``ub.priority`` does."""
        from unbreakable.fractal.prioritized import prioritized

        return prioritized(self, importance)  # type: ignore[no-any-return]

    def _bound(self, instance: object, owner: type | None) -> Self:
        bind = getattr(type(self.function), "__get__", None)
        function = self.function if bind is None else bind(self.function, instance, owner)
        if function is self.function:
            return self
        method = self.node.of_method
        if method is not None and inspect.ismethod(function):
            method.is_one = True
            if method.cares:
                from unbreakable.fractal.methods import bound

                return bound(self, function)  # type: ignore[no-any-return]
        return type(self)(function, self.node)

    def __set_name__(self, owner: type, name: str) -> None:
        """Know that it stands in a class: what it is called with through the class begins with the instance."""
        if self.node.of_method is not None:
            self.node.of_method.is_one = True

    def _open(self, runtime: Runtime, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Context:
        ctx = self.node.open(runtime, work_with_arguments(self.function, args, kwargs), (args, kwargs))
        ctx.function = self.function
        return ctx

    def _open_plain(
        self, runtime: Runtime, args: tuple[Any, ...], kwargs: dict[str, Any], refused: Exception | None
    ) -> Context:
        """Open a call for the script, which has perhaps been *refused* for its arguments."""
        ctx = self._open(runtime, args, kwargs)
        try:
            ctx.refused, ctx.notebook = refused or ctx.refused, Story(runtime.now, ctx.started)
        except BaseException:
            abandon(ctx)
            raise
        return ctx

    def _replay(self, ctx: Context, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Make *ctx* ready for the script, with the answer of the last attempt in hand."""
        ctx.work, ctx.given = work_with_arguments(self.function, args, kwargs), (args, kwargs)
        ctx.function = self.function
        if ctx.notebook is None:
            ctx.made, ctx.notebook = 1, Story(ctx.runtime.now, ctx.started)
            if isinstance(ctx.first, Failure):
                deeds.failed(ctx, ctx.first)
            else:
                deeds.succeeded(ctx)

    def __eq__(self, other: object) -> bool:
        """Compare as functions and bound methods do: what is asked of an object twice is the same method."""
        if not isinstance(other, Door):
            return NotImplemented
        if other.node is not self.node or type(other).importance != type(self).importance:
            return False
        return other.function is self.function or (self._is_bound() and other.function == self.function)

    def __hash__(self) -> int:
        """Hash as they do, whether or not the object of a method can be hashed."""
        return hash(self.function) if self._is_bound() else id(self.function)

    def _is_bound(self) -> bool:
        """Return whether it protects a method, perhaps a protected one, which is made anew when it is asked for."""
        return inspect.ismethod(self.function) or isinstance(self.function, Door)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle by name, as functions are; a bound method by its object and name.

        Raises pickle.PicklingError where that would lead to what is not protected.
        """
        if not self._is_of_object():
            return str(getattr(self, "__qualname__", self.node.name))
        from unbreakable.fractal.pickling import found_by

        return found_by(self)

    def __copy__(self) -> Self:
        """Be its own copy, as functions are."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Copy a bound method with its object, as Python does: the copy is protected by the same node."""
        function = copy.deepcopy(self.function, memo) if self._is_of_object() else self.function
        return self if function is self.function else self._rebound(function)

    def _rebound(self, function: Callable[..., Any]) -> Self:
        return type(self)(function, self.node)

    def _is_of_object(self) -> bool:
        """Return whether it protects a bound method, perhaps by way of other doors."""
        function = self.function
        while isinstance(function, Door):
            function = function.function
        return inspect.ismethod(function)

    def __repr__(self) -> str:
        """Return what is protected and how its circuit stands."""
        return f"<protected {getattr(self, '__qualname__', self.function)!s}, circuit {self.node.breaker.state.value}>"


class AsyncProtected(Door[P, T]):
    """A protected async function."""

    def __init__(self, function: Callable[..., Any], node: FractalNode) -> None:
        super().__init__(function, node)
        mark_as_coroutine_function(self)

    async def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function, protected; return its value or raise its own exception."""
        node = self.node
        runtime = node.runtime or ASYNCIO
        target = node.targets.only or node.targets.if_any(args, kwargs)
        begin, succeed = NO_WAYS if target is None else target.on_loops or ways(node, target, runtime)
        ctx, watched = begin(self.function, args, kwargs), NOBODY
        try:
            if type(ctx) is Context:
                try:
                    watched = runtime.watch(ctx)
                    value = await (self.function(*args, **kwargs) if kwargs else self.function(*args))  # half the time
                    del watched[ctx]
                    return succeed(ctx, value)  # type: ignore[no-any-return]
                except BaseException as error:
                    watched.pop(ctx, None)
                    if not fail(ctx, error):
                        raise
                return await self._heal(ctx, runtime, args, kwargs)
        except BaseException:
            abandon(ctx)
            raise
        if type(ctx) is CircuitOpen:
            try:
                raise ctx
            finally:
                del ctx  # its traceback holds this frame
        opened = self._open_plain(runtime, args, kwargs, ctx)
        return node.value(opened, await node.play(opened))  # type: ignore[no-any-return]

    async def _heal(self, ctx: Context, runtime: Runtime, args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Go on after a failed first attempt: with one more, where that is all it needs, else with the script."""
        if ctx.pursuit is not None:
            return self.node.value(ctx, await ctx.pursuit.end(ctx))  # type: ignore[no-any-return]
        watched = NOBODY
        repeat = once_more(ctx, args, kwargs)
        if repeat is not None:
            try:
                if repeat.waits:
                    await repeat.wait()
                if repeat.begin():
                    watched = runtime.watch(repeat.scope)
                    value = await (self.function(*args, **kwargs) if kwargs else self.function(*args))
                    watched.pop(repeat.scope, None)
                    return repeat.succeed(value)  # type: ignore[no-any-return]
            except BaseException as error:
                watched.pop(repeat.scope, None)
                if not repeat.fail(error):
                    raise
        self._replay(ctx, args, kwargs)
        # The result holds an exception, whose traceback holds this frame; so no name is given to it.
        return self.node.value(ctx, await self.node.play(ctx))  # type: ignore[no-any-return]

    async def outcome(self, /, *args: P.args, **kwargs: P.kwargs) -> Outcome[T]:
        """Call the function, protected; return how it ended, with its trace; never raise an Exception."""
        runtime = ASYNCIO if self.node.runtime is None else self.node.runtime
        if (refused := outcome_if_shut(self.node, runtime, args, kwargs)) is not None:
            return refused
        ctx = self._open(runtime, args, kwargs)
        return self.node.outcome(ctx, await self.node.play(ctx))

    @overload  # a classmethod, of a class or an object; mypy compares first parameters of a Callable alone
    def __get__(  # type: ignore[misc] # the first parameter of one is a class, and not that of every function
        self: Callable[Concatenate[type[C], Q], Coroutine[Any, Any, T]], instance: C | None, owner: type[C]
    ) -> AsyncProtected[Q, T]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload  # a method
    def __get__(
        self: Callable[Concatenate[S, Q], Coroutine[Any, Any, T]], instance: S, owner: type | None = None
    ) -> AsyncProtected[Q, T]: ...
    @overload  # a staticmethod, whose first parameter is not the object
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the protected method of *instance*."""
        return self._bound(instance, owner)


class SyncProtected(Door[P, T]):
    """A protected plain function."""

    def remedy(self, *what: Matcher, name: str | None = None) -> Callable[[F], F]:
        """Register the decorated function, which cannot be async, as a remedy; see ``FractalNode.remedy``."""
        register = super().remedy(*what, name=name)

        def register_sync(function: F) -> F:
            if is_async(function):
                raise refuse(f"{self.node.name}: a remedy of a plain function", "a plain function, too", function)
            return register(function)

        return register_sync

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the function, protected; return its value or raise its own exception."""
        node = self.node
        target = node.targets.only or node.targets.if_any(args, kwargs)
        begin, succeed = (
            NO_WAYS if target is None else target.in_threads or ways(node, target, node.runtime or BLOCKING)
        )
        ctx = begin(self.function, args, kwargs)
        try:
            if type(ctx) is Context:
                try:
                    value = self.function(*args, **kwargs) if kwargs else self.function(*args)  # half the time
                    return succeed(ctx, value)  # type: ignore[no-any-return]
                except BaseException as error:
                    if not fail(ctx, error):
                        raise
                return self._heal(ctx, ctx.runtime, args, kwargs)
        except BaseException:
            abandon(ctx)
            raise
        if type(ctx) is CircuitOpen:
            try:
                raise ctx
            finally:
                del ctx  # its traceback holds this frame
        opened = self._open_plain(node.runtime or BLOCKING, args, kwargs, ctx)
        return node.value(opened, play_blocking(node.play, opened))  # type: ignore[no-any-return]

    def _heal(self, ctx: Context, runtime: Runtime, args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Go on after a failed first attempt: with one more, where that is all it needs, else with the script."""
        repeat = once_more(ctx, args, kwargs)
        if repeat is not None:
            try:
                if repeat.waits:
                    play_blocking(Repeat.wait, repeat)
                if repeat.begin():
                    value = self.function(*args, **kwargs) if kwargs else self.function(*args)
                    return repeat.succeed(value)  # type: ignore[no-any-return]
            except BaseException as error:
                if not repeat.fail(error):
                    raise
        self._replay(ctx, args, kwargs)
        # The result holds an exception, whose traceback holds this frame; so no name is given to it.
        return self.node.value(ctx, play_blocking(self.node.play, ctx))  # type: ignore[no-any-return]

    def outcome(self, /, *args: P.args, **kwargs: P.kwargs) -> Outcome[T]:
        """Call the function, protected; return how it ended, with its trace; never raise an Exception."""
        runtime = BLOCKING if self.node.runtime is None else self.node.runtime
        if (refused := outcome_if_shut(self.node, runtime, args, kwargs)) is not None:
            return refused
        ctx = self._open(runtime, args, kwargs)
        return self.node.outcome(ctx, play_blocking(self.node.play, ctx))

    @overload  # a classmethod, of a class or an object; mypy compares first parameters of a Callable alone
    def __get__(  # type: ignore[misc] # the first parameter of one is a class, and not that of every function
        self: Callable[Concatenate[type[C], Q], T], instance: C | None, owner: type[C]
    ) -> SyncProtected[Q, T]: ...
    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload  # a method
    def __get__(
        self: Callable[Concatenate[S, Q], T], instance: S, owner: type | None = None
    ) -> SyncProtected[Q, T]: ...
    @overload  # a staticmethod, whose first parameter is not the object
    def __get__(self, instance: object, owner: type | None = None) -> Self: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """Return the protected method of *instance*."""
        return self._bound(instance, owner)
