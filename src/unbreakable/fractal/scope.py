"""What a workflow, a loop or a request from outside says of the calls that are made for it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from unbreakable.policies import Context, Plan
from unbreakable.policies.check import refuse
from unbreakable.policies.deeds import Deeds
from unbreakable.policies.naming import Title, title_of
from unbreakable.runtime import Runtime

_ANY = Plan(deadline=math.inf)
SCOPE = frozenset({"nodes", "results", "state", "tick", "iteration"})


def around(outer: Context | None, runtime: Runtime, seconds: float, key: str) -> Context:
    """Return what stands around calls that are to end within *seconds*, and whose keys are made of *key*."""
    scope, now = Context(), runtime.now()
    scope.node, scope.runtime, scope.plan, scope.above = None, runtime, _ANY, outer
    scope.started, scope.until = now, now + seconds
    scope.own_deeds = Deeds() if outer is None else outer.deeds
    scope.borrow(outer)
    scope.title, scope.handled = Title(key), id(sys.exception())
    return scope


def checked_scope(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *scope*, unless its key is none: calls with an empty one would all have the same keys inside."""
    key = scope.get("idempotency_key")
    if not (key is None or (isinstance(key, str) and key)):
        raise refuse("execute: idempotency_key", "some text, or None", key)
    return scope


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
