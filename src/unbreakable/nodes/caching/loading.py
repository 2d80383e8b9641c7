"""Somebody asks for a value that is not there: it is loaded once for all who wait for it.

What holds for every load:

- It lives as long as anybody waits for it.  A caller who is cancelled, or whose time is up, goes alone; when the last
  one has gone it is cancelled.
- In async code it is a task of its own and runs under the node's deadline.  In sync code the thread of its first
  caller carries it, under the shorter of the node's deadline and that caller's own; when it fails because the latter
  is up, one of those who wait with more time loads again.
- Who comes when it should have ended long ago, or when what it brings would be too old, begins another.
- What it raises is raised to all who wait, a CancelledError of its own as a StrayExit: nobody cancelled them.  What
  else is no Exception (Ctrl-C) belongs to who began the load; one of the others loads again.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

from unbreakable.errors import ConfigurationError, DeadlineExceeded
from unbreakable.fractal import FractalNode
from unbreakable.fractal.guard import guarded_work
from unbreakable.fractal.operation import Work, work_with_arguments
from unbreakable.fractal.telling import story_of
from unbreakable.fractal.trace import Notebook
from unbreakable.nodes.caching.circle import around, waiting_for
from unbreakable.nodes.caching.flight import Flight
from unbreakable.nodes.caching.keys import check_fetch, check_plain, checked_key, tags_of_a_value
from unbreakable.nodes.caching.leases import Leases
from unbreakable.nodes.caching.shelf import Entry
from unbreakable.outcome import Failure, Outcome, Status, note
from unbreakable.policies import Context, current
from unbreakable.policies.deeds import tell_outside as tell_deeds
from unbreakable.policies.policy import enter
from unbreakable.runtime import Runtime, run_blocking
from unbreakable.runtime.mark import running_event_loop

PATIENCE = 2.0  # deadlines of the node that a caller waits for a load: that ends within one, but for a slow fallback
LOOK_AGAIN = 1.0  # seconds after which who waits for another event loop's load looks whether that loop is still there


class Call(NamedTuple):
    """What one caller asks for, from where, and until when; *seconds* is the node's deadline."""

    runtime: Runtime
    key: Hashable
    tags: tuple[Hashable, ...]
    work: Work
    here: asyncio.AbstractEventLoop | None
    seconds: float
    until: float


class Loading:
    """Find the value of a key; where it is not there, load it with *loader* or with a caller's own function."""

    def __init__(self, node: FractalNode, leases: Leases, loader: Callable[[Any], Any] | None, ttl: float) -> None:
        self.node, self.leases, self.loader, self.ttl = node, leases, loader, ttl

    async def answer(
        self, runtime: Runtime, key: Hashable, fetch: Callable[[], Any] | None, tags: Iterable[Hashable]
    ) -> Entry | Flight:
        """Return the fresh entry of *key*, or the load whose end is the answer; in sync code this never suspends."""
        named = tags_of_a_value(tags)
        entry = self.leases.hit(checked_key(key), runtime.now())
        if entry is not None:
            return entry
        work, seconds = self._work(runtime, key, fetch), self._deadline(key)
        call = Call(runtime, key, named, work, running_event_loop(), seconds, patience(runtime, seconds))
        while True:
            found = await self._look(call)
            if found is not None:
                return found

    async def _look(self, call: Call) -> Entry | Flight | None:
        """Return what answers *call*, if need be after a load of its own; None if that came to nothing for it."""
        runtime, now, here = call.runtime, call.runtime.now(), call.here
        blocked, loop = (None, here) if runtime.preemptive else (here, None)
        found: Entry | Flight
        found = mine = Flight(Entry(call.key, now + self.ttl, call.tags), now + call.seconds, loop)
        try:
            found = self.leases.board(mine, blocked, now)
            if isinstance(found, Entry):
                return found
            with waiting_for(found.mark):
                if found is mine:
                    self._begin(mine, call)
                await self._landing(found, call)
        finally:
            if mine.task is None:
                self.leases.land(mine, runtime.now())  # it was not needed, or whatever it was let it not even begin
            if isinstance(found, Flight):
                self.leases.leave(found)
        if found is not mine and not found.is_for_all:
            return None
        tell_outside(found)
        return found

    async def _landing(self, flight: Flight, call: Call) -> None:
        """Wait until *flight* has landed, or its event loop was closed under it; DeadlineExceeded when time is up."""
        if flight.over:
            return
        if flight.task is not None and flight.loop is call.here:
            left = None if call.until == math.inf else call.until - call.runtime.now()
            await asyncio.wait({flight.task}, timeout=left)
        else:
            await self._landing_elsewhere(flight, call)
        if not (flight.over or flight.is_forsaken):
            raise DeadlineExceeded(f"{self.node.name}: the value was not loaded in time")

    async def _landing_elsewhere(self, flight: Flight, call: Call) -> None:
        """Wait for a load that another event loop, or a thread, carries."""
        runtime, look_again = call.runtime, math.inf if flight.loop is None else LOOK_AGAIN
        waiter = runtime.waiter()
        if not self.leases.line_up(flight, waiter):
            return
        try:
            while not (flight.over or flight.is_forsaken) and (left := call.until - runtime.now()) > 0:
                await runtime.wait(waiter, min(left, look_again))
        finally:
            flight.line.pop(waiter, None)

    # ── one load ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, flight: Flight, call: Call) -> None:
        """Load, in a copy of this context: in a task that others may wait for, or here and now in sync code."""
        script = self._carry(flight, call.runtime, call.work)
        if flight.loop is None:
            contextvars.copy_context().run(run_blocking, script)
            return
        flight.task = flight.loop.create_task(script, name=f"unbreakable load of {self.node.name}")
        flight.task.add_done_callback(functools.partial(self._is_down, flight, call.runtime))

    async def _carry(self, flight: Flight, runtime: Runtime, work: Work) -> None:
        """Load through the node; the context is this load's own."""
        around.set(flight.mark)
        scope = self._scope(runtime)
        enter(scope)
        try:
            key = flight.entry.key
            ctx = self.node.open(runtime, work, ((key,), {}), context=key)
            result = await self.node.play(ctx)
            if isinstance(result, Failure):
                note(result.error, story_of(ctx))
            flight.end_in(ctx, result, scope)
        finally:
            tell_deeds(scope)
            scope.end()
            self.leases.land(flight, runtime.now())
            del flight  # what is raised here holds this frame, and the task what is raised

    def _is_down(self, flight: Flight, runtime: Runtime, task: asyncio.Task[None]) -> None:
        """See to it that a load which was cancelled before it began has landed, too."""
        if not task.cancelled():
            task.exception()  # asked for, so that nobody logs what its first caller is told, if there is one
        self.leases.land(flight, runtime.now())

    def _scope(self, runtime: Runtime) -> Context:
        """Return what stands around a load: its first caller's call, but whose deadline counts only in sync code."""
        outer, scope = current(), Context()
        scope.node, scope.runtime, scope.above = self.node, runtime, outer
        scope.plan = self.node.target.plan
        if outer is not None:
            outer.deeds.at_work.add(scope)
            if not runtime.preemptive:
                scope.borrow(outer)
        return scope

    def _work(self, runtime: Runtime, key: Hashable, fetch: Callable[[], Any] | None) -> Work:
        function: Callable[..., Any] | None
        args: tuple[Hashable, ...]
        what, function, args = "loader", self.loader, (key,)
        if fetch is not None:
            check_fetch(fetch)
            what, function, args = "fetch", fetch, ()
        if function is None:
            msg = f"{self.node.name}: there is no value for this key and nothing to load it with: "
            raise ConfigurationError(msg + "give the node a loader, or get() a function to fetch it")
        if not runtime.preemptive:
            check_plain(what, function)
        # In a task that others may wait for, SystemExit would end the event loop instead of reaching a caller.
        exits = (SystemExit, KeyboardInterrupt) if runtime.preemptive else ()
        return guarded_work(work_with_arguments(function, args, {}), (asyncio.CancelledError, *exits))

    def _deadline(self, key: Hashable) -> float:
        """Return how many seconds a load of *key* may take."""
        node = self.node
        target = node.targets.only or node.targets.if_any((key,), {}) or node.target
        return target.plan.deadline

    # ── telling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def outcome(
        self, runtime: Runtime, key: Hashable, fetch: Callable[[], Any] | None, tags: Iterable[Hashable]
    ) -> Outcome[Any]:
        """Return how a call for *key* ended; raises no Exception."""
        began = runtime.now()
        try:
            found = await self.answer(runtime, key, fetch, tags)
        except Exception as error:
            return self._told(began, Status.FAILED, "nothing was loaded", error=error)
        if isinstance(found, Entry):
            age = began - found.until + self.ttl  # no number where values are fresh for ever
            load = "an earlier load" if math.isnan(age) else f"a load that began {age:.3f} s ago"
            return self._told(began, Status.OK, f"kept from {load}", value=found.value)
        return replace(self.node.outcome(*found.ended()), elapsed=runtime.now() - began)

    def _told(self, began: float, status: Status, story: str, **ended: Any) -> Outcome[Any]:
        """Return the outcome of a call that made no attempt."""
        now = self.node.drivers[0].now
        notebook = Notebook(now, began)
        notebook.tell(story)
        elapsed, trace = now() - began, notebook.close()
        facts: dict[str, Any] = {"id": self.node.next_id(), "node": self.node.name, "elapsed": elapsed, "trace": trace}
        return Outcome(status=status, attempts=0, **facts, **ended)


def patience(runtime: Runtime, seconds: float) -> float:
    """Return the moment until which a caller waits, where a load may take *seconds*.

    In async code the call around us sets its own limit: it cuts us, and knows what that means.
    """
    now, outer = runtime.now(), current()
    until = now + PATIENCE * seconds
    if outer is None or (runtime.preemptive and outer.runtime.preemptive):
        return until
    return min(until, now + outer.remaining())


def tell_outside(flight: Flight) -> None:
    """Let the call around this one know what it need not repeat, and should not keep, as a call inside it does."""
    outer = current()
    if outer is not None:
        outer.know_again(flight)
        outer.deeds.take(flight.deeds)
    if outer is not None and flight.is_makeshift:
        outer.makeshift = True
