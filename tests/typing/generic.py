"""Protected functions that fit many types, as their users write them: never run, only read by type checkers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TypeVar, assert_type

import unbreakable as ub

T = TypeVar("T")


@ub.protect("load")
async def load(model: type[T], path: str) -> T:
    """Be what a client of one's own begins with."""
    return model()


@ub.protect("every")
def every(model: type[T], path: str) -> list[T]:
    """Be plain."""
    return [model()]


@ub.protect("within")
async def within(work: Callable[[], Awaitable[T]]) -> T:
    """Take a function."""
    return await work()


@ub.protect("rows")
def rows(model: type[T]) -> Iterator[T]:
    """Be a generator."""
    yield model()


@ub.protect("pages")
async def pages(models: Sequence[type[T]]) -> AsyncIterator[T]:
    """Be an async generator."""
    yield models[0]()


async def use() -> None:
    """Keep what the arguments say of the result."""
    assert_type(await load(int, "/"), int)
    assert_type(every(int, "/"), list[int])
    assert_type((await load.outcome(int, "/")).unwrap(), int)
    assert_type(await within(lambda: load(str, "/")), str)
    assert_type(next(rows(int)), int)
    assert_type(await anext(pages([int])), int)

    every(3, "/")  # type: ignore[arg-type]
