"""What a policy in the shadow has seen, and would have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from unbreakable.events import Shadowed
from unbreakable.outcome import Result
from unbreakable.policies.policy import Context, Inner, Policy
from unbreakable.runtime import new_lock

Place: TypeAlias = Literal["call", "attempt", "copy"]  # around the call, each attempt, each copy of an attempt


class Told(Protocol):
    """Who is told what became of each attempt."""

    def ended(self, ctx: Context, result: Result[Any], seconds: float, now: float) -> None:
        """Take in an attempt that ended *now*, after so many seconds."""


class Attempts:
    """Tell a shade what became of each attempt."""

    def __init__(self, shade: Told) -> None:
        self.shade = shade

    async def run(self, inner: Inner, ctx: Context) -> Result[Any]:
        """Run *inner*, and tell of it."""
        started = ctx.runtime.now()
        result = await inner(ctx)
        now = ctx.runtime.now()
        self.shade.ended(ctx, result, now - started - ctx.aside, now)
        return result


class Shade(Policy):
    """Count what one policy would have done."""

    name: ClassVar[str]
    place: ClassVar[Place]
    counted: ClassVar[tuple[str, ...]]  #: all that is ever counted, so that a zero is told as one

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = new_lock()

    def count(self, what: str, number: int = 1) -> None:
        """Count what was seen."""
        with self._lock:
            self._counts[what] += number

    def would(self, ctx: Context, act: str) -> None:
        """Count, and tell, what the policy would have done."""
        self.count(f"would_{act}")
        ctx.emit(Shadowed, policy=self.name, would=act)

    def value(self) -> dict[str, int]:
        """Return what was counted."""
        with self._lock:
            return {what: self._counts[what] for what in self.counted}

    def stands(self) -> Mapping[Place, Policy]:
        """Return who looks where."""
        return {self.place: self}

    def step_out(self, ctx: Context) -> None:
        """Be told that a call pauses: it is not at work on its target."""

    def come_back(self, ctx: Context) -> None:
        """Be told that it is about to make its next attempt."""

    def clear(self) -> None:
        """Forget what is under way: after a fork nothing of it comes back."""
