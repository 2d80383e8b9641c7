"""What a context variable is being set in outlives a collection that comes in the middle of that, on CPython 3.11.

Its collector comes with any allocation, so also with those of ``ContextVar.set`` and ``reset``, and runs code there
that sets variables, too: it closes a protected generator that was left, or a ``__del__`` makes a call.  That frees the
mapping which the outer ``set`` still reads, and the process dies of it (python/cpython#148891).  Since 3.12 the
collector comes between two instructions only (python/cpython#97922).

All of it is C: a function of ours would be where Python runs the handlers of signals that came meanwhile, and what they
raise in a collection, as a ``KeyboardInterrupt``, is lost.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from collections.abc import Iterator
from contextvars import Context, copy_context
from functools import partial
from itertools import repeat
from operator import call, itemgetter

MOST = 8  # collections in one ``set``, each by what the one before has left: it allocates three or four times


def keep_what_is_being_read() -> None:
    """Hold, from now on, the variables in force as a collection begins: until its end, or longer if it has set any."""
    if sys.version_info < (3, 12) and sys.implementation.name == "cpython":
        gc.callbacks.insert(0, partial(getattr, _keeper()))  # before others, which may set variables


def _keeper() -> object:
    """Return an object whose attribute ``start`` holds the variables in force, and whose ``stop`` lets go of them."""
    held: dict[int, Context] = {}  # as a collection goes on
    read: deque[Context] = deque(maxlen=MOST)  # what others came in place of: a ``set`` may be reading it
    hold = map(held.__setitem__, _ids(), iter(copy_context, None))
    let_go = map(id, map(held.pop, _ids(), repeat(None)))  # unless there are others now; zip would keep them
    keep, clear = map(read.extend, repeat(held.values())), map(call, repeat(held.clear))
    end = zip(let_go, keep, clear, strict=False)
    return type("Keeper", (), {"start": property(partial(next, hold)), "stop": property(partial(next, end))})()


def _ids() -> Iterator[int]:
    """Yield, each time, which mapping has the variables that are in force."""
    return map(id, map(itemgetter(0), map(gc.get_referents, iter(copy_context, None))))
