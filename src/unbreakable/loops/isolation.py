"""Where an operation runs: in the loop itself, in a thread, or in a process."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Protocol, TypeAlias, get_args

from unbreakable.fractal.operation import Operation
from unbreakable.loops.restarts import OF_LESS
from unbreakable.loops.workers import ThreadWorker, Worker
from unbreakable.policies.check import refuse

Isolation: TypeAlias = Literal["inline", "thread", "process"]


class Hire(Protocol):
    """Somebody who gives a loop its workers; ``price`` is what one costs that was there before."""

    price: ClassVar[float]

    def __call__(self, name: str) -> Worker:
        """Return a worker of that *name*."""

    def prepare(self, name: str) -> None:
        """Have one in reserve, where it would take long to make one."""

    def take(self) -> Worker | None:
        """Return the one in reserve, if there is one, which from now on is whoever's who asks."""

    def forget(self) -> None:
        """Leave the one in reserve to the parent process, of which this one was forked."""


class Threads:
    """Hire threads for *operation*: each is there at once."""

    price: ClassVar[float] = OF_LESS

    def __init__(self, operation: Operation[Any]) -> None:
        self._operation = operation

    def __call__(self, name: str) -> Worker:
        """Return a worker of that *name*."""
        return ThreadWorker(name, self._operation)

    def prepare(self, name: str) -> None:
        """Do nothing."""

    def take(self) -> None:
        """Return None."""

    def forget(self) -> None:
        """Do nothing."""


def hire_for(operation: Operation[Any], isolation: str, setting: str) -> Hire | None:
    """Return what gives *operation*, set as *setting*, a worker of that name; None when it runs in the loop itself."""
    match isolation:
        case "inline":
            return None
        case "thread":
            return Threads(operation)
        case "process":
            from unbreakable.loops.program import program_of
            from unbreakable.loops.spare import Spares

            return Spares(program_of(setting, operation))
        case _:
            raise refuse("isolation", f"one of {', '.join(map(repr, get_args(Isolation)))}", isolation)
