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


def test_what_is_done_by_hand_holds_for_every_key():
    """Whoever pulls the emergency brake of a function does not have to know its keys, nor which will come."""
    options = {"key": lambda host: host, "retry": False, "breaker": ub.CircuitBreaker(1)}
    door = ub.protect(**options)(lambda host: 1 / (host != "down"))

    def all_ok() -> list[bool]:
        return [door.outcome(host).ok for host in ("known", "down", f"new {door.node.breaker.state}")]

    assert [True, False, True] == all_ok()
    assert ("resting", "open") == (door.node.get_status().state, door.node.get_status().breaker)

    door.node.breaker.force_open()
    assert [False, False, False] == all_ok()
    assert "forced open" == door.node.get_status().breaker

    door.node.breaker.disable()
    assert [True, False, True] == all_ok()
    assert isinstance(door.outcome("down").error, ZeroDivisionError)

    door.node.breaker.reset()
    assert isinstance(door.outcome("down").error, ZeroDivisionError)
    assert isinstance(door.outcome("down").error, ub.errors.CircuitOpen)


def test_a_hedge_is_affordable_with_a_purse_smaller_than_its_start():
    """Half of what the purse can hold is kept for repeats, not half of what it could never hold."""
    copies = []

    @ub.protect(effects="none", hedge=ub.Hedge(0.1), budget=ub.RetryBudget(most=2))
    async def door() -> None:
        copies.append(1)
        await ASYNCIO.sleep(1.0)

    with virtual_time():
        asyncio.run(door())

    assert 2 == len(copies)
