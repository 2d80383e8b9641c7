"""What a workflow or a loop says of the call that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unbreakable.policies import Context
from unbreakable.policies.naming import Title, title_of

SCOPE = frozenset({"nodes", "results", "state", "tick", "iteration"})


def set_scope(ctx: Context, scope: Mapping[str, Any]) -> None:
    """Set what the call's maker says of it; TypeError for what nobody can say."""
    if isinstance(ctx.input, Context):  # what a loop or workflow says of its call holds for the calls inside, too
        outer = ctx.input
        ctx.input, ctx.title = outer.input, title_of(outer)
        for name in SCOPE:
            setattr(ctx, name, getattr(outer, name))
    for name, value in scope.items():
        if name == "idempotency_key":
            ctx.title = Title(value)
        elif name in SCOPE:
            setattr(ctx, name, value)
        else:
            raise TypeError(f"execute() has no argument {name!r}; expected one of {sorted(SCOPE)} or idempotency_key")
