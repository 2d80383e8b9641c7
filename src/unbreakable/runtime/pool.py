"""What stands in line for asyncio's own threads, and whether other threads are at work.

``asyncio.to_thread`` hands work to a pool of a few threads.  While it stands in line there it has not begun, so nobody
knows of it but the pool; with it goes a copy of the context variables of who handed it over.  Nothing here is public
in Python: where it cannot be seen, there is nothing to see.
"""

from __future__ import annotations

import contextvars
import gc
import threading
from collections.abc import Iterator
from typing import Any

OURS = "unbreakable"  # what the names of our own threads begin with


def contexts_in_line(pool: Any) -> Iterator[contextvars.Context]:
    """Yield the context variables with which each piece of work that stands in the line of *pool* will be done."""
    line = getattr(pool, "_work_queue", None)
    if line is None or line.empty():
        return
    for item in _items(line):
        context = getattr(getattr(getattr(item, "fn", None), "func", None), "__self__", None)
        if isinstance(context, contextvars.Context):
            yield context


def _items(line: Any) -> Iterator[Any]:
    """Yield what is in *line*, a queue that shows it to the collector alone: in a list, since 3.13 one by one."""
    for held in gc.get_referents(line):
        yield from list(held) if isinstance(held, list) else (held,)


def is_busy(pool: Any) -> bool:
    """Return whether a thread of *pool* is at work, or about to be."""
    idle = getattr(getattr(pool, "_idle_semaphore", None), "_value", None)
    return idle is not None and idle < len(pool._threads)  # noqa: SLF001


def others_at_work(pool: Any = None) -> bool:
    """Return whether there are threads in which something may be about to begin, those of an idle *pool* aside."""
    idle = set() if pool is None or is_busy(pool) else pool._threads  # noqa: SLF001
    me, main = threading.current_thread(), threading.main_thread()
    return any(
        not (thread is me or thread is main or thread in idle or thread.name.startswith(OURS))
        for thread in threading.enumerate()
    )
