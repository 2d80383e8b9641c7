"""A failure whose time has come is mended before it happens."""

from __future__ import annotations

from unbreakable.errors import Foreseen
from unbreakable.events import Prevented
from unbreakable.fractal.applying import apply
from unbreakable.fractal.choosing import mending
from unbreakable.fractal.methods import remedies_of
from unbreakable.fractal.outlook import Due, Outlook
from unbreakable.fractal.remedies import Remedy
from unbreakable.outcome import Failure
from unbreakable.policies import Context

SHARE = 0.5  # of the time that the call has, which the remedy may take: it is not what the call is about


async def prevent(ctx: Context) -> None:
    """Apply the remedy that is due, if one is, before the first attempt; if it fails, the call goes on all the same."""
    outlook: Outlook | None = ctx.target.experience.outlook
    if outlook is None or ctx.target.circuit.stamp is None or ctx.left() <= 0:
        return
    due = outlook.due(ctx.runtime.now(), ctx.target.successes_of_all(), ctx.runtime.random())
    remedy = None if due is None else next((each for each in remedies_of(ctx) if each.name == due.remedy), None)
    if due is not None and (remedy is None or not (remedy.turn.shared and remedy.prevents)):
        outlook.forget(due)
    elif due is not None and remedy is not None and remedy.turn not in mending(ctx):
        await _prevent(ctx, outlook, due, remedy)
    ctx.target.look_ahead()


async def _prevent(ctx: Context, outlook: Outlook, due: Due, remedy: Remedy) -> None:
    error = Foreseen(f"due by its {due.rule}: {due.signature}")
    ctx.notebook.tell(f"a failure that {remedy.name} mends is due by its {due.rule}")
    applied = await apply(ctx, Failure(error, signature=due.signature, node=ctx.node.name), remedy, SHARE)
    ctx.excused = False
    if applied is not None and remedy.turn.shared:
        outlook.prevented(due, remedy.turn.mended_at, ctx.target.successes_of_all())
        ctx.emit(Prevented, remedy=remedy.name, signature=due.signature, rule=due.rule)
