"""Why a call that failed may not be repeated, whatever its policies want."""

from __future__ import annotations

from unbreakable.outcome import Failure
from unbreakable.policies import Context
from unbreakable.policies.effects import may_repeat
from unbreakable.policies.used_up import used_up


def why_not(ctx: Context, failure: Failure) -> str | None:
    """Return why *ctx* may not be repeated after *failure*: for its effects, or a used up argument; None if it may."""
    if not may_repeat(ctx.plan.effects, failure):
        if failure.unrepeatable:
            return "a call inside that must not be made twice has done its work, or may have"
        return f'an operation with effects="{ctx.plan.effects}" is not repeated after this'
    generator = used_up(ctx)
    if generator is None:
        return None
    was_read = "has been read from, or may be yet"
    return f"the generator {generator} that it was given {was_read}; give a list, or what makes it anew"
