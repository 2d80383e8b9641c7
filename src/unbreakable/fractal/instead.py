"""The fallback of a generator: the items to hand on instead, when there was not even a first one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from unbreakable.fractal.operation import is_async_generator, takes_one
from unbreakable.outcome import Failure
from unbreakable.policies.check import refuse
from unbreakable.runtime import is_async


class Instead:
    """Ask *answer*, a fallback that takes the ``ub.Failure``, for an iterable of items."""

    def __init__(self, name: str, answer: Callable[[Failure], Any], *, in_async: bool) -> None:
        takes_one(f"{name}: fallback", answer)
        if not in_async and (is_async(answer) or is_async_generator(answer)):
            raise refuse(f"{name}: the fallback of a plain generator", "a plain function, too", answer)
        self.answer, self.in_async, self.is_async = answer, in_async, is_async(answer)

    def __call__(self, failure: Failure) -> Any:
        """Return the items, or what is to be awaited for them; TypeError when the answer is something else."""
        return self._awaited(failure) if self.is_async else self._checked(self.answer(failure))

    async def _awaited(self, failure: Failure) -> Any:
        return self._checked(await self.answer(failure))

    def _checked(self, items: Any) -> Any:
        if self.in_async and hasattr(type(items), "__aiter__"):
            return items
        try:
            return iter(items)
        except TypeError:
            raise TypeError(
                f"the fallback of a generator returns the items to hand on instead, not {items!r}"
            ) from None


async def each_of(items: Any) -> AsyncIterator[Any]:
    """Yield each of *items*, of either colour."""
    if hasattr(type(items), "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
