"""Time limits: each attempt has its own, the caller's deadline stands above, and threads are not starved."""

from __future__ import annotations

import contextvars
import time

from tests.torture.matrix.behaviour import behaviour
from tests.torture.matrix.peer import Retry
from tests.torture.matrix.target import Target, end_of, end_of_sync, in_threads

asked_by = contextvars.ContextVar("asked_by", default="nobody")


@behaviour(
    "one limit for all attempts",
    "        seconds = min(limit, ctx.deadline - started)\n",
    "        seconds = min(limit - (started - ctx.started), ctx.deadline - started)\n",
)
async def each_attempt_has_its_own_limit(peer):
    """A first attempt that hangs is cut, and the second has the whole limit for itself."""
    target, slow = Target(), [30.0, 0.15]
    door = peer.protect(lambda_of(target, slow), timeout=0.2, retry=Retry(2, 0.0, on=Exception))

    assert "up" == await door()
    assert 2 == target.calls


def lambda_of(target, seconds):
    """Return a function whose attempts take so long, one after the other."""

    async def work():
        return await target.ask(seconds.pop(0))

    return work


@behaviour(
    "every TimeoutError is ours",
    "ours = was_cut and settle(ctx, error)",
    "ours = isinstance(error, TimeoutError) or (was_cut and settle(ctx, error))",
)
async def own_timeout_error_is_kept(peer):
    """A TimeoutError that async work raises itself comes out as the very object."""
    own = TimeoutError("the partner's own")

    async def work():
        raise own

    assert own is await end_of(peer.protect(work, timeout=5.0)())


@behaviour(
    "every TimeoutError is ours",
    "    error = as_raised(error)\n",
    '    error = AttemptTimeout("cut") if is_a(error, TimeoutError) else as_raised(error)\n',
)
def own_timeout_error_is_kept_in_plain_code(peer):
    """A TimeoutError that plain work raises itself comes out as the very object."""
    own = TimeoutError("the partner's own")

    def work():
        raise own

    assert own is end_of_sync(peer.protect(work, timeout=5.0))


@behaviour(
    "time limits are not repeated",
    "or not self.covers(failure.error):",
    "or is_a(failure.error, TimeoutError):",
)
async def own_timeout_error_is_retried(peer):
    """A TimeoutError of the work is an error like any other, and retried."""
    calls = []

    async def work():
        calls.append(1)
        if len(calls) < 3:
            raise TimeoutError("the partner's own")
        return "up"

    assert "up" == await peer.protect(work, timeout=5.0, retry=Retry(3, 0.0, on=Exception))()


def read_asked_by():
    """Return who asks."""
    return asked_by.get()


@behaviour(
    "threads without context",
    "        context = contextvars.copy_context()\n\n        def run() -> None:\n",
    "        context = contextvars.Context()\n\n        def run() -> None:\n",
    real=True,
)
def context_variables_reach_plain_work(peer):
    """Plain work under a time limit sees the context variables of its caller."""
    token = asked_by.set("Ada")
    try:
        assert "Ada" == peer.protect(read_asked_by, timeout=5.0)()
    finally:
        asked_by.reset(token)


@behaviour(
    "threads are waited for",
    "            while not self._wait(branch.done, seconds):\n",
    "            while not self._wait(branch.done, 30.0):\n",
)
def plain_work_is_cut_in_time(peer):
    """A plain function that hangs is left behind when its time is up."""
    target = Target()
    began = peer.now()
    ended = end_of_sync(peer.protect(target.ask_sync, timeout=0.1), 1.0)

    assert isinstance(ended, peer.cut), f"the call ended in {ended!r}"
    assert peer.now() - began < 0.6


@behaviour("a pool of four", "MOST_THREADS = 1_024", "MOST_THREADS = 4", real=True)
def hung_threads_do_not_starve_others(peer):
    """Twenty calls that hang in one function leave another function all the room it needs."""
    hung, well = Target(), Target()
    slow = peer.protect(hung.ask_sync, timeout=0.1)
    quick = peer.protect(well.ask_sync, timeout=0.5)
    in_threads(*[lambda: slow(1.5)] * 20)

    assert ["up"] * 3 == [end_of_sync(quick) for _ in range(3)]
    time.sleep(1.5)  # the threads that were left behind end, and hold nobody up


@behaviour(
    "an attempt outlives the deadline",
    "        seconds = min(limit, ctx.deadline - started)\n",
    "        seconds = limit\n",
)
async def deadline_bounds_the_attempt(peer):
    """The last attempt gets what is left of the deadline, and not its whole time limit."""
    target = Target()
    door = peer.protect(target.ask, timeout=0.4, retry=Retry(3, 0.0, on=Exception), deadline=0.5)
    began = peer.now()
    await end_of(door(30.0))

    assert 0.45 < peer.now() - began < 0.7
    assert 2 == target.calls


@behaviour(
    "pauses outlast the deadline",
    "            if pause >= ctx.left():\n",
    "            if pause >= 1e9:\n",
)
async def no_pause_past_the_deadline(peer):
    """A retry that could only begin after the deadline is not waited for."""
    target = Target(down=True)
    door = peer.protect(target.ask, retry=Retry(3, 5.0), deadline=0.5)
    began = peer.now()
    ended = await end_of(door())

    assert isinstance(ended, BaseException)
    assert (1, True) == (target.calls, peer.now() - began < 0.7)


@behaviour("hung calls are everybody's", "MOST_THREADS_EACH = 256", "MOST_THREADS_EACH = 8", real=True)
def hung_calls_leave_room(peer):
    """Twenty calls of a function that hang leave room for others of the same function, which would not."""
    target = Target()
    door = peer.protect(target.ask_sync, timeout=0.3)
    in_threads(*[lambda: door(1.5)] * 20)

    assert ["up"] * 3 == [end_of_sync(door, 0.0) for _ in range(3)]
    time.sleep(1.3)


@behaviour(
    "calls inside know of no deadline",
    "        ctx.lender, ctx.deadline_is_ours = lender, False\n        if ctx.due",
    "        if ctx.due",
)
def deadline_reaches_inner_calls(peer):
    """A deadline around plain code ends the retries of the calls inside it, which nobody could cut."""
    target = Target(down=True)
    inner = peer.protect(target.ask_sync, retry=Retry(20, 0.2))

    def work():
        return inner()

    outer = peer.protect(work, deadline=0.5)
    began = peer.now()
    ended = end_of_sync(outer)

    assert isinstance(ended, BaseException)
    assert peer.now() - began < 0.9
    assert target.calls <= 4
