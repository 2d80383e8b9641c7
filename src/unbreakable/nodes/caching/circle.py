"""A load that would wait for itself is found out before it waits."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

from unbreakable.errors import ValidationFailed


class Mark:
    """Stand for one load, in the context of what runs in it and among those that others wait for."""

    __slots__ = ("waits_for",)

    def __init__(self) -> None:
        self.waits_for: list[Mark] = []

    def leads_to(self, other: Mark) -> bool:
        """Return whether this load is *other*, or waits for it, be it through loads that it waits for."""
        ahead, met = [self], {self}
        while ahead:
            mark = ahead.pop()
            if mark is other:
                return True
            new = [each for each in tuple(mark.waits_for) if each not in met]
            met.update(new)
            ahead += new
        return False


around: contextvars.ContextVar[Mark | None] = contextvars.ContextVar("unbreakable_load", default=None)


@contextlib.contextmanager
def waiting_for(mark: Mark) -> Iterator[None]:
    """Note that the load around us, if any, waits for *mark*; raise ValidationFailed if that would be for ever.

    First it is noted, then looked at: of two that close a circle at the same moment at least one sees it, without a
    lock.  The circle may lead through several caches and threads.
    """
    outer = around.get()
    if outer is None:
        yield
        return
    outer.waits_for.append(mark)
    try:
        if mark.leads_to(outer):
            raise ValidationFailed("the load would wait for itself: what loads the value asks the cache for it")
        yield
    finally:
        outer.waits_for.remove(mark)
