"""One iteration as it is counted: its number, its tick, and the remedies that were applied in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from unbreakable.fractal.remedies import WAIT
from unbreakable.loops.pulse import Promise
from unbreakable.loops.schedule import Tick
from unbreakable.loops.slate import checked_state
from unbreakable.policies import Context
from unbreakable.policies.naming import Title

if TYPE_CHECKING:
    from unbreakable.loops.reins import Reins

MOST_FRAMES = 200  # of a traceback: a longer one is a recursion's, or of an exception that is raised again and again


class Iteration:
    """Open the attempts of iteration *number*, which share *state*, and remember what was done between them."""

    __slots__ = (
        "_asked_after",
        "_ctx",
        "attempts",
        "began",
        "counts_from",
        "number",
        "promise",
        "reins",
        "signature",
        "state",
        "tick",
        "until",
    )

    def __init__(self, number: int, tick: Tick | None, state: dict[Any, Any], began: float = 0.0) -> None:
        self.number = number
        self.tick = tick
        self.state = state
        self.attempts = 0
        self.began = self.counts_from = began  #: to have a worker for it takes time that is not its own
        self.until = math.inf  #: when it is over, or was left behind, unless it blocks who runs it
        self.promise: Promise | None = None  #: of that, to a supervisor
        self.reins: Reins | None = None  #: of those that may be cut from outside
        self.signature: str | None = None  #: of the error by which it has failed
        self._ctx: Context | None = None
        self._asked_after = 0

    def enter(self, ctx: Context) -> Context:
        """Let *ctx*, of an attempt that begins, say which iteration it belongs to."""
        ctx.tick, ctx.iteration, ctx.state = self.tick, self.number, self.state
        if self.tick is not None:
            ctx.title = Title(self.tick.id)
        self._ctx = ctx
        self.attempts = max(self.attempts, ctx.attempt)
        if ctx.notebook is not None:
            self._asked_after = len(self._remedies())
        return ctx

    def take_over(self) -> None:
        """Take over what the operation has put in the place of the state; TypeError if that is no dictionary."""
        left = self.state if self._ctx is None else self._ctx.state
        if left is not self.state:
            kept = dict(checked_state(left))
            self.state.clear()
            self.state.update(kept)

    def remedied(self) -> tuple[bool, bool]:
        """Return whether the operation was asked again, after a remedy or a wait, and whether a remedy came later."""
        done = self._remedies()
        return self._asked_after > 0, any(name != WAIT for name in done[self._asked_after :])

    @property
    def was_cut_for(self) -> str | None:
        """Why somebody has cut it from outside, if somebody has."""
        return None if self.reins is None else self.reins.why

    @property
    def had_trouble(self) -> bool:
        """Whether anything was in it but one good attempt."""
        return self._ctx is None or self._ctx.notebook is not None

    @property
    def trouble(self) -> str | None:
        """The error of the latest attempt that failed, in one line."""
        book = None if self._ctx is None else self._ctx.notebook
        return None if book is None else book.trouble

    def _remedies(self) -> list[str]:
        book = None if self._ctx is None else self._ctx.notebook
        return [] if book is None else book.remedies


def forget_frames(error: BaseException) -> None:
    """Let go of where *error* came up if it is raised anew each time: it would hold the frames of every iteration."""
    for each in (error, error.__cause__, error.__context__):
        place = None if each is None else each.__traceback__
        for _ in range(MOST_FRAMES):
            place = None if place is None else place.tb_next
        if each is not None and place is not None:
            each.__traceback__ = None
