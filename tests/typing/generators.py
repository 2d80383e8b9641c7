"""Protected generators as their users write them: never run, only read by type checkers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import assert_type

import unbreakable as ub


@ub.protect("tokens")
async def tokens(prompt: str, *, most: int = 10) -> AsyncIterator[str]:
    """Stream the answer of a model."""
    for token in prompt.split()[:most]:
        yield token


@ub.protect
async def talk(first: int) -> AsyncGenerator[int, str]:
    """Be sent something for each item."""
    yield first
    yield len((yield first))


@ub.protect("lines", verify=lambda line: len(line) > 0, fallback=lambda failure: [])
async def lines(path: str) -> AsyncIterator[str]:
    """Have nothing instead."""
    yield path


def none_instead(failure: ub.Failure) -> list[None]:
    """Have something else instead."""
    return [None]


@ub.protect("lines", fallback=none_instead)
async def lines_or_none(path: str) -> AsyncIterator[str]:
    """Have items of another type instead."""
    yield path


@ub.protect("rows")
def rows(table: str) -> Iterator[int]:
    """Stream rows, in a program without an event loop."""
    yield len(table)


@ub.protect
def conversation(first: int) -> Generator[int, str, bool]:
    """Be sent something, and return something in the end."""
    answer = yield first
    return answer == "yes"


class Shop:
    """A class whose generators are protected."""

    @ub.protect("orders")
    async def orders(self, since: int) -> AsyncIterator[str]:
        """Be a method."""
        yield str(since)

    @ub.protect("prices")
    def prices(self, since: int) -> Iterator[float]:
        """Be a plain method."""
        yield float(since)


async def use(shop: Shop) -> None:
    """Consume them; the types of items, arguments and of what is sent are kept."""
    assert_type(tokens("hello", most=3), AsyncIterator[str])
    assert_type([token async for token in tokens("hello")], list[str])
    assert_type(talk(1), AsyncGenerator[int, str])
    assert_type(await talk(1).asend("x"), int)
    assert_type(lines("x"), AsyncIterator[str])
    assert_type([line async for line in lines_or_none("x")], list[str | None])
    assert_type(await tokens.outcome("hello"), ub.Outcome[AsyncIterator[str]])
    assert_type(shop.orders(7), AsyncIterator[str])
    assert_type(await shop.orders.outcome(7), ub.Outcome[AsyncIterator[str]])

    assert_type(rows("x"), Iterator[int])
    assert_type(rows.outcome("x"), ub.Outcome[Iterator[int]])
    assert_type(conversation(1), Generator[int, str, bool])
    assert_type(list(shop.prices(7)), list[float])

    tokens(7)  # type: ignore[arg-type]
    shop.orders()  # type: ignore[call-arg]
    rows(7)  # type: ignore[arg-type]
    await tokens("hello")  # type: ignore[misc]


@asynccontextmanager
@ub.protect("session")
async def session(name: str) -> AsyncGenerator[str, None]:
    """Open something that is closed in the end."""
    yield name


@contextmanager
@ub.protect("file")
def file(name: str) -> Generator[str, None, None]:
    """Do the same without an event loop."""
    yield name


async def use_managers() -> None:
    """Use what was made of them."""
    async with session("x") as opened:
        assert_type(opened, str)
    with file("x") as name:
        assert_type(name, str)
