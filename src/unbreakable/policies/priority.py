"""How important a call is: when there is no room for all, the less important are refused first."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias, get_args

from unbreakable.policies.check import refuse

Priority: TypeAlias = Literal["critical", "high", "normal", "low"]
NAMES: Final[tuple[Priority, ...]] = get_args(Priority)
RANKS: Final = {name: rank for rank, name in enumerate(NAMES, start=-NAMES.index("normal"))}  # normal: 0

_priority: contextvars.ContextVar[Priority] = contextvars.ContextVar("unbreakable_priority", default="normal")


@contextlib.contextmanager
def priority(name: Priority) -> Iterator[None]:
    """Say that the calls made in this block, or in the function that it decorates, are "critical", "high" or "low".

    Without it a call is "normal".  It goes with the context of the code: into the calls inside, tasks, threads of this
    library and ``asyncio.to_thread``; not into the plain ``submit`` of an executor.  The innermost block counts.
    Raises ConfigurationError for another word.

    >>> with priority("low"):
    ...     importance()
    'low'
    """
    if name not in NAMES:
        raise refuse("priority", f"one of {', '.join(NAMES)}", name)
    before = _priority.set(name)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # a generator that was closed in another context
            _priority.reset(before)


def importance() -> Priority:
    """Return how important what runs here is."""
    return _priority.get()


def rank() -> int:
    """Return the same as a number: the lower, the more important; 0 is normal."""
    return RANKS[_priority.get()]
