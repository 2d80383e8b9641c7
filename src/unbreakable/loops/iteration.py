"""One iteration as it is counted: its number, its tick, and the remedies that were applied in it."""

from __future__ import annotations

from typing import Any

from unbreakable.fractal.remedies import WAIT
from unbreakable.loops.schedule import Tick
from unbreakable.policies import Context


class Iteration:
    """Open the attempts of iteration *number*, which share *state*, and remember what was done between them."""

    __slots__ = ("_asked_after", "_ctx", "attempts", "number", "state", "tick")

    def __init__(self, number: int, tick: Tick | None, state: dict[Any, Any]) -> None:
        self.number = number
        self.tick = tick
        self.state = state
        self.attempts = 0
        self._ctx: Context | None = None
        self._asked_after = 0

    def enter(self, ctx: Context) -> Context:
        """Let *ctx*, of an attempt that begins, say which iteration it belongs to."""
        ctx.tick, ctx.iteration, ctx.state = self.tick, self.number, self.state
        self._ctx = ctx
        self.attempts = max(self.attempts, ctx.attempt)
        self._asked_after = len(self._remedies())
        return ctx

    def remedied(self) -> tuple[bool, bool]:
        """Return whether a remedy was applied that the operation was asked after, and whether one was after that."""
        before = [name != WAIT for name in self._remedies()]
        return any(before[: self._asked_after]), any(before[self._asked_after :])

    def _remedies(self) -> list[str]:
        if self._ctx is None or self._ctx.notebook is None:
            return []
        return self._ctx.notebook.remedies  # type: ignore[no-any-return]
