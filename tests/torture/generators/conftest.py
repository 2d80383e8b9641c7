"""Both colours of one story with generators: written as an async generator, consumed a step at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from tests.torture.conftest import Colour

import unbreakable as ub
from unbreakable.runtime import run_blocking


def as_plain(work: Callable[..., Any]) -> Callable[..., Any]:
    """Return the async generator function *work*, which waits by the blocking driver alone, as a plain one."""

    @functools.wraps(work)
    def items(*args: Any, **kwargs: Any) -> Any:
        inner = work(*args, **kwargs)
        step = inner.asend(None)
        while True:
            item = []
            try:
                item.append(run_blocking(step))
            except StopAsyncIteration:
                return
            try:
                given = yield item.pop()
            except GeneratorExit:
                run_blocking(inner.aclose())
                raise
            except BaseException as error:
                step = inner.athrow(error)
            else:
                step = inner.asend(given)

    return items


class Hand(Colour):
    """Guard a generator, and take its items one by one, in one colour."""

    def guard(self, work: Callable[..., Any], **options: Any) -> Any:
        """Return the protected generator; it pauses 1 s between attempts unless told otherwise."""
        options.setdefault("retry", ub.Retry(3, backoff=ub.Backoff(1.0, factor=1.0, jitter=False)))
        return ub.protect("stream", **options)(work if self.is_async else as_plain(work))

    async def next(self, items: Any) -> Any:
        return await anext(items) if self.is_async else next(items)

    async def send(self, items: Any, value: Any) -> Any:
        return await items.asend(value) if self.is_async else items.send(value)

    async def throw(self, items: Any, error: BaseException) -> Any:
        return await items.athrow(error) if self.is_async else items.throw(error)

    async def close(self, items: Any) -> None:
        if self.is_async:
            await items.aclose()
        else:
            items.close()

    async def all(self, items: Any) -> list[Any]:
        return [item async for item in items] if self.is_async else list(items)

    async def until(self, items: Any) -> tuple[list[Any], BaseException | None]:
        """Return the items that came, and the exception by which they ended."""
        came: list[Any] = []
        try:
            while True:
                came.append(await self.next(items))
        except (StopIteration, StopAsyncIteration):
            return came, None
        except Exception as error:
            return came, error


@pytest.fixture(params=["async", "sync"])
def hand(request):
    """Return each colour."""
    return Hand(request.param)


def breaking(hand: Hand, *, after: int | None, error: Any = ConnectionError, log: Any = None, **options: Any) -> Any:
    """Return a generator that fails after so many items, as long as *after* is not None."""

    async def items(fails: bool = True) -> Any:
        if log is not None:
            log.append(hand.now())
        await hand.sleep(0.5)
        for item in range(3):
            if fails and item == after:
                raise error("broken")
            yield item

    return hand.guard(items, **{"retry": False, **options})


def flaky(hand: Hand, tries: list[float], *, failures: int, then: Any = (0, 1, 2), error: Any = ConnectionError) -> Any:
    """Return a generator whose first *failures* attempts end before their first item."""

    async def items() -> Any:
        tries.append(hand.now())
        if len(tries) <= failures:
            raise error("down")
        for item in then:
            yield item

    return items
