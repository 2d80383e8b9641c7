"""The pursuit: a first attempt on the quick path is late, and its script comes to life beside it.

Most calls never are: they cost arithmetic, whatever copies and limits were learned.  When the first moment has come at
which something might have to be done (a copy sent, another attempt begun), the call's script is played from the start
in a task of its own, as if it had been from the beginning; its first attempt is the one under way.  What comes of that
is told to the script, which has the say from then on.  When another attempt wins, the one under way is cut.
"""

from __future__ import annotations

import math
from typing import Any

from unbreakable.fractal.operation import work_with_arguments
from unbreakable.fractal.trace import Story
from unbreakable.fractal.trying import accept, assess_quality, captured, check_shape, well
from unbreakable.outcome import Result
from unbreakable.policies import Context
from unbreakable.policies.timeout import cut
from unbreakable.runtime import Beside, settle

ENDS = (GeneratorExit, KeyboardInterrupt, SystemExit)  # nobody is there any more who could wait for anything
CLINGS = 0.1  # seconds that a cut attempt may take to end; where one takes longer, winners are not to wait for others


class Late(Exception):
    """The work of the first attempt has ended well: carry what it came to past the end of the quick path."""

    def __init__(self, ctx: Context, value: Any) -> None:
        super().__init__()
        self.result = _judged(ctx, value)


class Pursuit:
    """The script of a call beside its first attempt."""

    __slots__ = ("answer", "bell", "cut_at", "error", "is_over", "script")

    def __init__(self, ctx: Context, script: Beside) -> None:
        self.answer: Result[Any] | BaseException | None = None  #: what the first attempt came to
        self.is_over = False  #: whether it has ended
        self.error: BaseException | None = None  #: what the caller has ended it by
        self.cut_at = math.inf
        self.bell = ctx.runtime.waiter()
        self.script = script

    # ── the script's side ────────────────────────────────────────────────────────────────────────────────────────

    async def first_attempt(self, ctx: Context) -> Result[Any]:
        """Return what comes of the attempt under way; cut it if nobody waits for that any more."""
        try:
            await ctx.runtime.wait(self.bell, math.inf)
        except BaseException:
            self._overtake(ctx)
            raise
        answer, self.answer = self.answer, None
        if isinstance(answer, BaseException):
            raise answer
        assert answer is not None  # noqa: S101 - the bell rings for it
        return answer

    def _overtake(self, ctx: Context) -> None:
        if not self.is_over:
            self.cut_at = ctx.runtime.now()
            ctx.runtime.overtake(ctx)

    # ── the caller's side ────────────────────────────────────────────────────────────────────────────────────────

    def ended(self, ctx: Context, error: BaseException) -> bool:
        """Tell the script how the first attempt ended; False means that *error* is the caller's, and raised at once."""
        was_cut, self.is_over = bool(ctx.cut), True
        ours = settle(ctx, error) if was_cut else False
        if ctx.runtime.now() - self.cut_at > CLINGS:
            ctx.target.keep_apart()
        ctx.live = not self.script.is_over
        ctx.unwanted = not ours and ctx.is_unwanted()
        if isinstance(error, ENDS) or (ctx.unwanted and not isinstance(error, Exception)):
            self.error = error
            self.stop()
            return not isinstance(error, ENDS)
        if ours:
            self.answer = cut(ctx, ctx.started)
        elif isinstance(error, Late):
            self.answer = error.result
        elif isinstance(error, Exception):
            self.answer = captured(error, ctx, ctx.started, cut=was_cut)
        else:  # it has cancelled itself
            self.answer = error
        self.bell.wake()
        return True

    def stop(self) -> None:
        """Cancel the script."""
        self.script.stop()

    async def end(self, ctx: Context) -> Result[Any]:
        """Return what the script came to, once it is over; raise what the caller was ended by."""
        try:
            await self.script.gone()
        except BaseException as interruption:
            self.stop()
            if not isinstance(interruption, ENDS):
                await self.script.gone()
            raise
        ctx.pursuit, error, self.error = None, self.error, None
        if error is None:
            return await self.script.wait()  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error


def _judged(ctx: Context, value: Any) -> Result[Any]:
    settings = ctx.node.settings
    try:
        value = check_shape(settings.schema, value, on_loop=True)
        quality = assess_quality(settings.verify, value)
        accept(ctx, settings.verify, value, quality)
    except Exception as error:
        return captured(error, ctx, ctx.started)
    return well(value, ctx, ctx.started, quality)


def pursue(ctx: Context) -> bool:
    """Let the script of *ctx* go on beside its first attempt, which is under way; return whether it does."""
    function, args, kwargs = ctx.entry
    script = ctx.runtime.pursue(ctx, lambda: ctx.node.play(ctx))
    if script is None:
        return False
    ctx.entry, ctx.function, ctx.given = None, function, (args, kwargs)
    ctx.work = work_with_arguments(function, args, kwargs)
    ctx.made, ctx.unsettled, ctx.notebook = 1, True, Story(ctx.runtime.now, ctx.started)
    ctx.pursuit = ctx.first = Pursuit(ctx, script)
    ctx.due = ctx.deadline
    return True
