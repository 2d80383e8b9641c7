"""A transaction that failed left nothing behind: reason enough to repeat it, but for nobody else to repeat anything."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from unbreakable.fractal import FractalNode
from unbreakable.nodes.database.trouble import sort_of
from unbreakable.outcome import Failure, Result
from unbreakable.policies import Context

T = TypeVar("T")


class UndoingNode(FractalNode):
    """A node whose failed attempts have done nothing, when their error says ``refused``.

    That is said to the node alone.  The error passes on without it: a call around this one has done other things, and
    must not take it for a refusal of its own.
    """

    async def play(self, ctx: Context) -> Result[Any]:
        """Play the script of a call; take back from the last error what is nobody else's business."""
        result = await super().play(ctx)
        if isinstance(result, Failure) and sort_of(result.error).passes:
            vars(result.error).pop("refused", None)
        return result


async def undone(script: Awaitable[T]) -> T:
    """Return what *script* returns, which undoes what it did when it fails; say so of trouble that may pass."""
    try:
        return await script
    except Exception as error:
        if sort_of(error).passes:
            vars(error).update(refused=True)
        raise
