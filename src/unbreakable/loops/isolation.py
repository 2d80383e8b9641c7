"""Where an operation runs: in the loop itself, in a thread, or in a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

from unbreakable.fractal.operation import Operation
from unbreakable.loops.workers import ThreadWorker, Worker
from unbreakable.policies.check import refuse

Isolation: TypeAlias = Literal["inline", "thread", "process"]
Hire: TypeAlias = Callable[[str], Worker]


def hire_for(operation: Operation[Any], isolation: str, setting: str) -> Hire | None:
    """Return what gives *operation*, set as *setting*, a worker of that name; None when it runs in the loop itself."""
    match isolation:
        case "inline":
            return None
        case "thread":
            return lambda name: ThreadWorker(name, operation)
        case "process":
            from unbreakable.loops.process import ProcessWorker
            from unbreakable.loops.program import program_of

            program = program_of(setting, operation)
            return lambda name: ProcessWorker(name, program)
        case _:
            raise refuse("isolation", f"one of {', '.join(map(repr, get_args(Isolation)))}", isolation)
