"""How important a call is: when there is no room for all, the less important are refused first."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast, get_args

from unbreakable.policies.check import refuse
from unbreakable.runtime import first_of, gives_async_generator, gives_generator, is_async

F = TypeVar("F", bound=Callable[..., Any])

Priority: TypeAlias = Literal["critical", "high", "normal", "low"]
NAMES: Final[tuple[Priority, ...]] = get_args(Priority)
RANKS: Final = {name: rank for rank, name in enumerate(NAMES, start=-NAMES.index("normal"))}  # normal: 0
MOST_OPEN = 100  # blocks of a context, one in another: more were left open, by generators that were closed elsewhere

_priority: contextvars.ContextVar[Priority] = contextvars.ContextVar("unbreakable_priority", default="normal")
_open: contextvars.ContextVar[tuple[tuple[priority, contextvars.Token[Priority]], ...]] = contextvars.ContextVar(
    "unbreakable_open_blocks", default=()
)


class priority:  # noqa: N801 - read as a word: with ub.priority("low")
    """Say that the calls made in this block, or in the function that it decorates, are "critical", "high" or "low".

    Without it a call is "normal".  Of a generator that is each step, and not what its consumer does in between.  It
    goes with the context of the code: into the calls inside, tasks, threads of this library and
    ``asyncio.to_thread``; not into the plain ``submit`` of an executor.  The innermost block counts.  Raises
    ConfigurationError for another word.

    >>> with priority("low"):
    ...     importance()
    'low'
    """

    def __init__(self, name: Priority) -> None:
        if name not in NAMES:
            raise refuse("priority", f"one of {', '.join(NAMES)}", name)
        self.name: Priority = name

    def __enter__(self) -> None:
        """Begin the block."""
        _open.set((*_open.get()[-MOST_OPEN:], (self, _priority.set(self.name))))

    def __exit__(self, *error: object) -> None:
        """End the block, and let through what was raised in it."""
        blocks = _open.get()
        mine = max((place for place, (block, _) in enumerate(blocks) if block is self), default=None)
        if mine is not None:  # else a generator is closed in another context, and so where a token is of another one
            _open.set((*blocks[:mine], *blocks[mine + 1 :]))
            with contextlib.suppress(ValueError):
                _priority.reset(blocks[mine][1])

    def __call__(self, function: F) -> F:
        """Return *function*, sync or async, whose calls run in such a block each; a generator's steps do.

        What is protected stays so: it has its own way.
        """
        protected = getattr(type(function), "in_blocks_of", None)
        if protected is not None:
            return cast("F", protected(function, self.name))
        if gives_generator(function):
            return cast("F", in_each_step(function, self.name))
        if gives_async_generator(function):
            return cast("F", in_each_async_step(function, self.name))
        if is_async(function):

            @functools.wraps(function)
            async def in_async_block(*args: Any, **kwargs: Any) -> Any:
                with priority(self.name):
                    return await function(*args, **kwargs)

            return cast("F", in_async_block)

        @functools.wraps(function)
        def in_block(*args: Any, **kwargs: Any) -> Any:
            with priority(self.name):
                return function(*args, **kwargs)

        return cast("F", in_block)


def in_each_step(function: Callable[..., Any], name: Priority) -> Callable[..., Generator[Any, Any, Any]]:
    """Return the generator *function* with each step in a block; what is sent, thrown in and returned goes through."""

    @functools.wraps(function)
    def in_blocks(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        items, inside, given = function(*args, **kwargs), name, None
        step = items.send
        while True:
            try:
                with priority(inside):
                    item = step(given)
                    inside = importance()  # a block of its own goes on behind an item
            except StopIteration as end:
                return end.value
            finally:
                given = None  # if it was thrown in, its traceback holds this frame
            try:
                given = yield item
                step = items.send
            except BaseException as thrown:
                step, given = items.throw, thrown

    return in_blocks


def in_each_async_step(function: Callable[..., Any], name: Priority) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return the async generator *function*; otherwise as ``in_each_step``."""

    @functools.wraps(function)
    async def in_blocks(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        items, inside = function(*args, **kwargs), name
        step, given = first_of, items  # nothing is sent before there is a first item
        while True:
            try:
                with priority(inside):
                    item = await step(given)
                    inside = importance()
            except StopAsyncIteration:
                return
            finally:
                given = None
            try:
                given = yield item
                step = items.asend
            except BaseException as thrown:
                step, given = items.athrow, thrown

    return in_blocks


def importance() -> Priority:
    """Return how important what runs here is."""
    return _priority.get()


def rank() -> int:
    """Return the same as a number: the lower, the more important; 0 is normal."""
    return RANKS[_priority.get()]
