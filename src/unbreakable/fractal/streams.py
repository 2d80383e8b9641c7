"""A call of a generator: opened as any call is, up to its first item; then it goes on as long as items are asked for.

The script makes attempts until one has a first item, and then hands the floor to the generator's consumer, with the
call's place taken and its context alive.  What comes after that is not repeated: items that were handed on cannot be
taken back.  When the generator ends, fails, is closed or dropped, the call is settled, once.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from unbreakable.errors import AttemptTimeout
from unbreakable.fractal.floor import Script, advance, advance_async, hand_over
from unbreakable.fractal.healing import deny, diagnose
from unbreakable.fractal.judging import Verify, fitted
from unbreakable.fractal.operation import work_with_arguments
from unbreakable.fractal.telling import note_end, story_of
from unbreakable.fractal.trace import Story
from unbreakable.fractal.trying import accept, assess_quality, failed
from unbreakable.outcome import Outcome, Result, Success, in_one_line, note
from unbreakable.policies import Context, current, deeds
from unbreakable.policies.abandoning import abandon
from unbreakable.policies.breaker import tell, verdict
from unbreakable.policies.effects import tell_of_all
from unbreakable.policies.policy import enter, leave
from unbreakable.runtime import Runtime, TimeUp, first_of


class Stream:
    """One call of a generator function, from the first item that is asked for until nobody asks for more."""

    def __init__(
        self,
        node: Any,
        runtime: Runtime,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        at_once: bool = True,
    ) -> None:
        self.node, self.runtime, self.function, self.given = node, runtime, function, (args, kwargs)
        self.items: Any = function(*args, **kwargs) if at_once else None  #: nothing runs; wrong arguments are refused
        self.is_fresh = True  #: whether nobody has asked for the first item yet
        self.ctx = self.scope = Context()  #: the call, and the attempt that has opened it
        self.ctx.live = False  # it is none before it is opened
        self.within: Context | None = None  #: where the generator was, such as in a block of ``ub.attempts``
        self.script: Script | None = None  #: at rest while items are handed on
        self.item: Any = None  #: the next one to be handed on
        self.has_item = False
        self.is_awaited = True  #: whether the next item is; the first one need not be, when an outcome was asked for
        self.handed, self.opened_at = 0, 0.0
        self.result: Success[Any] = Success(None)
        self.is_told = False  #: whether the circuit knows by now how the call went
        self.is_over = False
        self.patience: float | None = None  #: seconds for which a further item may be waited for
        self.returned: Any = None  #: what a plain generator returned in the end

    # ── the first item ───────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, *, plain: bool) -> Result[Any] | None:
        """Play the script until there is a first item (None), or the call is over; *plain*: nobody asks for a trace."""
        self.is_awaited, before = plain, current()
        try:
            try:
                script = self._opening(plain)
                return self._begun(advance(script))
            finally:
                leave(self.ctx, before)
        except BaseException:
            self.break_off()
            raise

    async def begin_async(self, *, plain: bool) -> Result[Any] | None:
        """Begin on an event loop; otherwise as ``begin``."""
        self.is_awaited, before = plain, current()
        try:
            try:
                script = self._opening(plain)
                return self._begun(await advance_async(script))
            finally:
                leave(self.ctx, before)
        except BaseException:
            self.break_off()
            raise

    def _opening(self, plain: bool) -> Script:
        runtime = self.runtime
        ctx = self.node.open(runtime, self._attempt, self.given)
        if plain:
            ctx.notebook = Story(runtime.now, ctx.started)
        ctx.function, ctx.cancels, ctx.stays = self.function, runtime.cancellations(), True
        self.ctx = self.scope = ctx
        self._make = work_with_arguments(self.function, *self.given)
        enter(ctx)
        return self._written(ctx)

    def _written(self, ctx: Context) -> Script:
        self.script = self._course(ctx)
        return self.script

    def _begun(self, result: Result[Any] | None) -> Result[Any] | None:
        if result is not None:
            self.script = None
            self.node.close_call(self.ctx, result)
        elif not self.has_item:
            self.end_well()
        return result

    async def _course(self, ctx: Context) -> Result[Any]:
        try:
            return await ctx.target.script(ctx)  # type: ignore[no-any-return]
        finally:  # also when the collector closes us, since a generator was dropped whose event loop is gone
            self._let_go()

    def _let_go(self) -> None:
        ctx, scope = self.ctx, self.scope
        ctx.idle = False
        if scope is not ctx:
            if not self.is_over:
                deeds.cancelled(scope)
            scope.end()
        deeds.tell_outside(ctx)
        ctx.end()

    def _attempt(self, scope: Context) -> Callable[[], Any]:
        make: Callable[[], Any] = self._make(scope)
        return partial(self._open_async if self.runtime.preemptive else self._open, scope, make)

    def _made(self, make: Callable[[], Any], scope: Context) -> Any:
        if self.items is None or not self.is_fresh or scope.arguments:
            self.items = make()
        self.is_fresh = False
        return self.items

    def _open(self, scope: Context, make: Callable[[], Any]) -> None:
        items = self._made(make, scope)
        try:
            self._has(scope, next(items))
        except StopIteration as end:
            self.returned = end.value
        except BaseException as error:
            self._end(items, error)
            raise
        self._opened(scope)

    async def _open_async(self, scope: Context, make: Callable[[], Any]) -> None:
        items = self._made(make, scope)
        try:
            self._has(scope, await first_of(items))
        except StopAsyncIteration:
            pass
        except BaseException as error:
            await self._end_async(items, error)
            raise
        self._opened(scope)

    def _has(self, scope: Context, item: Any) -> None:
        self.item = self._judged(scope, item) if self.node.judges else item
        self.has_item = True

    def _judged(self, scope: Context, item: Any) -> Any:
        """Return *item* if it passes schema and verification."""
        settings = self.node.settings
        verify: Verify | None = settings.verify
        if settings.schema is not None:
            item = fitted(settings.schema, item)
        if verify is not None:
            accept(scope, verify, item, assess_quality(verify, item))
        return item

    def take(self) -> Any:
        """Return the item to be handed on, and keep none of it; None while nobody asks for it."""
        if not self.is_awaited:
            return None
        item, self.item, self.has_item = self.item, None, False
        self.handed += 1
        return item

    def _opened(self, scope: Context) -> None:
        self.scope, self.opened_at, self.is_told = scope, self.runtime.now(), scope.target.circuit.is_probing
        scope.stream = self.ctx.stream = self
        self.within = current()
        limit = scope.plan.timeout
        self.patience = limit.seconds if limit is not None and not limit.learned else None

    async def keep(self, result: Success[Any]) -> None:
        """Keep the call, whose first item has come with *result*, open until nobody asks for more."""
        self.result, self.ctx.idle = result, True
        self._rest()
        for context in (self.ctx, self.scope):  # which the calls around it know, who must not keep the generator alive
            context.stream = context.work = None
        await hand_over()

    # ── the others ───────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, advance_items: Callable[..., Any], given: Any) -> None:
        """Ask for the next item, by giving the generator what its consumer has sent or thrown."""
        if not self.is_awaited and self._is_there(given):
            return
        consumer = current()
        self._enter(consumer)
        try:
            self._has(self.scope, advance_items(given))
        except StopIteration as end:
            self.returned = end.value
            self.end_well()
        except BaseException as error:
            self._end(self.items, error)
            self.end_badly(error, given)
            raise
        finally:
            self._leave(consumer)

    async def step_async(self, advance_items: Callable[..., Awaitable[Any]], given: Any) -> None:
        """Ask for the next item on an event loop; otherwise as ``step``."""
        if not self.is_awaited and self._is_there(given):
            return
        consumer = current()
        self._enter(consumer)
        try:
            item = await (advance_items(given) if self.patience is None else self._in_time(advance_items, given))
            self._has(self.scope, item)
        except StopAsyncIteration:
            self.end_well()
        except BaseException as error:
            await self._end_async(self.items, error)
            self.end_badly(error, given)
            raise
        finally:
            self._leave(consumer)

    def _is_there(self, given: Any) -> bool:
        """Return whether the first item, which has come before it was asked for, is all that is asked for now."""
        self.is_awaited = True
        return not isinstance(given, BaseException)

    async def _in_time(self, advance_items: Callable[..., Awaitable[Any]], given: Any) -> Any:
        seconds = self.patience or math.inf
        self.scope.due = self.runtime.now() + seconds
        try:
            return await self.runtime.within(seconds, partial(advance_items, given))
        except TimeUp:
            raise AttemptTimeout(f"cut after waiting {seconds:.3f} s for item {self.handed + 1}") from None
        finally:
            self.scope.due = math.inf

    def close(self) -> None:
        """Close the generator, since nobody asks for more."""
        with self._closing():
            self.items.close()

    async def close_async(self) -> None:
        """Close the generator on an event loop; otherwise as ``close``."""
        with self._closing():
            await self.items.aclose()

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        """Be in the call's context in this block, which closes the generator, and end the call by how that went."""
        consumer = current()
        self._enter(consumer)
        try:
            yield
        except BaseException as error:
            self.end_badly(error)
            raise
        else:
            self.end_well()
        finally:
            self._leave(consumer)

    def _end(self, items: Any, error: BaseException) -> None:
        try:
            items.close()
        except Exception as other:
            note(error, f"unbreakable: closing the generator failed, too: {in_one_line(other)}")

    async def _end_async(self, items: Any, error: BaseException) -> None:
        try:
            await items.aclose()
        except Exception as other:
            note(error, f"unbreakable: closing the generator failed, too: {in_one_line(other)}")

    # ── in the call, and out of it ───────────────────────────────────────────────────────────────────────────────

    def _enter(self, consumer: Context | None) -> None:
        """Be in the call, where the generator runs, although the consumer is elsewhere.

        Whoever asks for an item, in which task and call ever, has it made in his own time.
        """
        ctx = self.ctx
        self._rest()
        self.scope.borrow(consumer)
        ctx.idle = False
        if ctx.above is not None:
            ctx.above.deeds.at_work.add(ctx)  # which it no longer is where that was settled meanwhile
        enter(self.within or self.scope)

    def _rest(self) -> None:
        """Let no deadline bind what the generator has begun and lets go on: of nobody's time it is a part."""
        self.scope.deadline = math.inf

    def _leave(self, consumer: Context | None) -> None:
        self.within = current()
        self._rest()
        leave(self.scope, consumer)
        if self.ctx.live:
            self.ctx.idle = True  # nobody may ever ask for the next item
            self.ctx.ring()

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def end_well(self) -> None:
        """Settle the call: all went well, be it that its consumer wanted no more."""
        scope, ctx = self.scope, self.ctx
        self._tell(True)
        deeds.succeeded(scope)
        ctx.started += self.runtime.now() - self.opened_at  # how long it took is how long its first item did
        self._settle(Success(None, self.result.elapsed, makeshift=scope.makeshift))

    def end_badly(self, error: BaseException, thrown: object = None) -> None:
        """Settle the call that ended in *error*; what the consumer has *thrown* in says nothing of its target."""
        if error is thrown:
            self.end_well()
        elif isinstance(error, Exception):
            self._fail(error)
        else:  # as a call that was cancelled: nothing is known of its target, nobody knows what was done
            self._tell(None)
            deeds.cancelled(self.scope)
            self._close()

    def _fail(self, error: Exception) -> None:
        scope, ctx = self.scope, self.ctx
        failure = replace(failed(error, scope, self.opened_at), elapsed=self.result.elapsed, mendable=False)
        self._tell(verdict(failure, scope))
        deeds.failed(scope, failure)
        failure = diagnose(ctx, failure)
        note_end(ctx, failure)
        count = f"{self.handed} items were" if self.handed != 1 else "one item was"
        deny(ctx, failure, f"{count} handed on already")
        tell_of_all(failure, ctx.plan.effects, doubtful=ctx.deeds.doubtful)
        self._settle(failure)
        note(error, story_of(ctx))

    def _tell(self, says: bool | None) -> None:
        """Have the circuit count the call, unless it was told at the first item."""
        if not self.is_told:
            circuit, now = self.scope.target.circuit, self.runtime.now()
            tell(self.ctx, circuit.settle(self.scope.stamp, says, now, self.result.elapsed))

    def _settle(self, result: Result[Any]) -> None:
        self._close()
        self.node.close_call(self.ctx, result)

    def _close(self) -> None:
        self.is_over = True
        script, self.script = self.script, None
        assert script is not None  # noqa: S101 - a call ends once
        script.close()

    def break_off(self) -> None:
        """End the call, which an exception has left; one that was settled is over already."""
        try:
            if self.script is not None:
                self._close()
        finally:
            abandon(self.ctx)

    def value(self, result: Result[Any]) -> Any:
        """Return the items that a fallback gave instead; raise the error of a call without a first item."""
        return self.node.value(self.ctx, result)

    def outcome(self, result: Success[Any] | None, items: Any) -> Outcome[Any]:
        """Return how the call began: with a first item, or with the *result* of a fallback, of which *items* go on."""
        told = self.result if result is None else result
        return self.node.outcome(self.ctx, Success(items, degraded=told.degraded))  # type: ignore[no-any-return]
