"""A cache as its users write it: never run, only read by type checkers."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import Any, assert_type

import unbreakable as ub
from unbreakable.nodes import CacheNode, CacheStatus


async def read_price(flight: str) -> float:
    """Read at the source, in async code."""
    return float(len(flight))


def read_price_sync(flight: str) -> float:
    """Read at the source, in sync code."""
    return float(len(flight))


async def async_code() -> None:
    """Read, write and invalidate; what a call brings itself keeps its type."""
    async with CacheNode(ttl=60, loader=read_price, name="prices", retry=ub.Retry(2), deadline=5.0) as prices:
        assert_type(await prices.get("MS 777"), Any)
        assert_type(await prices.get("MS 777", lambda: read_price("MS 777"), tags=["MS"]), float)
        assert_type(await prices.get(("MS", 777), lambda: 17), int)
        assert_type(await prices.get.outcome("MS 777"), ub.Outcome[Any])
        prices.set("MS 777", 120.0, tags={"MS", "CAI"})
        assert_type(prices.invalidate("MS 777"), int)
        assert_type(prices.invalidate(tags=["MS"]), int)
        assert_type(prices.invalidate(), int)
        assert_type(await prices.invalidate_all_levels(tags=["MS"]), int)
        pending: Awaitable[Any] = prices.get("MS 777")
        print(await pending)

        await prices.get(["MS", 777])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
        await prices.get("MS 777", 17)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


def sync_code() -> None:
    """Do the same without an event loop."""
    prices = CacheNode(math.inf, max_size=100, loader=read_price_sync, fallback=lambda failure: None)
    assert_type(prices.get_sync("MS 777"), Any)
    assert_type(prices.get_sync("MS 777", lambda: 1.5), float)
    assert_type(prices.get_sync.outcome("MS 777"), ub.Outcome[Any])
    assert_type(len(prices), int)
    assert_type("MS 777" in prices, bool)
    assert_type(prices.get_status(), CacheStatus)
    assert_type(prices.get_status().hit_rate, float)
    assert_type(prices.get_status().node.success_rate, float)
    prices.aclose_sync()


watched = CacheNode()


@watched.remedy(PermissionError)
async def renew(failure: ub.Failure) -> None:
    """Heal loads."""


watched.on(ub.events.Healed, lambda event: print(event.attempts))
