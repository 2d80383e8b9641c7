"""A worker process in reserve: it has loaded the program, so that who follows one that died begins at once."""

from __future__ import annotations

import os
from typing import ClassVar

from unbreakable.loops.process import ProcessWorker
from unbreakable.loops.program import Program
from unbreakable.loops.restarts import OF_A_PROCESS

MOST = 8  # workers in reserve in one process: each takes the memory of a Python


class Spares:
    """Hire workers for one *program*, and keep one in reserve once ``prepare`` was asked for."""

    __slots__ = ("_program", "_spare")
    price: ClassVar[float] = OF_A_PROCESS

    def __init__(self, program: Program) -> None:
        self._program = program
        self._spare: ProcessWorker | None = None

    def __call__(self, name: str) -> ProcessWorker:
        """Return a worker of that *name*: the one in reserve, if it is fit."""
        spare = self.take()
        if spare is not None and spare.is_fit:
            return spare
        if spare is not None:
            spare.close()
        return ProcessWorker(name, self._program)

    def prepare(self, name: str) -> None:
        """Have a worker in reserve, which starts in a thread of its own; nobody, where MOST are there already."""
        if self._spare is None and len(_holding) < MOST:
            _holding.add(self)
            self._spare = spare = ProcessWorker(f"{name} in reserve", self._program)
            spare.begin()

    def take(self) -> ProcessWorker | None:
        """Return the worker in reserve, which from now on is whoever's who asks."""
        spare, self._spare = self._spare, None
        _holding.discard(self)
        return spare

    def forget(self) -> None:
        """Leave the worker to the parent process, of which this one was forked."""
        spare = self.take()
        if spare is not None:
            spare.forget()


_holding: set[Spares] = set()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_holding.clear)
