"""What is still to be awaited is no result: the work of the function that returned it is not done."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Any, Final

MOST_TYPES = 256  # of results, in code of either colour: a program that makes classes as it goes does not grow by them

#: The types whose values are results: in threads, where nothing can be awaited, and on event loops.  There a Future or
#: a Task can be one, for it runs by itself; a coroutine does nothing unless it is awaited.
RESULTS: Final[tuple[set[type], set[type]]] = (set(), set())


def refuse_unawaited(value: Any, *, on_loop: bool) -> None:
    """Raise TypeError for a *value* that is still to be awaited; close it if it is a coroutine."""
    kind, results = type(value), RESULTS[on_loop]
    if kind in results:
        return
    if issubclass(kind, Coroutine if on_loop else Awaitable):
        if issubclass(kind, Coroutine):
            value.close()
        msg = f"the function returned what is to be awaited ({kind.__name__}): make it an async function that awaits it"
        raise TypeError(msg)
    if len(results) >= MOST_TYPES:
        results.clear()
    results.add(kind)
