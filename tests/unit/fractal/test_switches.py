"""What a user switches by hand is switched, whatever was pinned or left out."""

from __future__ import annotations

import asyncio

import unbreakable as ub
from unbreakable.runtime import ASYNCIO
from unbreakable.testing import virtual_time


def test_a_circuit_without_a_breaker_can_be_forced_open():
    """``breaker=False`` means that no failure opens it; ``force_open()`` refuses calls all the same."""
    node = ub.FractalNode("target", lambda: 1, breaker=False)
    node.breaker.force_open()

    assert isinstance(node.execute_sync().error, ub.errors.CircuitOpen)

    node.breaker.disable()

    assert node.execute_sync().ok


def test_a_hedge_is_affordable_with_a_purse_smaller_than_its_start():
    """Half of what the purse can hold is kept for repeats, not half of what it could never hold."""
    copies = []

    @ub.protect(effects="none", hedge=ub.Hedge(0.1), budget=ub.RetryBudget(start=100, most=20))
    async def door() -> None:
        copies.append(1)
        await ASYNCIO.sleep(1.0)

    with virtual_time():
        asyncio.run(door())

    assert 2 == len(copies)
