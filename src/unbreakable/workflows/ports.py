"""What a run asks of those who carry it: somebody who calls, somebody who works side by side."""

from __future__ import annotations

import contextvars
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from unbreakable.runtime import Runtime
from unbreakable.workflows.ending import Ending
from unbreakable.workflows.journal import Journal, Record
from unbreakable.workflows.leftover import Leftover
from unbreakable.workflows.step import Step

Work: TypeAlias = Callable[[], Awaitable[Ending]]
News: TypeAlias = list[tuple[str, Ending]]

SOMEBODY = ""  # the name under which a person's interrupt is told: it belongs to no piece of work


class Call(NamedTuple):
    """What a step's operation, or its compensation, is given, and what of the step is still at work then."""

    key: str
    input: Any
    results: Mapping[str, Any]
    state: Mapping[str, Any]
    leftover: Leftover


class Caller(Protocol):
    """Call operations and compensations; whatever they raise is an ending, only cancellations are raised."""

    async def do(self, step: Step, call: Call) -> Ending:
        """Call the step's operation."""

    async def undo(self, step: Step, call: Call) -> Ending:
        """Call the step's compensation, once nothing of it is at work, and again until it succeeds or patience ends."""


class Crew(Protocol):
    """Run work side by side; each piece has a name of its own while it is at work."""

    def start(self, name: str, work: Work, context: contextvars.Context) -> None:
        """Begin *work* in *context*."""

    async def ended(self) -> News:
        """Wait until something ended, or ``poke`` was called, and return what did."""

    def cut(self, names: Collection[str]) -> None:
        """Ask those of that *names* to stop, where that is possible; each still ends."""

    def poke(self) -> None:
        """Let ``ended`` return."""


class Means(NamedTuple):
    """What a run is carried with; operations run in the context *inside*, compensations in *outside*."""

    runtime: Runtime
    journal: Journal
    write: Callable[[Sequence[Record]], Awaitable[None]]
    crew: Crew
    caller: Caller
    tell: Callable[..., None]  #: takes the name of an event and its fields
    limit: int
    inside: contextvars.Context
    outside: contextvars.Context


def outside(context: contextvars.Context) -> contextvars.Context:
    """Return a copy of *context* without what binds it to a call of ours: deadline, branch, idempotency key."""
    copy = contextvars.Context()
    for variable, value in context.items():
        if not variable.name.startswith("unbreakable"):
            copy.run(variable.set, value)
    return copy
