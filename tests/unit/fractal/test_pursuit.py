"""The script beside a first attempt that is late: it is stopped with its caller, and begun only where that can be."""

from __future__ import annotations

import asyncio

import pytest

import unbreakable as ub
from unbreakable.fractal.pursuit import Pursuit, pursue
from unbreakable.policies import Context
from unbreakable.runtime import ASYNCIO, BLOCKING, run_blocking
from unbreakable.testing import virtual_time


def test_a_caller_who_leaves_after_the_first_attempt_stops_what_goes_on_for_it():
    """The attempt under way is cancelled with it, and counts for nothing."""
    begun, stopped = [], []

    @ub.protect("target", effects="none", hedge=False, timeout=ub.Timeout(2.0, learned=True))
    async def call():
        begun.append(round(ASYNCIO.now() - clock.began, 3))
        try:
            await ASYNCIO.sleep(3.0 if len(begun) == 1 else 100.0)
        except asyncio.CancelledError:
            stopped.append(round(ASYNCIO.now() - clock.began, 3))
            raise
        raise OSError("down")

    async def story():
        clock.began = ASYNCIO.now()
        task = asyncio.create_task(call())
        await ASYNCIO.sleep(5.0)
        task.cancel()
        await asyncio.wait([task])
        await ASYNCIO.sleep(0.1)
        return task.cancelled()

    with virtual_time() as clock:
        cancelled = asyncio.run(story())

    assert (True, [0.0, 2.0], [5.0]) == (cancelled, begun, stopped)
    assert 0 == len(ASYNCIO.branches)
    assert 0 == call.node.get_status().total_executions


def test_where_nothing_can_be_cut_nothing_goes_on_beside():
    """The call is left as it is, and goes on alone."""
    ctx = Context()
    ctx.runtime, ctx.entry = BLOCKING, (int, (), {})

    assert not pursue(ctx)
    assert (int, (), {}) == ctx.entry
    assert ctx.pursuit is None
    assert ctx.first is None


def test_who_is_interrupted_waits_for_nothing():
    """There is nobody any more who could: the script is told to stop, and the interruption goes on."""
    told = []

    class Script:
        async def gone(self):
            told.append("waited for")
            raise KeyboardInterrupt

        def stop(self):
            told.append("stopped")

    ctx = Context()
    ctx.runtime = BLOCKING

    with pytest.raises(KeyboardInterrupt):
        run_blocking(Pursuit(ctx, Script()).end(ctx))

    assert ["waited for", "stopped"] == told
