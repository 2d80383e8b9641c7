"""The block form: a loop over attempts, each a block that may fail.

The same script is driven as everywhere; where it would call a function, it hands the floor to the block and goes on
with how the block ended.
"""

from __future__ import annotations

import math
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from inspect import CO_ASYNC_GENERATOR
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from unbreakable.errors import AttemptTimeout, ConfigurationError, DeadlineExceeded, Kind
from unbreakable.fractal.floor import advance, advance_async, hand_over
from unbreakable.fractal.node import FractalNode
from unbreakable.fractal.telling import story_of
from unbreakable.fractal.trying import check_state
from unbreakable.outcome import Failure, Outcome, Result, note
from unbreakable.policies import Context
from unbreakable.policies.abandoning import abandon
from unbreakable.policies.policy import enter
from unbreakable.policies.timeout import is_soft
from unbreakable.runtime import ASYNCIO, BLOCKING, Runtime

if TYPE_CHECKING:  # loaded by whoever makes one
    from unbreakable.fractal.own import Own


class Block:
    """Stand for the user's block."""

    is_async = True  #: it stays where it is written, whatever its limits

    def __call__(self) -> Awaitable[None]:
        """Hand the floor to the block; what the block raises is raised here."""
        return hand_over()


BLOCK = Block()


class Attempt:
    """One attempt: ``with`` (or ``async with``) this, and let the block raise when it fails."""

    def __init__(self, attempts: Attempts, context: Context) -> None:
        self._attempts, self.number = attempts, context.attempt
        self.context = context  #: the attempt's context: deadline, remaining(), idempotency_key

    def __enter__(self) -> Self:
        """Begin the attempt; raise AttemptTimeout or DeadlineExceeded when its time was up before."""
        return self._enter("with attempt:", sys._getframe().f_back)  # noqa: SLF001

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool:
        """Tell the script how the block ended; swallow a failure that is repeated."""
        return self._attempts.ended(error)

    async def __aenter__(self) -> Self:
        """Begin the attempt; raise RuntimeError if it hands on items of the async generator that has the loop."""
        return self._enter("async with attempt:", sys._getframe().f_back)  # noqa: SLF001

    def _enter(self, block: str, around: FrameType | None) -> Self:
        try:
            self._attempts.begin_block(block, self.context)
            if around is not None:
                self._attempts.stand_in(around)
            enter(self.context)
            self.context.handled = id(sys.exception())  # of another target, or at least not of this attempt
        except BaseException:
            self._attempts.break_off()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> bool:
        """Tell the script how the block ended; swallow a failure that is repeated."""
        return await self._attempts.ended_async(error)


class Attempts:
    """Iterate over the attempts that the node allows: ``async for`` or ``for``, once; see ``ub.attempts``.

    A failed attempt that is to be repeated ends quietly and the loop goes on; the last failure is raised.
    ``outcome`` tells how it went, once the loop is over.
    """

    def __init__(self, node: FractalNode, own: Own) -> None:
        if node.settings.fallback is not None or node.judges:
            msg = f"{node.name}: a block has no value, so fallback, verify and schema have no place in attempts()"
            raise ConfigurationError(msg)
        if node.settings.pinned.get("hedge") is not False:
            raise ConfigurationError(
                f"{node.name}: a block cannot run twice at once, so hedge must be False in attempts()"
            )
        self.node, self._own = node, own
        self.outcome: Outcome[None] | None = None
        self._script: Coroutine[Any, Any, Result[Any]] | None = None
        self._number = 0
        self._block = ""  # how a block must begin in a loop of this colour
        self._loop: CodeType | None = None  # whose loop it is, in async code
        self._open = False  # whether an attempt is under way
        self._begun = False  # whether its block has begun
        self._given: Callable[[], Attempt | None] = _nothing  # it, as long as anybody has it
        self._stands: tuple[int, CodeType, int] | None = None  # in which frame, of what code, and where it does
        self._late: Failure | None = None  # how the call ended, if that was waited for too long
        self._due = math.inf  # until when an attempt might have begun that a loop has left

    # ── both colours ─────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, runtime: Runtime, block: str) -> Loop:
        if self._block:
            raise RuntimeError("attempts can be iterated over once; call ub.attempts() again for another call")
        timeout = self.node.target.plan.timeout
        if timeout is not None and timeout.costs_threads and not runtime.preemptive:
            msg = f"{self.node.name}: a block in sync code cannot be cut, so timeout has no place here; use a deadline"
            raise ConfigurationError(msg)
        self._block = block
        self.context = self._scope = self._own.open(self.node, runtime, self._hand_over)
        self.context.waiting = self._wait_for_block
        self._write()
        try:
            return Loop(self)
        except BaseException:
            self.break_off()
            raise

    def _write(self) -> None:
        self._script = self.node.play(self.context)

    def _hand_over(self, scope: Context) -> Any:
        self._scope = scope
        return BLOCK

    def _attempt(self) -> Attempt:
        if self._open:
            self._close()
            raise RuntimeError(f'the last attempt was not used: write "{self._block}" in the loop')
        self._number, self._open, self._begun = self._number + 1, True, False
        self.context.idle = True
        enter(self.context.parent)  # until the block begins: a loop that is left before leaves no trace
        attempt = Attempt(self, self._scope)
        self._given = weakref.ref(attempt)
        return attempt

    def begin_block(self, block: str, scope: Context) -> None:
        """Note that the attempt is used, by a *block* that begins so.

        Raises RuntimeError if the loop is not like it, or the attempt of that *scope* was used before.
        """
        if self._begun or not self._open or scope is not self._scope:
            raise RuntimeError(f'an attempt is for one block: have the loop give another one, by "{self._block}" in it')
        if block != self._block:
            self._close()
            raise RuntimeError(f'the block must begin with "{self._block}", as its loop does, and not with "{block}"')
        if self._late is None:
            self._look_whether_late(scope)
        late = self._late
        if late is not None:
            if self.outcome is None:  # not told before: of a loop that was left nothing is
                self.node.close_call(self.context, late)
                self._finish(late)
            raise late.error
        self._begun, self.context.idle, around = True, False, self.context.parent
        if around is not None:
            around.deeds.at_work.add(self.context)  # which it no longer is where that was settled meanwhile

    def _look_whether_late(self, scope: Context) -> None:
        now = scope.runtime.now()
        if self._script is None:
            if now < self._due:
                raise RuntimeError(f"{self.node.name}: the loop was left that gave this attempt, and its call is over")
            self._give_up(self._due)
        elif not scope.runtime.preemptive and check_state(scope) is not None:  # on an event loop an alarm has rung
            self._give_up(now)

    def stand_in(self, frame: FrameType) -> None:
        """Know where the block stands; raise RuntimeError if it and its loop are in an async generator, and it yields.

        Its limits would cut whoever has the item by then, who is somewhere else.  Where the loop is elsewhere, as it is
        around a context manager that has the block, that is who has it.
        """
        self._stands = id(frame), frame.f_code, frame.f_lasti  # and not the frame itself, which holds us
        if frame.f_code is not self._loop or not frame.f_code.co_flags & CO_ASYNC_GENERATOR:
            return
        from unbreakable.fractal.yielding import is_yielding  # when there are generators

        if is_yielding(frame.f_code, frame.f_lasti):
            self._close()
            raise RuntimeError(
                f"{self.node.name}: a yield in the block would have its limits cut whoever has the item; yield after "
                "the block, or take no block and put @ub.protect on the generator"
            )

    def _wait_for_block(self) -> float | None:
        """Return the moment until which a block that has not begun when it is due may begin; None if it has.

        A learned limit is a guess about the block, not about what comes before.  By any other its call ends, and
        nothing is cut: its loop was left, whoever called is at something else now.
        """
        if self._begun or not self._open:
            return None
        scope = self._scope
        if is_soft(scope, scope.runtime.now(), ours=True):
            scope.due = scope.deadline
            return scope.due
        self._give_up(scope.runtime.now())
        return math.inf

    def _close(self) -> None:
        """Give back what the call holds; nothing comes of it."""
        script, self._script = self._script, None
        if script is not None:
            script.close()

    def break_off(self) -> None:
        """End the call, which an exception has left; one that is over is so already."""
        try:
            self._close()
        finally:
            abandon(self.context)

    def _give_up(self, moment: float) -> None:
        scope = self._scope
        self._close()
        too_late = DeadlineExceeded if moment >= scope.deadline else AttemptTimeout
        error = too_late(f"{self.node.name}: the attempt's time was up before its block began")
        self._late = Failure(error, Kind.TIMEOUT, node=self.node.name, attempt=scope.attempt)

    def _finish(self, result: Result[Any]) -> bool:
        self._script = None
        self.context.waiting = self._scope.waiting = None  # the last context of a thread is looked at for long
        self.outcome = self.node.outcome(self.context, result)
        return self.outcome.ok

    def leave(self) -> None:
        """End the call of a loop that was left, whose next attempt nobody will ask for; a block under way ends it."""
        if self._script is None:
            return
        if self._open and self._begun:
            self.context.loop_left = True
            attempt = self._given()
            if attempt is None or self._has_left_block():
                self.break_off()
            else:  # nobody else would tell us if the same happened to that one
                self._given = weakref.ref(attempt, self._is_dropped)
            return
        self._due = self._scope.due  # which the end of the call puts off for ever
        self._scope.undone = True  # the attempt at hand
        self._close()
        if self._number == 0:  # nor was any begun
            abandon(self.context, has_begun=False)

    def _is_dropped(self, _: object) -> None:
        """End the call if its block did so without a word, and nobody has the attempt any more."""
        if self._open:
            self.break_off()

    def _has_left_block(self) -> bool:
        """Return whether what runs here was in the block, and is no more: a signal came before it could say so.

        Of a block that stands elsewhere, such as in an ExitStack, that is not known.
        """
        frame: FrameType | None = sys._getframe()  # noqa: SLF001
        while frame is not None and self._stands is not None:
            if (id(frame), frame.f_code) == self._stands[:2]:
                from unbreakable.fractal.yielding import is_in_block  # when there was a signal

                return not is_in_block(frame.f_code, self._stands[2], frame.f_lasti)
            frame = frame.f_back
        return False

    # ── sync ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def __iter__(self) -> Iterator[Attempt]:
        """Begin."""
        return self._begin(BLOCKING if self.node.runtime is None else self.node.runtime, "with attempt:")

    def __next__(self) -> Attempt:
        """Return the next attempt, or stop when one succeeded."""
        if self._script is None:
            raise StopIteration
        try:
            if self._number == 0:
                self._advance(None)
                self._raise_if_refused()
            return self._attempt()
        except BaseException:
            self.break_off()
            raise

    def ended(self, error: BaseException | None) -> bool:
        """Go on with the script after a block; return whether its exception is swallowed."""
        return self._script is not None and self._after_block(self._advance(error), error)

    def _advance(self, error: BaseException | None) -> bool:
        """Drive the script until it is the block's turn (True) or the end (False)."""
        try:
            return self._is_on(advance(self._begun_script(), error))
        except BaseException:
            self.break_off()
            raise

    def _begun_script(self) -> Coroutine[Any, Any, Result[Any]]:
        script, self._open = self._script, False
        assert script is not None  # noqa: S101 - an attempt ends once
        return script

    def _is_on(self, result: Result[Any] | None) -> bool:
        if result is not None:
            self._finish(result)
        return result is None

    def _after_block(self, goes_on: bool, error: BaseException | None) -> bool:
        self.context.idle = True  # nobody may ever ask for the next attempt
        self.context.ring()
        if goes_on:
            enter(self.context.parent)  # as before the first block
            return True
        self._raise_if_refused(error)
        return False

    def _raise_if_refused(self, error: BaseException | None = None) -> None:
        last = None if self.outcome is None or self.outcome.ok else self.outcome.error  # the end is no failure
        if last is not None:
            note(last, story_of(self.context))
            if last is not error:
                raise last

    # ── async ────────────────────────────────────────────────────────────────────────────────────────────────────

    def __aiter__(self) -> AsyncIterator[Attempt]:
        """Begin."""
        self._loop = sys._getframe(1).f_code  # noqa: SLF001
        return self._begin(ASYNCIO if self.node.runtime is None else self.node.runtime, "async with attempt:")

    async def __anext__(self) -> Attempt:
        """Return the next attempt, or stop when one succeeded."""
        if self._script is None:
            raise StopAsyncIteration
        try:
            if self._number == 0:
                await self._advance_async(None)
                self._raise_if_refused()
            return self._attempt()
        except BaseException:
            self.break_off()
            raise

    async def ended_async(self, error: BaseException | None) -> bool:
        """Go on with the script after a block; return whether its exception is swallowed."""
        return self._script is not None and self._after_block(await self._advance_async(error), error)

    async def _advance_async(self, error: BaseException | None) -> bool:
        """Drive the script as ``_advance`` does, on the event loop."""
        try:
            return self._is_on(await advance_async(self._begun_script(), error))
        except BaseException:
            self.break_off()
            raise


def _nothing() -> None:
    return None


class Loop(Iterator[Attempt], AsyncIterator[Attempt]):
    """Be what a loop over *attempts* holds, and nobody else: whoever leaves the loop lets go of it.

    Until then the call has its place.  The collector would find that late, or never: the failure before has the frame
    of the loop in its traceback, and that has the attempts.
    """

    __slots__ = ("_attempts",)

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts

    def __next__(self) -> Attempt:
        """Return the next attempt, or stop when one succeeded."""
        return next(self._attempts)

    def __anext__(self) -> Coroutine[Any, Any, Attempt]:
        """Return the next attempt, or stop when one succeeded."""
        return self._attempts.__anext__()

    def __del__(self) -> None:
        attempts = getattr(self, "_attempts", None)  # a signal's exception may have come up before we were made
        if attempts is not None:
            attempts.leave()
